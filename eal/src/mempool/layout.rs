//! Where the parts of a pool lie.
//!
//! A pool is two extents. The one in the private file holds everything that must be believed:
//!
//! | part | size |
//! |---|---|
//! | header | 128 bytes, constant after creation |
//! | seats | one owner word for each thread cache, 0 when free |
//! | state words | one a chunk |
//! | three bitmaps | one bit a chunk each: has entries, has room, virgin |
//! | chunk bodies | `stride_bytes(C)` each |
//! | records | 64 bytes each |
//!
//! The one in the data file holds the buffers.
//!
//! **Why there are enough chunks.** Let `n = ceil(size / C)`. There are `n + 3 * SEATS + TRANSIENTS` chunks. A thread with a
//! seat owns at most two, and a third one while it changes; a thread without a seat owns one for the length of a call. So
//! at least `n` chunks are in the depot at any instant (as long as no more than `TRANSIENTS` seatless calls are
//! under way, and one more just waits for another to end). If all of them were full, they would hold `size` entries (the
//! last virgin one, which may stand for fewer than `C`, counted as what it stands for). But whoever gives a record
//! back holds one of `size` himself. Hence one of them has room.
#![allow(unsafe_code, reason = "computes addresses inside a pool's extent")]

use super::chunk::{Chunk, State, stride_bytes};
use super::record::HANDLE_UNIT_BYTES;
use crate::sync::{AtomicU32, AtomicU64};
use std::ptr::NonNull;

/// Threads that can have a cache of one pool at a time, over all processes.
pub(crate) const SEATS: u32 = 64;
/// Chunks for calls of threads that have no seat.
const TRANSIENTS: u32 = 16;
/// Most buffers of a pool: counts and handles stay in 32 bits with room to spare.
pub(crate) const MAX_SIZE: u32 = 1 << 28;
const MIN_CHUNK: u32 = 16;
const MAX_CHUNK: u32 = 256;

/// Says that a header is complete; the last store of a creation.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"pmdpool1");

/// What makes a pool. See [`Mempool::create`](super::Mempool::create).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// How many buffers.
    pub size: u32,
    /// Bytes of each buffer, headroom included.
    pub buf_len: u32,
    /// Buffers that a thread may keep to itself. A chunk is half of it, at least 16 and at most 256; a pool
    /// of fewer than eight chunks gets smaller ones, so that one thread cannot hoard all.
    pub cache: u16,
}

impl PoolConfig {
    /// Entries of one chunk.
    pub(crate) fn chunk_capacity(&self) -> u32 {
        (u32::from(self.cache) / 2).min(self.size / 8).clamp(MIN_CHUNK, MAX_CHUNK)
    }

    /// Bytes from one buffer to the next: whole cache lines, and an odd number of them, so that the first
    /// bytes of the buffers spread over all sets of a cache.
    pub(crate) fn buffer_stride(&self) -> u64 {
        (u64::from(self.buf_len).div_ceil(64) | 1) * 64
    }
}

/// The constant part of a pool, at the start of its private extent.
#[repr(C, align(64))]
pub(crate) struct PoolHeader {
    /// [`MAGIC`] once the pool may be used. A plain atomic also under loom: it is no part of the protocol.
    pub magic: core::sync::atomic::AtomicU64,
    /// Distinguishes this pool from any other that was or will be at this address.
    pub nonce: u64,
    pub size: u32,
    pub buf_len: u32,
    pub chunk_capacity: u32,
    pub chunk_count: u32,
    /// Handle of the header itself.
    pub handle: u32,
    /// Handle of record 0; the others follow.
    pub first_record: u32,
    pub seats: u32,
    pub reserved: u32,
    /// Bytes from record 0 to buffer 0.
    pub buffer_distance: i64,
    /// Bytes from one buffer to the next.
    pub buffer_stride: u64,
    /// The buffers' extent in the data file: offset and length in bytes.
    pub data_offset: u64,
    pub data_len: u64,
}

/// Offsets in bytes from the header to each part, all multiples of 64.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PoolLayout {
    pub size: u32,
    pub capacity: u32,
    pub chunks: u32,
    pub seats: u32,
    pub seats_at: usize,
    pub states_at: usize,
    pub with_entries_at: usize,
    pub with_room_at: usize,
    pub virgin_at: usize,
    pub bodies_at: usize,
    pub records_at: usize,
    /// Length of the whole.
    pub bytes: usize,
}

impl PoolLayout {
    /// The layout of a pool with chunks of `capacity` and room for `seats` thread caches.
    pub(crate) fn new(size: u32, capacity: u32, seats: u32) -> Self {
        let chunks = size.div_ceil(capacity) + 3 * seats + TRANSIENTS;
        Self::with_chunks(size, capacity, seats, chunks)
    }

    /// As [`PoolLayout::new`] with a number of chunks chosen by the caller.
    pub(crate) fn with_chunks(size: u32, capacity: u32, seats: u32, chunks: u32) -> Self {
        let mut bytes = size_of::<PoolHeader>();
        let mut part = |len: usize| {
            let at = bytes;
            bytes = (bytes + len).next_multiple_of(64);
            at
        };
        let bitmap = (chunks as usize).div_ceil(64) * size_of::<AtomicU64>();
        let seats_at = part(seats as usize * size_of::<AtomicU32>());
        let states_at = part(chunks as usize * size_of::<AtomicU64>());
        let with_entries_at = part(bitmap);
        let with_room_at = part(bitmap);
        let virgin_at = part(bitmap);
        let bodies_at = part(chunks as usize * stride_bytes(capacity));
        let records_at = part(size as usize * HANDLE_UNIT_BYTES);
        Self {
            size,
            capacity,
            chunks,
            seats,
            seats_at,
            states_at,
            with_entries_at,
            with_room_at,
            virgin_at,
            bodies_at,
            records_at,
            bytes,
        }
    }

    /// The layout that a header describes.
    pub(crate) fn of(header: &PoolHeader) -> Self {
        Self::with_chunks(header.size, header.chunk_capacity, header.seats, header.chunk_count)
    }

    /// Chunks that stand for records at first; the others start empty.
    pub(crate) const fn ranges(&self) -> u32 {
        self.size.div_ceil(self.capacity)
    }

    /// Records that chunk `index` stands for while it is virgin: the first one's number and how many.
    pub(crate) const fn range(&self, index: u32) -> (u32, u32) {
        let first = index * self.capacity;
        let left = self.size.saturating_sub(first);
        (first, if left < self.capacity { left } else { self.capacity })
    }

    /// Makes zeroed memory at `at` the parts of a pool in which every record is free and untouched. The header
    /// is not written.
    ///
    /// # Safety
    /// `at` is valid for writes of `bytes`, zeroed, aligned to 64, and nobody else uses it yet.
    pub(crate) unsafe fn init(&self, at: NonNull<u8>) {
        let ranges = self.ranges();
        for index in 0..self.chunks {
            let state = if index < ranges { State::Virgin } else { State::Depot(0) };
            // SAFETY: `index` is one of the state words inside the extent that the caller vouches for.
            let place = unsafe { word(at, self.states_at, index) };
            // SAFETY: as above; nobody else uses the memory yet.
            unsafe { place.write(AtomicU64::new(state.word())) };
        }
        for index in 0..self.chunks.div_ceil(64) {
            let virgin = bits_below(ranges, index);
            let all = bits_below(self.chunks, index);
            for (part, bits) in [
                (self.with_entries_at, 0),
                (self.with_room_at, all & !virgin),
                (self.virgin_at, virgin),
            ] {
                // SAFETY: `index` is one of the words of the bitmap.
                let place = unsafe { word(at, part, index) };
                // SAFETY: as above; nobody else uses the memory yet.
                unsafe { place.write(AtomicU64::new(bits)) };
            }
        }
        self.init_modelled(at);
    }

    #[cfg(not(loom))]
    fn init_modelled(&self, _at: NonNull<u8>) {}

    /// Loom's atomics are no plain words: zeroed memory does not stand for them.
    #[cfg(loom)]
    fn init_modelled(&self, at: NonNull<u8>) {
        for index in 0..self.seats as usize {
            // SAFETY: the seats lie inside the extent.
            let first = unsafe { at.add(self.seats_at) }.cast::<AtomicU32>();
            // SAFETY: `index` is below the number of seats.
            let seat = unsafe { first.add(index) };
            // SAFETY: as above; nobody else uses it yet.
            unsafe { seat.write(AtomicU32::new(0)) };
        }
        for index in 0..self.chunks {
            // SAFETY: one of the chunks inside the extent.
            unsafe { self.chunk(at, index) }.init(self.capacity);
        }
    }

    /// The body of chunk `index` of the pool at `at`.
    ///
    /// # Safety
    /// `at` is a pool of this layout and `index` is below its number of chunks.
    #[inline(always)]
    pub(crate) unsafe fn chunk(&self, at: NonNull<u8>, index: u32) -> Chunk {
        let offset = self.bodies_at + index as usize * stride_bytes(self.capacity);
        // SAFETY: the bodies lie inside the extent that the caller vouches for.
        let body = unsafe { at.add(offset) };
        // SAFETY: the first byte of chunk `index`.
        unsafe { Chunk::at(body) }
    }
}

/// Word `index` of the part that starts `part` bytes into the extent at `at`.
///
/// # Safety
/// The part has more than `index` words and lies inside the extent.
pub(crate) unsafe fn word(at: NonNull<u8>, part: usize, index: u32) -> NonNull<AtomicU64> {
    // SAFETY: passed on to the caller.
    let first = unsafe { at.add(part) }.cast::<AtomicU64>();
    // SAFETY: passed on to the caller.
    unsafe { first.add(index as usize) }
}

/// Word `index` of a bitmap whose first `count` bits are set.
const fn bits_below(count: u32, index: u32) -> u64 {
    match count.saturating_sub(index * 64) {
        0 => 0,
        left @ 1..=63 => (1 << left) - 1,
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    fn config(size: u32, buf_len: u32, cache: u16) -> PoolConfig {
        PoolConfig { size, buf_len, cache }
    }

    #[test]
    fn the_header_is_two_lines() {
        assert_eq!(size_of::<PoolHeader>(), 128);
        assert_eq!(offset_of!(PoolHeader, nonce), 8);
        assert_eq!(offset_of!(PoolHeader, size), 16);
        assert_eq!(offset_of!(PoolHeader, handle), 32);
        assert_eq!(offset_of!(PoolHeader, buffer_distance), 48);
        assert_eq!(offset_of!(PoolHeader, data_len), 72);
    }

    #[test]
    fn a_chunk_is_half_a_cache_within_its_bounds() {
        assert_eq!(config(100_000, 2176, 250).chunk_capacity(), 125);
        assert_eq!(config(100_000, 2176, 512).chunk_capacity(), 256);
        assert_eq!(config(100_000, 2176, 2000).chunk_capacity(), 256);
        assert_eq!(config(100_000, 2176, 0).chunk_capacity(), 16);
        assert_eq!(config(1024, 2176, 512).chunk_capacity(), 128);
        assert_eq!(config(1, 2176, 512).chunk_capacity(), 16);
    }

    #[test]
    fn buffers_hold_their_bytes_and_spread_over_cache_sets() {
        for buf_len in [1, 63, 64, 65, 2048, 2176, 9216] {
            let stride = config(1, buf_len, 0).buffer_stride();
            assert!(stride >= u64::from(buf_len));
            assert_eq!(stride % 64, 0);
            assert_eq!(stride / 64 % 2, 1, "buffer length {buf_len}");
        }
    }

    #[test]
    fn parts_do_not_overlap() {
        for (size, capacity) in [(1, 16), (16, 16), (17, 16), (100_000, 256)] {
            let layout = PoolLayout::new(size, capacity, SEATS);
            let ends = [
                (layout.seats_at, layout.states_at, SEATS as usize * 4),
                (layout.states_at, layout.with_entries_at, layout.chunks as usize * 8),
                (layout.with_entries_at, layout.with_room_at, layout.chunks as usize / 8),
                (layout.with_room_at, layout.virgin_at, layout.chunks as usize / 8),
                (layout.virgin_at, layout.bodies_at, layout.chunks as usize / 8),
                (
                    layout.bodies_at,
                    layout.records_at,
                    layout.chunks as usize * stride_bytes(capacity),
                ),
                (layout.records_at, layout.bytes, size as usize * 64),
            ];
            for (start, next, len) in ends {
                assert!(start % 64 == 0 && start + len <= next, "{layout:?}");
            }
        }
    }

    #[test]
    fn ranges_cover_every_record_once() {
        for (size, capacity) in [(1, 16), (16, 16), (17, 16), (1000, 256)] {
            let layout = PoolLayout::new(size, capacity, 1);
            let mut next = 0;
            for index in 0..layout.ranges() {
                let (first, count) = layout.range(index);
                assert_eq!(first, next);
                assert!(count > 0);
                next += count;
            }
            assert_eq!(next, size);
        }
    }

    #[test]
    fn bitmap_words_have_exactly_the_first_bits() {
        assert_eq!(bits_below(0, 0), 0);
        assert_eq!(bits_below(1, 0), 1);
        assert_eq!(bits_below(64, 0), u64::MAX);
        assert_eq!(bits_below(64, 1), 0);
        assert_eq!(bits_below(70, 1), 0b11_1111);
    }
}
