//! What a queue counts.

use std::sync::atomic::{AtomicU64, Ordering};

use pmd_core::QueueStats;

/// One counter. Its single writer adds by load and store, which costs no locked instruction.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the poller calls this.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one queue: written by its poller alone, read by anyone.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Counters {
    pub packets: Counter,
    pub bytes: Counter,
    pub errors: Counter,
    pub no_mbuf: Counter,
}

impl Counters {
    /// Counts packets that passed.
    #[inline]
    pub fn passed(&self, packets: usize, bytes: u64) {
        self.packets.add(packets as u64);
        self.bytes.add(bytes);
    }

    /// The values now, each read once.
    pub fn values(&self) -> QueueStats {
        QueueStats {
            packets: self.packets.get(),
            bytes: self.bytes.get(),
            errors: self.errors.get(),
            missed: 0,
            no_mbuf: self.no_mbuf.get(),
        }
    }
}
