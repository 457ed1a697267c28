//! What both directions of a split ring's poller have in common: the working state, the available index, completion and
//! notification.
#![allow(
    unsafe_code,
    reason = "takes over configuration inside the gate; writes an eventfd that control keeps open"
)]

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{Ordering, fence};

use virtio::layout::{AVAIL_NO_INTERRUPT, USED_NO_NOTIFY, UsedElement};
use virtio::notify::{Suppression, should_notify};
use virtio::ring::RingPtrs;

use crate::guest_memory::Translator;
use crate::vring::{BreakReason, Claim, VringShared};

/// The poller's own view of a ring, rebuilt in each epoch.
#[derive(Debug)]
pub(super) struct Ring {
    pub rings: RingPtrs,
    pub header_bytes: usize,
    pub mergeable: bool,
    /// Chains may end in a table of their own.
    pub indirect: bool,
    /// What the driver sends is dropped.
    pub discard: bool,
    /// The next available entry to take and used element to write.
    pub next: u16,
    /// The driver's `avail.idx` as last read.
    avail: u16,
    call: Option<RawFd>,
}

impl Ring {
    /// Takes over the configuration of the epoch.
    ///
    /// # Safety
    ///
    /// The caller is inside the gate and uses the result only there, in this epoch.
    pub unsafe fn rebuild(claim: &Claim, memory: &mut Translator) -> Option<Self> {
        // SAFETY: the caller is inside the gate.
        let config = unsafe { claim.config() }?;
        memory.refill(&config.memory);
        config.rings.set_used_flags(USED_NO_NOTIFY);
        let next = claim.vring().base();
        Some(Self {
            rings: config.rings,
            header_bytes: config.features.header_bytes(),
            mergeable: config.features.contains(virtio::Features::MRG_RXBUF),
            indirect: config.features.contains(virtio::Features::INDIRECT_DESC),
            discard: config.discard,
            next,
            avail: next,
            call: config.call.as_ref().map(|fd| fd.as_raw_fd()),
        })
    }

    /// How many chains are available, at most `want`; reads the driver's index only when those known are fewer.
    #[inline]
    pub fn available(&mut self, shared: &VringShared, want: usize) -> usize {
        let mut known = self.avail.wrapping_sub(self.next);
        if usize::from(known) < want {
            let index = self.rings.avail_index();
            known = index.wrapping_sub(self.next);
            if known > self.rings.size() {
                shared.break_ring(BreakReason::AvailIndex);
                return 0;
            }
            self.avail = index;
        }
        usize::from(known).min(want)
    }

    /// The head at `offset` behind the next one, if it is in the table.
    #[inline]
    pub fn head(&self, offset: usize) -> Option<u16> {
        // Callers stay below the number available, which is at most the ring's size.
        let head = self.rings.avail_entry(self.next.wrapping_add(offset as u16));
        (head <= self.rings.mask()).then_some(head)
    }

    /// Writes the used element at `offset` behind the next one.
    #[inline]
    pub fn complete(&self, offset: usize, head: u16, len: u32) {
        let element = UsedElement { id: head.into(), len };
        self.rings.set_used_element(self.next.wrapping_add(offset as u16), element);
    }

    /// Publishes `count` completions and wakes the driver if it wants to be woken.
    #[inline]
    pub fn publish(&mut self, shared: &VringShared, count: usize) {
        if count == 0 {
            return;
        }
        let (old, new) = (self.next, self.next.wrapping_add(count as u16));
        let suppressed = self.suppressed();
        if suppressed {
            shared.progress.unconfirmed.store(true, Ordering::Relaxed);
        }
        self.rings.publish_used(new);
        self.next = new;
        shared.progress.base.store(new, Ordering::Release);
        if !suppressed {
            fence(Ordering::SeqCst);
            if should_notify(Suppression::Flag(self.suppressed()), old, new) {
                self.notify(shared);
            }
        }
    }

    fn suppressed(&self) -> bool {
        self.rings.avail_flags() & AVAIL_NO_INTERRUPT != 0
    }

    /// Consumes up to `most` chains unseen and completes them with nothing in them.
    #[cold]
    pub fn drop_available(&mut self, shared: &VringShared, most: usize) {
        let available = self.available(shared, most);
        let mut dropped = 0;
        while dropped < available {
            let Some(head) = self.head(dropped) else {
                shared.break_ring(BreakReason::HeadOutOfRange);
                break;
            };
            self.complete(dropped, head, 0);
            dropped += 1;
        }
        shared.counters.discarded.add(dropped as u64);
        self.publish(shared, dropped);
        self.confirm_idle(shared);
    }

    /// Makes sure, when there is nothing else to do, that a driver that changed its mind is not left asleep.
    #[inline]
    pub fn confirm_idle(&self, shared: &VringShared) {
        if shared.progress.unconfirmed.load(Ordering::Relaxed) {
            self.confirm(shared);
        }
    }

    #[cold]
    fn confirm(&self, shared: &VringShared) {
        fence(Ordering::SeqCst);
        let wake = should_notify(Suppression::Flag(self.suppressed()), 0, 1);
        shared.progress.unconfirmed.store(false, Ordering::Relaxed);
        if wake {
            self.notify(shared);
        }
    }

    #[cold]
    fn notify(&self, shared: &VringShared) {
        if let Some(fd) = self.call {
            // SAFETY: control keeps the descriptor open while the gate is open.
            let call = unsafe { BorrowedFd::borrow_raw(fd) };
            eal::eventfd::signal(call);
            shared.counters.notifications.add(1);
        }
    }
}
