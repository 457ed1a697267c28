//! The two ends together: link, packets in, packets out.

use std::time::{Duration, Instant};

use eal::EalConfig;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use super::Load;
use super::end::{End, RING_SIZE};
use super::error::{Error, LINK_DEADLINE};
use super::folder::Folder;
use super::table::Row;
use crate::engine::forwarding::send_first;
use crate::engine::{Mode, Settings};

/// Packets in the loop for each queue pair: fewer than a ring takes, so that no burst ever finds it full.
const PACKETS_IN_LOOP: u32 = 768;
/// The packets are all found when none came for this long.
const QUIET: Duration = Duration::from_millis(300);

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

impl Rig {
    /// Makes both ends. Their ports look for each other.
    pub fn new(load: Load, base: &EalConfig) -> Result<Self, Error> {
        let folder = Folder::new()?;
        let cpus = affinity();
        let socket = folder.socket();
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
            let have = match self.cpus.len() {
                1 => "1 CPU".to_owned(),
                several => format!("{several} CPUs"),
            };
            text += &format!(
                "\n{pollers} polling threads share {have}: expect far less than with one each"
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
            ..Settings::default()
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
