//! The storage of a heap ring: a power of two of places, reached by running counts.
#![allow(unsafe_code, reason = "places are written and read by whoever reserved them")]

use crate::sync::UnsafeCell;
use std::mem::MaybeUninit;

/// Places for elements. Which of them are filled is the ring's knowledge; dropping drops no element.
pub(super) struct Slots<T> {
    places: Box<[UnsafeCell<MaybeUninit<T>>]>,
    mask: u32,
}

// SAFETY: the elements move between threads, and who may touch which place is decided by the ring.
unsafe impl<T: Send> Send for Slots<T> {}
// SAFETY: as above; no reference to an element is shared.
unsafe impl<T: Send> Sync for Slots<T> {}

impl<T> Slots<T> {
    /// At least `capacity` places.
    pub fn new(capacity: u32) -> Self {
        let places = capacity.next_power_of_two();
        let empty = || UnsafeCell::new(MaybeUninit::uninit());
        Self { places: (0..places).map(|_| empty()).collect(), mask: places - 1 }
    }

    /// Writes `count` elements to the places from running count `at` on.
    ///
    /// # Safety
    /// The caller reserved these places, which are empty and at most as many as there are. `from` is valid for `count` reads; the
    /// elements move out of it.
    #[inline(always)]
    pub unsafe fn copy_in(&self, at: u32, from: *const T, count: usize) {
        let (first, before_end) = self.split(at, count);
        // SAFETY: `first + before_end` places are inside; the rest is the caller's promise.
        unsafe { self.write(first, from, before_end) };
        // SAFETY: `before_end <= count`.
        let rest = unsafe { from.add(before_end) };
        // SAFETY: what is left starts at place 0.
        unsafe { self.write(0, rest, count - before_end) };
    }

    /// Moves `count` elements from the places from running count `at` on to `to`.
    ///
    /// # Safety
    /// The caller reserved these places, which are filled. `to` is valid for `count` writes.
    #[inline(always)]
    pub unsafe fn copy_out(&self, at: u32, to: *mut T, count: usize) {
        let (first, before_end) = self.split(at, count);
        // SAFETY: `first + before_end` places are inside; the rest is the caller's promise.
        unsafe { self.read(first, to, before_end) };
        // SAFETY: `before_end <= count`.
        let rest = unsafe { to.add(before_end) };
        // SAFETY: what is left starts at place 0.
        unsafe { self.read(0, rest, count - before_end) };
    }

    /// The place of running count `at`, and how many of `count` lie before the storage wraps.
    #[inline(always)]
    fn split(&self, at: u32, count: usize) -> (usize, usize) {
        let first = (at & self.mask) as usize;
        (first, count.min(self.mask as usize + 1 - first))
    }

    #[cfg(not(loom))]
    #[inline(always)]
    unsafe fn write(&self, first: usize, from: *const T, count: usize) {
        // SAFETY: the caller keeps `first` inside; the pointer reaches all places, which are cells.
        let place = unsafe { self.places.as_ptr().add(first) }.cast::<T>().cast_mut();
        // SAFETY: `count` places from `first` on are inside and reserved by the caller.
        unsafe { std::ptr::copy_nonoverlapping(from, place, count) };
    }

    #[cfg(not(loom))]
    #[inline(always)]
    unsafe fn read(&self, first: usize, to: *mut T, count: usize) {
        // SAFETY: the caller keeps `first` inside; the pointer reaches all places, which are cells.
        let place = unsafe { self.places.as_ptr().add(first) }.cast::<T>();
        // SAFETY: `count` places from `first` on are inside, filled, and reserved by the caller.
        unsafe { std::ptr::copy_nonoverlapping(place, to, count) };
    }

    #[cfg(loom)]
    unsafe fn write(&self, first: usize, from: *const T, count: usize) {
        for index in 0..count {
            // SAFETY: `index < count`.
            let element = unsafe { from.add(index) };
            self.places[first + index].with_mut(|place| {
                // SAFETY: the place is reserved by the caller, which loom checks.
                unsafe { place.copy_from_nonoverlapping(element.cast(), 1) };
            });
        }
    }

    #[cfg(loom)]
    unsafe fn read(&self, first: usize, to: *mut T, count: usize) {
        for index in 0..count {
            // SAFETY: `index < count`.
            let element = unsafe { to.add(index) };
            self.places[first + index].with_mut(|place| {
                // SAFETY: the place is filled and reserved by the caller, which loom checks.
                unsafe { place.copy_to_nonoverlapping(element.cast(), 1) };
            });
        }
    }

    /// Drops the elements from running count `from` to `to`.
    pub fn drop_range(&mut self, from: u32, to: u32) {
        for at in 0..to.wrapping_sub(from) {
            let mut element = MaybeUninit::<T>::uninit();
            // SAFETY: the caller's counts say that the place is filled; `&mut self` excludes everyone else.
            unsafe { self.copy_out(from.wrapping_add(at), element.as_mut_ptr(), 1) };
            // SAFETY: filled just now.
            unsafe { element.assume_init_drop() };
        }
    }
}

/// Moves the first `count` elements of `items` out, after `copy` has copied them.
///
/// # Safety
/// `count` is at most `items.len()` and the first `count` elements have been moved by a bitwise copy.
#[inline(always)]
pub(super) unsafe fn forget_front<T>(items: &mut Vec<T>, count: usize) {
    let left = items.len() - count;
    // SAFETY: shorter than before; the elements that stay are moved to the front below.
    unsafe { items.set_len(0) };
    if left > 0 && count > 0 {
        // SAFETY: `count` is at most the old length.
        let rest = unsafe { items.as_ptr().add(count) };
        // SAFETY: both ranges lie inside the vector's old length.
        unsafe { std::ptr::copy(rest, items.as_mut_ptr(), left) };
    }
    // SAFETY: the first `left` elements are the ones that stayed.
    unsafe { items.set_len(left) };
}
