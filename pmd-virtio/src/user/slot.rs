//! A queue of a port that was set up, with what control keeps of it.

use std::sync::Arc;

use pmd_core::{QueueStats, Xstat};
use virtio::packet_counts::PacketCountsSnapshot;

use crate::queue::VirtQueue;

/// A queue, the name of its pool, and its counters when they were last cleared.
pub(super) struct Slot {
    pub queue: Arc<VirtQueue>,
    /// Where its packets come from, by name; empty for transmit.
    pub pool: String,
    stats_base: QueueStats,
    frames_base: PacketCountsSnapshot,
}

impl Slot {
    /// A new queue.
    pub(super) fn new(queue: VirtQueue, pool: String) -> Self {
        let (stats_base, frames_base) = (QueueStats::default(), PacketCountsSnapshot::default());
        Self { queue: Arc::new(queue), pool, stats_base, frames_base }
    }

    /// What was counted since the last clearing.
    pub(super) fn stats(&self) -> QueueStats {
        self.queue.stats().since(&self.stats_base)
    }

    /// Starts all of the queue's counters from zero.
    pub(super) fn clear(&mut self) {
        self.stats_base = self.queue.stats();
        self.frames_base = self.queue.frames();
    }

    /// The counters of receive or transmit queue `number` in DPDK's names and order.
    pub(super) fn xstats(&self, rx: bool, number: usize) -> impl Iterator<Item = Xstat> + use<> {
        let side = if rx { "rx" } else { "tx" };
        let stats = self.stats();
        let frames = self.queue.frames().since(&self.frames_base);
        let basic = [("good_packets", stats.packets), ("good_bytes", stats.bytes)];
        let errors = rx.then_some(("errors", stats.errors));
        let named = basic.into_iter().chain(errors).chain(frames.named());
        named.map(move |(name, value)| Xstat::new(format!("{side}_q{number}_{name}"), value))
    }
}
