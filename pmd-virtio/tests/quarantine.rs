//! A poller that does not leave its burst: stopped by a debugger, or by SIGSTOP with its whole process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]
#![allow(unsafe_code, reason = "stands in for the poller at the gate of a queue")]

mod common;

use std::time::{Duration, Instant};

use common::{Backend, Lab, Script, events, within};
use eal::gate::{Entry, GateWords, PollerGate};
use pmd_core::{Error, Event};

const SECOND: Duration = Duration::from_secs(1);

/// The poller's end of the gate of receive queue 0.
fn gate(lab: &Lab) -> PollerGate {
    let memory = lab.eal.memory();
    let block = memory.zone_lookup("net_virtio_user0.rx0").expect("queues are named");
    let words = memory.pointer(&block).cast::<GateWords>();
    // SAFETY: a queue block begins with its gate, `lab` keeps it mapped, and no handle of the queue was claimed.
    unsafe { PollerGate::new(words, memory.owner(), memory.fences()) }
}

#[test]
fn a_stop_is_refused_until_the_poller_leaves_and_changes_nothing() {
    let lab = Lab::new();
    let backend = Backend::listen(&lab.path(), Script::default());
    let mut port = lab.ready("", 1);
    port.start().unwrap();
    let mut gate = gate(&lab);
    let Entry::Changed(inside) = gate.enter() else {
        panic!("the gate of a running queue is open")
    };
    let posted = lab.in_use();
    for call in ["stop", "close"] {
        let from = Instant::now();
        let result = if call == "stop" { port.stop() } else { port.close() };
        assert!(matches!(result, Err(Error::Quarantined { queue: 0 })), "{call}: {result:?}");
        assert!(from.elapsed() < 3 * SECOND, "{call} took {:?}", from.elapsed());
        assert!(port.is_started() && port.link().up, "{call} left the port as it was");
        assert_eq!(lab.in_use(), posted);
    }
    drop(inside);
    assert!(matches!(gate.enter(), Entry::Changed(_)), "the gate is open again");
    port.stop().unwrap();
    assert_eq!(lab.in_use(), 0);
    assert_eq!(backend.sessions(), 1, "the connection was kept");
}

#[test]
fn a_lost_peer_is_not_replaced_before_the_poller_leaves() {
    let lab = Lab::new();
    let backend = Backend::listen(&lab.path(), Script::default());
    let mut port = lab.ready("", 1);
    port.start().unwrap();
    let mut gate = gate(&lab);
    let Entry::Changed(inside) = gate.enter() else {
        panic!("the gate of a running queue is open")
    };
    backend.hang_up();
    let took = within(SECOND, "link down", || !port.link().up);
    assert!(took < Duration::from_millis(100), "{took:?}");
    std::thread::sleep(3 * SECOND);
    assert!(!port.link().up && lab.in_use() > 0, "buffers under a poller stay where they are");
    drop(inside);
    within(5 * SECOND, "link up", || port.link().up);
    assert_eq!(events(port.as_ref()), [Event::Link(false), Event::Link(true)]);
    port.close().unwrap();
    assert_eq!(lab.in_use(), 0);
}

#[test]
fn a_port_dropped_under_a_poller_keeps_its_rings_until_the_poller_leaves() {
    let lab = Lab::new();
    let _backend = Backend::listen(&lab.path(), Script::default());
    let mut port = lab.ready("", 1);
    port.start().unwrap();
    let mut gate = gate(&lab);
    let Entry::Changed(inside) = gate.enter() else {
        panic!("the gate of a running queue is open")
    };
    drop(port);
    assert!(lab.in_use() > 0);
    assert!(lab.eal.memory().zone_lookup("net_virtio_user0.rx0").is_some());
    drop(inside);
    within(5 * SECOND, "buffers back", || lab.in_use() == 0);
    within(SECOND, "ring freed", || lab.eal.memory().zone_lookup("net_virtio_user0.rx0").is_none());
}
