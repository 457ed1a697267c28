//! Peers that come late, go, and come back, in both socket roles.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

mod common;

use std::time::{Duration, Instant};

use common::{Backend, Lab, Quirk, Script, events, within};
use pmd_core::{Burst, Event, RxBurst, TxBurst};
use virtio::Features;
use virtio::vhost_user::{Request, U64};

const SECOND: Duration = Duration::from_secs(1);
/// What the link may take to go down after the peer went.
const LINK_DOWN: Duration = Duration::from_millis(100);

#[test]
fn a_client_may_be_started_first() {
    let lab = Lab::new();
    let mut port = lab.ready("", 1);
    let from = Instant::now();
    port.start().unwrap();
    assert!(from.elapsed() < Duration::from_millis(500), "start does not wait for a server");
    assert!(!port.link().up);
    let _backend = Backend::listen(&lab.path(), Script::default());
    within(SECOND, "link up", || port.link().up);
    assert_eq!(events(port.as_ref()), [Event::Link(true)]);
}

#[test]
fn a_server_may_be_started_first() {
    let lab = Lab::new();
    let mut port = lab.ready(",server=1", 1);
    let from = Instant::now();
    port.start().unwrap();
    assert!(from.elapsed() < Duration::from_millis(500), "start does not wait for a client");
    assert!(!port.link().up);
    let _backend = Backend::connect(&lab.path(), Script::default());
    within(SECOND, "link up", || port.link().up);
    assert_eq!(events(port.as_ref()), [Event::Link(true)]);
    port.close().unwrap();
    assert!(!lab.path().exists(), "the socket file is left behind");
}

#[test]
fn a_server_may_be_joined_before_it_is_started() {
    let lab = Lab::new();
    let mut port = lab.ready(",server=1", 1);
    let backend = Backend::connect(&lab.path(), Script::default());
    within(SECOND, "negotiation", || backend.requests(1).contains(&Request::SetFeatures));
    port.start().unwrap();
    assert!(port.link().up, "a peer that waits is served before start returns");
}

#[test]
fn a_second_peer_waits_its_turn() {
    let lab = Lab::new();
    let mut port = lab.ready(",server=1", 1);
    port.start().unwrap();
    let first = Backend::connect(&lab.path(), Script::default());
    within(SECOND, "link up", || port.link().up);
    let second = Backend::connect(&lab.path(), Script::default());
    within(SECOND, "second connection", || second.sessions() == 1);
    std::thread::sleep(Duration::from_millis(50));
    assert!(second.requests(1).is_empty() && port.link().up);
    drop(first);
    within(2 * SECOND, "the second peer's turn", || {
        second.requests(1).contains(&Request::SetStatus)
    });
    within(SECOND, "link up", || port.link().up);
}

#[test]
fn the_link_follows_the_peer_and_buffers_come_back() {
    for server in [false, true] {
        let lab = Lab::new();
        let mut port = lab.ready(&format!(",server={}", u8::from(server)), 1);
        port.start().unwrap();
        let backend = match server {
            false => Backend::listen(&lab.path(), Script::default()),
            true => Backend::connect(&lab.path(), Script::default()),
        };
        within(SECOND, "link up", || port.link().up);
        for round in 1..=5 {
            assert!(lab.in_use() > 0, "receive buffers are posted");
            backend.hang_up();
            let took = within(SECOND, "link down", || !port.link().up);
            assert!(took < LINK_DOWN, "round {round}: the link took {took:?} to go down");
            within(3 * SECOND, "link up again", || port.link().up);
        }
        let told = events(port.as_ref());
        let up_and_down = [Event::Link(true), Event::Link(false)];
        assert_eq!(told, up_and_down.iter().cycle().take(11).cloned().collect::<Vec<_>>());
        port.stop().unwrap();
        assert_eq!(lab.in_use(), 0);
    }
}

#[test]
fn a_peer_that_goes_while_the_port_is_stopped_is_replaced() {
    let lab = Lab::new();
    let backend = Backend::listen(&lab.path(), Script::default());
    let mut port = lab.ready("", 1);
    port.start().unwrap();
    port.stop().unwrap();
    backend.hang_up();
    within(2 * SECOND, "a new connection", || backend.requests(2).contains(&Request::SetFeatures));
    assert!(!port.link().up);
    port.start().unwrap();
    assert!(port.link().up);
    assert_eq!(backend.sessions(), 2);
}

#[test]
fn bursts_return_nothing_while_the_peer_is_away() {
    let lab = Lab::new();
    let mut port = lab.ready("", 1);
    let mut rx = port.claim_rx(0, "test").unwrap();
    let mut tx = port.claim_tx(0, "test").unwrap();
    assert!(port.claim_rx(0, "other").unwrap_err().to_string().contains("test"));
    let mut burst = Burst::new(32);
    let mut packets = Burst::new(32);
    for started in [false, true] {
        if started {
            port.start().unwrap();
        }
        assert_eq!(lab.pool.take_burst(&mut packets, 4), 4);
        assert_eq!(rx.burst(&mut burst), 0);
        assert_eq!(tx.burst(&mut packets), 0);
        packets = Burst::new(32);
    }
    let backend = Backend::listen(&lab.path(), Script::default());
    within(SECOND, "link up", || port.link().up);
    assert_eq!(rx.burst(&mut burst), 0);
    let mut mbuf = lab.pool.take().unwrap();
    mbuf.append(64).unwrap().fill(1);
    assert!(packets.push(mbuf).is_ok());
    assert_eq!(tx.burst(&mut packets), 1, "a running ring takes a packet");
    drop(backend);
    within(SECOND, "link down", || !port.link().up);
    within(SECOND, "buffers back", || lab.in_use() == 0);
    port.close().unwrap();
    assert_eq!(rx.burst(&mut burst), 0, "a handle outlives its port");
    drop((rx, tx));
    assert_eq!(lab.in_use(), 0);
}

#[test]
fn a_path_that_is_taken_is_refused_with_advice_and_left_alone() {
    let lab = Lab::new();
    std::fs::write(lab.path(), "mine").unwrap();
    let Err(file) = lab.port(",server=1") else { panic!("a file was overwritten") };
    assert!(file.to_string().contains("remove it"), "{file}");
    std::fs::remove_file(lab.path()).unwrap();
    let _first = lab.port(",server=1").unwrap();
    let Err(busy) = lab.port(",server=1") else { panic!("one path, two servers") };
    assert!(busy.to_string().contains("already in use by a running process; choose"), "{busy}");
}

#[test]
fn a_peer_that_returns_with_other_features_is_taken_as_it_is() {
    let lab = Lab::new();
    let backend = Backend::listen(&lab.path(), Script::default());
    let mut port = lab.ready("", 1);
    port.start().unwrap();
    let features = Features::VERSION_1 | Features::PROTOCOL_FEATURES;
    backend.set_script(Script { features, ..Script::default() });
    backend.hang_up();
    within(SECOND, "link down", || !port.link().up);
    within(2 * SECOND, "link up", || port.link().up);
    let accepted: Vec<u64> = backend
        .seen()
        .iter()
        .filter(|seen| seen.request == Request::SetFeatures)
        .map(|seen| U64::from_bytes(&seen.payload).unwrap().value)
        .collect();
    let before = features | Features::MRG_RXBUF;
    assert_eq!(accepted, [before.bits(), features.bits()]);
}

#[test]
fn a_peer_that_comes_and_goes_is_not_met_in_haste() {
    let lab = Lab::new();
    let quirk = Some((Request::SetStatus, Quirk::HangUp));
    let backend = Backend::listen(&lab.path(), Script { quirk, ..Script::default() });
    let mut port = lab.ready("", 1);
    port.start().unwrap();
    std::thread::sleep(2 * SECOND);
    let sessions = backend.sessions();
    assert!((3..=8).contains(&sessions), "{sessions} connections in two seconds");
    assert_eq!(lab.in_use(), 0);
}
