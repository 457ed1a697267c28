//! One process's view of a pool: addresses, its own name, and the two moves between a chunk and its hand.
//!
//! These moves carry the death rules. A process dies at one point of its program order, so what counts is the order
//! of stores that the compiler emits; release stores fix it.
//!
//! * *take*: owner stamped into each record, **then** the chunk's length lowered. Dead in between: the chunk still lists
//!   the records, and a chunk is believed over a stamp.
//! * *give*: entries written, **then** the length raised, **then** the stamps cleared. Dead before the length was raised: the
//!   stamps say that the records were in use. Dead after: the chunk lists them.
#![allow(unsafe_code, reason = "reads and writes records and chunks in shared memory")]

use super::chunk::Chunk;
use super::layout::{PoolHeader, PoolLayout};
use super::record::{HANDLE_UNIT_BYTES, Record, RecordHead, owner_word};
use super::step;
use core::sync::atomic::{AtomicU32, Ordering};
use std::ptr::NonNull;

/// A pool as one process sees it. Copied freely; whoever uses it keeps the memory mapped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolView {
    /// The header, which the layout's offsets count from.
    pub at: NonNull<u8>,
    /// The private file's first byte.
    pub base: NonNull<u8>,
    pub layout: PoolLayout,
    pub first_record: u32,
    /// Owner id of this process.
    pub me: u32,
}

// SAFETY: the view is addresses of shared memory whose words are atomics or owned by protocol.
unsafe impl Send for PoolView {}
// SAFETY: as above.
unsafe impl Sync for PoolView {}

impl PoolView {
    /// The view of the pool at `at` by the process `me`.
    ///
    /// # Safety
    /// `at` is a complete pool, `base` the first byte of the private file it lies in, and both stay mapped as long as the
    /// view or a copy of it is used.
    pub(crate) unsafe fn new(at: NonNull<u8>, base: NonNull<u8>, me: u32) -> Self {
        // SAFETY: the caller vouches for a complete pool, whose header is constant.
        let header = unsafe { at.cast::<PoolHeader>().as_ref() };
        let layout = PoolLayout::of(header);
        Self { at, base, layout, first_record: header.first_record, me }
    }

    pub(crate) fn header(&self) -> &PoolHeader {
        // SAFETY: `new` was promised a pool that stays mapped; its header is constant.
        unsafe { self.at.cast::<PoolHeader>().as_ref() }
    }

    /// The record that a handle names.
    ///
    /// # Safety
    /// `handle` is a handle of this pool.
    #[inline(always)]
    pub(crate) unsafe fn record(&self, handle: u32) -> NonNull<Record> {
        // SAFETY: records lie inside the mapping of the private file, which starts at `base`.
        unsafe { self.base.add(HANDLE_UNIT_BYTES * handle as usize) }.cast()
    }

    /// Whether `handle` is one of this pool's.
    pub(crate) fn contains(&self, handle: u32) -> bool {
        handle.wrapping_sub(self.first_record) < self.layout.size
    }

    /// The owner word of record number `index`.
    pub(crate) fn owner_of(&self, index: u32) -> &AtomicU32 {
        debug_assert!(index < self.layout.size);
        // SAFETY: callers count records below `size`.
        let record = unsafe { self.record(self.first_record + index) };
        // SAFETY: the memory stays mapped as long as the view is used.
        unsafe { owner_word(record) }
    }

    /// Chunk `index`.
    pub(crate) fn chunk(&self, index: u32) -> Chunk {
        debug_assert!(index < self.layout.chunks);
        // SAFETY: callers count chunks below `chunks`; the pool stays mapped.
        unsafe { self.layout.chunk(self.at, index) }
    }

    /// Moves the top `count` entries of `chunk` to `out`, newest first, stamping each as this process's.
    ///
    /// # Safety
    /// This thread owns `chunk`, which has `len >= count` entries; `out` is valid for `count` writes.
    #[inline(always)]
    pub(crate) unsafe fn pop(
        &self,
        chunk: Chunk,
        len: u32,
        out: *mut NonNull<Record>,
        count: usize,
    ) {
        for taken in 0..count {
            // SAFETY: `taken < count <= len`, which is at most the capacity.
            let handle = unsafe { chunk.get(len as usize - 1 - taken) };
            // SAFETY: chunks hold handles of their pool only.
            let record = unsafe { self.record(handle) };
            // SAFETY: as above; the memory stays mapped.
            unsafe { owner_word(record) }.store(self.me, Ordering::Relaxed);
            step();
            // SAFETY: the caller's `out` has room for `count`.
            let place = unsafe { out.add(taken) };
            // SAFETY: as above.
            unsafe { place.write(record) };
        }
        chunk.set_len(len - count as u32);
        step();
    }

    /// Moves `count` records into `chunk` and stamps them free.
    ///
    /// # Safety
    /// This thread owns `chunk`, which has `len` entries and room for `count` more; `records` is valid for
    /// `count` reads of records of this pool that the caller holds and forgets.
    #[inline(always)]
    pub(crate) unsafe fn push(
        &self,
        chunk: Chunk,
        len: u32,
        records: *const NonNull<Record>,
        count: usize,
    ) {
        for given in 0..count {
            // SAFETY: `records` has `count` elements.
            let place = unsafe { records.add(given) };
            // SAFETY: as above.
            let record = unsafe { place.read() };
            // SAFETY: the caller holds the record; its handle is constant.
            let handle = unsafe { (*record.as_ptr()).head.handle };
            // SAFETY: `len + given` is below the capacity, and this thread owns the chunk.
            unsafe { chunk.set(len as usize + given, handle) };
            step();
        }
        chunk.set_len(len + count as u32);
        step();
        for given in 0..count {
            // SAFETY: `records` has `count` elements.
            let place = unsafe { records.add(given) };
            // SAFETY: as above.
            let record = unsafe { place.read() };
            // SAFETY: a record of this pool, whose memory stays mapped.
            unsafe { owner_word(record) }.store(0, Ordering::Release);
            step();
        }
    }

    /// Writes the records and entries that virgin chunk `index` stands for.
    ///
    /// # Safety
    /// This thread has claimed the chunk, which is in state *filling*.
    pub(crate) unsafe fn fill(&self, index: u32) {
        let (first, count) = self.layout.range(index);
        let chunk = self.chunk(index);
        for number in first..first + count {
            let handle = self.first_record + number;
            // SAFETY: `number` is below the pool's size.
            let record = unsafe { self.record(handle) };
            let head = self.new_head(number);
            // SAFETY: nobody else uses a record that was never handed out; its head lies at its start.
            unsafe { record.cast::<RecordHead>().write(head) };
            step();
            // Lowest handle on top: memory is first touched in ascending order.
            let entry = (first + count - 1 - number) as usize;
            // SAFETY: `entry` is below `count`, at most the capacity; this thread owns the chunk.
            unsafe { chunk.set(entry, handle) };
        }
        chunk.set_len(count);
        step();
    }

    fn new_head(&self, number: u32) -> RecordHead {
        let header = self.header();
        let spread = header.buffer_stride as i64 - HANDLE_UNIT_BYTES as i64;
        RecordHead {
            buf_distance: header.buffer_distance + i64::from(number) * spread,
            handle: self.first_record + number,
            pool: header.handle,
            owner: AtomicU32::new(0),
            buf_len: header.buf_len,
        }
    }
}
