//! Taking back what the device is done with.
#![allow(unsafe_code, reason = "takes mbufs out of the table as owner")]

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use eal::mempool::{Mempool, Record};
use eal::prefetch;
use pmd_core::Mbuf;
use pmd_core::mbuf::Meta;

use super::super::block::Slot;
use super::super::{BATCH, BreakReason};
use super::Pass;

impl Pass<'_> {
    /// Gives back what the device is done with; returns how many packets.
    #[inline]
    pub fn reclaim(&mut self) -> usize {
        let mut done = 0;
        loop {
            // Low 16 bits of a running count are the ring index.
            let waiting = self.shared.rings.used_index().wrapping_sub(self.state.used as u16);
            if u32::from(waiting) > self.state.avail.wrapping_sub(self.state.used) {
                return self.broken(BreakReason::UsedIndex);
            }
            if waiting == 0 {
                return done;
            }
            let count = usize::from(waiting).min(BATCH);
            if self.reclaim_batch(count) < count {
                return self.broken(BreakReason::UsedElement);
            }
            done += count;
        }
    }

    /// Returns how many were good.
    #[inline]
    fn reclaim_batch(&mut self, count: usize) -> usize {
        let mut records = [const { MaybeUninit::<NonNull<Record>>::uninit() }; BATCH];
        let mut good = 0;
        for place in &mut records[..count] {
            let Some((id, handle)) = self.next_done(good as u32) else { break };
            let record = self.shared.record(handle);
            prefetch(record.as_ptr().cast());
            // SAFETY: the table slot says that the record is this queue's.
            own(unsafe { record.cast::<Meta>().as_ref() }, self.owner);
            self.release_ids(id);
            place.write(record);
            good += 1;
        }
        self.state.used = self.state.used.wrapping_add(good as u32);
        self.shared.block().progress.used.store(self.state.used, Ordering::Release);
        // SAFETY: the loop initialised the first `good` places.
        let records =
            unsafe { std::slice::from_raw_parts(records.as_ptr().cast::<NonNull<Record>>(), good) };
        give_back(records);
        good
    }

    /// Head and mbuf of the packet that was used `at` places from now. In order, that is the oldest one whatever the used
    /// element says: the index alone tells how many are done, and elements of a batch may be missing (virtio 1.2, 2.7.9).
    #[inline(always)]
    fn next_done(&self, at: u32) -> Option<(u16, u32)> {
        let id = if self.state.in_order {
            self.state.free.oldest_used()
        } else {
            let position = self.state.used.wrapping_add(at);
            let element = self.shared.rings.used_element(position as u16);
            u16::try_from(element.id).ok().filter(|&id| id <= self.shared.rings.mask())?
        };
        match self.shared.table.get(id) {
            Slot::Head { handle, .. } => Some((id, handle)),
            _ => None,
        }
    }

    /// Clears the slots of the chain that begins at `head`.
    #[inline(always)]
    fn release_ids(&mut self, head: u16) {
        let mut id = Some(head);
        while let Some(this) = id {
            id = self.state.links.take(this);
            self.shared.table.set(this, Slot::Free);
            self.state.free.push(this);
        }
    }
}

/// Ours, all segments of it, before the slot is cleared (docs/architecture.md, section 3). The packet is one of a queue.
#[inline(always)]
pub(in super::super) fn own(first: &Meta, owner: u32) {
    if first.nb_segs != 1 {
        own_further(first, owner);
    }
    stamp(first, owner);
}

#[cold]
fn own_further(first: &Meta, owner: u32) {
    let mut next = first.next;
    while next != 0 {
        // SAFETY: further segments are the queue's with the first; links lie in memory that no peer can write.
        let meta = unsafe { &*first.neighbour(next) };
        stamp(meta, owner);
        next = meta.next;
    }
}

#[inline(always)]
fn stamp(meta: &Meta, owner: u32) {
    if meta.head.owner.load(Ordering::Relaxed) != owner {
        meta.head.owner.store(owner, Ordering::Release);
    }
}

/// Gives packets back in bulk; chains one by one.
#[inline]
fn give_back(records: &[NonNull<Record>]) {
    let single = records.iter().all(|record| {
        // SAFETY: the records were just taken out of the table and are ours.
        unsafe { record.cast::<Meta>().as_ref() }.nb_segs == 1
    });
    if single {
        // SAFETY: as above; single segments.
        return unsafe { Mempool::give_mixed(records) };
    }
    for record in records {
        // SAFETY: as above; the mbuf takes its further segments along.
        drop(unsafe { Mbuf::from_record(*record) });
    }
}
