//! The queue block: what control and pollers of one virtqueue share, in the private file.
//!
//! ```text
//! | gate (2 lines) | configuration | geometry | claim | progress | counters | table: one slot per descriptor |
//! ```
//!
//! No peer can write any of it. Everything in it is an offset, a count or a handle, so any process of the `Eal` can use it
//! wherever its window lies.
#![allow(unsafe_code, reason = "lies in memory shared by the processes of an Eal")]

use std::cell::UnsafeCell;
use std::mem::{offset_of, size_of};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use eal::gate::GateWords;
use virtio::Features;
use virtio::packet_counts::PacketCounts;

/// Where the ring is and how long: written once, before the size, and never changed.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Geometry {
    /// The ring's start in the data file.
    pub ring_offset: AtomicU64,
    /// The zeroed header in the data file, for packets without headroom.
    pub header_offset: AtomicU64,
    /// The tables for packets of several segments in the data file (`indirect.rs`); 0 when there are none.
    pub indirect_offset: AtomicU64,
    /// Entries of the ring; 0 while the block is being made.
    pub size: AtomicU32,
}

/// What was agreed with the device. Plain data, written by control while the gate is closed.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct QueueConfig {
    /// What was negotiated.
    pub features: u64,
    /// The port, for received packets.
    pub port: u16,
    /// How many of the ring's descriptors are used: at least 1, at most the ring's size.
    pub descriptors: u16,
    /// Not 0: VLAN tags are taken out of received packets, or put into packets to be sent.
    pub vlan: u16,
}

impl QueueConfig {
    pub fn features(&self) -> Features {
        Features::from_bits_retain(self.features)
    }
}

/// How far the poller is: running counts, whose low 16 bits are ring indices.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Progress {
    /// Used entries consumed. Stored before any of their descriptors is posted again.
    pub used: AtomicU32,
    /// 1: published while the device's flag said that it wants no kick, and not confirmed since.
    pub unconfirmed: AtomicU32,
    /// An encoded [`Posted`]. Stored before the index is published.
    posted: AtomicU64,
    /// An encoded [`UsedBatch`], or 0.
    batch: AtomicU64,
    /// Not 0: the device broke a rule (see `BreakReason`).
    pub broken: AtomicU32,
}

/// What was made available: one word, so that a poller that dies leaves both or neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Posted {
    /// Heads made available.
    pub heads: u32,
    /// In order: the descriptor that is used next (virtio 1.2, 2.7.7 and 2.7.9).
    pub next_id: u16,
}

/// In order: a batch of used buffers of which only the last was named (virtio 1.2, 2.7.9) and that was not taken whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsedBatch {
    /// Position of the last buffer.
    pub end: u32,
    /// Bytes in the last buffer; below `u32::MAX`.
    pub len: u32,
}

impl Progress {
    /// Heads made available, and the next descriptor.
    #[inline(always)]
    pub fn posted(&self) -> Posted {
        let word = self.posted.load(Ordering::Acquire);
        Posted { heads: word as u32, next_id: (word >> 32) as u16 }
    }

    /// Stores it.
    #[inline(always)]
    pub fn set_posted(&self, posted: Posted) {
        let word = u64::from(posted.next_id) << 32 | u64::from(posted.heads);
        self.posted.store(word, Ordering::Release);
    }

    /// The batch that was begun.
    pub fn batch(&self) -> Option<UsedBatch> {
        let word = self.batch.load(Ordering::Acquire);
        let len = ((word >> 32) as u32).checked_sub(1)?;
        Some(UsedBatch { end: word as u32, len })
    }

    /// Stores it.
    pub fn set_batch(&self, batch: Option<UsedBatch>) {
        let word = batch.map_or(0, |b| (u64::from(b.len) + 1) << 32 | u64::from(b.end));
        self.batch.store(word, Ordering::Release);
    }

    /// A ring at its beginning.
    pub fn reset(&self) {
        self.used.store(0, Ordering::Relaxed);
        self.unconfirmed.store(0, Ordering::Relaxed);
        self.set_posted(Posted::default());
        self.set_batch(None);
        self.broken.store(0, Ordering::Relaxed);
    }
}

/// What a queue has counted. One writer at a time: the poller, or control with the gate closed.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Counters {
    pub packets: AtomicU64,
    pub bytes: AtomicU64,
    /// Packets dropped because something was wrong with them.
    pub errors: AtomicU64,
    /// Packets that were lost with a poller's process, or with the device.
    pub lost: AtomicU64,
    /// Times the pool had no mbuf for a free descriptor.
    pub no_mbuf: AtomicU64,
    pub kicks: AtomicU64,
    /// Packets by size and destination.
    pub frames: PacketCounts,
}

/// Adds to a counter of which the caller is the one writer: no locked instruction.
#[inline(always)]
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

/// The claim word on a line of its own: the owner id of the process that polls, or 0.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct ClaimWord(pub AtomicU32);

/// The fixed part of a queue block; the table follows it.
#[repr(C)]
pub(crate) struct QueueBlock {
    pub gate: GateWords,
    config: UnsafeCell<QueueConfig>,
    pub geometry: Geometry,
    pub claim: ClaimWord,
    pub progress: Progress,
    pub counters: Counters,
}

const _: () = {
    assert!(size_of::<GateWords>() == 128);
    assert!(offset_of!(QueueBlock, config) == 128);
    assert!(offset_of!(QueueBlock, geometry) == 192);
    assert!(offset_of!(QueueBlock, claim) == 256);
    assert!(offset_of!(QueueBlock, progress) == 320);
    assert!(offset_of!(QueueBlock, counters) == 384);
    assert!(offset_of!(Counters, frames) == 48);
    assert!(size_of::<QueueBlock>() == 512);
    assert!(offset_of!(Geometry, size) == 24);
    assert!(offset_of!(QueueConfig, port) == 8);
    assert!(offset_of!(Progress, posted) == 8);
    assert!(offset_of!(Progress, broken) == 24);
};

impl QueueBlock {
    /// Bytes of a block for a ring of `size` entries, its table included.
    pub const fn bytes(size: u16) -> u64 {
        (size_of::<Self>() + size_of::<u64>() * size as usize) as u64
    }

    /// Makes zeroed memory at `place` a block with a closed gate.
    ///
    /// # Safety
    ///
    /// `place` has [`QueueBlock::bytes`] zeroed bytes, aligned to 64, that nobody else uses yet.
    pub unsafe fn init(place: NonNull<Self>) {
        // SAFETY: the gate is the block's first field and nobody uses it yet.
        unsafe { GateWords::init(place.cast()) };
    }

    /// A copy of the configuration.
    ///
    /// # Safety
    ///
    /// The caller is inside the gate, or is control with the gate closed.
    pub unsafe fn config(&self) -> QueueConfig {
        // SAFETY: by the gate protocol nobody writes now.
        unsafe { self.config.get().read() }
    }

    /// Replaces the configuration.
    ///
    /// # Safety
    ///
    /// The caller is control, serialised, with the gate closed and the poller outside.
    pub unsafe fn set_config(&self, config: QueueConfig) {
        // SAFETY: by the gate protocol nobody reads now.
        unsafe { self.config.get().write(config) }
    }
}

/// What a table slot says of its descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The driver has it.
    Free,
    /// It is the head of a posted chain that carries the mbuf `handle`, posted as number `position`.
    Head { handle: u32, position: u32 },
    /// It is a further descriptor of the chain with that head.
    Part { head: u16 },
}

/// Marks a [`Slot::Part`]; handles are below it (`eal` makes no pool beyond 128 GiB of the private file).
const PART: u64 = 1 << 31;

impl Slot {
    const fn encode(self) -> u64 {
        match self {
            Self::Free => 0,
            Self::Head { handle, position } => (position as u64) << 32 | handle as u64,
            Self::Part { head } => PART | head as u64,
        }
    }

    const fn decode(word: u64) -> Self {
        let low = word as u32;
        match low {
            0 => Self::Free,
            low if low as u64 & PART != 0 => Self::Part { head: low as u16 },
            handle => Self::Head { handle, position: (word >> 32) as u32 },
        }
    }
}

/// The descriptor-to-mbuf table of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    slots: NonNull<AtomicU64>,
    mask: u16,
}

// SAFETY: the slots are atomics in the window that the holder keeps mapped.
unsafe impl Send for Table {}

impl Table {
    /// The table behind `block`.
    ///
    /// # Safety
    ///
    /// `block` was made for `size` entries, a power of two, and stays mapped while the value is used.
    pub unsafe fn of(block: NonNull<QueueBlock>, size: u16) -> Self {
        // SAFETY: the table lies directly behind the fixed part (`QueueBlock::bytes`).
        let slots = unsafe { block.add(1) };
        Self { slots: slots.cast(), mask: size - 1 }
    }

    #[inline(always)]
    fn word(&self, id: u16) -> &AtomicU64 {
        let at = self.slots.as_ptr().wrapping_add(usize::from(id & self.mask));
        // SAFETY: the masked index lies in the table, which stays mapped (contract of `of`).
        unsafe { &*at }
    }

    /// What descriptor `id` (masked) is.
    #[inline(always)]
    pub fn get(&self, id: u16) -> Slot {
        Slot::decode(self.word(id).load(Ordering::Acquire))
    }

    /// Writes what descriptor `id` (masked) is. Stores are not reordered with earlier ones.
    #[inline(always)]
    pub fn set(&self, id: u16, slot: Slot) {
        self.word(id).store(slot.encode(), Ordering::Release);
    }

    /// The ids and mbufs of all posted chains.
    pub fn heads(&self) -> impl Iterator<Item = (u16, u32, u32)> {
        let table = *self;
        (0..=self.mask).filter_map(move |id| match table.get(id) {
            Slot::Head { handle, position } => Some((id, handle, position)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_survive_encoding() {
        for slot in [
            Slot::Free,
            Slot::Head { handle: 1, position: 0 },
            Slot::Head { handle: 0x7FFF_FFFF, position: u32::MAX },
            Slot::Part { head: 0 },
            Slot::Part { head: 32767 },
        ] {
            assert_eq!(Slot::decode(slot.encode()), slot);
        }
    }

    #[test]
    fn progress_survives_encoding() {
        // SAFETY: a block of zeroes is a valid one, and so is its part.
        let progress: Progress = unsafe { std::mem::zeroed() };
        assert_eq!((progress.posted(), progress.batch()), (Posted::default(), None));
        for posted in [
            Posted { heads: u32::MAX, next_id: 0 },
            Posted { heads: 0, next_id: 32_767 },
            Posted { heads: 70_000, next_id: 1 },
        ] {
            progress.set_posted(posted);
            assert_eq!(progress.posted(), posted);
        }
        for batch in [UsedBatch { end: 0, len: 0 }, UsedBatch { end: u32::MAX, len: u32::MAX - 1 }]
        {
            progress.set_batch(Some(batch));
            assert_eq!(progress.batch(), Some(batch));
        }
        progress.reset();
        assert_eq!(progress.batch(), None);
    }
}
