//! Rebuilding a queue whose poller's process died, in place (docs/architecture.md, section 8.1).
#![allow(unsafe_code, reason = "reads records that the queue holds, with the gate closed")]

use std::sync::atomic::Ordering;

use eal::OwnerId;
use pmd_core::Error;
use virtio::Features;

use super::block::{Slot, add};
use super::indirect::TABLE_ENTRIES;
use super::{BreakReason, Direction, VirtQueue};

/// What a rebuild did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Packets that were completed and never seen, or posted and never published: given back and counted as lost.
    pub lost: usize,
    /// Receive descriptors that were posted again.
    pub posted: usize,
}

impl VirtQueue {
    /// The handles of all mbufs that the queue holds, for the sweep of a pool.
    pub fn held(&self) -> Vec<u32> {
        let mut held: Vec<u32> = self.shared.table.heads().map(|(_, handle, _)| handle).collect();
        let first = held.len();
        for at in 0..first {
            self.add_segments(held[at], &mut held);
        }
        held
    }

    fn add_segments(&self, handle: u32, held: &mut Vec<u32>) {
        let mut next = self.next_segment(handle);
        // A packet has fewer segments than the ring has descriptors, or its table entries; a torn one ends there.
        for _ in 0..self.size().max(TABLE_ENTRIES) {
            if next == 0 {
                return;
            }
            held.push(next);
            next = self.next_segment(next);
        }
    }

    fn next_segment(&self, handle: u32) -> u32 {
        let record = self.shared.record(handle).cast::<pmd_core::mbuf::Meta>();
        // SAFETY: handles of the table name records of a pool of this window; the queue holds them.
        unsafe { record.as_ref() }.next
    }

    /// Ends what the dead process `dead` held of this queue: its place inside the gate. The gate is closed after this.
    ///
    /// # Errors
    ///
    /// [`Error::Quarantined`] when a living poller is inside and does not leave.
    pub fn evict(&self, dead: OwnerId) -> Result<(), Error> {
        let empty = self.control();
        self.gate().release_dead(dead);
        drop(empty);
        self.close()
    }

    /// Puts the queue right after the death of `dead`, whom the claim names, and ends the claim. The gate is closed
    /// (see [`VirtQueue::evict`]) and the device goes on running the ring. Pools must have been swept before, with what
    /// [`VirtQueue::held`] says. May be repeated.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] when the gate is not closed and empty.
    pub fn recover(&self, dead: OwnerId) -> Result<Recovered, Error> {
        let _empty = self.while_empty("rebuild a queue")?;
        let mut done = Recovered::default();
        self.publish_again();
        done.lost += self.take_completed();
        done.lost += self.take_unpublished();
        self.clear_orphans();
        if self.direction == Direction::Rx {
            done.posted = self.fill(&self.config());
        }
        add(&self.shared.block().counters.lost, done.lost as u64);
        self.shared.wake();
        let claim = &self.shared.block().claim.0;
        let _ = claim.compare_exchange(dead.raw(), 0, Ordering::AcqRel, Ordering::Relaxed);
        Ok(done)
    }

    /// The dead poller may have announced its intention and not published.
    fn publish_again(&self) {
        let avail = self.shared.block().progress.posted().heads;
        // Low 16 bits of a running count are the ring index.
        self.shared.rings.publish_avail(avail as u16);
    }

    /// Gives back what the device completed and nobody will see. A free slot was taken by the dead process.
    fn take_completed(&self) -> usize {
        let (rings, progress) = (&self.shared.rings, &self.shared.block().progress);
        let used = progress.used.load(Ordering::Acquire);
        let waiting = rings.used_index().wrapping_sub(used as u16);
        if u32::from(waiting) > progress.posted().heads.wrapping_sub(used) {
            progress.broken.store(BreakReason::UsedIndex as u32, Ordering::Release);
            return 0;
        }
        let lost = if self.config().features().contains(Features::IN_ORDER) {
            self.take_in_order(used, waiting)
        } else {
            self.take_elements(used, waiting)
        };
        if self.direction == Direction::Rx { lost } else { 0 }
    }

    /// The device used the `waiting` oldest, and not every one has an element (virtio 1.2, 2.7.9).
    fn take_in_order(&self, used: u32, waiting: u16) -> usize {
        let mut taken = 0;
        for (id, handle, position) in self.shared.table.heads() {
            if position.wrapping_sub(used) < waiting.into() {
                self.give_back(id, handle);
                taken += 1;
            }
        }
        let progress = &self.shared.block().progress;
        progress.used.store(used.wrapping_add(waiting.into()), Ordering::Release);
        progress.set_batch(None);
        taken
    }

    fn take_elements(&self, mut used: u32, waiting: u16) -> usize {
        let (rings, progress) = (&self.shared.rings, &self.shared.block().progress);
        let mut taken = 0;
        for _ in 0..waiting {
            let element = rings.used_element(used as u16);
            let id = u16::try_from(element.id).ok().filter(|&id| id <= rings.mask());
            let slot = id.map(|id| (id, self.shared.table.get(id)));
            if let Some((id, Slot::Head { handle, .. })) = slot {
                self.give_back(id, handle);
                taken += 1;
            }
            used = used.wrapping_add(1);
            progress.used.store(used, Ordering::Release);
        }
        taken
    }

    /// Gives back what was put into the table and never made available.
    fn take_unpublished(&self) -> usize {
        let avail = self.shared.block().progress.posted().heads;
        let mut lost = 0;
        for (id, handle, position) in self.shared.table.heads() {
            let unpublished = position.wrapping_sub(avail) < 1 << 31;
            if unpublished {
                self.give_back(id, handle);
                lost += usize::from(self.direction == Direction::Tx);
            }
        }
        lost
    }

    /// Frees further descriptors of chains that are no more.
    fn clear_orphans(&self) {
        let table = &self.shared.table;
        for id in 0..self.size() {
            let Slot::Part { head } = table.get(id) else { continue };
            if !matches!(table.get(head), Slot::Head { .. }) {
                table.set(id, Slot::Free);
            }
        }
    }
}
