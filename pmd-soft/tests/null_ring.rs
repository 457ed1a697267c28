//! `net_null` and `net_ring` as an app uses them: exact counts, and every buffer back.

mod support;

use pmd_core::{Burst, Error, MacAddr, RxBurst, TxBurst, xstats};
use support::{Rig, frame, receive, send};

#[test]
fn null_receives_full_bursts_and_sends_to_nowhere() {
    let mut rig = Rig::new(256);
    let id = rig.start("net_null0,size=200", 2);
    let port = rig.port(id);
    let (mut rx, mut tx) = (port.claim_rx(1, "test").unwrap(), port.claim_tx(0, "test").unwrap());
    let mut burst = Burst::new(32);
    assert_eq!(rx.burst(&mut burst), 32);
    assert_eq!(rx.burst(&mut burst), 0, "the burst is full");
    assert!(burst.iter().all(|mbuf| mbuf.len() == 200 && mbuf.port() == Some(0)));
    assert_eq!(tx.burst(&mut burst), 32);
    let port = rig.port(id);
    let stats = port.stats();
    assert_eq!((stats.rx_packets, stats.rx_bytes), (32, 6400));
    assert_eq!((stats.tx_packets, stats.tx_bytes), (32, 6400));
    let queue = xstats::all(port).into_iter().find(|x| x.name == "rx_q1_packets").unwrap();
    assert_eq!(queue.value, 32);
    port.reset_stats();
    assert_eq!(port.stats().rx_packets, 0);
    rig.all_back();
}

#[test]
fn null_gives_what_the_pool_has_and_counts_when_it_has_none() {
    let mut rig = Rig::new(20);
    let id = rig.start("net_null0,copy=1", 1);
    let mut rx = rig.port(id).claim_rx(0, "test").unwrap();
    let mut burst = Burst::new(32);
    assert_eq!(rx.burst(&mut burst), 20);
    assert!(burst.iter().all(|mbuf| mbuf.data() == [0; 64]), "copied zeros");
    assert_eq!(rx.burst(&mut burst), 0);
    assert_eq!(rig.port(id).stats().rx_no_mbuf, 2);
    drop(burst);
    rig.all_back();
}

#[test]
fn null_without_receive_still_sends() {
    let mut rig = Rig::new(64);
    let id = rig.start("net_null0,no-rx=1", 1);
    let port = rig.port(id);
    let (mut rx, mut tx) = (port.claim_rx(0, "test").unwrap(), port.claim_tx(0, "test").unwrap());
    assert_eq!(rx.burst(&mut Burst::new(32)), 0);
    let mut burst = rig.packets([frame(1, 60), frame(2, 1500)]);
    assert_eq!(tx.burst(&mut burst), 2);
    assert_eq!(rig.port(id).stats().tx_bytes, 1560);
    rig.all_back();
}

#[test]
fn a_stopped_port_moves_nothing_and_a_handle_outlives_its_port() {
    let mut rig = Rig::new(64);
    let id = rig.start("net_null0", 1);
    let mut rx = rig.port(id).claim_rx(0, "test").unwrap();
    let mut burst = Burst::new(4);
    rig.port(id).stop().unwrap();
    assert!(!rig.port(id).link().up);
    assert_eq!(rx.burst(&mut burst), 0);
    rig.port(id).start().unwrap();
    assert!(rig.port(id).link().up);
    assert_eq!(rx.burst(&mut burst), 4);
    rig.setup(id, 3).unwrap_err();
    rig.port(id).stop().unwrap();
    rig.setup(id, 3).unwrap();
    rig.port(id).start().unwrap();
    burst.clear();
    assert_eq!(rx.burst(&mut burst), 4, "the same handle, another number of queues");
    let claimed = rig.port(id).claim_rx(0, "other").unwrap_err().to_string();
    assert!(claimed.contains("polled by test"), "{claimed}");
    rig.port(id).close().unwrap();
    assert!(matches!(rig.port(id).start(), Err(Error::WrongState { .. })));
    drop(rig.ports.remove(id));
    burst.clear();
    assert_eq!(rx.burst(&mut burst), 0);
    rig.all_back();
}

#[test]
fn limits_are_checked_before_anything_changes() {
    let mut rig = Rig::new(64);
    let id = rig.probe("net_null0,size=3000").unwrap();
    let small = rig.setup(id, 1).unwrap_err();
    assert!(matches!(small, Error::MbufTooSmall { room_bytes: 2048, need_bytes: 3000 }), "{small}");
    let many = rig.setup(id, 1025).unwrap_err();
    assert!(matches!(many, Error::OutOfRange { max: 1024, .. }), "{many}");
    let port = rig.port(id);
    assert!(port.mac().is_assignable());
    port.set_mac(MacAddr([2, 0, 0, 0, 0, 9])).unwrap();
    port.set_mtu(9000).unwrap();
    assert!(port.set_promiscuous(false).is_err());
    assert!(matches!(port.start(), Err(Error::WrongState { .. })));
    assert!(matches!(port.claim_rx(0, "test"), Err(Error::NoQueue { .. })));
}

#[test]
fn a_ring_brings_back_what_was_sent_in_order_and_holds_1023() {
    let mut rig = Rig::new(2048);
    let id = rig.start("net_ring0", 2);
    let port = rig.port(id);
    let (mut rx, mut tx) = (port.claim_rx(1, "test").unwrap(), port.claim_tx(1, "test").unwrap());
    let mut other = port.claim_rx(0, "test").unwrap();
    let mut burst = rig.packets((0..1100).map(|n| frame(n, 64)));
    assert_eq!(send(&mut tx, &mut burst), 1023);
    assert_eq!(burst.len(), 77);
    let first_kept: Vec<u8> = burst[0].to_vec();
    assert_eq!(first_kept, frame(1023, 64), "what was not taken stays, in order");
    assert!(receive(&mut other, 10).is_empty(), "queues are apart");
    rig.port(id).stop().unwrap();
    rig.port(id).start().unwrap();
    let got = receive(&mut rx, 2000);
    assert_eq!(got, (0..1023).map(|n| frame(n, 64)).collect::<Vec<_>>());
    let stats = rig.port(id).stats();
    assert_eq!((stats.tx_packets, stats.tx_bytes), (1023, 1023 * 64));
    assert_eq!((stats.rx_packets, stats.rx_bytes), (1023, 1023 * 64));
    drop(burst);
    rig.all_back();
}

#[test]
fn two_ports_share_rings_and_the_last_one_gives_the_packets_back() {
    let mut rig = Rig::new(256);
    let attach = "net_ring1,nodeaction=R1:0:ATTACH";
    let missing = rig.probe(attach).unwrap_err().to_string();
    assert!(missing.contains("nodeaction=R1:0:CREATE"), "{missing}");
    let first = rig.start("net_ring0,nodeaction=R1:0:CREATE", 1);
    let second = rig.start(attach, 1);
    let mut tx = rig.port(first).claim_tx(0, "test").unwrap();
    let mut rx = rig.port(second).claim_rx(0, "test").unwrap();
    let mut burst = rig.packets((0..100).map(|n| frame(n, 60)));
    assert_eq!(send(&mut tx, &mut burst), 100);
    assert_eq!(receive(&mut rx, 40), (0..40).map(|n| frame(n, 60)).collect::<Vec<_>>());
    assert_eq!(rig.port(second).stats().rx_packets, 40);
    drop((tx, rx));
    rig.port(first).close().unwrap();
    assert_eq!(rig.pool.audit().in_use, 60, "the other port still has them");
    rig.port(second).close().unwrap();
    rig.all_back();
}
