//! Wrappers around ports: what they do is exact, and every buffer comes back.

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pmd_core::{Burst, DriverList, RxBurst, TxBurst, xstats};
use pmd_soft::wrap::{self, Direction, Dropping, Rate, Summary, Tracing};
use proptest::prelude::*;
use support::captures::Folder;
use support::{Rig, frame, frames, receive, send, through, xstat};

#[test]
fn every_third_packet_is_lost_on_the_way_in() {
    let mut rig = Rig::new(256);
    let id = rig.start("net_drop0,dev=[net_ring0],every=3,direction=rx", 2);
    let sent = frames(100);
    let got = through(&mut rig, id, &sent);
    let expected: Vec<_> = (1..).zip(&sent).filter(|(n, _)| n % 3 != 0).map(|(_, f)| f).collect();
    assert!(got.iter().eq(expected));
    assert_eq!(xstat(&mut rig, id, "rx_q0_dropped"), Some(33));
    assert_eq!(xstat(&mut rig, id, "rx_q1_dropped"), Some(0));
    assert_eq!(xstat(&mut rig, id, "tx_q0_dropped"), None, "nothing is dropped there");
    assert_eq!(xstat(&mut rig, id, "tx_q0_packets"), Some(100), "the inner port's own");
    let info = rig.port(id).info();
    assert_eq!((info.name.as_str(), info.driver), ("net_drop0", "net_drop"));
    assert_eq!(info.devargs, "dev=[net_ring0],every=3,direction=rx");
    rig.port(id).reset_device_xstats();
    assert_eq!(xstat(&mut rig, id, "rx_q0_dropped"), Some(0));
    rig.all_back();
}

#[test]
fn chance_can_be_repeated() {
    let run = |seed: u64| {
        let mut rig = Rig::new(1024);
        let text = format!("net_drop0,dev=[net_ring0],probability=0.2,seed={seed},direction=tx");
        let id = rig.start(&text, 1);
        let got = through(&mut rig, id, &frames(500));
        let dropped = xstat(&mut rig, id, "tx_q0_dropped").unwrap();
        assert_eq!(got.len() as u64 + dropped, 500);
        assert_eq!(rig.port(id).stats().tx_packets, got.len() as u64);
        rig.all_back();
        got
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn packets_are_delayed_by_packets() {
    let mut rig = Rig::new(512);
    let id = rig.start("net_delay0,dev=[net_ring0],packets=10,direction=rx", 1);
    let sent = frames(200);
    assert_eq!(through(&mut rig, id, &sent), sent[..190]);
    assert_eq!(rig.pool.audit().in_use, 10);
    rig.port(id).stop().unwrap();
    rig.port(id).start().unwrap();
    let more = frames(10);
    assert_eq!(through(&mut rig, id, &more), sent[190..], "they wait over stop and start");
    rig.port(id).close().unwrap();
    rig.all_back();
}

#[test]
fn packets_are_delayed_by_time_both_ways() {
    let mut rig = Rig::new(512);
    let id = rig.start("net_delay0,dev=[net_ring0],us=20000", 1);
    let sent = frames(100);
    let port = rig.port(id);
    let (mut rx, mut tx) = (port.claim_rx(0, "test").unwrap(), port.claim_tx(0, "test").unwrap());
    let mut burst = rig.packets(&sent);
    let begin = Instant::now();
    assert_eq!(send(&mut tx, &mut burst), 100);
    let mut got = Vec::new();
    while got.len() < 100 && begin.elapsed() < Duration::from_secs(20) {
        tx.reclaim();
        got.extend(receive(&mut rx, 100 - got.len()));
    }
    // Clocks may differ in the last digits.
    assert!(begin.elapsed() >= Duration::from_millis(39), "{:?}", begin.elapsed());
    assert_eq!(got, sent);
    assert_eq!(xstat(&mut rig, id, "tx_q0_delayed"), Some(100));
    rig.all_back();
}

#[test]
fn what_is_due_leaves_though_nothing_else_is_sent() {
    let mut rig = Rig::new(512);
    let id =
        rig.start("net_delay0,dev=[net_drop0,dev=[net_ring0],every=2],us=1000,direction=tx", 1);
    let sent = frames(100);
    let port = rig.port(id);
    let (mut rx, mut tx) = (port.claim_rx(0, "test").unwrap(), port.claim_tx(0, "test").unwrap());
    assert_eq!(send(&mut tx, &mut rig.packets(&sent)), 100);
    let begin = Instant::now();
    let mut got = Vec::new();
    while got.len() < 25 && begin.elapsed() < Duration::from_secs(20) {
        got.extend(receive(&mut rx, 100));
    }
    // Half on the way out and half of those on the way in.
    let expected: Vec<_> = sent.iter().step_by(4).cloned().collect();
    assert_eq!(got, expected);
    drop(tx);
    assert_eq!(rx.burst(&mut Burst::new(8)), 0);
    let mut tx = rig.port(id).claim_tx(0, "another").unwrap();
    assert!(rig.port(id).claim_tx(0, "a third").unwrap_err().to_string().contains("another"));
    assert_eq!(send(&mut tx, &mut rig.packets(&sent)), 100);
    rig.port(id).close().unwrap();
    assert_eq!((rx.burst(&mut Burst::new(8)), tx.reclaim()), (0, 0));
    rig.all_back();
}

#[test]
fn two_threads_may_poll_a_port_that_sends_late() {
    let mut rig = Rig::new(2048);
    let id = rig.start("net_delay0,dev=[net_ring0],us=20,direction=tx", 1);
    let port = rig.port(id);
    let (mut rx, mut tx) = (port.claim_rx(0, "one").unwrap(), port.claim_tx(0, "two").unwrap());
    let sent = frames(1000);
    let mut burst = rig.packets(&sent);
    let sender = std::thread::spawn(move || {
        let mut few = Burst::new(10);
        while !burst.is_empty() || !few.is_empty() {
            burst.move_to(&mut few);
            tx.burst(&mut few);
        }
        tx
    });
    let begin = Instant::now();
    let mut got = Vec::new();
    while got.len() < 1000 && begin.elapsed() < Duration::from_secs(20) {
        got.extend(receive(&mut rx, 1000));
    }
    assert_eq!(got, sent);
    drop(sender.join().unwrap());
    rig.all_back();
}

#[test]
fn bytes_change_and_lengths_stay() {
    let mut rig = Rig::new(256);
    let id = rig.start("net_corrupt0,dev=[net_ring0],every=4,bytes=2,spare=14,direction=tx", 1);
    let sent = frames(100);
    let got = through(&mut rig, id, &sent);
    assert_eq!(got.len(), 100);
    for (n, (got, sent)) in (1..).zip(got.iter().zip(&sent)) {
        let changed = got.iter().zip(sent).filter(|(a, b)| a != b).count();
        assert_eq!((got.len(), changed), (sent.len(), if n % 4 == 0 { 2 } else { 0 }));
        assert_eq!(got[..14], sent[..14], "the header is spared");
    }
    assert_eq!(xstat(&mut rig, id, "tx_q0_corrupted"), Some(25));
    rig.all_back();
}

#[test]
fn a_wrapper_from_rust_passes_for_the_inner_port() {
    let mut rig = Rig::new(256);
    let seen: Arc<Mutex<Vec<Summary>>> = Arc::default();
    let list = Arc::clone(&seen);
    let ring = rig.probe("net_ring0").unwrap();
    let ring = rig.ports.remove(ring).unwrap();
    let lossy = wrap::wrap(ring, Dropping { rate: Rate::Every(10), direction: Direction::TX });
    let listener = move |summary: &Summary| list.lock().unwrap().push(summary.clone());
    let traced = wrap::wrap(lossy, Tracing::to(listener, Direction::RX));
    assert_eq!((traced.info().name.as_str(), traced.info().driver), ("net_ring0", "net_ring"));
    let id = rig.ports.add(traced).unwrap();
    rig.setup(id, 1).unwrap();
    rig.port(id).start().unwrap();
    assert!(rig.port(id).link().up);
    assert_eq!(through(&mut rig, id, &frames(50)).len(), 45);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 45);
    assert!(seen.iter().all(|one| one.rx && one.len == 80 && one.header[12..] == [8, 0]));
    assert!(seen.is_sorted_by_key(|one| one.time));
    rig.all_back();
}

#[test]
fn a_full_inner_queue_costs_no_packet_and_judges_none_twice() {
    let mut rig = Rig::new(4096);
    let id = rig.start("net_drop0,dev=[net_ring0],every=5,direction=tx", 1);
    let port = rig.port(id);
    let (mut rx, mut tx) = (port.claim_rx(0, "test").unwrap(), port.claim_tx(0, "test").unwrap());
    let sent = frames(3000);
    let mut burst = rig.packets(&sent);
    let taken = send(&mut tx, &mut burst);
    assert!((1023..1500).contains(&taken), "{taken}");
    let mut got = Vec::new();
    for _ in 0..100 {
        got.extend(receive(&mut rx, 3000));
        send(&mut tx, &mut burst);
        tx.reclaim();
    }
    let expected: Vec<_> = (1..).zip(&sent).filter(|(n, _)| n % 5 != 0).map(|(_, f)| f).collect();
    assert!(got.iter().eq(expected));
    assert_eq!(xstat(&mut rig, id, "tx_q0_dropped"), Some(600));
    rig.all_back();
}

#[test]
fn what_waits_for_a_stopped_port_goes_back_at_close() {
    let mut rig = Rig::new(2048);
    let id = rig.start("net_drop0,dev=[net_ring0],every=1000000,direction=tx", 1);
    let mut tx = rig.port(id).claim_tx(0, "test").unwrap();
    let mut burst = rig.packets(frames(1200));
    assert_eq!(
        send(&mut tx, &mut burst),
        1024,
        "sixteen batches, of whose last packet the ring takes none"
    );
    rig.port(id).stop().unwrap();
    assert_eq!(tx.burst(&mut burst), 0);
    rig.port(id).close().unwrap();
    drop(burst);
    rig.all_back();
    assert_eq!(tx.reclaim(), 0, "the handle outlives the port");
}

#[test]
fn a_port_that_is_dropped_ends_its_handles_and_gives_all_back() {
    let mut rig = Rig::new(512);
    let id = rig.start("net_delay0,dev=[net_ring0],packets=100", 1);
    let port = rig.port(id);
    let (mut rx, mut tx) = (port.claim_rx(0, "test").unwrap(), port.claim_tx(0, "test").unwrap());
    let mut burst = rig.packets(frames(300));
    assert_eq!(send(&mut tx, &mut burst), 300);
    assert_eq!(receive(&mut rx, 300).len(), 100);
    drop(rig.ports.remove(id));
    let mut burst = rig.packets(frames(1));
    assert_eq!((rx.burst(&mut Burst::new(8)), tx.burst(&mut burst)), (0, 0));
    drop(burst);
    rig.all_back();
}

#[test]
fn the_inner_device_is_needed_and_its_mistakes_are_told() {
    let mut rig = Rig::new(64);
    for (text, part) in [
        ("net_drop0,every=2", "dev=[net_vhost0,iface=/tmp/sock]"),
        ("net_drop0,dev=[net_nul0],every=2", "net_nul0"),
        ("net_drop0,dev=[net_null0,sise=3],every=2", "did you mean 'size'"),
        ("net_capture0,dev=[net_null0],file=/no/such/folder/x", "cannot write '/no/such/folder/x'"),
    ] {
        let error = rig.probe(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let folder = Folder::new();
    let pipe = folder.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for kind in ["net_capture0", "net_trace0"] {
        let text = format!("{kind},dev=[net_null0],file={}", pipe.display());
        let error = rig.probe(&text).unwrap_err().to_string();
        assert!(error.contains("start the program that reads this pipe first"), "{error}");
    }
    assert!(rig.ports.is_empty());
    let alone =
        pmd_soft::wrap::WrapDriver::all().into_iter().fold(DriverList::new(), DriverList::with);
    rig.drivers = alone;
    assert!(rig.probe("net_drop0,dev=[net_null0],every=2").is_err());
}

fn wrappers() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        Just("net_drop0,every=3".to_owned()),
        Just("net_drop0,probability=0.3,direction=rx".to_owned()),
        Just("net_delay0,packets=7".to_owned()),
        Just("net_delay0,us=50,direction=tx".to_owned()),
        Just("net_corrupt0,every=2".to_owned()),
    ];
    prop::collection::vec(one, 1..4).prop_map(|list| {
        list.into_iter().fold("net_ring0".to_owned(), |inner, outer| {
            let (name, rest) = outer.split_once(',').unwrap_or((&outer, ""));
            format!("{name},dev=[{inner}],{rest}")
        })
    })
}

#[derive(Clone, Debug)]
enum Step {
    Send(u32),
    Receive(usize),
    Restart,
    Reclaim,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1u32..200).prop_map(Step::Send),
        4 => (1usize..200).prop_map(Step::Receive),
        1 => Just(Step::Restart),
        1 => Just(Step::Reclaim),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn nothing_is_lost_that_was_not_dropped(text in wrappers(), steps in steps()) {
        let mut rig = Rig::new(4096);
        let id = rig.start(&text, 1);
        let port = rig.port(id);
        let (mut rx, mut tx) = (port.claim_rx(0, "test").unwrap(), port.claim_tx(0, "test").unwrap());
        let (mut next, mut taken, mut got) = (0, 0, 0);
        for step in steps {
            match step {
                Step::Send(count) => {
                    let mut burst = rig.packets((next..next + count).map(|n| frame(n, 80)));
                    next += count;
                    taken += send(&mut tx, &mut burst);
                }
                Step::Receive(count) => got += receive(&mut rx, count).len(),
                Step::Restart => {
                    rig.port(id).stop().unwrap();
                    prop_assert_eq!(rx.burst(&mut Burst::new(8)), 0);
                    rig.port(id).start().unwrap();
                }
                Step::Reclaim => { tx.reclaim(); }
            }
        }
        let held = rig.pool.audit().in_use as usize;
        let list = xstats::all(rig.port(id));
        let dropped: u64 = list.iter().filter(|x| x.name.ends_with("_dropped")).map(|x| x.value).sum();
        prop_assert_eq!(got + held + dropped as usize, taken, "{}", text);
        rig.port(id).close().unwrap();
        rig.all_back();
    }
}
