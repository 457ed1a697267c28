//! A vhost port and a virtio-user port in one process, on two `Eal`s: every packet carries its number and a hash, and is
//! found again at the far end, once, in order, unaltered.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

mod common;

use std::time::{Duration, Instant};

use common::{Lab, body, events, packet, set_up, within};
use eal::{Eal, EalConfig, HugePolicy};
use pmd_core::{
    Burst, DevArgs, Driver, EthDev, Event, MbufPool, PortId, Probe, RxBurst, RxQueue, TxBurst,
    TxQueue,
};
use pmd_vhost::ethdev::VhostDriver;

const SECOND: Duration = Duration::from_secs(1);

/// The vhost side: its own `Eal`, pool and driver.
struct Far {
    eal: Eal,
    pool: MbufPool,
    driver: VhostDriver,
}

impl Far {
    fn new() -> Self {
        let eal = Eal::new(EalConfig { huge: HugePolicy::Never, ..EalConfig::default() }).unwrap();
        let pool = MbufPool::create(eal.memory(), "far", 4096, 2048, 32).unwrap();
        Self { eal, pool, driver: VhostDriver::new() }
    }

    fn started(&self, lab: &Lab, client: bool, pairs: u16) -> Box<dyn EthDev> {
        self.started_with(lab, client, pairs, pairs)
    }

    /// A port that could have `most` queue pairs and uses `pairs`.
    fn started_with(&self, lab: &Lab, client: bool, most: u16, pairs: u16) -> Box<dyn EthDev> {
        let iface = lab.path().display().to_string();
        let text = format!("net_vhost0,iface={iface},queues={most},client={}", u8::from(client));
        let args = DevArgs::parse(&text).unwrap();
        let probe = Probe { eal: &self.eal, args: &args, port: PortId(1) };
        let mut port = self.driver.probe(&probe).unwrap();
        set_up(port.as_mut(), &self.pool, pairs);
        port.start().unwrap();
        port
    }

    fn in_use(&self) -> u32 {
        common::in_use(&self.pool)
    }
}

/// One queue pair, sent from the far side, turned round at the near side, checked at the far side.
struct Lane {
    queue: u16,
    near: (RxQueue, TxQueue),
    far: (RxQueue, TxQueue),
    waiting: Burst,
    turning: Burst,
    sent: u64,
    back: u64,
}

impl Lane {
    fn claim(near: &mut dyn EthDev, far: &mut dyn EthDev, queue: u16) -> Self {
        let both = |port: &mut dyn EthDev| {
            (port.claim_rx(queue, "test").unwrap(), port.claim_tx(queue, "test").unwrap())
        };
        let (near, far) = (both(near), both(far));
        let (waiting, turning) = (Burst::new(32), Burst::new(32));
        Self { queue, near, far, waiting, turning, sent: 0, back: 0 }
    }

    fn fill(&mut self, pool: &MbufPool, until: u64, len: impl Fn(u64) -> usize) {
        while self.sent < until && self.waiting.room() > 0 && self.sent - self.back < 128 {
            let Some(mbuf) = packet(pool, &body(self.queue, self.sent, len(self.sent))) else {
                return;
            };
            assert!(self.waiting.push(mbuf).is_ok());
            self.sent += 1;
        }
    }

    fn turn(&mut self, len: impl Fn(u64) -> usize) {
        self.far.1.burst(&mut self.waiting);
        self.near.0.burst(&mut self.turning);
        self.near.1.burst(&mut self.turning);
        let mut arrived = Burst::new(32);
        self.far.0.burst(&mut arrived);
        for mbuf in arrived.as_mut_slice() {
            let expected = body(self.queue, self.back, len(self.back));
            assert!(
                mbuf.to_vec() == expected,
                "queue {}: packet {} came back wrong",
                self.queue,
                self.back
            );
            self.back += 1;
        }
    }
}

/// Sends `count` packets over every lane and back.
fn exchange(lanes: &mut [Lane], pool: &MbufPool, count: u64, len: impl Fn(u64) -> usize + Copy) {
    let from = Instant::now();
    let goals: Vec<u64> = lanes.iter().map(|lane| lane.sent + count).collect();
    while lanes.iter().zip(&goals).any(|(lane, goal)| lane.back < *goal) {
        for (lane, goal) in lanes.iter_mut().zip(&goals) {
            lane.fill(pool, *goal, len);
            lane.turn(len);
        }
        assert!(
            from.elapsed() < 60 * SECOND,
            "packets were lost: {:?}",
            lanes.iter().map(|l| (l.sent, l.back)).collect::<Vec<_>>()
        );
    }
}

struct Case {
    items: &'static str,
    server: bool,
    pairs: u16,
    longest: usize,
}

fn every_packet_comes_back(case: &Case) {
    let (lab, far) = (Lab::new(), Far::new());
    let items = format!(",server={},queues={}{}", u8::from(case.server), case.pairs, case.items);
    let mut near = lab.ready(&items, case.pairs);
    near.start().unwrap();
    let mut vhost = far.started(&lab, case.server, case.pairs);
    within(5 * SECOND, "both links up", || near.link().up && vhost.link().up);
    let mut lanes: Vec<Lane> =
        (0..case.pairs).map(|queue| Lane::claim(near.as_mut(), vhost.as_mut(), queue)).collect();
    let longest = case.longest as u64;
    let len = move |number: u64| (60 + number * 97 % (longest - 59)) as usize;
    for _ in 0..3 {
        exchange(&mut lanes, &far.pool, 3000, len);
        near.stop().unwrap();
        assert_eq!(lab.in_use(), 0, "a stopped port holds buffers");
        near.start().unwrap();
        within(5 * SECOND, "both links up again", || near.link().up && vhost.link().up);
    }
    let sent = 9000 * u64::from(case.pairs);
    assert_eq!((near.stats().rx_packets, near.stats().tx_packets), (sent, sent));
    drop(lanes);
    near.close().unwrap();
    vhost.close().unwrap();
    assert_eq!((lab.in_use(), far.in_use()), (0, 0));
}

#[test]
fn mergeable_with_frames_longer_than_a_buffer() {
    every_packet_comes_back(&Case { items: "", server: false, pairs: 1, longest: 9000 });
}

#[test]
fn not_mergeable_and_a_small_ring() {
    let items = ",mrg_rxbuf=0,queue_size=32";
    every_packet_comes_back(&Case { items, server: false, pairs: 1, longest: 1518 });
}

#[test]
fn the_largest_ring() {
    let items = ",queue_size=32768";
    every_packet_comes_back(&Case { items, server: false, pairs: 1, longest: 1518 });
}

#[test]
fn out_of_order_with_tables_for_frames_longer_than_a_buffer() {
    let items = ",in_order=0";
    every_packet_comes_back(&Case { items, server: false, pairs: 1, longest: 9000 });
}

#[test]
fn a_vectorised_port_is_a_port() {
    let items = ",mrg_rxbuf=0,in_order=0,,vectorized=1";
    every_packet_comes_back(&Case { items, server: true, pairs: 1, longest: 1518 });
}

/// DPDK's virtio_smoke plan, case 1, both ways round: an end that comes back, or is stopped and started, with other numbers of
/// queues than before.
#[test]
fn either_end_may_return_with_more_or_fewer_queues() {
    let (lab, far) = (Lab::new(), Far::new());
    let mut near = lab.ready(",server=1,queues=8", 8);
    near.start().unwrap();
    for (round, pairs) in [2, 8, 1, 5].into_iter().enumerate() {
        let mut vhost = far.started_with(&lab, true, 8, pairs);
        within(5 * SECOND, "both links up", || near.link().up && vhost.link().up);
        pass_on_all(near.as_mut(), vhost.as_mut(), &far, pairs);
        let less = 1 + (round as u16) % 3;
        near.stop().unwrap();
        set_up(near.as_mut(), &lab.pool, less);
        near.start().unwrap();
        within(5 * SECOND, "both links up again", || near.link().up && vhost.link().up);
        pass_on_all(near.as_mut(), vhost.as_mut(), &far, less.min(pairs));
        near.stop().unwrap();
        set_up(near.as_mut(), &lab.pool, 8);
        near.start().unwrap();
        within(5 * SECOND, "both links up with eight", || near.link().up && vhost.link().up);
        pass_on_all(near.as_mut(), vhost.as_mut(), &far, pairs);
        vhost.close().unwrap();
        within(5 * SECOND, "link down", || !near.link().up);
        within(SECOND, "buffers back", || lab.in_use() == 0);
        assert_eq!(far.in_use(), 0);
    }
}

#[test]
fn frames_are_counted_by_size_and_cleared_with_the_others() {
    let (lab, far) = (Lab::new(), Far::new());
    let mut near = lab.ready("", 1);
    near.start().unwrap();
    let mut vhost = far.started(&lab, false, 1);
    within(5 * SECOND, "both links up", || near.link().up && vhost.link().up);
    let mut lanes = [Lane::claim(near.as_mut(), vhost.as_mut(), 0)];
    exchange(&mut lanes, &far.pool, 100, |number| if number % 4 == 0 { 64 } else { 1600 });
    let value = |near: &dyn EthDev, name: &str| {
        near.device_xstats().into_iter().find(|x| x.name == name).map(|x| x.value)
    };
    for (name, expected) in [
        ("rx_q0_good_packets", 100),
        ("rx_q0_size_64_packets", 25),
        ("rx_q0_size_1519_max_packets", 75),
        ("tx_q0_size_64_packets", 25),
        ("tx_q0_size_1519_max_packets", 75),
        ("tx_q0_good_bytes", 25 * 64 + 75 * 1600),
        ("rx_q0_errors", 0),
    ] {
        assert_eq!(value(near.as_ref(), name), Some(expected), "{name}");
    }
    near.reset_device_xstats();
    assert!(near.device_xstats().iter().all(|x| x.value == 0));
    assert_eq!(near.stats().rx_packets, 0, "they are the same counters, as in DPDK's port");
    exchange(&mut lanes, &far.pool, 4, |_| 64);
    assert_eq!(value(near.as_ref(), "tx_q0_size_64_packets"), Some(4));
}

#[test]
fn as_many_pairs_as_the_protocol_can_name() {
    let (lab, far) = (Lab::new(), Far::new());
    let mut near = lab.ready(",queues=128,queue_size=32,mrg_rxbuf=0", 128);
    near.start().unwrap();
    let mut vhost = far.started(&lab, false, 128);
    within(20 * SECOND, "both links up", || near.link().up && vhost.link().up);
    let mut lanes: Vec<Lane> =
        (0..128).map(|queue| Lane::claim(near.as_mut(), vhost.as_mut(), queue)).collect();
    for lane in &mut lanes {
        exchange(std::slice::from_mut(lane), &far.pool, 20, |number| 60 + number as usize);
    }
    drop(lanes);
    near.close().unwrap();
    vhost.close().unwrap();
    assert_eq!((lab.in_use(), far.in_use()), (0, 0));
}

fn pass_on_all(near: &mut dyn EthDev, vhost: &mut dyn EthDev, far: &Far, pairs: u16) {
    let mut lanes: Vec<Lane> = (0..pairs).map(|queue| Lane::claim(near, vhost, queue)).collect();
    exchange(&mut lanes, &far.pool, 300, |number| 60 + (number as usize * 37) % 3000);
}

#[test]
fn four_pairs_with_the_port_as_server() {
    let items = ",queue_size=512";
    every_packet_comes_back(&Case { items, server: true, pairs: 4, longest: 1518 });
}

#[test]
fn traffic_resumes_after_the_device_went_and_came_back() {
    for server in [false, true] {
        let (lab, far) = (Lab::new(), Far::new());
        let mut near = lab.ready(&format!(",server={}", u8::from(server)), 1);
        near.start().unwrap();
        for round in 0..5 {
            let mut vhost = far.started(&lab, server, 1);
            within(5 * SECOND, "both links up", || near.link().up && vhost.link().up);
            let mut lanes = [Lane::claim(near.as_mut(), vhost.as_mut(), 0)];
            exchange(&mut lanes, &far.pool, 500, |_| 64);
            lanes[0].fill(&far.pool, 1000, |_| 64);
            lanes[0].far.1.burst(&mut lanes[0].waiting);
            vhost.close().unwrap();
            let took = within(SECOND, "link down", || !near.link().up);
            assert!(took < Duration::from_millis(100), "round {round}: {took:?}");
            drop((lanes, vhost));
            within(SECOND, "buffers back", || lab.in_use() == 0);
            assert_eq!(far.in_use(), 0);
            let told = events(near.as_ref());
            assert_eq!(told, [Event::Link(true), Event::Link(false)], "round {round}");
        }
    }
}

#[test]
fn packets_of_a_pool_made_later_pass_too() {
    let (lab, far) = (Lab::new(), Far::new());
    let mut vhost = far.started(&lab, false, 1);
    let mut near = lab.ready("", 1);
    near.start().unwrap();
    within(5 * SECOND, "both links up", || near.link().up && vhost.link().up);
    let before = lab.eal.memory().data_committed();
    let later = MbufPool::create(lab.eal.memory(), "later", 32_768, 2048, 32).unwrap();
    assert!(lab.eal.memory().data_committed() > before, "the new pool lies behind the old memory");
    // The port looks ten times a second.
    std::thread::sleep(SECOND / 2);
    let mut tx = near.claim_tx(0, "test").unwrap();
    let mut rx = vhost.claim_rx(0, "test").unwrap();
    let mut held: Vec<_> = std::iter::from_fn(|| later.take()).collect();
    let mut sent = Burst::new(32);
    for number in 0..32 {
        let mut mbuf = held.pop().unwrap();
        let bytes = body(0, number, 200);
        mbuf.append(200).unwrap().copy_from_slice(&bytes);
        assert!(sent.push(mbuf).is_ok());
    }
    assert_eq!(tx.burst(&mut sent), 32);
    let mut arrived = Burst::new(32);
    within(5 * SECOND, "32 packets", || {
        rx.burst(&mut arrived);
        arrived.len() == 32
    });
    for (number, mbuf) in arrived.as_mut_slice().iter().enumerate() {
        assert!(mbuf.to_vec() == body(0, number as u64, 200));
    }
    assert!(near.link().up, "announcing memory does not disturb the link");
}
