//! What the loom models of `tests/` need of a pool: memory on the heap, caches by hand, handles for records.
#![allow(unsafe_code, reason = "models run on raw memory")]
#![allow(missing_docs, reason = "for models only")]

use super::audit::PoolAudit;
use super::cache::Cache;
use super::layout::{MAGIC, PoolHeader, PoolLayout};
use super::record::Record;
use super::view::PoolView;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

/// Bytes in front of the header: handle 0 is never valid.
const BEFORE: usize = 64;

/// Pool memory on the heap.
pub struct ModelPool {
    base: NonNull<u8>,
    heap: Layout,
}

// SAFETY: the value is the address of memory whose words are atomics or owned by protocol.
unsafe impl Send for ModelPool {}
// SAFETY: as above.
unsafe impl Sync for ModelPool {}

impl ModelPool {
    /// A pool of `size` records in `chunks` chunks of `capacity`.
    pub fn new(size: u32, capacity: u32, seats: u32, chunks: u32) -> Self {
        let layout = PoolLayout::with_chunks(size, capacity, seats, chunks);
        let heap =
            Layout::from_size_align(BEFORE + layout.bytes, 64).unwrap_or(Layout::new::<u64>());
        // SAFETY: the size is not 0.
        let base = NonNull::new(unsafe { alloc_zeroed(heap) }).unwrap_or(NonNull::dangling());
        let pool = Self { base, heap };
        // SAFETY: the memory is new, zeroed and `layout.bytes` long.
        unsafe { layout.init(pool.at()) };
        let handle = (BEFORE / 64) as u32;
        let header = PoolHeader {
            magic: core::sync::atomic::AtomicU64::new(MAGIC),
            nonce: 1,
            size,
            buf_len: 64,
            chunk_capacity: capacity,
            chunk_count: layout.chunks,
            handle,
            first_record: handle + (layout.records_at / 64) as u32,
            seats,
            reserved: 0,
            buffer_distance: 0,
            buffer_stride: 64,
            data_offset: 0,
            data_len: 0,
        };
        // SAFETY: the header is the start of the memory.
        unsafe { pool.at().cast::<PoolHeader>().write(header) };
        pool
    }

    fn at(&self) -> NonNull<u8> {
        // SAFETY: the allocation is longer than `BEFORE`.
        unsafe { self.base.add(BEFORE) }
    }

    fn view(&self, owner: u32) -> PoolView {
        // SAFETY: the pool is complete; models keep it until their threads are joined.
        unsafe { PoolView::new(self.at(), self.base, owner) }
    }

    pub fn audit(&self) -> PoolAudit {
        self.view(1).audit()
    }

    pub fn sweep(&self, sweeper: u32, dead: u32) -> u32 {
        self.view(sweeper).sweep(dead, &|_| false)
    }

    /// A cache of process `owner`, made by a give.
    pub fn cache(&self, owner: u32) -> Option<ModelCache> {
        Cache::for_give(self.view(owner)).map(ModelCache)
    }

    pub fn take_uncached(&self, owner: u32, count: usize) -> Held {
        let mut held = Held(Vec::with_capacity(count));
        // SAFETY: there is room for `count`.
        let taken = unsafe { self.view(owner).take_uncached(held.0.as_mut_ptr(), count) };
        // SAFETY: `take_uncached` filled `taken` places.
        unsafe { held.0.set_len(taken) };
        held
    }

    pub fn give_uncached(&self, owner: u32, held: Held) {
        // SAFETY: the records were taken and are forgotten.
        unsafe { self.view(owner).give_uncached(held.0.as_ptr(), held.0.len()) };
    }
}

impl Drop for ModelPool {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`.
        unsafe { dealloc(self.base.as_ptr(), self.heap) };
    }
}

/// Records in hand.
pub struct Held(Vec<NonNull<Record>>);

// SAFETY: whoever has the value holds the records.
unsafe impl Send for Held {}

impl Held {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn handles(&self) -> Vec<u32> {
        // SAFETY: the records are held.
        self.0.iter().map(|record| unsafe { (*record.as_ptr()).head.handle }).collect()
    }
}

/// A thread's cache.
pub struct ModelCache(Cache);

impl ModelCache {
    pub fn take(&mut self, count: usize) -> Held {
        let mut held = Held(Vec::with_capacity(count));
        // SAFETY: there is room for `count`.
        let taken = unsafe { self.0.take(held.0.as_mut_ptr(), count) };
        // SAFETY: `take` filled `taken` places.
        unsafe { held.0.set_len(taken) };
        held
    }

    pub fn give(&mut self, held: Held) {
        // SAFETY: the records were taken and are forgotten.
        unsafe { self.0.give(held.0.as_ptr(), held.0.len()) };
    }

    pub fn close(self) {
        self.0.close();
    }
}
