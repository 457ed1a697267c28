//! One producer, one consumer, in memory that several processes map.
//!
//! | bytes | what | written by |
//! |---|---|---|
//! | 0..4 | tail: elements ever enqueued | the producer |
//! | 64..68 | head: elements ever dequeued | the consumer |
//! | 128.. | elements, `u32` each, a power of two of them | the producer |
//!
//! Each end keeps its own count privately, starting from the shared word, so an end whose process died is
//! continued by making it again. The other end's count is distrusted: whatever it says, no place outside the ring is touched and
//! no call yields more than the capacity.
//!
//! What an element stands for changes hands with care for deaths in three steps: [`SharedConsumer::peek`], take
//! possession (stamp the record), [`SharedConsumer::release`]. Whoever dies in between leaves the element to its successor.
#![allow(unsafe_code, reason = "lives at a pointer into shared memory")]

use super::{Line, checked, portion};
use crate::error::Error;
use crate::sync::{AtomicU32, Ordering};
use std::fmt;
use std::ptr::NonNull;

/// The counts, before the elements.
#[repr(C)]
struct Head {
    tail: Line,
    head: Line,
}

/// Where a ring lies and how large it is. Copied freely; the ends do the work.
#[derive(Clone, Copy, Debug)]
pub struct SharedRing {
    at: NonNull<Head>,
    capacity: u32,
    mask: u32,
}

// SAFETY: the value is the address of atomics.
unsafe impl Send for SharedRing {}
// SAFETY: as above.
unsafe impl Sync for SharedRing {}

impl SharedRing {
    /// Alignment of the ring in bytes.
    pub const ALIGN_BYTES: usize = 64;

    /// Bytes that a ring for `capacity` elements takes.
    ///
    /// # Errors
    /// [`Error::RingCapacity`] for 0 or more than 2^30.
    pub fn bytes(capacity: usize) -> Result<usize, Error> {
        let places = checked(capacity)?.next_power_of_two() as usize;
        Ok((size_of::<Head>() + places * size_of::<AtomicU32>()).next_multiple_of(64))
    }

    /// Makes the memory at `at` an empty ring for exactly `capacity` elements. Zeroed memory is one already.
    ///
    /// # Errors
    /// [`Error::RingCapacity`] for 0 or more than 2^30.
    ///
    /// # Safety
    /// `at` is aligned to [`SharedRing::ALIGN_BYTES`], valid for [`SharedRing::bytes`] as long as the ring or an end of it is used,
    /// and nobody uses it yet.
    pub unsafe fn init(at: NonNull<u8>, capacity: usize) -> Result<Self, Error> {
        // SAFETY: passed on to the caller.
        let ring = unsafe { Self::attach(at, capacity) }?;
        let line = || Line(AtomicU32::new(0));
        // SAFETY: the caller vouches for the memory, which nobody reads yet.
        unsafe { ring.at.write(Head { tail: line(), head: line() }) };
        for index in 0..=ring.mask {
            // SAFETY: one of the places that `bytes` counted.
            unsafe { ring.place(index).write(AtomicU32::new(0)) };
        }
        Ok(ring)
    }

    /// The ring that another process made at `at`.
    ///
    /// # Errors
    /// [`Error::RingCapacity`] for 0 or more than 2^30.
    ///
    /// # Safety
    /// `at` is aligned to [`SharedRing::ALIGN_BYTES`] and valid for [`SharedRing::bytes`] as long as the ring or an end of it is
    /// used; it was initialised with this capacity.
    pub unsafe fn attach(at: NonNull<u8>, capacity: usize) -> Result<Self, Error> {
        let capacity = checked(capacity)?;
        Ok(Self { at: at.cast(), capacity, mask: capacity.next_power_of_two() - 1 })
    }

    /// How many elements it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// The end that enqueues, going on where the last one stopped.
    ///
    /// # Safety
    /// There is no other producer as long as this one is used.
    pub unsafe fn producer(&self) -> SharedProducer {
        let tail = self.words().tail.0.load(Ordering::Acquire);
        SharedProducer { ring: *self, tail, head: self.words().head.0.load(Ordering::Acquire) }
    }

    /// The end that dequeues, going on where the last one stopped.
    ///
    /// # Safety
    /// There is no other consumer as long as this one is used.
    pub unsafe fn consumer(&self) -> SharedConsumer {
        let head = self.words().head.0.load(Ordering::Acquire);
        SharedConsumer { ring: *self, head, tail: self.words().tail.0.load(Ordering::Acquire) }
    }

    /// The ring's first byte.
    #[cfg(test)]
    pub(super) fn start(&self) -> NonNull<u8> {
        self.at.cast()
    }

    #[inline(always)]
    fn words(&self) -> &Head {
        // SAFETY: `attach` was promised memory that stays valid; both words are atomics.
        unsafe { self.at.as_ref() }
    }

    /// The place of running count `at`.
    #[inline(always)]
    fn place(&self, at: u32) -> NonNull<AtomicU32> {
        // SAFETY: the elements follow the counts.
        let first = unsafe { self.at.add(1) }.cast::<AtomicU32>();
        // SAFETY: the masked count is below the number of places, which `bytes` counted.
        unsafe { first.add((at & self.mask) as usize) }
    }

    #[inline(always)]
    fn element(&self, at: u32) -> &AtomicU32 {
        // SAFETY: the place is inside the ring and holds an atomic.
        unsafe { self.place(at).as_ref() }
    }
}

/// The end of a [`SharedRing`] that enqueues.
pub struct SharedProducer {
    ring: SharedRing,
    tail: u32,
    head: u32,
}

impl SharedProducer {
    /// Enqueues from the front of `items`, as many as fit; returns how many.
    #[inline]
    pub fn enqueue_burst(&mut self, items: &[u32]) -> usize {
        self.enqueue(items, false)
    }

    /// Enqueues all of `items`, or nothing and says false.
    #[inline]
    pub fn enqueue_bulk(&mut self, items: &[u32]) -> bool {
        self.enqueue(items, true) == items.len()
    }

    /// Free places by the consumer's last known count; none if that count cannot be.
    fn free(&self) -> u32 {
        self.ring.capacity.saturating_sub(self.tail.wrapping_sub(self.head))
    }

    #[inline(always)]
    fn enqueue(&mut self, items: &[u32], all_or_nothing: bool) -> usize {
        if (self.free() as usize) < items.len() {
            self.head = self.ring.words().head.0.load(Ordering::Acquire);
        }
        let count = portion(items.len(), self.free(), all_or_nothing);
        if count > 0 {
            for (&item, at) in items[..count].iter().zip(0..) {
                self.ring.element(self.tail.wrapping_add(at)).store(item, Ordering::Relaxed);
            }
            self.tail = self.tail.wrapping_add(count as u32);
            self.ring.words().tail.0.store(self.tail, Ordering::Release);
        }
        count
    }
}

/// The end of a [`SharedRing`] that dequeues.
pub struct SharedConsumer {
    ring: SharedRing,
    tail: u32,
    head: u32,
}

impl SharedConsumer {
    /// Dequeues into the front of `out`, as many as there are; returns how many.
    #[inline]
    pub fn dequeue_burst(&mut self, out: &mut [u32]) -> usize {
        let count = self.copy(out, false);
        self.release(count);
        count
    }

    /// Fills all of `out`, or dequeues nothing and says false.
    #[inline]
    pub fn dequeue_bulk(&mut self, out: &mut [u32]) -> bool {
        let count = self.copy(out, true);
        self.release(count);
        count == out.len()
    }

    /// Copies the oldest elements to the front of `out` and leaves them in the ring; returns how many.
    #[inline]
    pub fn peek(&mut self, out: &mut [u32]) -> usize {
        self.copy(out, false)
    }

    /// Takes the oldest `count` elements out of the ring, at most as many as are known to be there.
    #[inline]
    pub fn release(&mut self, count: usize) {
        let count = count.min(self.filled() as usize);
        if count > 0 {
            self.head = self.head.wrapping_add(count as u32);
            self.ring.words().head.0.store(self.head, Ordering::Release);
        }
    }

    /// Elements by the producer's last known count, never more than fit.
    fn filled(&self) -> u32 {
        self.tail.wrapping_sub(self.head).min(self.ring.capacity)
    }

    #[inline(always)]
    fn copy(&mut self, out: &mut [u32], all_or_nothing: bool) -> usize {
        if (self.filled() as usize) < out.len() {
            self.tail = self.ring.words().tail.0.load(Ordering::Acquire);
        }
        let count = portion(out.len(), self.filled(), all_or_nothing);
        for (place, at) in out[..count].iter_mut().zip(0..) {
            *place = self.ring.element(self.head.wrapping_add(at)).load(Ordering::Relaxed);
        }
        count
    }
}

impl fmt::Debug for SharedProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedProducer").field("tail", &self.tail).finish_non_exhaustive()
    }
}

impl fmt::Debug for SharedConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedConsumer").field("head", &self.head).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn counts_lie_on_lines_of_their_own_before_the_elements() {
        assert_eq!(offset_of!(Head, tail), 0);
        assert_eq!(offset_of!(Head, head), 64);
        assert_eq!(size_of::<Head>(), 128);
        assert_eq!(SharedRing::bytes(1).unwrap(), 192);
        assert_eq!(SharedRing::bytes(17).unwrap(), 256);
        SharedRing::bytes(0).unwrap_err();
    }
}
