//! The gate on the machine's own `membarrier`, which no model checker knows.
//!
//! Pollers and control count in a plain pair of words behind each gate. If both were ever inside, a count would be
//! lost or the pair would be seen torn. `PMD_GATE_STRESS_SECS` sets the length of each test (default 2); the long run is
//! `PMD_GATE_STRESS_SECS=600 cargo test --release -p eal --test gate_stress -- --nocapture`.
#![cfg(not(loom))]
#![allow(unsafe_code, reason = "memory that only the gate protects")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use eal::OwnerId;
use eal::gate::{ControlGate, Entry, FenceMode, GateWords, PollerGate};
use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Held by the test that runs: with more threads than CPUs the scheduler decides, not the gate.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
/// A poller that is preempted inside waits for its turn on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// One poller for each CPU that control leaves.
fn gate_count() -> usize {
    std::thread::available_parallelism().map_or(1, |cpus| cpus.get() - 1).clamp(1, 4)
}

fn length() -> Duration {
    let seconds = std::env::var("PMD_GATE_STRESS_SECS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(2))
}

/// A gate and the pair that it protects.
struct Guarded {
    words: GateWords,
    pair: UnsafeCell<[u64; 2]>,
}

// SAFETY: the pair is reached by whoever the gate admits, which is what is tested.
unsafe impl Sync for Guarded {}

impl Guarded {
    fn new() -> Self {
        Self { words: GateWords::new(), pair: UnsafeCell::new([0; 2]) }
    }

    /// Reads both words, which must agree, and raises both, slowly enough to be caught in between.
    fn count(&self, who: &str) -> u64 {
        let pair = self.pair.get().cast::<u64>();
        // SAFETY: the second of two words.
        let second = unsafe { pair.add(1) };
        // SAFETY: the pair is valid; exclusive while the gate holds.
        let one = unsafe { pair.read_volatile() };
        // SAFETY: as above.
        unsafe { pair.write_volatile(one + 1) };
        // SAFETY: as above.
        let two = unsafe { second.read_volatile() };
        assert_eq!(one, two, "{who} saw the pair torn");
        // SAFETY: as above.
        unsafe { second.write_volatile(two + 1) };
        one
    }

    fn poll(&self, fences: FenceMode, stop: &AtomicBool) -> Tally {
        let me = OwnerId::from_raw(0x101).unwrap();
        // SAFETY: the words outlive the scope of the threads, and each gate has one poller.
        let mut gate = unsafe { PollerGate::new(NonNull::from(&self.words), me, fences) };
        let mut tally = Tally::default();
        while !stop.load(Ordering::Relaxed) {
            match gate.enter() {
                Entry::Open(inside) => {
                    self.count("a poller");
                    tally.bursts += 1;
                    drop(inside);
                }
                Entry::Changed(inside) => {
                    self.count("a poller");
                    tally.bursts += 1;
                    tally.changes += 1;
                    drop(inside);
                }
                Entry::Closed => {
                    tally.closed += 1;
                    if tally.closed % 1024 == 0 {
                        std::thread::yield_now();
                    }
                }
            }
        }
        tally
    }
}

#[derive(Default, Debug)]
struct Tally {
    bursts: u64,
    changes: u64,
    closed: u64,
}

/// Closes, counts and opens each gate in turn until the time is up; returns how often.
fn control(guarded: &[Guarded], fences: FenceMode) -> u64 {
    let gate = |one: &Guarded| {
        // SAFETY: the words outlive this call, and this is control's only thread.
        unsafe { ControlGate::new(NonNull::from(&one.words), fences) }
    };
    let gates: Vec<ControlGate> = guarded.iter().map(gate).collect();
    let end = Instant::now() + length();
    let mut rounds = 0;
    while Instant::now() < end {
        for (gate, one) in gates.iter().zip(guarded) {
            gate.close(PATIENCE).unwrap();
            one.count("control");
            gate.open();
        }
        rounds += 1;
        // Pauses of every length up to a few bursts, so that closings hit a poller at every point.
        for _ in 0..rounds % 97 {
            std::hint::spin_loop();
        }
    }
    ControlGate::close_all(&gates, PATIENCE).unwrap();
    rounds
}

fn stress(fences: FenceMode) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let guarded: Vec<Guarded> = (0..gate_count()).map(|_| Guarded::new()).collect();
    let stop = AtomicBool::new(false);
    let (rounds, tallies) = std::thread::scope(|scope| {
        let stop = &stop;
        let poll = |one| scope.spawn(move || Guarded::poll(one, fences, stop));
        let pollers: Vec<_> = guarded.iter().map(poll).collect();
        let rounds = control(&guarded, fences);
        stop.store(true, Ordering::Relaxed);
        let tallies: Vec<Tally> = pollers.into_iter().map(|one| one.join().unwrap()).collect();
        (rounds, tallies)
    });
    println!("{fences}: {rounds} closings of each gate, pollers {tallies:?}");
    for (one, tally) in guarded.iter().zip(&tallies) {
        assert_eq!(one.count("the test"), rounds + tally.bursts, "counts were lost");
        assert!(tally.changes <= rounds && rounds > 0 && tally.bursts > 0);
    }
}

#[test]
fn membarrier_keeps_control_and_pollers_apart() {
    if FenceMode::register() != FenceMode::Asymmetric {
        println!("SKIP membarrier_keeps_control_and_pollers_apart: the kernel refuses membarrier");
        return;
    }
    stress(FenceMode::Asymmetric);
}

#[test]
fn full_fences_keep_control_and_pollers_apart() {
    stress(FenceMode::Full);
}
