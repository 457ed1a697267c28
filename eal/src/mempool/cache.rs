//! A thread's cache of a pool: up to two chunks that it owns.
//!
//! *Loaded* serves takes and gives; *spare* is swapped in when loaded runs empty or full, so that a thread that goes up and
//! down around a chunk's end does not visit the depot each time. The visit is made when both are empty or both full.
//!
//! Nothing here is needed to find the chunks again after a death: their state words name the owner.
#![allow(unsafe_code, reason = "moves records between raw arrays and chunks")]

use super::depot::Held;
use super::record::Record;
use super::view::PoolView;
use std::ptr::NonNull;

/// Two chunks and a seat. Not given back when dropped: call [`Cache::close`], or let the sweep do it.
#[derive(Debug)]
pub(crate) struct Cache {
    pub view: PoolView,
    loaded: Held,
    spare: Option<Held>,
    seat: u32,
}

impl Cache {
    /// A cache that starts with a chunk to take from. `None` when all seats are taken or the pool is empty.
    pub(crate) fn for_take(view: PoolView) -> Option<Self> {
        let seat = view.take_seat()?;
        match view.claim_entries() {
            Some(loaded) => Some(Self { view, loaded, spare: None, seat }),
            None => {
                view.leave_seat(seat);
                None
            }
        }
    }

    /// A cache that starts with a chunk to give to. `None` when all seats are taken.
    pub(crate) fn for_give(view: PoolView) -> Option<Self> {
        let seat = view.take_seat()?;
        Some(Self { view, loaded: view.claim_room(), spare: None, seat })
    }

    /// Takes up to `count` records; returns how many.
    ///
    /// # Safety
    /// `out` is valid for `count` writes.
    #[inline(always)]
    pub(crate) unsafe fn take(&mut self, out: *mut NonNull<Record>, count: usize) -> usize {
        let len = self.loaded.chunk.len();
        if count <= len as usize {
            // SAFETY: this cache owns the chunk, which has `len >= count` entries; `out` is the caller's promise.
            unsafe { self.view.pop(self.loaded.chunk, len, out, count) };
            return count;
        }
        // SAFETY: passed on to the caller.
        unsafe { self.take_more(out, count) }
    }

    #[cold]
    #[inline(never)]
    unsafe fn take_more(&mut self, out: *mut NonNull<Record>, count: usize) -> usize {
        let mut taken = 0;
        while taken < count {
            let len = self.loaded.chunk.len();
            if len == 0 {
                if !self.load_entries() {
                    break;
                }
                continue;
            }
            let part = (count - taken).min(len as usize);
            // SAFETY: `taken < count`.
            let rest = unsafe { out.add(taken) };
            // SAFETY: this cache owns the chunk, `part <= len`, and `rest` has room for `count - taken`.
            unsafe { self.view.pop(self.loaded.chunk, len, rest, part) };
            taken += part;
        }
        taken
    }

    /// Puts a chunk with entries in the place of the empty loaded one. False when there is none.
    fn load_entries(&mut self) -> bool {
        if let Some(spare) = self.spare
            && spare.chunk.len() > 0
        {
            self.spare = Some(std::mem::replace(&mut self.loaded, spare));
            return true;
        }
        let Some(fresh) = self.view.claim_entries() else { return false };
        self.change_loaded(fresh);
        true
    }

    /// Makes `fresh` the loaded chunk; the loaded one becomes the spare, or goes back if there is one already.
    fn change_loaded(&mut self, fresh: Held) {
        let old = std::mem::replace(&mut self.loaded, fresh);
        if self.spare.is_none() {
            self.spare = Some(old);
        } else {
            self.view.release(old);
        }
    }

    /// Gives `count` records back.
    ///
    /// # Safety
    /// `records` is valid for `count` reads of records of this pool, which the caller holds and forgets.
    #[inline(always)]
    pub(crate) unsafe fn give(&mut self, records: *const NonNull<Record>, count: usize) {
        let len = self.loaded.chunk.len();
        if count <= (self.view.layout.capacity - len) as usize {
            // SAFETY: this cache owns the chunk, which has room for `count`; `records` is the caller's promise.
            unsafe { self.view.push(self.loaded.chunk, len, records, count) };
            return;
        }
        // SAFETY: passed on to the caller.
        unsafe { self.give_more(records, count) };
    }

    #[cold]
    #[inline(never)]
    unsafe fn give_more(&mut self, records: *const NonNull<Record>, count: usize) {
        let mut given = 0;
        while given < count {
            let len = self.loaded.chunk.len();
            let room = (self.view.layout.capacity - len) as usize;
            if room == 0 {
                self.load_room();
                continue;
            }
            let part = (count - given).min(room);
            // SAFETY: `given < count`.
            let rest = unsafe { records.add(given) };
            // SAFETY: this cache owns the chunk, `part <= room`, and `rest` has `count - given` elements.
            unsafe { self.view.push(self.loaded.chunk, len, rest, part) };
            given += part;
        }
    }

    /// Puts a chunk with room in the place of the full loaded one.
    fn load_room(&mut self) {
        if let Some(spare) = self.spare
            && spare.chunk.len() < self.view.layout.capacity
        {
            self.spare = Some(std::mem::replace(&mut self.loaded, spare));
            return;
        }
        let fresh = self.view.claim_room();
        self.change_loaded(fresh);
    }

    /// Returns everything to the depot.
    pub(crate) fn close(self) {
        self.view.release(self.loaded);
        if let Some(spare) = self.spare {
            self.view.release(spare);
        }
        self.view.leave_seat(self.seat);
    }
}

impl PoolView {
    /// Takes up to `count` records without a cache: claims a chunk, pops, returns it.
    ///
    /// # Safety
    /// `out` is valid for `count` writes.
    pub(crate) unsafe fn take_uncached(&self, out: *mut NonNull<Record>, count: usize) -> usize {
        let mut taken = 0;
        while taken < count {
            let Some(held) = self.claim_entries() else { break };
            let len = held.chunk.len();
            let part = (count - taken).min(len as usize);
            // SAFETY: `taken < count`.
            let rest = unsafe { out.add(taken) };
            // SAFETY: the chunk was claimed above, `part <= len`, and `rest` has room for `count - taken`.
            unsafe { self.pop(held.chunk, len, rest, part) };
            taken += part;
            self.release(held);
        }
        taken
    }

    /// Gives `count` records back without a cache: claims a chunk with room, pushes, returns it.
    ///
    /// # Safety
    /// `records` is valid for `count` reads of records of this pool, which the caller holds and forgets.
    pub(crate) unsafe fn give_uncached(&self, records: *const NonNull<Record>, count: usize) {
        let mut given = 0;
        while given < count {
            let held = self.claim_room();
            let len = held.chunk.len();
            let part = (count - given).min((self.layout.capacity - len) as usize);
            // SAFETY: `given < count`.
            let rest = unsafe { records.add(given) };
            // SAFETY: the chunk was claimed above and has room for `part`; `rest` has `count - given` elements.
            unsafe { self.push(held.chunk, len, rest, part) };
            given += part;
            self.release(held);
        }
    }
}
