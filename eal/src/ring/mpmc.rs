//! Any number of producers and consumers: reserve, copy, publish in order.
//!
//! Each side has two counts. *reserved* is moved by compare-and-swap and gives a thread its places; *published* follows when the
//! places have been copied, in the order of reservation, so a thread waits for those that reserved before
//! it. Reading *reserved* acquires what the last thread that moved it had seen of the other side, so the other side's
//! count is never seen older than the reservation implies.
#![allow(unsafe_code, reason = "copies elements to and from places it reserved")]

use super::slots::{Slots, forget_front};
use super::{Line, checked, portion};
use crate::error::Error;
use crate::sync::{AtomicU32, Backoff, Ordering};
use std::fmt;
use std::mem::MaybeUninit;

/// One side's counts, on lines of their own.
struct Side {
    reserved: Line,
    published: Line,
}

impl Side {
    fn new() -> Self {
        Self { reserved: Line(AtomicU32::new(0)), published: Line(AtomicU32::new(0)) }
    }

    /// Reserves up to `wanted` places, `possible(reserved)` being how many there are; returns where they begin
    /// and how many. `possible` is `None` when the two counts it sees do not belong together.
    #[inline(always)]
    fn reserve(
        &self,
        wanted: usize,
        all_or_nothing: bool,
        possible: impl Fn(u32) -> Option<u32>,
    ) -> (u32, usize) {
        let mut at = self.reserved.0.load(Ordering::Acquire);
        loop {
            let Some(possible) = possible(at) else {
                at = self.reserved.0.load(Ordering::Acquire);
                continue;
            };
            let count = portion(wanted, possible, all_or_nothing);
            if count == 0 {
                return (at, 0);
            }
            let next = at.wrapping_add(count as u32);
            match self.reserved.0.compare_exchange_weak(
                at,
                next,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return (at, count),
                Err(now) => at = now,
            }
        }
    }

    /// Publishes `count` places from `at` on, after all that were reserved before.
    #[inline(always)]
    fn publish(&self, at: u32, count: usize) {
        let mut backoff = Backoff::default();
        while self.published.0.load(Ordering::Acquire) != at {
            backoff.spin();
        }
        self.published.0.store(at.wrapping_add(count as u32), Ordering::Release);
    }
}

/// A bounded queue with any number of producers and consumers, in one process.
///
/// It owns its elements: what is left when it is dropped is dropped.
pub struct Ring<T> {
    producers: Side,
    consumers: Side,
    slots: Slots<T>,
    capacity: u32,
}

impl<T> Ring<T> {
    /// An empty ring for exactly `capacity` elements.
    ///
    /// # Errors
    /// [`Error::RingCapacity`] for 0 or more than 2^30.
    pub fn new(capacity: usize) -> Result<Self, Error> {
        let capacity = checked(capacity)?;
        let slots = Slots::new(capacity);
        Ok(Self { producers: Side::new(), consumers: Side::new(), slots, capacity })
    }

    /// How many elements it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// How many elements it holds; a snapshot.
    pub fn len(&self) -> usize {
        let head = self.consumers.published.0.load(Ordering::Acquire);
        let tail = self.producers.published.0.load(Ordering::Acquire);
        tail.wrapping_sub(head).min(self.capacity) as usize
    }

    /// Whether it holds nothing; a snapshot.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An empty ring whose counts begin at `at`, to see them wrap.
    #[cfg(test)]
    pub(super) fn starting_at(capacity: usize, at: u32) -> Self {
        let ring = Self::new(capacity).unwrap();
        for side in [&ring.producers, &ring.consumers] {
            side.reserved.0.store(at, Ordering::Relaxed);
            side.published.0.store(at, Ordering::Relaxed);
        }
        ring
    }

    /// # Safety
    /// `from` is valid for `count` reads. The elements that were enqueued (the first ones) have moved.
    #[inline(always)]
    unsafe fn enqueue(&self, from: *const T, count: usize, all_or_nothing: bool) -> usize {
        let (at, count) = self.producers.reserve(count, all_or_nothing, |reserved| {
            let used = reserved.wrapping_sub(self.consumers.published.0.load(Ordering::Acquire));
            self.capacity.checked_sub(used)
        });
        if count > 0 {
            // SAFETY: the places were reserved above and are free; `from` is the caller's promise.
            unsafe { self.slots.copy_in(at, from, count) };
            self.producers.publish(at, count);
        }
        count
    }

    /// # Safety
    /// `to` is valid for `count` writes.
    #[inline(always)]
    unsafe fn dequeue(&self, to: *mut T, count: usize, all_or_nothing: bool) -> usize {
        let (at, count) = self.consumers.reserve(count, all_or_nothing, |reserved| {
            let filled = self.producers.published.0.load(Ordering::Acquire).wrapping_sub(reserved);
            (filled <= self.capacity).then_some(filled)
        });
        if count > 0 {
            // SAFETY: the places were reserved above and are filled; `to` is the caller's promise.
            unsafe { self.slots.copy_out(at, to, count) };
            self.consumers.publish(at, count);
        }
        count
    }

    #[inline(always)]
    fn enqueue_from(&self, items: &mut Vec<T>, all_or_nothing: bool) -> usize {
        // SAFETY: the vector's elements may be read, and those that moved are forgotten below.
        let count = unsafe { self.enqueue(items.as_ptr(), items.len(), all_or_nothing) };
        // SAFETY: the first `count` elements have moved into the ring.
        unsafe { forget_front(items, count) };
        count
    }

    #[inline(always)]
    fn dequeue_into(&self, out: &mut Vec<T>, count: usize, all_or_nothing: bool) -> usize {
        let count = if all_or_nothing { count } else { count.min(self.capacity()) };
        if count > self.capacity() {
            return 0;
        }
        out.reserve(count);
        let len = out.len();
        let spare = out.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: `reserve` made room for `count`.
        let count = unsafe { self.dequeue(spare, count, all_or_nothing) };
        // SAFETY: `dequeue` filled the first `count` spare places.
        unsafe { out.set_len(len + count) };
        count
    }

    /// Moves elements from the front of `items` into the ring, as many as fit; returns how many.
    #[inline]
    pub fn enqueue_burst(&self, items: &mut Vec<T>) -> usize {
        self.enqueue_from(items, false)
    }

    /// Moves all of `items` into the ring, or nothing and says false.
    #[inline]
    pub fn enqueue_bulk(&self, items: &mut Vec<T>) -> bool {
        let wanted = items.len();
        self.enqueue_from(items, true) == wanted
    }

    /// Appends up to `count` elements to `out`; returns how many. Allocates only if `out` has no room.
    #[inline]
    pub fn dequeue_burst(&self, out: &mut Vec<T>, count: usize) -> usize {
        self.dequeue_into(out, count, false)
    }

    /// Appends exactly `count` elements to `out`, or nothing and says false.
    #[inline]
    pub fn dequeue_bulk(&self, out: &mut Vec<T>, count: usize) -> bool {
        self.dequeue_into(out, count, true) == count
    }

    /// Enqueues one element.
    ///
    /// # Errors
    /// The element itself when the ring is full.
    #[inline]
    pub fn push(&self, item: T) -> Result<(), T> {
        let item = MaybeUninit::new(item);
        // SAFETY: one element, which is not used again if it moved.
        if unsafe { self.enqueue(item.as_ptr(), 1, true) } == 1 {
            return Ok(());
        }
        // SAFETY: it did not move.
        Err(unsafe { item.assume_init() })
    }

    /// Dequeues one element, if there is one.
    #[inline]
    pub fn pop(&self) -> Option<T> {
        let mut item = MaybeUninit::uninit();
        // SAFETY: room for one element.
        let count = unsafe { self.dequeue(item.as_mut_ptr(), 1, true) };
        // SAFETY: filled when the count is 1.
        (count == 1).then(|| unsafe { item.assume_init() })
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        let head = self.consumers.published.0.load(Ordering::Acquire);
        let tail = self.producers.published.0.load(Ordering::Acquire);
        self.slots.drop_range(head, tail);
    }
}

impl<T> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("capacity", &self.capacity)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
