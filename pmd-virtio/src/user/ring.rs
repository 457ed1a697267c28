//! One virtqueue as the control thread handles it.

use std::cell::Cell;
use std::sync::Arc;

use pmd_core::{Error, Event};
use virtio::Features;

use crate::queue::VirtQueue;
use crate::transport::RingSetup;

/// A queue of a started port, with what the control thread knows of it.
pub(super) struct Ring {
    /// Ring number towards the device.
    pub index: u16,
    queue: Arc<VirtQueue>,
    /// The gate is closed and the poller is out; a new queue begins so.
    closed: Cell<bool>,
    /// That it broke was told already.
    told: Cell<bool>,
    /// What the tick has woken the device for.
    woken: Cell<Option<u32>>,
}

impl Ring {
    /// `queue` as ring number `index`.
    pub(super) fn new(index: u16, queue: Arc<VirtQueue>) -> Self {
        Self {
            index,
            queue,
            closed: Cell::new(false),
            told: Cell::new(false),
            woken: Cell::new(None),
        }
    }

    /// Brings the poller out; at once when it is out already.
    pub(super) fn close(&self) -> Result<(), Error> {
        if self.closed.get() {
            return Ok(());
        }
        self.queue.close()?;
        self.closed.set(true);
        Ok(())
    }

    /// Begins anew under a closed gate.
    pub(super) fn prepare(&self, features: Features) -> Result<(), Error> {
        self.told.set(false);
        self.woken.set(None);
        self.queue.prepare(features)
    }

    /// Lets the poller in.
    pub(super) fn open(&self) {
        self.closed.set(false);
        self.queue.open();
    }

    /// Gives back every mbuf, unless a poller is still in.
    pub(super) fn drain(&self) {
        if self.closed.get() {
            self.queue.drain();
        }
    }

    /// Tells the device to look: some start a ring at its first kick.
    pub(super) fn kick(&self) {
        eal::eventfd::signal(self.queue.kick());
    }

    /// The tick: see [`VirtQueue::wake_unconfirmed`].
    pub(super) fn wake_unconfirmed(&self) {
        let mut woken = self.woken.get();
        self.queue.wake_unconfirmed(&mut woken);
        self.woken.set(woken);
    }

    /// What the device has to know.
    pub(super) fn setup(&self) -> RingSetup<'_> {
        RingSetup {
            index: self.index,
            size: self.queue.size(),
            addresses: self.queue.addresses(),
            kick: self.queue.kick(),
            call: self.queue.call(),
        }
    }

    /// The event to send if the ring broke and nobody was told.
    pub(super) fn newly_broken(&self) -> Option<Event> {
        let reason = self.queue.broken().filter(|_| !self.told.replace(true))?;
        Some(Event::QueueBroken { rx: self.index.is_multiple_of(2), queue: self.index / 2, reason })
    }
}
