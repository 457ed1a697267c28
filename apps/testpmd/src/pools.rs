//! Pools of mbufs: one for all ports, made at start-up, and more when ports are attached that it was not made for.

use eal::Eal;
use pmd_core::{EthDev, MbufPool, PortId, Ports, QueueLimits};

use crate::config::{Config, MAX_BURST};

/// Name of the first pool.
const FIRST: &str = "mb_pool_0";
/// mbufs that a thread keeps to itself when nothing is said.
const DEFAULT_CACHE: u16 = 250;
/// Descriptors of the longest ring that the reference's pool is made for, receive and transmit.
const RING_DESCRIPTORS: u32 = 2048;
/// Ports that the reference's pool is made for.
const PORTS: u32 = 32;
/// Bytes that a pool may need for an mbuf beyond its buffer.
const OVERHEAD_BYTES: u32 = 128;
/// The smallest pool that is worth making, in mbufs.
const SMALLEST: u32 = 1025;

/// How large pools are made.
#[derive(Clone, Copy, Debug)]
pub struct Sizing {
    /// mbufs of the pool, when they were given: it is made so and no other is ever made.
    pub total: Option<u32>,
    /// mbufs that a thread may keep to itself.
    pub cache: u16,
}

impl Sizing {
    /// What `--total-num-mbufs` and `--mbcache` say.
    pub fn new(total: Option<u32>, cache: Option<u16>) -> Self {
        Self { total, cache: cache.unwrap_or(DEFAULT_CACHE) }
    }

    /// The reference's number: rings of 2048 descriptors on 32 ports, and what lcores hold.
    fn usual(&self, config: &Config) -> u32 {
        let lcores = config.lcores.len() as u32;
        let of_lcores = lcores.saturating_mul(self.cache.into());
        let each = 2 * RING_DESCRIPTORS + u32::from(MAX_BURST) + of_lcores;
        each.saturating_mul(PORTS)
    }

    /// mbufs without which these ports cannot fill their rings while every lcore holds a burst and a full cache.
    fn needed<'a>(&self, ports: impl Iterator<Item = &'a dyn EthDev>, config: &Config) -> u32 {
        let lcores = config.lcores.len() as u32 + 1;
        let held = lcores.saturating_mul(u32::from(self.cache) + u32::from(MAX_BURST));
        let of_ports = ports.map(|dev| of_port(dev, config)).fold(0, u32::saturating_add);
        held.saturating_add(of_ports).max(SMALLEST)
    }
}

impl Default for Sizing {
    fn default() -> Self {
        Self::new(None, None)
    }
}

/// mbufs that a port's rings hold.
fn of_port(dev: &dyn EthDev, config: &Config) -> u32 {
    let info = dev.info();
    let rx = ring(config.rx_descriptors, info.rx).saturating_mul(config.rx_queues.into());
    rx.saturating_add(ring(config.tx_descriptors, info.tx).saturating_mul(config.tx_queues.into()))
}

/// mbufs that a ring holds: none where the device has no ring of its own.
fn ring(asked: u16, limits: QueueLimits) -> u32 {
    match asked {
        _ if limits.min_descriptors == 0 => 0,
        0 => limits.default_descriptors.into(),
        asked => asked.into(),
    }
}

/// The pools beyond the first. A pool of a port that is gone serves the next one.
#[derive(Default)]
pub struct MorePools(Vec<(MbufPool, Option<PortId>)>);

impl MorePools {
    /// The pool that was made for `port`.
    pub fn of(&self, port: PortId) -> Option<&MbufPool> {
        self.0.iter().find(|(_, user)| *user == Some(port)).map(|(pool, _)| pool)
    }

    /// All pools with their names, of which `first` is the first.
    pub fn named(&self, first: &MbufPool) -> Vec<(String, MbufPool)> {
        let more =
            self.0.iter().zip(1..).map(|((pool, _), n)| (format!("{FIRST}_{n}"), pool.clone()));
        std::iter::once((FIRST.to_owned(), first.clone())).chain(more).collect()
    }

    /// The port is gone.
    pub fn release(&mut self, port: PortId) {
        for (_, user) in &mut self.0 {
            user.take_if(|used_by| *used_by == port);
        }
    }

    /// Makes a pool for `port` when `first` does not suffice for all of `ports`.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub fn grow(
        &mut self,
        eal: &Eal,
        first: &MbufPool,
        ports: &Ports,
        port: PortId,
        config: &Config,
        sizing: Sizing,
    ) -> Result<(), String> {
        let served = ports.iter().filter(|(id, _)| self.of(*id).is_none()).map(|(_, dev)| dev);
        let enough = sizing.needed(served, config) <= first.records().size();
        if sizing.total.is_some() || enough {
            return Ok(());
        }
        if let Some((_, user)) = self.0.iter_mut().find(|(_, user)| user.is_none()) {
            *user = Some(port);
            return Ok(());
        }
        let name = format!("{FIRST}_{}", self.0.len() + 1);
        let count = sizing.needed(ports.get(port).into_iter(), config);
        self.0.push((make(eal, &name, count, config, sizing)?, Some(port)));
        Ok(())
    }
}

/// Makes the first pool: of the size that was given, or the reference's, or, where memory does not allow that, as large as it
/// does and these ports need.
///
/// # Errors
///
/// How much memory is missing, and what to do.
pub fn first(
    eal: &Eal,
    ports: &Ports,
    config: &Config,
    sizing: Sizing,
) -> Result<MbufPool, String> {
    if let Some(count) = sizing.total {
        return make(eal, FIRST, count, config, sizing);
    }
    let needed = sizing.needed(ports.iter().map(|(_, dev)| dev), config);
    let room = eal.memory().room_bytes() / u64::from(config.mbuf_bytes + OVERHEAD_BYTES);
    let fits = u32::try_from(room).unwrap_or(u32::MAX);
    let count = sizing.usual(config).min(fits).max(needed);
    match make(eal, FIRST, count, config, sizing) {
        // Somebody else took memory meanwhile.
        Err(_) if count > needed => make(eal, FIRST, needed, config, sizing),
        made => made,
    }
}

fn make(
    eal: &Eal,
    name: &str,
    count: u32,
    config: &Config,
    sizing: Sizing,
) -> Result<MbufPool, String> {
    let bytes = config.mbuf_bytes;
    log::info!(target: "testpmd", "create a new mbuf pool <{name}>: n={count}, size={bytes}, socket=0");
    MbufPool::with_buffers(eal.memory(), name, count, bytes, sizing.cache).map_err(|error| {
        let fewer = sizing.total.map(|_| fewer(eal, count, config)).unwrap_or_default();
        format!("Creation of mbuf pool for socket 0 failed: {error}{fewer}")
    })
}

/// Advice when more mbufs were asked for than there is memory for.
fn fewer(eal: &Eal, count: u32, config: &Config) -> String {
    let fit = eal.memory().room_bytes() / u64::from(config.mbuf_bytes + OVERHEAD_BYTES);
    match fit < u64::from(count) {
        true => format!("; or give --total-num-mbufs fewer: about {fit} fit"),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_port::{self, TestPort};

    fn config() -> Config {
        Config { lcores: vec![1], ..Config::default() }
    }

    #[test]
    fn the_reference_s_size() {
        let sizing = Sizing::default();
        assert_eq!(sizing.usual(&config()), 155_456);
        assert_eq!(sizing.usual(&Config { lcores: vec![1, 2], ..config() }), 163_456);
    }

    #[test]
    fn ports_without_rings_of_their_own_need_none() {
        let (dev, _) = TestPort::looped(1);
        let limits = dev.info().rx;
        assert_eq!(ring(512, limits), 0);
        let own = QueueLimits { min_descriptors: 32, ..limits };
        assert_eq!((ring(512, own), ring(0, own)), (512, 256));
    }

    #[test]
    fn a_given_size_never_grows_and_a_pool_too_small_is_joined_by_another() {
        let (eal, pool) = test_port::pool(1024);
        let mut ports = Ports::new();
        let port = ports.add(Box::new(TestPort::looped(1).0)).unwrap();
        let mut more = MorePools::default();
        let given = Sizing::new(Some(1024), Some(16));
        more.grow(&eal, &pool, &ports, port, &config(), given).unwrap();
        assert!(more.of(port).is_none());
        more.grow(&eal, &pool, &ports, port, &config(), Sizing::new(None, Some(16))).unwrap();
        assert!(more.of(port).is_some_and(|pool| pool.records().size() >= SMALLEST));
        more.release(port);
        assert!(more.of(port).is_none());
        more.grow(&eal, &pool, &ports, port, &config(), Sizing::new(None, Some(16))).unwrap();
        assert_eq!((more.0.len(), more.of(port).is_some()), (1, true), "the pool is used again");
    }
}
