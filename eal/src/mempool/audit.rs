//! Counting a pool.

use super::chunk::State;
use super::view::PoolView;
use core::sync::atomic::Ordering;

/// What an audit found. Exact when no thread of any process uses the pool meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PoolAudit {
    /// Buffers of the pool.
    pub size: u32,
    /// Records stamped with an owner.
    pub in_use: u32,
    /// Entries of chunks, those that virgin chunks stand for included.
    pub free: u32,
    /// Entries too many: listed twice, listed although in use, or naming no record of the pool.
    pub duplicates: u32,
    /// Records that are neither in use nor listed.
    pub lost: u32,
}

impl PoolAudit {
    /// Whether every buffer is in exactly one place.
    pub fn is_exact(&self) -> bool {
        self.in_use + self.free == self.size && self.duplicates == 0 && self.lost == 0
    }
}

impl std::fmt::Display for PoolAudit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { size, in_use, free, duplicates, lost } = self;
        write!(f, "{in_use} in use + {free} free of {size}, {duplicates} duplicates, {lost} lost")
    }
}

impl PoolView {
    /// Free entries of chunk `index`, by its state word or its owner's length.
    fn free_in(&self, index: u32) -> u32 {
        match State::from_word(self.state(index).load(Ordering::Acquire)) {
            State::Virgin | State::Filling(_) => self.implied(index),
            State::Owned(_) => self.chunk(index).len().min(self.layout.capacity),
            State::Depot(count) => count.min(self.layout.capacity),
        }
    }

    /// Records that chunk `index` stands for while nothing of it has been handed out.
    fn implied(&self, index: u32) -> u32 {
        if index < self.layout.ranges() { self.layout.range(index).1 } else { 0 }
    }

    /// Whether the records of range `index` were never handed out, so that nothing needs to be read of them.
    pub(crate) fn is_untouched(&self, index: u32) -> bool {
        matches!(
            State::from_word(self.state(index).load(Ordering::Acquire)),
            State::Virgin | State::Filling(_)
        )
    }

    /// Records outside all chunks. A snapshot when threads are at work.
    pub(crate) fn in_use(&self) -> u32 {
        let free: u32 = (0..self.layout.chunks).map(|index| self.free_in(index)).sum();
        self.layout.size.saturating_sub(free)
    }

    /// Calls `visit` with the number and the stamp of every record that was ever handed out.
    pub(crate) fn for_each_stamp(&self, mut visit: impl FnMut(u32, u32)) {
        for index in (0..self.layout.ranges()).filter(|&index| !self.is_untouched(index)) {
            let (first, count) = self.layout.range(index);
            for number in first..first + count {
                visit(number, self.owner_of(number).load(Ordering::Relaxed));
            }
        }
    }

    /// Records that process `owner` has in use.
    pub(crate) fn held_by(&self, owner: u32) -> u32 {
        let mut held = 0;
        self.for_each_stamp(|_, stamp| held += u32::from(stamp == owner));
        held
    }

    /// Counts both sides independently: stamps on records, entries of chunks.
    pub(crate) fn audit(&self) -> PoolAudit {
        let mut audit =
            PoolAudit { size: self.layout.size, in_use: 0, free: 0, duplicates: 0, lost: 0 };
        let mut listed = vec![0_u8; self.layout.size as usize];
        for index in 0..self.layout.chunks {
            self.audit_chunk(index, &mut listed, &mut audit);
        }
        let mut stamped = vec![false; self.layout.size as usize];
        self.for_each_stamp(|number, stamp| stamped[number as usize] = stamp != 0);
        for (&times, &in_use) in listed.iter().zip(&stamped) {
            let places = u32::from(times) + u32::from(in_use);
            audit.in_use += u32::from(in_use);
            audit.duplicates += places.saturating_sub(1);
            audit.lost += u32::from(places == 0);
        }
        audit
    }

    fn audit_chunk(&self, index: u32, listed: &mut [u8], audit: &mut PoolAudit) {
        let free = self.free_in(index);
        audit.free += free;
        let mut list = |number: u32| match listed.get_mut(number as usize) {
            Some(times) => *times = times.saturating_add(1),
            None => audit.duplicates += 1,
        };
        if index < self.layout.ranges() && self.is_untouched(index) {
            let (first, count) = self.layout.range(index);
            (first..first + count).for_each(&mut list);
            return;
        }
        self.entries(index, free).for_each(|handle| list(handle.wrapping_sub(self.first_record)));
    }
}
