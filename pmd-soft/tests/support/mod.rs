//! An `Eal` with ports of all soft kinds.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "test support")]

pub mod captures;

use eal::{Eal, EalConfig};
use pmd_core::{
    Burst, DevArgs, DriverList, Error, EthDev, MbufPool, PortConfig, PortId, Ports, RxBurst,
    RxQueueConfig, TxBurst, TxQueueConfig, xstats,
};

/// One `Eal`, one pool, ports by number.
pub struct Rig {
    pub ports: Ports,
    pub pool: MbufPool,
    pub drivers: DriverList,
    pub eal: Eal,
}

impl Rig {
    /// A rig whose pool has `count` buffers of 2,048 bytes.
    pub fn new(count: u32) -> Self {
        let eal = Eal::new(EalConfig::default()).unwrap();
        let pool = MbufPool::create(eal.memory(), "pool", count, 2048, 0).unwrap();
        let drivers = pmd_soft::add_drivers(DriverList::new());
        Self { ports: Ports::new(), pool, drivers, eal }
    }

    /// Makes the port of a device string.
    pub fn probe(&mut self, text: &str) -> Result<PortId, Error> {
        self.ports.attach(&self.eal, &self.drivers, &DevArgs::parse(text)?)
    }

    /// Makes, configures and starts the port of a device string.
    pub fn start(&mut self, text: &str, queues: u16) -> PortId {
        let id = self.probe(text).unwrap();
        self.setup(id, queues).unwrap();
        self.port(id).start().unwrap();
        id
    }

    /// Gives a port `queues` queues each way, all of them set up.
    pub fn setup(&mut self, id: PortId, queues: u16) -> Result<(), Error> {
        let pool = self.pool.clone();
        let port = self.ports.get_mut(id).unwrap();
        let config = PortConfig { rx_queues: queues, tx_queues: queues, ..PortConfig::default() };
        port.configure(&config)?;
        for queue in 0..queues {
            port.setup_rx(queue, &RxQueueConfig { descriptors: 0, pool: pool.clone() })?;
            port.setup_tx(queue, &TxQueueConfig::default())?;
        }
        Ok(())
    }

    /// The control half of a port.
    pub fn port(&mut self, id: PortId) -> &mut (dyn EthDev + 'static) {
        self.ports.get_mut(id).unwrap()
    }

    /// A burst of packets with these bytes.
    pub fn packets<T: AsRef<[u8]>>(&self, frames: impl IntoIterator<Item = T>) -> Burst {
        let frames: Vec<T> = frames.into_iter().collect();
        let mut burst = Burst::new(frames.len().max(1));
        for frame in &frames {
            let mut mbuf = self.pool.take().expect("the pool has buffers");
            let bytes = frame.as_ref();
            mbuf.append(bytes.len() as u16).unwrap().copy_from_slice(bytes);
            burst.push(mbuf).unwrap();
        }
        burst
    }

    /// Checks that all buffers are back.
    pub fn all_back(&self) {
        let audit = self.pool.audit();
        assert_eq!((audit.in_use, audit.free), (0, audit.size), "{audit:?}");
    }
}

/// Bytes of `count` packets at most, received in bursts of 32 until a burst brings none.
pub fn receive(queue: &mut impl RxBurst, count: usize) -> Vec<Vec<u8>> {
    let mut got = Vec::new();
    while got.len() < count {
        let mut burst = Burst::new(32.min(count - got.len()));
        if queue.burst(&mut burst) == 0 {
            break;
        }
        got.extend(burst.iter().map(|mbuf| mbuf.to_vec()));
    }
    got
}

/// Sends the packets until the queue takes no more, and returns how many it took.
pub fn send(queue: &mut impl TxBurst, burst: &mut Burst) -> usize {
    let mut sent = 0;
    while !burst.is_empty() {
        match queue.burst(burst) {
            0 => break,
            taken => sent += taken,
        }
    }
    sent
}

/// A frame whose bytes depend on `n`, of `len` bytes.
pub fn frame(n: u32, len: usize) -> Vec<u8> {
    let head = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let body = n.to_be_bytes().into_iter().chain((0..).map(move |i: u32| (i ^ n) as u8));
    head.into_iter().chain(body).take(len).collect()
}

/// The value of an extended statistic.
pub fn xstat(rig: &mut Rig, id: PortId, name: &str) -> Option<u64> {
    let all = xstats::all(rig.port(id));
    all.into_iter().find(|x| x.name == name).map(|x| x.value)
}

/// Frames of 80 bytes, all different.
pub fn frames(count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|n| frame(n, 80)).collect()
}

/// Sends frames through a port whose inner one is a ring, and gives what comes back.
pub fn through(rig: &mut Rig, id: PortId, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let port = rig.port(id);
    let (mut rx, mut tx) = (port.claim_rx(0, "test").unwrap(), port.claim_tx(0, "test").unwrap());
    let mut burst = rig.packets(frames);
    assert_eq!(send(&mut tx, &mut burst), frames.len());
    receive(&mut rx, frames.len())
}
