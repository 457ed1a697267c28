//! The shipped gate, checked by loom over all interleavings.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p eal --release --test loom_gate`.
#![cfg(loom)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "the ends of a gate are made from a pointer")]

use eal::OwnerId;
use eal::gate::{ControlGate, Entry, FenceMode, GateWords, PollerGate, model};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use std::ptr::NonNull;
use std::time::Duration;

/// A gate and what it protects: loom reports a read of `config` that races with a write.
struct Queue {
    words: GateWords,
    config: UnsafeCell<(u32, u32)>,
}

// SAFETY: the cell is accessed as the gate allows, which is what the models check.
unsafe impl Sync for Queue {}

impl Queue {
    fn new() -> Arc<Self> {
        Arc::new(Self { words: GateWords::new(), config: UnsafeCell::new((0, 0)) })
    }

    fn poller(&self, fences: FenceMode) -> PollerGate {
        let me = OwnerId::from_raw(0x101).expect("not 0");
        // SAFETY: the queue outlives the poller, of which there is one.
        unsafe { PollerGate::new(NonNull::from(&self.words), me, fences) }
    }

    fn control(&self, fences: FenceMode) -> ControlGate {
        // SAFETY: the queue outlives the control thread, of which there is one.
        unsafe { ControlGate::new(NonNull::from(&self.words), fences) }
    }

    /// What control does with the gate closed.
    fn configure(&self, value: u32) {
        self.config.with_mut(|config| {
            // SAFETY: nobody is inside; loom checks.
            unsafe { *config = (value, value) }
        });
    }
}

/// One burst: reads the configuration if it is inside. The copy must be the one of the epoch.
fn burst(queue: &Queue, gate: &mut PollerGate, copy: &mut u32) {
    let inside = match gate.enter() {
        Entry::Closed => return,
        Entry::Changed(inside) => {
            *copy = queue.config.with(|config| {
                // SAFETY: this thread is inside; loom checks.
                let (one, two) = unsafe { *config };
                assert_eq!(one, two);
                one
            });
            inside
        }
        Entry::Open(inside) => inside,
    };
    let now = queue.config.with(|config| {
        // SAFETY: this thread is inside; loom checks.
        unsafe { (*config).0 }
    });
    assert_eq!(now, *copy, "the configuration changed under an open gate");
    drop(inside);
}

const FOR_EVER: Duration = Duration::MAX;

/// The queue is open with configuration 1; a poller makes `bursts` bursts while control closes, changes, and opens `closes` times.
fn close_under_a_poller(fences: FenceMode, bursts: usize, closes: u32, broken: bool) {
    if broken {
        model::break_barrier();
    }
    let queue = Queue::new();
    queue.configure(1);
    queue.control(fences).open();
    let poller = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || {
            let mut gate = queue.poller(fences);
            let mut copy = 0;
            for _ in 0..bursts {
                point(fences);
                burst(&queue, &mut gate, &mut copy);
            }
            if fences == FenceMode::Asymmetric {
                model::drain(closes);
            }
        })
    };
    let control = queue.control(fences);
    for epoch in 0..closes {
        control.close(FOR_EVER).expect("there is no deadline");
        queue.configure(2 + epoch);
        control.open();
    }
    poller.join().expect("the poller ends");
}

/// The barrier may hit the poller outside the gate too.
fn point(fences: FenceMode) {
    if fences == FenceMode::Asymmetric {
        model::point();
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn full_fences_keep_control_and_poller_apart() {
    check(|| close_under_a_poller(FenceMode::Full, 2, 1, false));
}

#[test]
fn full_fences_keep_them_apart_over_two_changes() {
    check(|| close_under_a_poller(FenceMode::Full, 2, 2, false));
}

#[test]
fn wherever_the_barrier_hits_the_poller_they_are_kept_apart() {
    check(|| close_under_a_poller(FenceMode::Asymmetric, 2, 1, false));
}

#[test]
fn wherever_two_barriers_hit_they_are_kept_apart() {
    check(|| close_under_a_poller(FenceMode::Asymmetric, 2, 2, false));
}

/// The proof that the models above can fail.
#[test]
fn without_a_barrier_the_model_finds_the_violation() {
    let result = std::panic::catch_unwind(|| {
        check(|| close_under_a_poller(FenceMode::Asymmetric, 1, 1, true));
    });
    assert!(result.is_err(), "control and poller met, and the model did not see it");
}
