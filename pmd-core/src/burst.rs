//! A bounded vector of packets.
#![allow(unsafe_code, reason = "a vector with uninitialised spare places, filled by drivers")]

use std::fmt;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::ptr::NonNull;

use eal::mempool::{Mempool, Record};

use crate::Mbuf;

/// Packets on their way, oldest first, up to a capacity fixed at creation. Dropping it gives all of them back
/// to their pools in bulk.
pub struct Burst {
    places: Box<[MaybeUninit<Mbuf>]>,
    len: usize,
}

impl Burst {
    /// An empty burst with room for `capacity` packets.
    pub fn new(capacity: usize) -> Self {
        Self { places: Box::new_uninit_slice(capacity), len: 0 }
    }

    /// How many packets it can hold.
    pub fn capacity(&self) -> usize {
        self.places.len()
    }

    /// How many more packets it can take.
    #[inline]
    pub fn room(&self) -> usize {
        self.places.len() - self.len
    }

    /// Adds a packet at the end.
    ///
    /// # Errors
    ///
    /// Hands the packet back when the burst is full.
    #[inline]
    pub fn push(&mut self, mbuf: Mbuf) -> Result<(), Mbuf> {
        match self.places.get_mut(self.len) {
            Some(place) => {
                place.write(mbuf);
                self.len += 1;
                Ok(())
            }
            None => Err(mbuf),
        }
    }

    /// Takes the last packet.
    pub fn pop(&mut self) -> Option<Mbuf> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: places below the old length are initialised, and this one is given up.
        Some(unsafe { self.places[self.len].assume_init_read() })
    }

    /// The packets, to change them in place.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [Mbuf] {
        // SAFETY: the first `len` places are initialised.
        unsafe { std::slice::from_raw_parts_mut(self.places.as_mut_ptr().cast(), self.len) }
    }

    /// Moves as many packets as fit to the end of `other`, oldest first.
    pub fn move_to(&mut self, other: &mut Burst) -> usize {
        let count = self.len.min(other.room());
        for (from, to) in self.places[..count].iter_mut().zip(other.spare()) {
            // SAFETY: the first `len` places are initialised; `forget_front` gives these up.
            to.write(unsafe { from.assume_init_read() });
        }
        // SAFETY: the loop filled `count` spare places.
        unsafe { other.grow(count) };
        // SAFETY: the loop moved the first `count` packets out.
        unsafe { self.forget_front(count) };
        count
    }

    /// Moves all packets to the end of `other`, oldest first. Allocates only if `other` has no room.
    pub fn move_to_vec(&mut self, other: &mut Vec<Mbuf>) -> usize {
        let count = self.len;
        other.reserve(count);
        for (from, to) in self.places[..count].iter_mut().zip(other.spare_capacity_mut()) {
            // SAFETY: the first `len` places are initialised; `forget_front` gives these up.
            to.write(unsafe { from.assume_init_read() });
        }
        // SAFETY: the loop filled `count` spare places, for which room was reserved.
        unsafe { other.set_len(other.len() + count) };
        // SAFETY: the loop moved all packets out.
        unsafe { self.forget_front(count) };
        count
    }

    /// Gives all packets back to their pools.
    pub fn clear(&mut self) {
        let len = std::mem::take(&mut self.len);
        let first = self.places.as_mut_ptr().cast::<Mbuf>();
        let single = self.places[..len].iter().all(|place| {
            // SAFETY: the first `len` places were initialised when the length was taken.
            unsafe { place.assume_init_ref() }.segment_count() == 1
        });
        if single {
            // SAFETY: `len` initialised places; Mbuf is a transparent pointer to a record.
            let records =
                unsafe { std::slice::from_raw_parts(first.cast::<NonNull<Record>>(), len) };
            // SAFETY: the burst owns these single-segment packets and forgot them by setting its length to 0.
            unsafe { Mempool::give_mixed(records) };
        } else {
            let all = std::ptr::slice_from_raw_parts_mut(first, len);
            // SAFETY: the burst owns these packets and forgot them by setting its length to 0.
            unsafe { std::ptr::drop_in_place(all) };
        }
    }

    /// Keeps, of the packets from place `from` on, those for which `keep` says so, in their order, and gives the others back
    /// to their pools. Returns how many that were.
    pub fn retain_from(&mut self, from: usize, mut keep: impl FnMut(&mut Mbuf) -> bool) -> usize {
        let from = from.min(self.len);
        let mut kept = from;
        let packets = self.as_mut_slice();
        for at in from..packets.len() {
            if keep(&mut packets[at]) {
                packets.swap(kept, at);
                kept += 1;
            }
        }
        let dropped = self.len - kept;
        for _ in 0..dropped {
            drop(self.pop());
        }
        dropped
    }

    /// The places behind the last packet, for a driver to fill.
    #[inline]
    pub fn spare(&mut self) -> &mut [MaybeUninit<Mbuf>] {
        &mut self.places[self.len..]
    }

    /// Counts in the first `count` spare places.
    ///
    /// # Safety
    ///
    /// They must have been initialised, and `count` must not be larger than the room.
    #[inline]
    pub unsafe fn grow(&mut self, count: usize) {
        debug_assert!(count <= self.room());
        self.len += count;
    }

    /// Drops the first `count` places without giving the packets back: somebody else owns them now.
    ///
    /// # Safety
    ///
    /// Ownership of those packets must have been taken, and `count` must not be larger than the length.
    #[inline]
    pub unsafe fn forget_front(&mut self, count: usize) {
        debug_assert!(count <= self.len);
        let rest = self.len - count;
        if rest > 0 && count > 0 {
            let first = self.places.as_mut_ptr();
            let from = first.wrapping_add(count);
            // SAFETY: `rest` places from `count` on are within the allocation; overlapping copy is allowed.
            unsafe { std::ptr::copy(from, first, rest) };
        }
        self.len = rest;
    }
}

impl Deref for Burst {
    type Target = [Mbuf];

    #[inline]
    fn deref(&self) -> &[Mbuf] {
        // SAFETY: the first `len` places are initialised.
        unsafe { std::slice::from_raw_parts(self.places.as_ptr().cast(), self.len) }
    }
}

impl Drop for Burst {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Burst({} of {})", self.len, self.capacity())
    }
}
