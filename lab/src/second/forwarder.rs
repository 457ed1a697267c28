//! The thread of the first process that forwards on queue pair 0.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pmd_core::{Burst, RxBurst, RxQueue, TxBurst, TxQueue};

use super::queues::Queues;
use crate::Result;
use crate::endpoint::BURST;
use crate::process::PATIENCE;

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    pause: AtomicBool,
    paused: AtomicBool,
    in_hand: AtomicUsize,
}

/// Control's handle on the thread.
#[derive(Debug)]
pub struct Forwarder {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl Forwarder {
    /// Claims queue pair 0 and begins.
    ///
    /// # Errors
    ///
    /// When somebody else polls it.
    pub fn start(queues: &Queues) -> Result<Self> {
        let (rx, tx) = queues.claim_first_pair()?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || forward(rx, tx, &theirs));
        Ok(Self { shared, thread })
    }

    /// Keeps the thread from touching anything and says how many mbufs it has in hand.
    ///
    /// # Errors
    ///
    /// When it does not pause in time: it has ended.
    pub fn pause(&self) -> Result<usize> {
        let begin = Instant::now();
        self.shared.pause.store(true, Ordering::Release);
        while !self.shared.paused.load(Ordering::Acquire) {
            if begin.elapsed() > PATIENCE {
                return Err("the forwarder does not pause".into());
            }
            std::thread::yield_now();
        }
        Ok(self.shared.in_hand.load(Ordering::Relaxed))
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.shared.paused.store(false, Ordering::Relaxed);
        self.shared.pause.store(false, Ordering::Release);
    }

    /// Ends it; the queues are free then.
    ///
    /// # Errors
    ///
    /// When it panicked.
    pub fn finish(self) -> Result<()> {
        self.shared.stop.store(true, Ordering::Release);
        self.thread.join().map_err(|_| "the forwarder panicked".into())
    }
}

fn forward(mut rx: RxQueue, mut tx: TxQueue, shared: &Shared) {
    let mut waiting = Burst::new(BURST);
    while !shared.stop.load(Ordering::Acquire) {
        rx.burst(&mut waiting);
        // With room left there was nothing more to receive, so the queue keeps no half of a packet for itself.
        if waiting.room() > 0 && shared.pause.load(Ordering::Acquire) {
            rest(&waiting, shared);
        }
        if waiting.is_empty() || tx.burst(&mut waiting) == 0 {
            std::thread::yield_now();
        }
    }
}

fn rest(waiting: &Burst, shared: &Shared) {
    let in_hand = waiting.iter().map(|mbuf| usize::from(mbuf.segment_count())).sum();
    shared.in_hand.store(in_hand, Ordering::Relaxed);
    shared.paused.store(true, Ordering::Release);
    while shared.pause.load(Ordering::Acquire) {
        std::thread::sleep(Duration::from_micros(20));
    }
}
