use super::*;
use std::mem::{offset_of, size_of};

const PATIENCE: Duration = Duration::from_secs(10);
const NO_TIME: Duration = Duration::from_millis(1);

fn owner(raw: u32) -> OwnerId {
    OwnerId::from_raw(raw).unwrap()
}

/// Leaks the words: a test is short and the ends then have no lifetime to respect.
fn gate(me: OwnerId, fences: FenceMode) -> (PollerGate, ControlGate) {
    let words = NonNull::from(Box::leak(Box::new(GateWords::new())));
    // SAFETY: the words are leaked and have one poller.
    let poller = unsafe { PollerGate::new(words, me, fences) };
    // SAFETY: the words are leaked and the test is control's only thread.
    let control = unsafe { ControlGate::new(words, fences) };
    (poller, control)
}

#[test]
fn the_two_words_lie_on_two_cache_lines() {
    assert_eq!(size_of::<GateWords>(), 128);
    assert_eq!(align_of::<GateWords>(), 64);
    assert_eq!(offset_of!(GateWords, control), 0);
    assert_eq!(offset_of!(GateWords, inside), 64);
}

#[test]
fn a_new_gate_is_closed_and_stays_so_until_opened() {
    let (mut poller, control) = gate(owner(1), FenceMode::Full);
    assert!(control.is_closed());
    assert!(matches!(poller.enter(), Entry::Closed));
    control.open();
    assert!(!control.is_closed());
    assert!(matches!(poller.enter(), Entry::Changed(_)));
    assert!(matches!(poller.enter(), Entry::Open(_)));
}

#[test]
fn placed_words_are_a_closed_gate() {
    let mut place = Box::new(std::mem::MaybeUninit::<GateWords>::zeroed());
    let words = NonNull::from(place.as_mut()).cast();
    // SAFETY: the box is valid for writes and aligned as a `GateWords`.
    unsafe { GateWords::init(words) };
    // SAFETY: `place` outlives the poller, which is the only one.
    let mut poller = unsafe { PollerGate::new(words, owner(1), FenceMode::Full) };
    assert!(matches!(poller.enter(), Entry::Closed));
}

#[test]
fn every_reopening_is_seen_once_as_a_change() {
    let (mut poller, control) = gate(owner(7), FenceMode::register());
    for _ in 0..3 {
        control.open();
        assert!(matches!(poller.enter(), Entry::Changed(_)));
        assert!(matches!(poller.enter(), Entry::Open(_)));
        control.close(PATIENCE).unwrap();
        assert!(matches!(poller.enter(), Entry::Closed));
    }
    assert_eq!(control.epoch(), 3);
}

#[test]
fn forgetting_makes_the_next_entry_a_change() {
    let (mut poller, control) = gate(owner(7), FenceMode::Full);
    control.open();
    drop(poller.enter());
    poller.forget();
    assert!(matches!(poller.enter(), Entry::Changed(_)));
}

#[test]
fn a_poller_that_stays_inside_is_named_and_the_gate_stays_closed() {
    let (mut poller, control) = gate(owner(0x203), FenceMode::register());
    control.open();
    let Entry::Changed(inside) = poller.enter() else { panic!("an open gate lets the poller in") };
    let stuck = control.close(NO_TIME).unwrap_err();
    assert_eq!(stuck.who(), Some(owner(0x203)));
    assert!(stuck.to_string().contains("process 3.2"), "{stuck}");
    assert!(control.is_closed());
    drop(inside);
    control.close(NO_TIME).expect("a quarantine ends when the poller leaves");
    assert!(matches!(poller.enter(), Entry::Closed));
}

#[test]
fn a_poller_that_died_inside_is_taken_out_by_its_own_name_only() {
    let (mut poller, control) = gate(owner(0x203), FenceMode::Full);
    control.open();
    let Entry::Changed(inside) = poller.enter() else { panic!("an open gate lets the poller in") };
    std::mem::forget(inside);
    control.release_dead(owner(0x303));
    assert_eq!(control.close(NO_TIME).unwrap_err().who(), Some(owner(0x203)));
    control.release_dead(owner(0x203));
    control.close(NO_TIME).expect("the dead poller is out");
}

#[test]
fn closing_several_gates_waits_for_each() {
    let (mut first, one) = gate(owner(1), FenceMode::register());
    let (mut second, two) = gate(owner(2), FenceMode::Full);
    one.open();
    two.open();
    let gates = [one, two];
    let Entry::Changed(inside) = second.enter() else { panic!("an open gate lets the poller in") };
    let stuck = ControlGate::close_all(&gates, NO_TIME).unwrap_err();
    assert_eq!(stuck.who(), Some(owner(2)));
    drop(inside);
    ControlGate::close_all(&gates, NO_TIME).unwrap();
    assert!(matches!(first.enter(), Entry::Closed));
    assert!(matches!(second.enter(), Entry::Closed));
}

#[test]
fn the_epoch_wraps_without_meeting_a_poller_that_has_seen_nothing() {
    let (mut poller, control) = gate(owner(1), FenceMode::Full);
    control.words().control.0.store(EPOCH_MASK << 1 | CLOSED, Ordering::Relaxed);
    assert!(matches!(poller.enter(), Entry::Closed));
    control.open();
    assert_eq!(control.epoch(), 0);
    assert!(matches!(poller.enter(), Entry::Changed(_)));
}
