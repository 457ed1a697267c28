//! The two ends: their `Eal` values, ports, lcores and packets.

use std::fmt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eal::{Eal, EalConfig, LcoreMap};
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use pmd_core::{
    DevArgs, EthDev, MacAddr, MbufPool, PortConfig, PortId, Ports, RxQueueConfig, TxQueueConfig,
};

use super::Load;
use super::table::Row;
use crate::engine::forwarding::send_first;
use crate::engine::stream::Parts;
use crate::engine::{Counters, Forwarding, Job, Mode, Settings, Stream, StreamId};

/// Entries of a ring.
const RING_SIZE: u16 = 1024;
/// Packets in the loop for each queue pair: fewer than a ring takes, so that no burst ever finds it full.
const PACKETS_IN_LOOP: u32 = 768;
/// mbufs of an end for each queue pair: a full ring, the loop, and what threads keep.
const POOL_SIZE: u32 = 8 << 10;
/// mbufs that a thread keeps to itself.
const POOL_CACHE: u16 = 250;
/// Longest wait for the link.
const LINK_DEADLINE: Duration = Duration::from_secs(10);
/// The packets are all found when none came for this long.
const QUIET: Duration = Duration::from_millis(300);
/// The only port of an end.
const PORT: PortId = PortId(0);
/// The longest path of a Unix socket in bytes (unix(7)).
const SOCKET_PATH_MAX_BYTES: usize = 107;

/// Why the loop could not run.
#[derive(Debug)]
pub enum Error {
    /// A folder for the socket.
    Folder(PathBuf, std::io::Error),
    /// A port or its memory.
    Port(pmd_core::Error),
    /// Memory or lcores.
    Eal(eal::Error),
    /// The two ports did not find each other in time.
    NoLink,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path, error) => {
                write!(f, "cannot make the folder {} for the socket: {error}", path.display())
            }
            Self::Port(error) => error.fmt(f),
            Self::Eal(error) => error.fmt(f),
            Self::NoLink => write!(
                f,
                "the two ports did not connect within {} s; is this machine very busy? Try again",
                LINK_DEADLINE.as_secs()
            ),
        }
    }
}

impl From<pmd_core::Error> for Error {
    fn from(error: pmd_core::Error) -> Self {
        Self::Port(error)
    }
}

impl From<eal::Error> for Error {
    fn from(error: eal::Error) -> Self {
        Self::Eal(error)
    }
}

/// Both ends and the folder of their socket, in the order in which they go.
pub struct Rig {
    virtio: End,
    vhost: End,
    load: Load,
    cpus: Vec<usize>,
    injected: u64,
    /// Until the ports are connected: nobody looks for the socket any more then.
    folder: Option<Folder>,
}

/// One end. Lcores are told to stop first, and the `Eal` goes last.
struct End {
    name: &'static str,
    forwarding: Option<Forwarding>,
    counters: Vec<Arc<Counters>>,
    ports: Ports,
    pool: MbufPool,
    eal: Eal,
}

impl Rig {
    /// Makes both ends. Their ports look for each other.
    pub fn new(load: Load, base: &EalConfig) -> Result<Self, Error> {
        let folder = Folder::new()?;
        let cpus = affinity();
        let socket = folder.0.join("vhost.sock");
        let queues = load.queues;
        let vhost = format!("net_vhost0,iface={},queues={queues}", socket.display());
        let virtio = format!(
            "net_virtio_user0,path={},queues={queues},queue_size={RING_SIZE}",
            socket.display()
        );
        let vhost = End::new("vhost-user", &vhost, load, base, &cpus, 0)?;
        let virtio = End::new("virtio-user", &virtio, load, base, &cpus, 1)?;
        Ok(Self { virtio, vhost, load, cpus, injected: 0, folder: Some(folder) })
    }

    /// What is going to be measured, on what.
    pub fn describe(&self) -> String {
        let Load { size_bytes, burst, queues } = self.load;
        let plural = if queues == 1 { "" } else { "s" };
        let memory = self.virtio.eal.memory().describe();
        let mut text = format!(
            "loopback: {queues} queue pair{plural}, packets of {size_bytes} bytes, bursts of {burst}\n{memory}"
        );
        let pollers = 2 * usize::from(queues);
        if self.must_share() {
            let have = self.cpus.len();
            text += &format!(
                "\n{pollers} polling threads share {have} CPUs: expect far less than with one each"
            );
        }
        text
    }

    /// Whether there are fewer CPUs than polling threads.
    fn must_share(&self) -> bool {
        self.cpus.len() < 2 * usize::from(self.load.queues)
    }

    /// What is measured.
    pub fn load(&self) -> Load {
        self.load
    }

    /// Waits until both links are up, and takes the socket away then. False when interrupted.
    pub fn await_link(&mut self, interrupted: impl Fn() -> bool) -> Result<bool, Error> {
        let start = Instant::now();
        while !(self.vhost.is_up() && self.virtio.is_up()) {
            if interrupted() {
                return Ok(false);
            }
            if start.elapsed() > LINK_DEADLINE {
                return Err(Error::NoLink);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.folder = None;
        Ok(true)
    }

    /// Puts the packets into the loop and lets them go round.
    pub fn start(&mut self) -> Result<(), Error> {
        let settings = self.settings();
        let jobs = self.vhost.jobs(&settings)?;
        self.vhost.launch(Mode::Io, jobs, &settings)?;
        let mut jobs = self.virtio.jobs(&settings)?;
        let bursts = (PACKETS_IN_LOOP / u32::from(settings.burst)).clamp(1, 32);
        send_first(&mut jobs, &settings, bursts);
        self.injected = self.virtio.sent();
        self.virtio.launch(Mode::Io, jobs, &settings)
    }

    fn settings(&self) -> Settings {
        Settings {
            burst: self.load.burst,
            segments: vec![self.load.size_bytes],
            retry: true,
            polite: self.must_share(),
        }
    }

    /// Packets that came back to the virtio end.
    pub fn received(&self) -> u64 {
        self.virtio.received()
    }

    /// The numbers of both ends for the table.
    pub fn rows(&self) -> Vec<Row> {
        [&self.vhost, &self.virtio].map(End::row).into()
    }

    /// Takes the packets out of the loop again and returns how many are missing.
    pub fn drain(&mut self) -> Result<i64, Error> {
        let settings = self.settings();
        let jobs = self.virtio.stop()?;
        let before = self.virtio.received();
        self.virtio.launch(Mode::RxOnly, jobs, &settings)?;
        let found = || self.virtio.received() - before;
        let (mut last, mut since) = (found(), Instant::now());
        while since.elapsed() < QUIET {
            std::thread::sleep(Duration::from_millis(5));
            if found() != last {
                (last, since) = (found(), Instant::now());
            }
        }
        let found = found();
        drop(self.virtio.stop()?);
        drop(self.vhost.stop()?);
        Ok(self.injected as i64 - found as i64)
    }

    /// Closes both ports; says which pools are not whole then.
    pub fn close(&mut self) -> Vec<String> {
        [&mut self.virtio, &mut self.vhost].into_iter().filter_map(End::close).collect()
    }
}

impl End {
    fn new(
        name: &'static str,
        device: &str,
        load: Load,
        base: &EalConfig,
        cpus: &[usize],
        side: usize,
    ) -> Result<Self, Error> {
        let config = EalConfig {
            file_prefix: None,
            lcores: LcoreMap::parse_map(&lcores(load.queues, cpus, side)),
            pin_main: false,
            main_lcore: Some(0),
            vdevs: Vec::new(),
            ..base.clone()
        };
        let eal = Eal::new(config)?;
        let queues = load.queues;
        let count = POOL_SIZE * u32::from(queues);
        let pool = MbufPool::create(eal.memory(), "mb_pool_0", count, 2048, POOL_CACHE)?;
        let mut ports = Ports::new();
        let port = ports.attach(&eal, &crate::program::drivers(), &DevArgs::parse(device)?)?;
        if let Some(dev) = ports.get_mut(port) {
            bring_up(dev, queues, &pool)?;
        }
        Ok(Self { name, forwarding: None, counters: Vec::new(), ports, pool, eal })
    }

    fn dev(&self) -> Option<&dyn EthDev> {
        self.ports.get(PORT)
    }

    fn is_up(&self) -> bool {
        self.dev().is_some_and(|dev| dev.link().up)
    }

    /// One stream an lcore, from the port to itself.
    fn jobs(&mut self, settings: &Settings) -> Result<Vec<Job>, Error> {
        let queues = self.dev().map_or(0, |dev| dev.config().rx_queues);
        let mut jobs = Vec::new();
        for queue in 0..queues {
            let Some(dev) = self.ports.get_mut(PORT) else { break };
            let id = StreamId { rx_port: PORT, rx_queue: queue, tx_port: PORT, tx_queue: queue };
            let parts = Parts {
                id,
                rx: Some(dev.claim_rx(queue, "loopback")?),
                tx: Some(dev.claim_tx(queue, "loopback")?),
                source: dev.mac(),
                peer: MacAddr([2, 0, 0, 0, 0, 0]),
                pool: self.pool.clone(),
            };
            let streams = vec![Stream::new(parts, settings)];
            jobs.push(Job { lcore: u32::from(queue) + 1, streams });
        }
        self.counters = counters(&jobs);
        Ok(jobs)
    }

    fn launch(&mut self, mode: Mode, jobs: Vec<Job>, settings: &Settings) -> Result<(), Error> {
        self.forwarding = Some(Forwarding::launch(&self.eal, mode, jobs, settings, 0)?);
        Ok(())
    }

    fn stop(&mut self) -> Result<Vec<Job>, Error> {
        let Some(forwarding) = self.forwarding.take() else { return Ok(Vec::new()) };
        let (jobs, errors) = forwarding.stop(&self.eal);
        match errors.into_iter().next() {
            None => Ok(jobs),
            Some(error) => Err(error.into()),
        }
    }

    fn received(&self) -> u64 {
        self.counters.iter().map(|c| c.snapshot().rx).sum()
    }

    fn sent(&self) -> u64 {
        self.counters.iter().map(|c| c.snapshot().tx).sum()
    }

    fn row(&self) -> Row {
        let stats = self.dev().map(EthDev::stats).unwrap_or_default();
        let mut dropped = stats.rx_missed + stats.rx_errors + stats.tx_errors;
        dropped += self.counters.iter().map(|c| c.snapshot().dropped).sum::<u64>();
        Row { name: self.name, rx: self.received(), tx: self.sent(), dropped }
    }

    /// Closes the port; what the pool says if it is not whole then.
    fn close(&mut self) -> Option<String> {
        if let Some(mut dev) = self.ports.remove(PORT)
            && let Err(error) = dev.close()
        {
            return Some(format!("{} port: {error}", self.name));
        }
        let audit = self.pool.audit();
        let whole = audit.is_exact() && audit.in_use == 0;
        (!whole).then(|| format!("pool of the {} end: {audit}", self.name))
    }
}

fn counters(jobs: &[Job]) -> Vec<Arc<Counters>> {
    jobs.iter().flat_map(|job| &job.streams).map(|stream| Arc::clone(stream.counters())).collect()
}

fn bring_up(dev: &mut dyn EthDev, queues: u16, pool: &MbufPool) -> Result<(), pmd_core::Error> {
    dev.configure(&PortConfig { rx_queues: queues, tx_queues: queues })?;
    let rx = RxQueueConfig { descriptors: RING_SIZE, pool: pool.clone() };
    let tx = TxQueueConfig { descriptors: RING_SIZE };
    for queue in 0..queues {
        dev.setup_rx(queue, &rx)?;
        dev.setup_tx(queue, &tx)?;
    }
    dev.start()
}

/// The lcore map of one end: the main lcore wherever it likes, the others on every second CPU.
fn lcores(queues: u16, cpus: &[usize], side: usize) -> String {
    let all: Vec<String> = cpus.iter().map(ToString::to_string).collect();
    let mut map = format!("0@({})", all.join(","));
    for queue in 0..usize::from(queues) {
        let cpu = cpus[(2 * queue + side) % cpus.len()];
        map += &format!(",{}@{cpu}", queue + 1);
    }
    map
}

/// The CPUs this process may use; CPU 0 when the kernel does not say.
fn affinity() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    let mut cpus: Vec<usize> =
        (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect();
    if cpus.is_empty() {
        cpus.push(0);
    }
    cpus
}

/// A folder that only this user can look into, gone when the value is.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Error> {
        let nonce = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.subsec_nanos());
        let name = format!("testpmd-{}-{nonce:x}", std::process::id());
        let mut path = std::env::temp_dir().join(&name);
        if path.as_os_str().len() + "/vhost.sock".len() > SOCKET_PATH_MAX_BYTES {
            path = Path::new("/tmp").join(name);
        }
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) => Err(Error::Folder(path, error)),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_on_different_cpus_where_there_are_two() {
        assert_eq!(lcores(1, &[4, 7], 0), "0@(4,7),1@4");
        assert_eq!(lcores(1, &[4, 7], 1), "0@(4,7),1@7");
        assert_eq!(lcores(2, &[0, 1, 2, 3], 1), "0@(0,1,2,3),1@1,2@3");
        assert_eq!(lcores(2, &[5], 1), "0@(5),1@5,2@5");
        for side in 0..2 {
            assert!(LcoreMap::parse_map(&lcores(3, &[0, 1], side)).is_some());
        }
    }

    #[test]
    fn the_folder_is_private_and_goes_away() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new().unwrap();
        let path = folder.0.clone();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(folder);
        assert!(!path.exists());
    }
}
