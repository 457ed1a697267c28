//! Ports in memory, for tests: what one sends the other receives.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use eal::{Eal, EalConfig, LcoreMap};
use pmd_core::event::{self, EventSender};
use pmd_core::{
    Burst, DevInfo, Error, EthDev, Event, Events, Link, MacAddr, Mbuf, MbufPool, PortConfig,
    PortStats, QueueLimits, QueueStats, RxBurst, RxOffloads, RxQueue, RxQueueConfig, TxBurst,
    TxOffloads, TxQueue, TxQueueConfig,
};

/// An `Eal` with a main lcore and `workers` others, all on the CPU that runs the test, and nothing on disk.
pub fn eal(workers: u32) -> Eal {
    let map: Vec<String> = (0..=workers).map(|id| format!("{id}@0")).collect();
    let lcores = LcoreMap::parse_map(&map.join(","));
    let config = EalConfig { lcores, huge: eal::HugePolicy::Never, ..EalConfig::default() };
    Eal::new(config).unwrap()
}

/// A pool of `count` mbufs and the `Eal` it lives in.
pub fn pool(count: u32) -> (Eal, MbufPool) {
    let eal = eal(1);
    let pool = MbufPool::with_buffers(eal.memory(), "mb_pool_0", count, 2176, 16).unwrap();
    (eal, pool)
}

/// Packets on their way from one queue to another.
#[derive(Default)]
pub struct Wire {
    packets: Mutex<VecDeque<Mbuf>>,
    seen: Mutex<Vec<Vec<u8>>>,
}

impl Wire {
    /// The bytes of every packet that was ever sent here, in order.
    pub fn seen(&self) -> Vec<Vec<u8>> {
        self.seen.lock().unwrap().clone()
    }

    /// Packets that nobody has received yet.
    pub fn waiting(&self) -> usize {
        self.packets.lock().unwrap().len()
    }

    /// Takes all packets off the wire.
    pub fn take(&self) -> Vec<Mbuf> {
        self.packets.lock().unwrap().drain(..).collect()
    }

    /// Puts a packet on the wire.
    pub fn push(&self, mbuf: Mbuf) {
        self.packets.lock().unwrap().push_back(mbuf);
    }
}

#[derive(Default)]
struct Counts {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    fn add(&self, mbuf: &Mbuf) {
        self.packets.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(mbuf.len().into(), Ordering::Relaxed);
    }

    fn get(&self) -> QueueStats {
        QueueStats {
            packets: self.packets.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            ..QueueStats::default()
        }
    }
}

/// A port on wires.
pub struct TestPort {
    info: DevInfo,
    mac: MacAddr,
    rx: Vec<Side>,
    tx: Vec<Side>,
    /// Most packets that wait on a wire.
    pub capacity: usize,
    config: PortConfig,
    started: Arc<AtomicBool>,
    claimed: [Arc<Mutex<Vec<u16>>>; 2],
    base: PortStats,
    sender: EventSender,
    events: Events,
    /// What `link` answers.
    pub link: Link,
    /// What `is_connecting` answers.
    pub connecting: Arc<AtomicBool>,
    /// What `promiscuous` answers.
    pub promiscuous: bool,
}

struct Side {
    wire: Arc<Wire>,
    counts: Arc<Counts>,
}

impl TestPort {
    /// A port that receives from `rx` and sends to `tx`, one wire a queue.
    pub fn new(name: &str, rx: &[Arc<Wire>], tx: &[Arc<Wire>]) -> Self {
        let limits = |wires: &[Arc<Wire>]| QueueLimits {
            max_queues: wires.len() as u16,
            min_descriptors: 0,
            max_descriptors: 65535,
            descriptor_align: 1,
            default_descriptors: 256,
        };
        let side = |wire: &Arc<Wire>| Side { wire: Arc::clone(wire), counts: Arc::default() };
        let index = name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0);
        let (sender, events) = event::channel().unwrap();
        Self {
            info: DevInfo {
                name: name.into(),
                driver: "net_vhost",
                devargs: "iface=/tmp/s,queues=1".into(),
                socket: 0,
                rx: limits(rx),
                tx: limits(tx),
                max_mac_addrs: 1,
                min_rx_buffer_bytes: 0,
                max_rx_packet_bytes: u32::MAX,
                max_mtu: 65535,
                max_tx_segments: 65535,
                rx_offloads: RxOffloads::empty(),
                tx_offloads: TxOffloads::MULTI_SEGS,
            },
            mac: MacAddr([0x56, 0x48, 0x4F, 0x53, 0x54, index]),
            rx: rx.iter().map(side).collect(),
            tx: tx.iter().map(side).collect(),
            capacity: usize::MAX,
            config: PortConfig { rx_queues: 0, tx_queues: 0, ..PortConfig::default() },
            started: Arc::default(),
            claimed: Default::default(),
            base: PortStats::default(),
            sender,
            events,
            link: Link { up: true, speed_mbps: Some(10_000) },
            connecting: Arc::default(),
            promiscuous: true,
        }
    }

    /// Two ports of `queues` queues each, back to back, and the wires from the first to the second and back.
    pub fn pair(queues: usize) -> (Self, Self, Vec<Arc<Wire>>, Vec<Arc<Wire>>) {
        let wires = || (0..queues).map(|_| Arc::default()).collect::<Vec<Arc<Wire>>>();
        let (there, back) = (wires(), wires());
        (
            Self::new("net_vhost0", &back, &there),
            Self::new("net_vhost1", &there, &back),
            there,
            back,
        )
    }

    /// A port whose packets come back to it.
    pub fn looped(queues: usize) -> (Self, Vec<Arc<Wire>>) {
        let wires: Vec<Arc<Wire>> = (0..queues).map(|_| Arc::default()).collect();
        (Self::new("net_vhost0", &wires, &wires), wires)
    }

    /// The driver's end of the events.
    pub fn sender(&self) -> EventSender {
        self.sender.clone()
    }

    fn total(&self) -> PortStats {
        PortStats::sum(
            self.rx.iter().map(|side| side.counts.get()),
            self.tx.iter().map(|side| side.counts.get()),
        )
    }

    fn claim(&self, rx: bool, queue: u16) -> Result<Claim, Error> {
        let claims = &self.claimed[usize::from(rx)];
        let mut held = claims.lock().unwrap();
        if held.contains(&queue) {
            return Err(Error::Claimed { queue, holder: "another".into() });
        }
        held.push(queue);
        Ok(Claim(Arc::clone(claims), queue))
    }
}

struct Claim(Arc<Mutex<Vec<u16>>>, u16);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.lock().unwrap().retain(|&queue| queue != self.1);
    }
}

struct Queue {
    wire: Arc<Wire>,
    counts: Arc<Counts>,
    started: Arc<AtomicBool>,
    capacity: usize,
    _claim: Claim,
}

impl RxBurst for Queue {
    fn burst(&mut self, into: &mut Burst) -> usize {
        let mut packets = self.wire.packets.lock().unwrap();
        let mut count = 0;
        while self.started.load(Ordering::Relaxed) && into.room() > 0 {
            let Some(mbuf) = packets.pop_front() else { break };
            self.counts.add(&mbuf);
            into.push(mbuf).unwrap();
            count += 1;
        }
        count
    }
}

impl TxBurst for Queue {
    fn burst(&mut self, from: &mut Burst) -> usize {
        if !self.started.load(Ordering::Relaxed) {
            return 0;
        }
        let mut packets = self.wire.packets.lock().unwrap();
        let take = from.len().min(self.capacity - packets.len());
        let mut order: Vec<Mbuf> = std::iter::from_fn(|| from.pop()).collect();
        for _ in 0..take {
            let mbuf = order.pop().unwrap();
            self.counts.add(&mbuf);
            let mut seen = self.wire.seen.lock().unwrap();
            if seen.len() < 4096 {
                seen.push(mbuf.to_vec());
            }
            packets.push_back(mbuf);
        }
        while let Some(mbuf) = order.pop() {
            from.push(mbuf).unwrap();
        }
        take
    }
}

impl EthDev for TestPort {
    fn info(&self) -> DevInfo {
        self.info.clone()
    }

    fn configure(&mut self, config: &PortConfig) -> Result<(), Error> {
        self.config = *config;
        Ok(())
    }

    fn config(&self) -> PortConfig {
        self.config
    }

    fn setup_rx(&mut self, _queue: u16, _config: &RxQueueConfig) -> Result<(), Error> {
        Ok(())
    }

    fn setup_tx(&mut self, _queue: u16, _config: &TxQueueConfig) -> Result<(), Error> {
        Ok(())
    }

    fn start(&mut self) -> Result<(), Error> {
        self.started.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Error> {
        self.started.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        self.sender.send(Event::Link(false));
        self.stop()
    }

    fn is_started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    fn link(&self) -> Link {
        self.link
    }

    fn is_connecting(&self) -> bool {
        self.connecting.load(Ordering::Relaxed)
    }

    fn mac(&self) -> MacAddr {
        self.mac
    }

    fn promiscuous(&self) -> bool {
        self.promiscuous
    }

    fn mtu(&self) -> u16 {
        1500
    }

    fn set_mtu(&mut self, _mtu: u16) -> Result<(), Error> {
        Ok(())
    }

    fn stats(&self) -> PortStats {
        let (now, base) = (self.total(), &self.base);
        PortStats {
            rx_packets: now.rx_packets - base.rx_packets,
            rx_bytes: now.rx_bytes - base.rx_bytes,
            tx_packets: now.tx_packets - base.tx_packets,
            tx_bytes: now.tx_bytes - base.tx_bytes,
            ..PortStats::default()
        }
    }

    fn queue_stats(&self, rx: bool, queue: u16) -> Option<QueueStats> {
        let sides = if rx { &self.rx } else { &self.tx };
        sides.get(usize::from(queue)).map(|side| side.counts.get())
    }

    fn reset_stats(&mut self) {
        self.base = self.total();
    }

    fn claim_rx(&mut self, queue: u16, _holder: &str) -> Result<RxQueue, Error> {
        Ok(RxQueue::new(self.queue(true, queue)?))
    }

    fn claim_tx(&mut self, queue: u16, _holder: &str) -> Result<TxQueue, Error> {
        Ok(TxQueue::new(self.queue(false, queue)?))
    }

    fn events(&self) -> &Events {
        &self.events
    }
}

impl TestPort {
    fn queue(&self, rx: bool, queue: u16) -> Result<Queue, Error> {
        let sides = if rx { &self.rx } else { &self.tx };
        let queues = sides.len() as u16;
        let side = sides.get(usize::from(queue)).ok_or(Error::NoQueue { queue, queues })?;
        Ok(Queue {
            wire: Arc::clone(&side.wire),
            counts: Arc::clone(&side.counts),
            started: Arc::clone(&self.started),
            capacity: self.capacity,
            _claim: self.claim(rx, queue)?,
        })
    }
}
