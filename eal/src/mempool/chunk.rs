//! A chunk: a stack of at most `C` handles in shared memory, and the word that says whose it is.
//!
//! | state | meaning | leaves it by |
//! |---|---|---|
//! | virgin | stands for `C` records that were never written | CAS to *filling* |
//! | filling(owner) | the owner writes those records and entries | the owner's store of *owned* |
//! | owned(owner) | the owner alone reads and writes the body; its length is in the body | the owner's store of *depot* |
//! | depot(count) | nobody's; the body does not change | CAS to *owned* |
//!
//! A word needs no tag against ABA. Whatever happened between reading it and a CAS that succeeds, the word's
//! meaning holds at that instant, and the body is read after it. Words of a dead owner are changed by CAS
//! from that owner, whose id never comes back.
#![allow(unsafe_code, reason = "chunks lie in memory shared by several processes")]

use crate::sync::{AtomicU32, Ordering};
use std::ptr::NonNull;

/// Decoded state word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Never touched. Zeroed memory is this.
    Virgin,
    /// Being written for the first time by this owner.
    Filling(u32),
    /// In the hands of this owner.
    Owned(u32),
    /// For anyone to claim, with this many entries.
    Depot(u32),
}

const KIND_FILLING: u64 = 1;
const KIND_OWNED: u64 = 2;
const KIND_DEPOT: u64 = 3;

impl State {
    /// Kind in bits 0 and 1, owner or count in the upper half.
    pub(crate) const fn word(self) -> u64 {
        match self {
            Self::Virgin => 0,
            Self::Filling(owner) => KIND_FILLING | (owner as u64) << 32,
            Self::Owned(owner) => KIND_OWNED | (owner as u64) << 32,
            Self::Depot(count) => KIND_DEPOT | (count as u64) << 32,
        }
    }

    pub(crate) const fn from_word(word: u64) -> Self {
        let upper = (word >> 32) as u32;
        match word & 3 {
            KIND_FILLING => Self::Filling(upper),
            KIND_OWNED => Self::Owned(upper),
            KIND_DEPOT => Self::Depot(upper),
            _ => Self::Virgin,
        }
    }
}

/// What stands before a chunk's entries.
#[repr(C)]
struct ChunkHead {
    len: AtomicU32,
}

/// Bytes of a chunk of `capacity` entries, rounded to whole cache lines.
pub(crate) const fn stride_bytes(capacity: u32) -> usize {
    (size_of::<ChunkHead>() + capacity as usize * size_of::<AtomicU32>()).next_multiple_of(64)
}

/// The body of a chunk. Entries are atomics so that an audit may look at any time; they cost plain moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Chunk {
    head: NonNull<ChunkHead>,
}

impl Chunk {
    /// The chunk at `at`.
    ///
    /// # Safety
    /// `at` is the first byte of a chunk, zeroed or initialised, that stays mapped as long as this value is used.
    #[inline(always)]
    pub(crate) const unsafe fn at(at: NonNull<u8>) -> Self {
        Self { head: at.cast() }
    }

    /// Writes the atomics where zeroed memory does not stand for them, which is under loom only.
    #[cfg(loom)]
    pub(crate) fn init(self, capacity: u32) {
        // SAFETY: `at` was promised a chunk; nobody else knows it yet.
        unsafe { self.head.write(ChunkHead { len: AtomicU32::new(0) }) };
        for index in 0..capacity as usize {
            // SAFETY: the entries follow the head.
            let first = unsafe { self.head.as_ptr().add(1) }.cast::<AtomicU32>();
            // SAFETY: `stride_bytes` counted `capacity` entries.
            let entry = unsafe { first.add(index) };
            // SAFETY: as above.
            unsafe { entry.write(AtomicU32::new(0)) };
        }
    }

    #[inline(always)]
    fn len_word<'a>(self) -> &'a AtomicU32 {
        // SAFETY: `at` was promised a chunk that stays mapped; the word is an atomic.
        unsafe { &(*self.head.as_ptr()).len }
    }

    #[inline(always)]
    unsafe fn entry<'a>(self, index: usize) -> &'a AtomicU32 {
        // SAFETY: the caller keeps `index` below the capacity; the entries follow the head.
        let first = unsafe { self.head.as_ptr().add(1) }.cast::<AtomicU32>();
        // SAFETY: as above.
        let entry = unsafe { first.add(index) };
        // SAFETY: `at` was promised a chunk that stays mapped; entries are atomics.
        unsafe { &*entry }
    }

    /// Entries in the chunk, by its owner's word.
    #[inline(always)]
    pub(crate) fn len(self) -> u32 {
        self.len_word().load(Ordering::Relaxed)
    }

    /// Changes the length. Every store made before it in the program is made before it: this is what the death rules rest
    /// on, since a process dies at one point of its program order.
    #[inline(always)]
    pub(crate) fn set_len(self, len: u32) {
        self.len_word().store(len, Ordering::Release);
    }

    /// The handle at `index`.
    ///
    /// # Safety
    /// `index` is below the chunk's capacity.
    #[inline(always)]
    pub(crate) unsafe fn get(self, index: usize) -> u32 {
        // SAFETY: passed on to the caller.
        unsafe { self.entry(index) }.load(Ordering::Relaxed)
    }

    /// Writes the handle at `index`.
    ///
    /// # Safety
    /// `index` is below the chunk's capacity, and the caller owns the chunk.
    #[inline(always)]
    pub(crate) unsafe fn set(self, index: usize, handle: u32) {
        // SAFETY: passed on to the caller.
        unsafe { self.entry(index) }.store(handle, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_survives_its_word() {
        for value in [0, 1, 16, 256, 0x1234_5678, u32::MAX] {
            for state in
                [State::Virgin, State::Filling(value), State::Owned(value), State::Depot(value)]
            {
                assert_eq!(State::from_word(state.word()), state);
            }
        }
    }

    #[test]
    fn zeroed_memory_is_virgin() {
        assert_eq!(State::from_word(0), State::Virgin);
    }

    #[test]
    fn a_chunk_is_its_length_and_its_entries_in_whole_lines() {
        assert_eq!(size_of::<ChunkHead>(), 4);
        assert_eq!(stride_bytes(15), 64);
        assert_eq!(stride_bytes(16), 128);
        assert_eq!(stride_bytes(256), 1088);
    }

    #[test]
    fn entries_come_back_as_written() {
        let mut place = [0_u64; 16];
        // SAFETY: the array is larger than a chunk of 16 entries and outlives it.
        let chunk = unsafe { Chunk::at(NonNull::from(&mut place).cast()) };
        for index in 0..16_u32 {
            // SAFETY: 16 entries, owned by this test.
            unsafe { chunk.set(index as usize, 100 + index) };
        }
        chunk.set_len(16);
        assert_eq!(chunk.len(), 16);
        // SAFETY: index 15 is the last of 16.
        assert_eq!(unsafe { chunk.get(15) }, 115);
    }
}
