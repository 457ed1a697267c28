//! The caches of the calling thread, one for each pool that it uses.
//!
//! An entry is keyed by the mapping that the pool is reached through and the pool's nonce. So an entry of a pool that is gone
//! never matches one that came later at the same place, nor the same pool after this process left it and joined again: by
//! then its chunks were taken from it. Entries do not keep memory alive: a thread that ends gives its chunks back if the
//! memory is still there, and touches nothing if it is not.
#![allow(unsafe_code, reason = "thread-local cells reached by raw pointers, for speed")]

use super::cache::Cache;
use crate::mem::WeakMemory;
use std::cell::{Cell, RefCell};
use std::ptr::null_mut;

/// Names a pool in this process for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    /// Number of the mapping, see [`Memory::unique`](crate::Memory::unique).
    pub mapping: u64,
    /// See [`PoolHeader::nonce`](super::layout::PoolHeader).
    pub nonce: u64,
}

struct Entry {
    key: Key,
    memory: WeakMemory,
    cache: Cache,
}

/// Entries reached without a search; a thread that uses more pools finds the others a little slower.
const HOT: usize = 8;

/// Pointers to entries by the low bits of their nonce. No destructor, so that reading it costs one move.
struct Hot {
    entries: [Cell<*mut Entry>; HOT],
}

thread_local! {
    static HOT_ENTRIES: Hot = const { Hot { entries: [const { Cell::new(null_mut()) }; HOT] } };
    static ENTRIES: RefCell<Entries> = const { RefCell::new(Entries(Vec::new())) };
}

/// The thread's entries, by `Box::into_raw`: [`Hot`] points at them too.
struct Entries(Vec<*mut Entry>);

fn hot_cell<R>(key: Key, with: impl FnOnce(&Cell<*mut Entry>) -> R) -> R {
    HOT_ENTRIES.with(|hot| with(&hot.entries[key.nonce as usize % HOT]))
}

/// Calls `with` with this thread's cache of the pool, if it has one.
///
/// # Safety
/// The pool is mapped, and `with` does not come back here.
#[inline(always)]
pub(crate) unsafe fn with_cache<R>(key: Key, with: impl FnOnce(&mut Cache) -> R) -> Option<R> {
    let entry = hot_cell(key, Cell::get);
    // SAFETY: a hot pointer is null or one of this thread's live entries; nobody holds a reference to
    // it, since `with` does not come back here.
    match unsafe { entry.as_mut() } {
        Some(entry) if entry.key == key => Some(with(&mut entry.cache)),
        // SAFETY: passed on to the caller.
        _ => unsafe { with_cold(key, with) },
    }
}

#[cold]
#[inline(never)]
unsafe fn with_cold<R>(key: Key, with: impl FnOnce(&mut Cache) -> R) -> Option<R> {
    let found = ENTRIES.try_with(|entries| entries.borrow().find(key)).ok().flatten()?;
    hot_cell(key, |hot| hot.set(found));
    // SAFETY: `found` is one of this thread's live entries, and no reference to it exists.
    let entry = unsafe { &mut *found };
    Some(with(&mut entry.cache))
}

/// Makes `make`'s cache this thread's cache of the pool. Does nothing (and does not call `make`) on a thread that is
/// ending, whose cache would never be given back.
pub(crate) fn adopt(key: Key, memory: WeakMemory, make: impl FnOnce() -> Option<Cache>) -> bool {
    let adopted = ENTRIES.try_with(|entries| {
        let mut entries = entries.borrow_mut();
        entries.prune();
        let Some(cache) = make() else { return false };
        let entry = Box::into_raw(Box::new(Entry { key, memory, cache }));
        entries.0.push(entry);
        hot_cell(key, |hot| hot.set(entry));
        true
    });
    adopted.unwrap_or(false)
}

impl Entries {
    fn find(&self, key: Key) -> Option<*mut Entry> {
        // SAFETY: the list holds live entries only, and no mutable reference to one exists meanwhile.
        self.0.iter().copied().find(|&entry| unsafe { (*entry).key } == key)
    }

    /// Forgets entries whose memory is gone.
    fn prune(&mut self) {
        self.0.retain(|&entry| {
            // SAFETY: the list holds live entries only.
            let alive = unsafe { (*entry).memory.upgrade() }.is_some();
            if !alive {
                // SAFETY: the entry leaves the list with this call.
                drop(unsafe { unlink(entry) });
            }
            alive
        });
    }
}

/// Takes an entry out of the hot pointers and back from the heap.
///
/// # Safety
/// `entry` came from `Box::into_raw`, and this is its last use.
unsafe fn unlink(entry: *mut Entry) -> Box<Entry> {
    // SAFETY: passed on to the caller.
    let entry = unsafe { Box::from_raw(entry) };
    hot_cell(entry.key, |hot| {
        if std::ptr::eq(hot.get(), &raw const *entry) {
            hot.set(null_mut());
        }
    });
    entry
}

impl Drop for Entries {
    fn drop(&mut self) {
        for entry in std::mem::take(&mut self.0) {
            // SAFETY: the list is empty from here on.
            let entry = *unsafe { unlink(entry) };
            if let Some(memory) = entry.memory.upgrade() {
                entry.cache.close();
                drop(memory);
            }
        }
    }
}
