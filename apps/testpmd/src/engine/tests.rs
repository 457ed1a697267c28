mod made;
mod passing;
mod told;

use std::sync::Arc;

use eal::Eal;
use pmd_core::{EthDev, MacAddr, MbufPool, PortConfig, PortId};

use super::forwarding::flush;
use super::stream::Parts;
use super::*;
use crate::test_port::{self, TestPort, Wire};

const ME: MacAddr = MacAddr([0x56, 0x48, 0x4F, 0x53, 0x54, 0]);
const PEER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0]);

fn settings(burst: u16) -> Settings {
    Settings { burst, polite: true, ..Settings::default() }
}

/// One job on lcore 1 with a stream from each queue of `port` to itself.
fn job(port: &mut TestPort, pool: &MbufPool, settings: &Settings) -> Vec<Job> {
    let queues = port.info().rx.max_queues;
    port.configure(&PortConfig { rx_queues: queues, tx_queues: queues, ..PortConfig::default() })
        .unwrap();
    port.start().unwrap();
    let mut stream = |queue| {
        let parts = Parts {
            id: StreamId {
                rx_port: PortId(0),
                rx_queue: queue,
                tx_port: PortId(0),
                tx_queue: queue,
            },
            lcore: 1,
            rx: Some(port.claim_rx(queue, "test").unwrap()),
            tx: Some(port.claim_tx(queue, "test").unwrap()),
            source: ME,
            peer: PEER,
            pool: pool.clone(),
        };
        Stream::new(parts, settings)
    };
    vec![Job { lcore: 1, streams: (0..queues).map(&mut stream).collect() }]
}

fn run(eal: &Eal, mode: Mode, jobs: Vec<Job>, settings: &Settings, tx_first: u32) -> Vec<Job> {
    let forwarding = Forwarding::launch(eal, mode, jobs, settings, tx_first).unwrap();
    forwarding.wait_until_ready(|| false);
    let (jobs, errors) = forwarding.stop(eal);
    assert!(errors.is_empty(), "{errors:?}");
    jobs
}

fn totals(jobs: &[Job]) -> CountersSnapshot {
    let mut total = CountersSnapshot::default();
    for stream in jobs.iter().flat_map(|job| &job.streams) {
        let c = stream.counters().snapshot();
        total.rx += c.rx;
        total.tx += c.tx;
        total.dropped += c.dropped;
        total.bad = total.bad.plus(c.bad);
    }
    total
}

fn counted(rx: u64, tx: u64, dropped: u64) -> CountersSnapshot {
    CountersSnapshot { rx, tx, dropped, ..CountersSnapshot::default() }
}

fn wires(count: usize) -> Vec<Arc<Wire>> {
    (0..count).map(|_| Arc::default()).collect()
}

#[test]
fn tx_first_sends_n_bursts_on_every_stream_and_nothing_else() {
    let (eal, pool) = test_port::pool(1024);
    let (rx, tx) = (wires(2), wires(2));
    let mut port = TestPort::new("net_vhost0", &rx, &tx);
    let settings = settings(3);
    let jobs = job(&mut port, &pool, &settings);
    let jobs = run(&eal, Mode::RxOnly, jobs, &settings, 2);
    assert_eq!(totals(&jobs), counted(0, 12, 0));
    for wire in &tx {
        assert_eq!(wire.waiting(), 6);
        let frames = wire.seen();
        assert!(frames.iter().all(|f| f.len() == 64 && f[..6] == PEER.0 && f[6..12] == ME.0));
    }
    assert_eq!(pool.audit().in_use, 12);
}

#[test]
fn what_does_not_fit_is_dropped_and_counted() {
    let (eal, pool) = test_port::pool(4096);
    let (rx, tx) = (wires(1), wires(1));
    let mut port = TestPort::new("net_vhost0", &rx, &tx);
    port.capacity = 1024;
    let settings = settings(32);
    let jobs = job(&mut port, &pool, &settings);
    let jobs = run(&eal, Mode::RxOnly, jobs, &settings, 40);
    assert_eq!(totals(&jobs), counted(0, 1024, 256));
    assert_eq!(pool.audit().in_use, 1024, "dropped packets went back to the pool");
}

#[test]
fn retry_offers_the_rest_again() {
    let (eal, pool) = test_port::pool(256);
    let (rx, tx) = (wires(1), wires(1));
    let mut port = TestPort::new("net_vhost0", &rx, &tx);
    port.capacity = 8;
    let settings = Settings { retry: true, ..settings(16) };
    let jobs = job(&mut port, &pool, &settings);
    let jobs = run(&eal, Mode::RxOnly, jobs, &settings, 1);
    assert_eq!(totals(&jobs), counted(0, 8, 8));
}

/// Lets packets come back to the port for a while, and counts them.
fn around(mode: Mode) -> (Vec<Vec<u8>>, CountersSnapshot, u64) {
    let (eal, pool) = test_port::pool(256);
    let (mut port, wires) = TestPort::looped(1);
    let settings = settings(4);
    let jobs = job(&mut port, &pool, &settings);
    let forwarding = Forwarding::launch(&eal, mode, jobs, &settings, 1).unwrap();
    let enough = || port.stats().rx_packets >= 40;
    while !enough() {
        std::thread::yield_now();
    }
    let (jobs, errors) = forwarding.stop(&eal);
    assert!(errors.is_empty());
    assert_eq!(wires[0].waiting(), 4, "four packets go round");
    (wires[0].seen(), totals(&jobs), port.stats().tx_packets)
}

#[test]
fn io_forwards_untouched_and_counts_every_packet() {
    let (frames, counted, sent) = around(Mode::Io);
    assert!(frames.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(counted.tx, counted.rx + 4, "the burst sent first was not received before");
    assert_eq!((counted.tx, counted.dropped), (sent, 0));
}

#[test]
fn mac_writes_its_own_source_and_the_peer_as_destination() {
    let (eal, pool) = test_port::pool(64);
    let (rx, tx) = (wires(1), wires(1));
    let mut port = TestPort::new("net_vhost0", &rx, &tx);
    for len in [64, 12, 11] {
        let mut mbuf = pool.take().unwrap();
        mbuf.append(len).unwrap().fill(0xEE);
        rx[0].push(mbuf);
    }
    let settings = settings(32);
    let jobs = job(&mut port, &pool, &settings);
    let forwarding = Forwarding::launch(&eal, Mode::Mac, jobs, &settings, 0).unwrap();
    while tx[0].waiting() < 3 {
        std::thread::yield_now();
    }
    forwarding.stop(&eal);
    let frames = tx[0].seen();
    assert_eq!(frames[0][..12], [PEER.0, ME.0].concat());
    assert!(frames[0][12..].iter().all(|&byte| byte == 0xEE), "nothing else was touched");
    assert_eq!(frames[1], [PEER.0, ME.0].concat());
    assert_eq!(frames[2], [0xEE; 11], "too short for addresses");
}

#[test]
fn rxonly_gives_everything_back() {
    let (eal, pool) = test_port::pool(64);
    let (mut port, _) = TestPort::looped(1);
    let settings = settings(8);
    let jobs = job(&mut port, &pool, &settings);
    let forwarding = Forwarding::launch(&eal, Mode::RxOnly, jobs, &settings, 2).unwrap();
    while port.stats().rx_packets < 16 {
        std::thread::yield_now();
    }
    let (jobs, _) = forwarding.stop(&eal);
    assert_eq!(totals(&jobs), counted(16, 16, 0));
    assert!(pool.audit().is_exact() && pool.audit().in_use == 0, "{}", pool.audit());
}

#[test]
fn txonly_with_an_empty_pool_waits_and_burst_0_moves_nothing() {
    let (eal, pool) = test_port::pool(32);
    let (rx, tx) = (wires(1), wires(1));
    let mut port = TestPort::new("net_vhost0", &rx, &tx);
    let settings32 = settings(32);
    let jobs = job(&mut port, &pool, &settings32);
    let forwarding = Forwarding::launch(&eal, Mode::TxOnly, jobs, &settings32, 0).unwrap();
    while tx[0].waiting() < 32 {
        std::thread::yield_now();
    }
    let (jobs, _) = forwarding.stop(&eal);
    assert_eq!(totals(&jobs), counted(0, 32, 0));

    let (eal, pool) = test_port::pool(32);
    let (mut port, _) = TestPort::looped(1);
    let settings0 = settings(0);
    let jobs = job(&mut port, &pool, &settings0);
    let jobs = run(&eal, Mode::TxOnly, jobs, &settings0, 5);
    assert_eq!(totals(&jobs), CountersSnapshot::default());
}

#[test]
fn settings_change_while_packets_are_made() {
    let (eal, pool) = test_port::pool(512);
    let (rx, tx) = (wires(1), wires(1));
    let mut port = TestPort::new("net_vhost0", &rx, &tx);
    let settings0 = settings(0);
    let jobs = job(&mut port, &pool, &settings0);
    let forwarding = Forwarding::launch(&eal, Mode::TxOnly, jobs, &settings0, 0).unwrap();
    assert_eq!(tx[0].waiting(), 0);
    forwarding.update(&Settings { segments: vec![40, 60], ..settings(2) });
    while tx[0].waiting() < 2 {
        std::thread::yield_now();
    }
    forwarding.stop(&eal);
    let frame = &tx[0].seen()[0];
    assert_eq!(frame.len(), 100);
    assert_eq!(frame[16..18], [0, 86], "headers say what the packet is now");
}

#[test]
fn flush_throws_away_what_waits() {
    let (_eal, pool) = test_port::pool(256);
    let (rx, tx) = (wires(1), wires(1));
    let mut port = TestPort::new("net_vhost0", &rx, &tx);
    for _ in 0..100 {
        rx[0].push(pool.take().unwrap());
    }
    let mut jobs = job(&mut port, &pool, &settings(32));
    flush(&mut jobs);
    assert_eq!((rx[0].waiting(), pool.audit().in_use), (0, 0));
    assert_eq!(port.stats().rx_packets, 100, "the port counts them");
    assert_eq!(totals(&jobs), CountersSnapshot::default(), "the stream does not");
}

#[test]
fn an_lcore_that_cannot_be_used_stops_the_others() {
    let (eal, pool) = test_port::pool(64);
    let (mut port, _) = TestPort::looped(2);
    let settings = settings(4);
    let mut jobs = job(&mut port, &pool, &settings);
    let streams = jobs[0].streams.split_off(1);
    jobs.push(Job { lcore: 77, streams });
    assert!(Forwarding::launch(&eal, Mode::Io, jobs, &settings, 0).is_err());
    eal.wait(1).unwrap();
    assert!(port.claim_rx(0, "test").is_ok(), "queues are free again");
}

#[test]
fn tx_first_without_end_can_be_stopped() {
    let (eal, pool) = test_port::pool(64);
    let (mut port, _) = TestPort::looped(1);
    port.capacity = 4;
    let settings = settings(4);
    let jobs = job(&mut port, &pool, &settings);
    let forwarding = Forwarding::launch(&eal, Mode::Io, jobs, &settings, u32::MAX).unwrap();
    forwarding.wait_until_ready(|| true);
    let (jobs, errors) = forwarding.stop(&eal);
    assert!(errors.is_empty() && jobs.len() == 1);
}
