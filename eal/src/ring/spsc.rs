//! One producer, one consumer: no read-modify-write, one store a call.
//!
//! Each end keeps its own count and a copy of the other's, which it reads again only when the copy does not
//! suffice: while the ring is neither nearly full nor nearly empty, neither end waits for the other's cache line.
#![allow(unsafe_code, reason = "copies elements to and from places that are its own")]

use super::slots::{Slots, forget_front};
use super::{Line, checked, portion};
use crate::error::Error;
use crate::sync::{Arc, AtomicU32, Ordering};
use std::fmt;
use std::mem::MaybeUninit;

struct Shared<T> {
    tail: Line,
    head: Line,
    slots: Slots<T>,
    capacity: u32,
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let head = self.head.0.load(Ordering::Acquire);
        let tail = self.tail.0.load(Ordering::Acquire);
        self.slots.drop_range(head, tail);
    }
}

/// The two ends of an empty ring for exactly `capacity` elements. Elements left when both ends are gone are dropped.
///
/// # Errors
/// [`Error::RingCapacity`] for 0 or more than 2^30.
pub fn spsc<T>(capacity: usize) -> Result<(Producer<T>, Consumer<T>), Error> {
    let capacity = checked(capacity)?;
    let line = || Line(AtomicU32::new(0));
    let shared =
        Arc::new(Shared { tail: line(), head: line(), slots: Slots::new(capacity), capacity });
    let producer = Producer { shared: Arc::clone(&shared), tail: 0, head: 0 };
    Ok((producer, Consumer { shared, tail: 0, head: 0 }))
}

/// The ends of an empty ring whose counts begin at `at`, to see them wrap.
#[cfg(test)]
pub(super) fn starting_at<T>(capacity: usize, at: u32) -> (Producer<T>, Consumer<T>) {
    let (mut producer, mut consumer) = spsc(capacity).unwrap();
    (producer.head, producer.tail, consumer.head, consumer.tail) = (at, at, at, at);
    producer.shared.head.0.store(at, Ordering::Relaxed);
    producer.shared.tail.0.store(at, Ordering::Relaxed);
    (producer, consumer)
}

/// The end that enqueues.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    /// Own count.
    tail: u32,
    /// The consumer's count when last read.
    head: u32,
}

/// The end that dequeues.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    /// The producer's count when last read.
    tail: u32,
    /// Own count.
    head: u32,
}

impl<T> Producer<T> {
    /// How many elements the ring can hold.
    pub fn capacity(&self) -> usize {
        self.shared.capacity as usize
    }

    /// Whether the consumer is gone, so that nobody will ever dequeue again.
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.shared) == 1
    }

    /// # Safety
    /// `from` is valid for `count` reads. The elements that were enqueued (the first ones) have moved.
    #[inline(always)]
    unsafe fn enqueue(&mut self, from: *const T, count: usize, all_or_nothing: bool) -> usize {
        let capacity = self.shared.capacity;
        let mut free = capacity - self.tail.wrapping_sub(self.head);
        if (free as usize) < count {
            self.head = self.shared.head.0.load(Ordering::Acquire);
            free = capacity - self.tail.wrapping_sub(self.head);
        }
        let count = portion(count, free, all_or_nothing);
        if count > 0 {
            // SAFETY: the places behind the tail are free and this end's; `from` is the caller's promise.
            unsafe { self.shared.slots.copy_in(self.tail, from, count) };
            self.tail = self.tail.wrapping_add(count as u32);
            self.shared.tail.0.store(self.tail, Ordering::Release);
        }
        count
    }

    #[inline(always)]
    fn enqueue_from(&mut self, items: &mut Vec<T>, all_or_nothing: bool) -> usize {
        // SAFETY: the vector's elements may be read, and those that moved are forgotten below.
        let count = unsafe { self.enqueue(items.as_ptr(), items.len(), all_or_nothing) };
        // SAFETY: the first `count` elements have moved into the ring.
        unsafe { forget_front(items, count) };
        count
    }

    /// Moves elements from the front of `items` into the ring, as many as fit; returns how many.
    #[inline]
    pub fn enqueue_burst(&mut self, items: &mut Vec<T>) -> usize {
        self.enqueue_from(items, false)
    }

    /// Moves all of `items` into the ring, or nothing and says false.
    #[inline]
    pub fn enqueue_bulk(&mut self, items: &mut Vec<T>) -> bool {
        let wanted = items.len();
        self.enqueue_from(items, true) == wanted
    }

    /// Enqueues one element.
    ///
    /// # Errors
    /// The element itself when the ring is full.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), T> {
        let item = MaybeUninit::new(item);
        // SAFETY: one element, which is not used again if it moved.
        if unsafe { self.enqueue(item.as_ptr(), 1, true) } == 1 {
            return Ok(());
        }
        // SAFETY: it did not move.
        Err(unsafe { item.assume_init() })
    }
}

impl<T> Consumer<T> {
    /// How many elements the ring can hold.
    pub fn capacity(&self) -> usize {
        self.shared.capacity as usize
    }

    /// How many elements are there to dequeue; more may come.
    pub fn len(&self) -> usize {
        self.shared.tail.0.load(Ordering::Acquire).wrapping_sub(self.head) as usize
    }

    /// Whether there is nothing to dequeue right now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// # Safety
    /// `to` is valid for `count` writes.
    #[inline(always)]
    unsafe fn dequeue(&mut self, to: *mut T, count: usize, all_or_nothing: bool) -> usize {
        let mut filled = self.tail.wrapping_sub(self.head);
        if (filled as usize) < count {
            self.tail = self.shared.tail.0.load(Ordering::Acquire);
            filled = self.tail.wrapping_sub(self.head);
        }
        let count = portion(count, filled, all_or_nothing);
        if count > 0 {
            // SAFETY: the places from the head on are filled and this end's; `to` is the caller's promise.
            unsafe { self.shared.slots.copy_out(self.head, to, count) };
            self.head = self.head.wrapping_add(count as u32);
            self.shared.head.0.store(self.head, Ordering::Release);
        }
        count
    }

    #[inline(always)]
    fn dequeue_into(&mut self, out: &mut Vec<T>, count: usize, all_or_nothing: bool) -> usize {
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

    /// Appends up to `count` elements to `out`; returns how many. Allocates only if `out` has no room.
    #[inline]
    pub fn dequeue_burst(&mut self, out: &mut Vec<T>, count: usize) -> usize {
        self.dequeue_into(out, count, false)
    }

    /// Appends exactly `count` elements to `out`, or nothing and says false.
    #[inline]
    pub fn dequeue_bulk(&mut self, out: &mut Vec<T>, count: usize) -> bool {
        self.dequeue_into(out, count, true) == count
    }

    /// Dequeues one element, if there is one.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let mut item = MaybeUninit::uninit();
        // SAFETY: room for one element.
        let count = unsafe { self.dequeue(item.as_mut_ptr(), 1, true) };
        // SAFETY: filled when the count is 1.
        (count == 1).then(|| unsafe { item.assume_init() })
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}
