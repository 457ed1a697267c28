//! Pointers to a split ring together with its validated size.
//!
//! Both sides reach the shared ring only through [`RingPtrs`]: index words are atomics, a descriptor or used element
//! is read or written by value, and every entry is reached by an index masked with the size, which is
//! a power of two fixed at construction. There is never a Rust reference to descriptors or elements.
//!
//! Threading: `RingPtrs` is a plain value; who may call which method follows from the side one is on (driver or device)
//! and from holding the queue.
#![allow(unsafe_code, reason = "memory shared with a peer is reached by raw pointers")]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::layout::{Descriptor, UsedElement};

/// A split ring: three pointers and the size that was validated with them.
#[derive(Clone, Copy, Debug)]
pub struct RingPtrs {
    desc: NonNull<Descriptor>,
    avail: NonNull<u16>,
    used: NonNull<u16>,
    mask: u16,
}

// SAFETY: the pointers are to shared memory that is reached by atomics and by-value copies only.
unsafe impl Send for RingPtrs {}

/// Why ring pointers were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadRing {
    /// The size is 0, above 32768, or not a power of two (2.7).
    Size(u16),
    /// A part is not aligned (2.7: 16, 2 and 4 bytes).
    Alignment,
}

impl std::fmt::Display for BadRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Size(size) => {
                write!(f, "{size} is no size for a split ring: use a power of two up to 32768")
            }
            Self::Alignment => f.write_str("ring parts must be aligned to 16, 2 and 4 bytes"),
        }
    }
}

impl std::error::Error for BadRing {}

impl RingPtrs {
    /// Puts pointers and size together.
    ///
    /// # Errors
    ///
    /// [`BadRing`] when size or alignment break the specification.
    ///
    /// # Safety
    ///
    /// The three parts must be mapped for reading and writing with the lengths of
    /// [`RingLayout`](crate::layout::RingLayout) for `size`, for as long as the value or a copy of it is used.
    pub unsafe fn new(
        desc: NonNull<u8>,
        avail: NonNull<u8>,
        used: NonNull<u8>,
        size: u16,
    ) -> Result<Self, BadRing> {
        if !size.is_power_of_two() || size > crate::layout::MAX_RING_SIZE {
            return Err(BadRing::Size(size));
        }
        let aligned = |p: NonNull<u8>, to: usize| p.as_ptr().addr().is_multiple_of(to);
        if !(aligned(desc, 16) && aligned(avail, 2) && aligned(used, 4)) {
            return Err(BadRing::Alignment);
        }
        Ok(Self { desc: desc.cast(), avail: avail.cast(), used: used.cast(), mask: size - 1 })
    }

    /// Number of entries.
    #[inline]
    pub fn size(&self) -> u16 {
        self.mask + 1
    }

    /// `size - 1`.
    #[inline]
    pub fn mask(&self) -> u16 {
        self.mask
    }

    #[inline]
    fn word(&self, part: NonNull<u16>, at: usize) -> &AtomicU16 {
        let word = part.as_ptr().wrapping_add(at);
        // SAFETY: callers pass constants or masked indices inside the part, which is mapped and 2-aligned (contract of `new`);
        // an atomic may be shared with another process.
        unsafe { AtomicU16::from_ptr(word) }
    }

    #[inline]
    fn descriptor_at(&self, index: u16) -> *mut Descriptor {
        self.desc.as_ptr().wrapping_add(usize::from(index & self.mask))
    }

    #[inline]
    fn element_at(&self, index: u16) -> *mut UsedElement {
        let first = self.used.as_ptr().wrapping_add(2).cast::<UsedElement>();
        first.wrapping_add(usize::from(index & self.mask))
    }

    /// A copy of descriptor `index` (masked).
    #[inline]
    pub fn descriptor(&self, index: u16) -> Descriptor {
        // SAFETY: the masked index lies in the table (contract of `new`); the volatile read is made once, into a private copy.
        unsafe { self.descriptor_at(index).read_volatile() }
    }

    /// Writes descriptor `index` (masked). Driver side.
    #[inline]
    pub fn set_descriptor(&self, index: u16, descriptor: Descriptor) {
        // SAFETY: the masked index lies in the table (contract of `new`).
        unsafe { self.descriptor_at(index).write_volatile(descriptor) }
    }

    /// `avail.idx`: how many heads the driver has made available (modulo 2^16). Entries below it are visible.
    #[inline]
    pub fn avail_index(&self) -> u16 {
        self.word(self.avail, 1).load(Ordering::Acquire)
    }

    /// Publishes `avail.idx`. Driver side.
    #[inline]
    pub fn publish_avail(&self, index: u16) {
        self.word(self.avail, 1).store(index, Ordering::Release);
    }

    /// The head at place `index` (masked) of the available ring.
    #[inline]
    pub fn avail_entry(&self, index: u16) -> u16 {
        self.word(self.avail, 2 + usize::from(index & self.mask)).load(Ordering::Relaxed)
    }

    /// Writes the head at place `index` (masked). Driver side.
    #[inline]
    pub fn set_avail_entry(&self, index: u16, head: u16) {
        self.word(self.avail, 2 + usize::from(index & self.mask)).store(head, Ordering::Relaxed);
    }

    /// `used.idx`: how many heads the device has used (modulo 2^16). Elements below it are visible.
    #[inline]
    pub fn used_index(&self) -> u16 {
        self.word(self.used, 1).load(Ordering::Acquire)
    }

    /// Publishes `used.idx`. Device side.
    #[inline]
    pub fn publish_used(&self, index: u16) {
        self.word(self.used, 1).store(index, Ordering::Release);
    }

    /// The element at place `index` (masked) of the used ring, read once.
    #[inline]
    pub fn used_element(&self, index: u16) -> UsedElement {
        // SAFETY: the masked place lies in the used ring (contract of `new`), which is 4-aligned; the read is by value.
        unsafe { self.element_at(index).cast::<[u32; 2]>().read_volatile() }.into()
    }

    /// Writes the element at place `index` (masked). Device side.
    #[inline]
    pub fn set_used_element(&self, index: u16, element: UsedElement) {
        let at = self.element_at(index).cast::<[u32; 2]>();
        // SAFETY: the masked place lies in the used ring (contract of `new`), which is 4-aligned.
        unsafe { at.write_volatile([element.id, element.len]) }
    }

    /// `avail.flags`, written by the driver.
    #[inline]
    pub fn avail_flags(&self) -> u16 {
        self.word(self.avail, 0).load(Ordering::Relaxed)
    }

    /// Writes `avail.flags`. Driver side.
    #[inline]
    pub fn set_avail_flags(&self, flags: u16) {
        self.word(self.avail, 0).store(flags, Ordering::Relaxed);
    }

    /// `used.flags`, written by the device.
    #[inline]
    pub fn used_flags(&self) -> u16 {
        self.word(self.used, 0).load(Ordering::Relaxed)
    }

    /// Writes `used.flags`. Device side.
    #[inline]
    pub fn set_used_flags(&self, flags: u16) {
        self.word(self.used, 0).store(flags, Ordering::Relaxed);
    }
}

impl From<[u32; 2]> for UsedElement {
    #[inline]
    fn from([id, len]: [u32; 2]) -> Self {
        Self { id, len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::RingLayout;

    #[repr(align(128))]
    struct Room([u8; 4096]);

    fn ring(room: &mut Room, size: u16) -> RingPtrs {
        let layout = RingLayout::new(size);
        assert!(layout.total_bytes() <= 4096);
        let base = NonNull::from(&mut room.0).cast::<u8>();
        let at = |offset: u64| NonNull::new(base.as_ptr().wrapping_add(offset as usize)).unwrap();
        // SAFETY: the room is large enough and outlives the value in the tests.
        unsafe {
            RingPtrs::new(at(0), at(layout.avail_offset()), at(layout.used_offset()), size).unwrap()
        }
    }

    #[test]
    fn bytes_are_where_the_specification_puts_them() {
        let mut room = Room([0; 4096]);
        let r = ring(&mut room, 8);
        let d = Descriptor { addr: 0x1122_3344_5566_7788, len: 0xA0B0, flags: DESC, next: 7 };
        const DESC: u16 = 3;
        r.set_descriptor(9, d);
        assert_eq!(r.descriptor(1), d);
        r.set_avail_entry(8, 5);
        r.publish_avail(0xFFFE);
        r.set_avail_flags(1);
        r.set_used_element(15, UsedElement { id: 3, len: 99 });
        r.publish_used(0x0102);
        r.set_used_flags(1);
        assert_eq!((r.avail_entry(0), r.avail_index(), r.avail_flags()), (5, 0xFFFE, 1));
        assert_eq!((r.used_element(7), r.used_index()), (UsedElement { id: 3, len: 99 }, 0x0102));
        assert_eq!(room.0[16..24], 0x1122_3344_5566_7788u64.to_le_bytes());
        let avail = RingLayout::new(8).avail_offset() as usize;
        assert_eq!(room.0[avail..avail + 6], [1, 0, 0xFE, 0xFF, 5, 0]);
        let used = RingLayout::new(8).used_offset() as usize;
        assert_eq!(room.0[used..used + 4], [1, 0, 2, 1]);
        assert_eq!(room.0[used + 4 + 7 * 8..used + 4 + 8 * 8], [3, 0, 0, 0, 99, 0, 0, 0]);
    }

    #[test]
    fn bad_sizes_and_alignment_are_refused() {
        let mut room = Room([0; 4096]);
        let base = NonNull::from(&mut room.0).cast::<u8>();
        for size in [0, 3, 32769, 65535] {
            // SAFETY: refused before any access.
            let refused = unsafe { RingPtrs::new(base, base, base, size) };
            assert_eq!(refused.unwrap_err(), BadRing::Size(size));
        }
        let odd = NonNull::new(base.as_ptr().wrapping_add(1)).unwrap();
        // SAFETY: refused before any access.
        let refused = unsafe { RingPtrs::new(base, odd, base, 8) };
        assert_eq!(refused.unwrap_err(), BadRing::Alignment);
    }
}
