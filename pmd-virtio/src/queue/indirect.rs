//! Tables of descriptors outside the ring (virtio 1.2, 2.7.5.3): a packet of several segments takes one place of the ring.
//!
//! There is one table per descriptor of a transmit ring, behind the ring in the data file; descriptor `id` owns table `id`
//! for as long as it is posted. The device may write there, as in the ring itself: nothing is ever read back.
#![allow(unsafe_code, reason = "writes tables in memory shared with the device")]

use std::ptr::NonNull;

use eal::Memory;
use virtio::layout::{DESC_INDIRECT, Descriptor};

/// Descriptors of one table. A packet that needs more becomes a chain in the ring, as with DPDK's driver, so that rings of
/// both hold the same number of packets.
pub(crate) const TABLE_ENTRIES: u16 = 8;

/// The tables of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndirectTables {
    first: NonNull<Descriptor>,
    iova: u64,
    mask: u16,
}

// SAFETY: the tables are reached by volatile writes only, by the one poller of the queue; the holder keeps them mapped.
unsafe impl Send for IndirectTables {}

impl IndirectTables {
    /// Bytes of the tables of a ring of `size` descriptors.
    pub const fn bytes(size: u16) -> u64 {
        size as u64 * Self::STRIDE_BYTES
    }

    const STRIDE_BYTES: u64 = TABLE_ENTRIES as u64 * size_of::<Descriptor>() as u64;

    /// The tables at `offset` of the data file.
    ///
    /// # Safety
    ///
    /// [`bytes`](Self::bytes) of a ring of `size` descriptors, a power of two, are reserved there, aligned to 16, and stay
    /// mapped while the value is used.
    pub unsafe fn at(memory: &Memory, offset: u64, size: u16) -> Self {
        let base = memory.data_base();
        // SAFETY: the caller reserved the tables there.
        let first = unsafe { base.add(offset as usize) };
        Self { first: first.cast(), iova: memory.iova_base() + offset, mask: size - 1 }
    }

    /// Writes entry `at` of table `id`; both are masked.
    #[inline(always)]
    pub fn set(&self, id: u16, at: u16, descriptor: Descriptor) {
        let table = usize::from(id & self.mask) * usize::from(TABLE_ENTRIES);
        let place = self.first.as_ptr().wrapping_add(table + usize::from(at % TABLE_ENTRIES));
        // SAFETY: the masked place lies in the tables (contract of `at`).
        unsafe { place.write_volatile(descriptor) }
    }

    /// The descriptor that refers to the first `entries` of table `id`.
    #[inline(always)]
    pub fn refer(&self, id: u16, entries: u16) -> Descriptor {
        let addr = self.iova + u64::from(id & self.mask) * Self::STRIDE_BYTES;
        let len = u32::from(entries) * size_of::<Descriptor>() as u32;
        Descriptor { addr, len, flags: DESC_INDIRECT, next: 0 }
    }
}

const _: () = assert!(TABLE_ENTRIES.is_power_of_two());
