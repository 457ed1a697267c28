//! One end of the loop: an `Eal` of its own with one port, its pool and its lcores.

use std::sync::Arc;

use eal::{Eal, EalConfig, LcoreMap};
use pmd_core::{
    DevArgs, EthDev, MacAddr, MbufPool, PortConfig, PortId, Ports, RxQueueConfig, TxQueueConfig,
};

use super::Load;
use super::error::Error;
use super::table::Row;
use crate::engine::stream::Parts;
use crate::engine::{Counters, Forwarding, Job, Mode, Settings, Stream, StreamId};

/// Entries of a ring.
pub const RING_SIZE: u16 = 1024;
/// mbufs of an end for each queue pair: a full ring, the loop, and what threads keep.
const POOL_SIZE: u32 = 8 << 10;
/// mbufs that a thread keeps to itself.
const POOL_CACHE: u16 = 250;
/// The only port of an end.
const PORT: PortId = PortId(0);

/// One end. Lcores are told to stop first, and the `Eal` goes last.
pub struct End {
    name: &'static str,
    forwarding: Option<Forwarding>,
    counters: Vec<Arc<Counters>>,
    ports: Ports,
    pool: MbufPool,
    /// Memory and lcores.
    pub eal: Eal,
}

impl End {
    /// The end on `side` 0 (backend) or 1 (driver) of the CPUs, with the port that `device` describes, started.
    ///
    /// # Errors
    ///
    /// What is missing: memory, CPUs, the socket.
    pub fn new(
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

    /// Whether the port is connected.
    pub fn is_up(&self) -> bool {
        self.dev().is_some_and(|dev| dev.link().up)
    }

    /// One stream an lcore, from the port to itself.
    ///
    /// # Errors
    ///
    /// A queue that somebody else holds.
    pub fn jobs(&mut self, settings: &Settings) -> Result<Vec<Job>, Error> {
        let queues = self.dev().map_or(0, |dev| dev.config().rx_queues);
        let mut jobs = Vec::new();
        for queue in 0..queues {
            let Some(dev) = self.ports.get_mut(PORT) else { break };
            let id = StreamId { rx_port: PORT, rx_queue: queue, tx_port: PORT, tx_queue: queue };
            let parts = Parts {
                id,
                lcore: u32::from(queue) + 1,
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

    /// Starts the lcores.
    ///
    /// # Errors
    ///
    /// An lcore that cannot be used.
    pub fn launch(&mut self, mode: Mode, jobs: Vec<Job>, settings: &Settings) -> Result<(), Error> {
        self.forwarding = Some(Forwarding::launch(&self.eal, mode, jobs, settings, 0)?);
        Ok(())
    }

    /// Stops the lcores and returns their streams.
    ///
    /// # Errors
    ///
    /// What an lcore's panic said.
    pub fn stop(&mut self) -> Result<Vec<Job>, Error> {
        let Some(forwarding) = self.forwarding.take() else { return Ok(Vec::new()) };
        let (jobs, errors) = forwarding.stop(&self.eal);
        match errors.into_iter().next() {
            None => Ok(jobs),
            Some(error) => Err(error.into()),
        }
    }

    /// Packets that the present streams received.
    pub fn received(&self) -> u64 {
        self.counters.iter().map(|c| c.snapshot().rx).sum()
    }

    /// Packets that the present streams sent.
    pub fn sent(&self) -> u64 {
        self.counters.iter().map(|c| c.snapshot().tx).sum()
    }

    /// The numbers for the table.
    pub fn row(&self) -> Row {
        let stats = self.dev().map(EthDev::stats).unwrap_or_default();
        let mut dropped = stats.rx_missed + stats.rx_errors + stats.tx_errors;
        dropped += self.counters.iter().map(|c| c.snapshot().dropped).sum::<u64>();
        Row { name: self.name, rx: self.received(), tx: self.sent(), dropped }
    }

    /// Closes the port; what the pool says if it is not whole then.
    pub fn close(&mut self) -> Option<String> {
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
    dev.configure(&PortConfig { rx_queues: queues, tx_queues: queues, ..PortConfig::default() })?;
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
}
