//! Taking back what a dead process held.
//!
//! Wherever it stopped, the dead process left each of its buffers in one of these places:
//!
//! | it stopped | its chunk lists the record | stamp | so it is |
//! |---|---|---|---|
//! | before a take, or while stamping | yes | 0 or dead | free: the chunk is believed |
//! | after a take, before a give | no | dead | free unless a queue holds it |
//! | in a give, before the length was raised | no | dead | as above |
//! | in a give, after the length was raised | yes | dead or 0 | free: the chunk is believed |
//!
//! Hence chunks first: their records' stamps are cleared, then the chunk goes to the depot. Only then
//! are the remaining stamps looked at. A chunk that was being *filled* had not handed out anything and is virgin again.
//!
//! The sweeper may die too, or be succeeded while it is merely slow. Each change is a CAS from the dead process's id, so it
//! happens once, and a record is stamped with the sweeper before the sweeper gives it: what a dead sweeper had in its hands is
//! found by its own sweep.
#![allow(unsafe_code, reason = "gives records back that nobody holds any more")]

use super::chunk::State;
use super::view::PoolView;
use super::{record::Record, step};
use core::sync::atomic::Ordering;
use std::ptr::NonNull;

impl PoolView {
    /// The first `len` entries of chunk `index`.
    pub(crate) fn entries(&self, index: u32, len: u32) -> impl Iterator<Item = u32> {
        let chunk = self.chunk(index);
        let len = len.min(self.layout.capacity) as usize;
        // SAFETY: `entry < len`, which is at most the capacity.
        (0..len).map(move |entry| unsafe { chunk.get(entry) })
    }

    /// Takes back everything that process `dead` held, except the records whose handle `held` claims for a
    /// queue. Returns how many records came back. May be repeated.
    ///
    /// The caller knows that the process is dead, and is not it.
    pub(crate) fn sweep(&self, dead: u32, held: &dyn Fn(u32) -> bool) -> u32 {
        let mut recovered = 0;
        for index in 0..self.layout.chunks {
            recovered += self.sweep_chunk(index, dead);
        }
        recovered += self.sweep_stamps(dead, held);
        for index in 0..self.layout.seats {
            let _ = self.seat(index).compare_exchange(dead, 0, Ordering::AcqRel, Ordering::Relaxed);
            step();
        }
        recovered
    }

    fn sweep_chunk(&self, index: u32, dead: u32) -> u32 {
        let word = self.state(index).load(Ordering::Acquire);
        let (next, count) = match State::from_word(word) {
            State::Owned(owner) if owner == dead => {
                let len = self.chunk(index).len().min(self.layout.capacity);
                self.clear_stamps(index, len, dead);
                self.announce(index, len);
                (State::Depot(len), len)
            }
            State::Filling(owner) if owner == dead => {
                self.announce_virgin(index);
                (State::Virgin, 0)
            }
            _ => return 0,
        };
        let swapped = self.state(index).compare_exchange(
            word,
            next.word(),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        step();
        if swapped.is_ok() { count } else { 0 }
    }

    fn clear_stamps(&self, index: u32, len: u32, dead: u32) {
        for handle in self.entries(index, len).filter(|&handle| self.contains(handle)) {
            let stamp = self.owner_of(handle - self.first_record);
            let _ = stamp.compare_exchange(dead, 0, Ordering::AcqRel, Ordering::Relaxed);
            step();
        }
    }

    fn sweep_stamps(&self, dead: u32, held: &dyn Fn(u32) -> bool) -> u32 {
        let mut recovered = 0;
        self.for_each_stamp(|number, stamp| {
            let handle = self.first_record + number;
            if stamp == dead && !held(handle) && self.take_over(number, dead) {
                self.give_one(handle);
                recovered += 1;
            }
        });
        recovered
    }

    /// Stamps a dead process's record with this process. False when another sweeper was quicker.
    fn take_over(&self, number: u32, dead: u32) -> bool {
        let stamp = self.owner_of(number);
        let taken =
            stamp.compare_exchange(dead, self.me, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        step();
        taken
    }

    fn give_one(&self, handle: u32) {
        // SAFETY: the handle is one of this pool's.
        let record: NonNull<Record> = unsafe { self.record(handle) };
        // SAFETY: one record, which this process took over and nobody else knows.
        unsafe { self.give_uncached(&record, 1) };
    }
}
