//! What a ring has counted: written by its poller alone, read by anyone.

use std::sync::atomic::{AtomicU64, Ordering};

use virtio::packet_counts::{PacketCounts, PacketCountsSnapshot};

/// One counter. Its single writer adds by load and store, which costs no locked instruction.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

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

/// The counters of one ring.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Counters {
    /// Packets passed.
    pub packets: Counter,
    /// Their bytes, without the virtio header.
    pub bytes: Counter,
    /// The same packets by size and destination.
    pub frames: PacketCounts,
    /// Packets of a ring that its driver has started and not enabled: consumed and dropped.
    pub discarded: Counter,
    /// Chains that broke a rule: completed with length 0, their packet dropped.
    pub bad_chains: Counter,
    /// Packets too large for what the driver can ever offer: dropped.
    pub too_large: Counter,
    /// Times the embedder had no buffer for a packet, which stayed in the ring.
    pub no_buffer: Counter,
    /// VLAN tags that the embedder took out of packets after they were counted.
    pub stripped_tags: Counter,
    /// Wake-ups sent to the driver by the poller.
    pub notifications: Counter,
    /// Wake-ups sent to the driver by the clock, for a poller that does not call. Control is the one writer.
    pub late_notifications: Counter,
}

/// A snapshot of [`Counters`], or its growth since another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "field by field as in Counters; `notifications` are all of them")]
pub struct CounterValues {
    pub packets: u64,
    pub bytes: u64,
    pub frames: PacketCountsSnapshot,
    pub discarded: u64,
    pub bad_chains: u64,
    pub too_large: u64,
    pub no_buffer: u64,
    pub stripped_tags: u64,
    pub notifications: u64,
}

impl Counters {
    /// The values now, each read once.
    pub fn values(&self) -> CounterValues {
        let late = self.late_notifications.get();
        CounterValues {
            packets: self.packets.get(),
            bytes: self.bytes.get(),
            frames: self.frames.snapshot(),
            discarded: self.discarded.get(),
            bad_chains: self.bad_chains.get(),
            too_large: self.too_large.get(),
            no_buffer: self.no_buffer.get(),
            stripped_tags: self.stripped_tags.get(),
            notifications: self.notifications.get().wrapping_add(late),
        }
    }
}

impl CounterValues {
    /// What has been counted since `base` was taken.
    pub const fn since(&self, base: &Self) -> Self {
        Self {
            packets: self.packets.wrapping_sub(base.packets),
            bytes: self.bytes.wrapping_sub(base.bytes),
            frames: self.frames.since(&base.frames),
            discarded: self.discarded.wrapping_sub(base.discarded),
            bad_chains: self.bad_chains.wrapping_sub(base.bad_chains),
            too_large: self.too_large.wrapping_sub(base.too_large),
            no_buffer: self.no_buffer.wrapping_sub(base.no_buffer),
            stripped_tags: self.stripped_tags.wrapping_sub(base.stripped_tags),
            notifications: self.notifications.wrapping_sub(base.notifications),
        }
    }
}
