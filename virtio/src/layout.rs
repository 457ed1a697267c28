//! The split virtqueue in memory (virtio 1.2, 2.7).
//!
//! | part | bytes | aligned to | written by |
//! |---|---|---|---|
//! | descriptor table | 16 n | 16 | driver |
//! | available ring | 6 + 2 n | 2 | driver |
//! | used ring | 6 + 8 n | 4 | device |

/// `flags` of a descriptor: another one follows (2.7.5).
pub const DESC_NEXT: u16 = 1;
/// `flags` of a descriptor: the device may write to the buffer.
pub const DESC_WRITE: u16 = 2;
/// `flags` of a descriptor: the buffer is a table of descriptors (2.7.5.3).
pub const DESC_INDIRECT: u16 = 4;

/// `flags` of the available ring: the driver wants no interrupt (2.7.6).
pub const AVAIL_NO_INTERRUPT: u16 = 1;
/// `flags` of the used ring: the device wants no kick (2.7.8).
pub const USED_NO_NOTIFY: u16 = 1;

/// The largest ring (2.7: queue size is at most 32768).
pub const MAX_RING_SIZE: u16 = 32768;

/// One entry of the descriptor table (2.7.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C, align(16))]
pub struct Descriptor {
    /// Guest-physical address of the buffer.
    pub addr: u64,
    /// Its bytes.
    pub len: u32,
    /// `DESC_*`.
    pub flags: u16,
    /// The next descriptor of the chain, if `DESC_NEXT` is set.
    pub next: u16,
}

/// One entry of the used ring (2.7.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct UsedElement {
    /// Head of the chain that was used.
    pub id: u32,
    /// Bytes written to it.
    pub len: u32,
}

const _: () = {
    assert!(size_of::<Descriptor>() == 16);
    assert!(std::mem::offset_of!(Descriptor, len) == 8);
    assert!(std::mem::offset_of!(Descriptor, flags) == 12);
    assert!(std::mem::offset_of!(Descriptor, next) == 14);
    assert!(size_of::<UsedElement>() == 8);
    assert!(std::mem::offset_of!(UsedElement, len) == 4);
};

/// Bytes of the three parts of a ring, and where they go when it is laid out by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingLayout {
    /// Bytes of the descriptor table.
    pub desc_bytes: u64,
    /// Bytes of the available ring, with `used_event`.
    pub avail_bytes: u64,
    /// Bytes of the used ring, with `avail_event`.
    pub used_bytes: u64,
}

impl RingLayout {
    /// The layout of a ring of `size` entries.
    pub const fn new(size: u16) -> Self {
        let n = size as u64;
        Self { desc_bytes: 16 * n, avail_bytes: 6 + 2 * n, used_bytes: 6 + 8 * n }
    }

    /// Where the available ring begins when the table is at 0: behind the table, on a line of its own.
    pub const fn avail_offset(&self) -> u64 {
        self.desc_bytes.next_multiple_of(128)
    }

    /// Where the used ring begins when the table is at 0: on a line that the driver does not write.
    pub const fn used_offset(&self) -> u64 {
        (self.avail_offset() + self.avail_bytes).next_multiple_of(128)
    }

    /// Bytes of the whole ring.
    pub const fn total_bytes(&self) -> u64 {
        (self.used_offset() + self.used_bytes).next_multiple_of(128)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_overlap_and_are_aligned() {
        for size in [1, 2, 255, 256, 1024, MAX_RING_SIZE] {
            let l = RingLayout::new(size);
            assert!(l.avail_offset() >= l.desc_bytes);
            assert!(l.used_offset() >= l.avail_offset() + l.avail_bytes);
            assert!(l.total_bytes() >= l.used_offset() + l.used_bytes);
            assert_eq!((l.avail_offset() % 2, l.used_offset() % 4), (0, 0));
        }
    }
}
