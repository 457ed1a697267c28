//! The depot: chunks that nobody holds, and how they are claimed and returned.
//!
//! A chunk changes hands by its state word alone. Three bitmaps make the search short: *has entries*, *has room*,
//! *virgin*. A bit is set before the state that it announces is published, by whoever still owns the chunk, and
//! cleared after the claim, by the new owner. So a chunk in the depot always has its bits; a bit may be set without
//! reason for a moment, or, after a death, until the next claimer of the chunk clears it. A search that follows the bits
//! therefore misses nothing.
#![allow(unsafe_code, reason = "reaches state words and bitmaps in shared memory")]

use super::chunk::{Chunk, State};
use super::layout::word;
use super::step;
use super::view::PoolView;
use crate::sync::{AtomicU32, AtomicU64, Backoff, Ordering};

/// A chunk that this thread owns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub index: u32,
    pub chunk: Chunk,
}

impl PoolView {
    /// State word of chunk `index`.
    pub(crate) fn state(&self, index: u32) -> &AtomicU64 {
        debug_assert!(index < self.layout.chunks);
        // SAFETY: callers count chunks below `chunks`.
        let word = unsafe { word(self.at, self.layout.states_at, index) };
        // SAFETY: the pool stays mapped as long as the view is used; the word is an atomic.
        unsafe { word.as_ref() }
    }

    fn bitmap(&self, part: usize, index: u32) -> &AtomicU64 {
        debug_assert!(index < self.layout.chunks.div_ceil(64));
        // SAFETY: callers count bitmap words below `chunks / 64` rounded up.
        let word = unsafe { word(self.at, part, index) };
        // SAFETY: the pool stays mapped as long as the view is used; the word is an atomic.
        unsafe { word.as_ref() }
    }

    fn set_bit(&self, part: usize, index: u32) {
        self.bitmap(part, index / 64).fetch_or(1 << (index % 64), Ordering::Release);
        step();
    }

    fn clear_bit(&self, part: usize, index: u32) {
        self.bitmap(part, index / 64).fetch_and(!(1 << (index % 64)), Ordering::Relaxed);
        step();
    }

    /// Sets the bits that a chunk with `len` entries has in the depot.
    pub(crate) fn announce(&self, index: u32, len: u32) {
        if len > 0 {
            self.set_bit(self.layout.with_entries_at, index);
        }
        if len < self.layout.capacity {
            self.set_bit(self.layout.with_room_at, index);
        }
    }

    /// Sets the bit of a chunk that is about to be virgin again.
    pub(crate) fn announce_virgin(&self, index: u32) {
        self.set_bit(self.layout.virgin_at, index);
    }

    /// The first success of `claim` over the chunks whose bit is set.
    fn search(&self, part: usize, mut claim: impl FnMut(u32) -> Option<Held>) -> Option<Held> {
        for index in 0..self.layout.chunks.div_ceil(64) {
            let mut bits = self.bitmap(part, index).load(Ordering::Acquire);
            while bits != 0 {
                let held = claim(index * 64 + bits.trailing_zeros());
                if held.is_some() {
                    return held;
                }
                bits &= bits - 1;
            }
        }
        None
    }

    /// Claims chunk `index` if it is in the depot with a count that `fits`. `lost` is set when another thread
    /// was quicker.
    fn claim(&self, index: u32, fits: impl Fn(u32) -> bool, lost: &mut bool) -> Option<Held> {
        let word = self.state(index).load(Ordering::Relaxed);
        match State::from_word(word) {
            State::Depot(count) if fits(count) => {}
            _ => return None,
        }
        if !self.swap_state(index, word, State::Owned(self.me)) {
            *lost = true;
            return None;
        }
        self.clear_bit(self.layout.with_entries_at, index);
        self.clear_bit(self.layout.with_room_at, index);
        Some(Held { index, chunk: self.chunk(index) })
    }

    fn claim_virgin(&self, index: u32, lost: &mut bool) -> Option<Held> {
        let word = self.state(index).load(Ordering::Relaxed);
        if State::from_word(word) != State::Virgin {
            return None;
        }
        if !self.swap_state(index, word, State::Filling(self.me)) {
            *lost = true;
            return None;
        }
        self.clear_bit(self.layout.virgin_at, index);
        // SAFETY: the chunk is in state filling, claimed just now.
        unsafe { self.fill(index) };
        self.state(index).store(State::Owned(self.me).word(), Ordering::Release);
        step();
        Some(Held { index, chunk: self.chunk(index) })
    }

    fn swap_state(&self, index: u32, from: u64, to: State) -> bool {
        let state = self.state(index);
        let swapped =
            state.compare_exchange(from, to.word(), Ordering::Acquire, Ordering::Relaxed).is_ok();
        step();
        swapped
    }

    /// Claims a chunk with at least one entry, if the depot has one. A virgin one is the last resort: memory that was never
    /// touched stays so as long as possible.
    pub(crate) fn claim_entries(&self) -> Option<Held> {
        loop {
            let mut lost = false;
            let held = self
                .search(self.layout.with_entries_at, |index| {
                    self.claim(index, |count| count > 0, &mut lost)
                })
                .or_else(|| {
                    self.search(self.layout.virgin_at, |index| self.claim_virgin(index, &mut lost))
                });
            if held.is_some() || !lost {
                return held;
            }
        }
    }

    /// Claims a chunk with room for at least one entry. There is always one (see [`super::layout`]); a search fails only
    /// while others move chunks under it, so it is repeated.
    pub(crate) fn claim_room(&self) -> Held {
        let capacity = self.layout.capacity;
        let mut backoff = Backoff::default();
        loop {
            let held = self.search(self.layout.with_room_at, |index| {
                self.claim(index, |count| count < capacity, &mut false)
            });
            if let Some(held) = held {
                return held;
            }
            backoff.spin();
        }
    }

    /// Returns a chunk to the depot.
    pub(crate) fn release(&self, held: Held) {
        let len = held.chunk.len();
        self.announce(held.index, len);
        self.state(held.index).store(State::Depot(len).word(), Ordering::Release);
        step();
    }

    /// Owner word of seat `index`.
    pub(crate) fn seat(&self, index: u32) -> &AtomicU32 {
        debug_assert!(index < self.layout.seats);
        // SAFETY: the seats lie inside the pool's extent.
        let first = unsafe { self.at.add(self.layout.seats_at) }.cast::<AtomicU32>();
        // SAFETY: callers count seats below `seats`.
        let seat = unsafe { first.add(index as usize) };
        // SAFETY: the pool stays mapped as long as the view is used; the word is an atomic.
        unsafe { seat.as_ref() }
    }

    /// Takes a seat for a thread cache, if one is free.
    pub(crate) fn take_seat(&self) -> Option<u32> {
        let free = |&index: &u32| {
            let seat = self.seat(index);
            seat.load(Ordering::Relaxed) == 0
                && seat.compare_exchange(0, self.me, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        let seat = (0..self.layout.seats).find(free);
        step();
        seat
    }

    /// Gives a seat back; its chunks are in the depot already.
    pub(crate) fn leave_seat(&self, index: u32) {
        self.seat(index).store(0, Ordering::Release);
        step();
    }
}
