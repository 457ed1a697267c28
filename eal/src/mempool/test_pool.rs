//! A pool on heap memory, with simulated processes that can be stopped between any two stores.

#![allow(unsafe_code, reason = "tests of code on raw memory")]

use super::cache::Cache;
use super::layout::{MAGIC, PoolHeader, PoolLayout};
use super::record::Record;
use super::view::PoolView;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

/// Bytes in front of the header: handle 0 is never valid.
const BEFORE: usize = 64;

thread_local! {
    /// Steps that the simulated process still makes; `None` outside [`until_death`].
    static FUSE: Cell<Option<u64>> = const { Cell::new(None) };
    /// What happens between any two stores of this thread; says when it is done with.
    static MEANWHILE: RefCell<Option<Box<dyn FnMut() -> bool>>> = const { RefCell::new(None) };
}

/// Has `act` called at each step of this thread until it returns true.
pub(super) fn meanwhile(act: impl FnMut() -> bool + 'static) {
    MEANWHILE.set(Some(Box::new(act)));
}

/// What a simulated death unwinds with.
struct Died;

/// A store was made, or a word changed: a process may die here.
pub(super) fn step() {
    FUSE.with(|fuse| match fuse.get() {
        None => {}
        Some(0) => {
            fuse.set(None);
            resume_unwind(Box::new(Died));
        }
        Some(left) => fuse.set(Some(left - 1)),
    });
    // On a thread that is ending the place may be gone.
    if let Ok(Some(mut act)) = MEANWHILE.try_with(RefCell::take)
        && !act()
    {
        MEANWHILE.set(Some(act));
    }
}

/// Runs `life` and stops it dead after `steps` steps. `None` when it died; what it returned when it was done before.
/// Nothing of the pool's code cleans up in an unwinding, so what is left is what a killed process leaves.
pub(super) fn until_death<R>(steps: u64, life: impl FnOnce() -> R) -> Option<R> {
    FUSE.set(Some(steps));
    let result = catch_unwind(AssertUnwindSafe(life));
    FUSE.set(None);
    match result {
        Ok(done) => Some(done),
        Err(payload) if payload.is::<Died>() => None,
        Err(payload) => resume_unwind(payload),
    }
}

/// Pool memory on the heap.
pub(super) struct TestPool {
    base: NonNull<u8>,
    layout: PoolLayout,
    heap: Layout,
}

impl TestPool {
    /// A pool of `size` records in chunks of `capacity`, with room for `seats` thread caches.
    pub fn new(size: u32, capacity: u32, seats: u32) -> Self {
        let layout = PoolLayout::new(size, capacity, seats);
        let heap = Layout::from_size_align(BEFORE + layout.bytes, 64).unwrap();
        // SAFETY: the size is not 0.
        let base = NonNull::new(unsafe { alloc_zeroed(heap) }).unwrap();
        let pool = Self { base, layout, heap };
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
            buffer_distance: 1 << 20,
            buffer_stride: 192,
            data_offset: 0,
            data_len: 192 * u64::from(size),
        };
        // SAFETY: the header is the start of the memory.
        unsafe { pool.at().cast::<PoolHeader>().write(header) };
        pool
    }

    fn at(&self) -> NonNull<u8> {
        // SAFETY: the allocation is longer than `BEFORE`.
        unsafe { self.base.add(BEFORE) }
    }

    /// The pool as process `owner` sees it.
    pub fn view(&self, owner: u32) -> PoolView {
        // SAFETY: the pool is complete and lives as long as the test keeps `self`.
        unsafe { PoolView::new(self.at(), self.base, owner) }
    }

    /// Chunks in all.
    pub fn chunks(&self) -> u32 {
        self.layout.chunks
    }

    /// Takes everything that is free, through a new cache and back; returns the handles in ascending order.
    /// A hint that hides an entry would show here.
    pub fn drain(&self, owner: u32) -> Vec<u32> {
        let view = self.view(owner);
        let all = take_uncached(&view, self.layout.size as usize + 1);
        let mut handles: Vec<u32> = all.iter().map(|&record| handle_of(record)).collect();
        handles.sort_unstable();
        give_uncached(&view, &all);
        handles
    }
}

impl Drop for TestPool {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`.
        unsafe { dealloc(self.base.as_ptr(), self.heap) };
    }
}

/// The record's handle.
pub(super) fn handle_of(record: NonNull<Record>) -> u32 {
    // SAFETY: tests pass records of live pools.
    unsafe { (*record.as_ptr()).head.handle }
}

/// The record's stamp.
pub(super) fn stamp_of(record: NonNull<Record>) -> u32 {
    // SAFETY: tests pass records of live pools.
    unsafe { super::record::owner_word(record) }.load(core::sync::atomic::Ordering::Relaxed)
}

fn collect(count: usize, take: impl FnOnce(*mut NonNull<Record>) -> usize) -> Vec<NonNull<Record>> {
    let mut records = Vec::with_capacity(count);
    let taken = take(records.as_mut_ptr());
    assert!(taken <= count);
    // SAFETY: `take` filled `taken` places.
    unsafe { records.set_len(taken) };
    records
}

pub(super) fn take(cache: &mut Cache, count: usize) -> Vec<NonNull<Record>> {
    // SAFETY: `collect` gives room for `count`.
    collect(count, |out| unsafe { cache.take(out, count) })
}

pub(super) fn give(cache: &mut Cache, records: &[NonNull<Record>]) {
    // SAFETY: tests give what they took, once.
    unsafe { cache.give(records.as_ptr(), records.len()) };
}

pub(super) fn take_uncached(view: &PoolView, count: usize) -> Vec<NonNull<Record>> {
    // SAFETY: `collect` gives room for `count`.
    collect(count, |out| unsafe { view.take_uncached(out, count) })
}

pub(super) fn give_uncached(view: &PoolView, records: &[NonNull<Record>]) {
    // SAFETY: tests give what they took, once.
    unsafe { view.give_uncached(records.as_ptr(), records.len()) };
}
