//! Which bytes of a file are free: a first-fit allocator with coalescing.
//!
//! Pure book-keeping over offsets, kept on the primary's heap. The lowest hole that fits is taken, so that
//! memory that was touched once is used again before untouched memory is.

use std::collections::BTreeMap;

/// Everything handed out starts and ends on a cache line.
pub(crate) const LINE_BYTES: u64 = 64;

/// Free ranges of one file, keyed by offset.
#[derive(Debug, Default)]
pub(crate) struct Extents {
    free: BTreeMap<u64, u64>,
    end: u64,
    fresh: u64,
}

/// What [`Extents::take`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Offset from the start of the file in bytes.
    pub offset: u64,
    /// Bytes from `offset` on that had been handed out before and may hold old contents.
    pub used_bytes: u64,
}

impl Extents {
    /// End of what can be handed out, in bytes from the start of the file.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Adds everything between the present end and `end` as free.
    pub fn grow(&mut self, end: u64) {
        if end > self.end {
            let start = self.end;
            self.end = end;
            self.insert(start, end - start);
        }
    }

    /// How far the file must reach at least for `len` bytes with `align` to fit; `None` on overflow. What is free at the
    /// end is part of it from offset `joined` on, if growth is joined to it.
    pub fn needed_end(&self, len: u64, align: u64, joined: Option<u64>) -> Option<u64> {
        let tail = joined.map_or(self.end, |from| from.max(self.end - self.tail_bytes()));
        align_up(tail, align.max(LINE_BYTES))?.checked_add(round_line(len)?)
    }

    /// Takes the lowest hole with room for `len` bytes at a multiple of `align` (a power of two).
    pub fn take(&mut self, len: u64, align: u64) -> Option<Taken> {
        self.take_within(len, align, 0, self.end)
    }

    /// The same between the offsets `from` and `to`.
    pub fn take_within(&mut self, len: u64, align: u64, from: u64, to: u64) -> Option<Taken> {
        let len = round_line(len)?;
        let align = align.max(LINE_BYTES);
        let (hole, size, offset) = self.free.iter().find_map(|(&hole, &size)| {
            let offset = align_up(hole.max(from), align)?;
            let end = to.min(hole + size);
            (offset.checked_add(len)? <= end).then_some((hole, size, offset))
        })?;
        self.free.remove(&hole);
        if offset > hole {
            self.free.insert(hole, offset - hole);
        }
        let end = offset + len;
        if end < hole + size {
            self.free.insert(end, hole + size - end);
        }
        let used_bytes = self.fresh.min(end).saturating_sub(offset);
        self.fresh = self.fresh.max(end);
        Some(Taken { offset, used_bytes })
    }

    /// Gives back what `take` handed out. False, with nothing changed, when any of it is free already
    /// or was never there.
    pub fn give(&mut self, offset: u64, len: u64) -> bool {
        let Some(len) = round_line(len) else { return false };
        let Some(end) = offset.checked_add(len) else { return false };
        let overlaps =
            self.free.range(..end).next_back().is_some_and(|(&hole, &size)| hole + size > offset);
        if len == 0 || end > self.end || overlaps {
            return false;
        }
        self.insert(offset, len);
        true
    }

    /// Free bytes at the end, which growth would lengthen.
    pub fn tail_bytes(&self) -> u64 {
        match self.free.last_key_value() {
            Some((&start, &size)) if start + size == self.end => size,
            _ => 0,
        }
    }

    /// Bytes that are free.
    #[cfg(test)]
    pub fn free_bytes(&self) -> u64 {
        self.free.values().sum()
    }

    fn insert(&mut self, mut offset: u64, mut len: u64) {
        if let Some((&before, &size)) = self.free.range(..offset).next_back()
            && before + size == offset
        {
            self.free.remove(&before);
            offset = before;
            len += size;
        }
        if let Some(size) = self.free.remove(&(offset + len)) {
            len += size;
        }
        self.free.insert(offset, len);
    }
}

/// `len` rounded up to whole cache lines.
pub(crate) fn round_line(len: u64) -> Option<u64> {
    align_up(len, LINE_BYTES)
}

/// `value` rounded up to a multiple of `align`, a power of two; `None` on overflow.
pub(crate) fn align_up(value: u64, align: u64) -> Option<u64> {
    Some(value.checked_add(align - 1)? & !(align - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lowest_hole_is_taken_first() {
        let mut extents = Extents::default();
        extents.grow(4096);
        let first = extents.take(100, 1).unwrap();
        let second = extents.take(64, 256).unwrap();
        assert_eq!((first.offset, second.offset), (0, 256));
        assert_eq!(extents.take(64, 1).unwrap().offset, 128);
        assert!(extents.give(0, 100));
        assert_eq!(extents.take(65, 64).unwrap(), Taken { offset: 0, used_bytes: 128 });
    }

    #[test]
    fn giving_back_twice_or_too_much_is_refused() {
        let mut extents = Extents::default();
        extents.grow(1024);
        let taken = extents.take(128, 64).unwrap();
        assert!(extents.give(taken.offset, 128));
        assert!(!extents.give(taken.offset, 128));
        assert!(!extents.give(960, 128));
        assert!(!extents.give(u64::MAX - 8, 64));
        assert_eq!(extents.free_bytes(), 1024);
    }

    #[test]
    fn needed_end_counts_the_free_tail() {
        let mut extents = Extents::default();
        extents.grow(1024);
        extents.take(512, 64).unwrap();
        assert_eq!(extents.needed_end(1024, 64, Some(0)), Some(512 + 1024));
        assert_eq!(extents.needed_end(1024, 64, None), Some(1024 + 1024));
        assert_eq!(extents.needed_end(1024, 64, Some(768)), Some(768 + 1024));
        assert_eq!(extents.needed_end(64, 2048, Some(0)), Some(2048 + 64));
        assert_eq!(extents.needed_end(u64::MAX, 64, Some(0)), None);
        assert_eq!(extents.tail_bytes(), 512);
    }

    #[test]
    fn a_part_of_the_file_can_be_named() {
        let mut extents = Extents::default();
        extents.grow(4096);
        let taken = |taken: Option<Taken>| taken.map(|taken| taken.offset);
        assert_eq!(taken(extents.take_within(512, 64, 1024, 2048)), Some(1024));
        assert_eq!(taken(extents.take_within(512, 64, 1024, 2048)), Some(1536));
        assert_eq!(taken(extents.take_within(64, 64, 1024, 2048)), None);
        assert_eq!(taken(extents.take(1024, 64)), Some(0));
        assert!(extents.give(1024, 512));
        assert_eq!(taken(extents.take_within(512, 64, 2048, 4096)), Some(2048));
        assert_eq!(extents.free_bytes(), 512 + 1536);
    }

    /// One step of the random test: take (length, alignment exponent) or give the n-th held extent.
    fn step() -> impl Strategy<Value = (bool, u64, u32)> {
        (any::<bool>(), 1u64..5000, 0u32..13)
    }

    proptest! {
        #[test]
        fn never_overlaps_and_always_coalesces(steps in prop::collection::vec(step(), 1..120)) {
            let mut extents = Extents::default();
            let mut held: Vec<(u64, u64)> = Vec::new();
            for (take, len, shift) in steps {
                if take {
                    let align = 1u64 << shift;
                    let taken = extents.take(len, align).or_else(|| {
                        extents.grow(extents.needed_end(len, align, Some(0))?);
                        extents.take(len, align)
                    });
                    let offset = taken.expect("grown to fit").offset;
                    let size = round_line(len).unwrap();
                    prop_assert_eq!(offset % align.max(LINE_BYTES), 0);
                    prop_assert!(held.iter().all(|&(o, s)| offset + size <= o || o + s <= offset));
                    held.push((offset, size));
                } else if !held.is_empty() {
                    let (offset, size) = held.swap_remove(len as usize % held.len());
                    prop_assert!(extents.give(offset, size));
                }
                let in_use: u64 = held.iter().map(|&(_, size)| size).sum();
                prop_assert_eq!(extents.free_bytes() + in_use, extents.end());
            }
            for (offset, size) in held {
                prop_assert!(extents.give(offset, size));
            }
            prop_assert!(extents.free.len() <= 1);
        }
    }
}
