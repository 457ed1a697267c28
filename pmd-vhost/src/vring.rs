//! One ring of a device: what control and the ring's poller share.
//!
//! Control closes the gate to change anything ([`VringShared::close`]); the poller enters it for each burst.
#![allow(unsafe_code, reason = "configuration is handed from control to poller under the gate")]

use std::cell::UnsafeCell;
use std::fmt;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eal::gate::{ControlGate, FenceMode, GateWords, Stuck};
use virtio::Features;
use virtio::layout::AVAIL_NO_INTERRUPT;
use virtio::ring::RingPtrs;

use crate::counters::Counters;
use crate::guest_memory::GuestMemory;

mod claim;
mod reason;

pub use claim::Claim;
pub use reason::BreakReason;

/// A ring in service: valid for one epoch of its gate.
#[derive(Debug)]
pub struct VringConfig {
    /// The ring, translated.
    pub rings: RingPtrs,
    /// What its buffers lie in.
    pub memory: Arc<GuestMemory>,
    /// What was negotiated.
    pub features: Features,
    /// Written to wake the driver; `None` when the driver polls.
    pub call: Option<Arc<OwnedFd>>,
    /// The next available entry to be taken, which is also the next used entry to be written.
    pub base: u16,
    /// The ring is started and disabled: what the driver sends is consumed and dropped.
    pub discard: bool,
}

/// The ring's shared part. One for each ring of a device slot, for as long as the slot exists; drivers come and go.
pub struct VringShared {
    gate: GateWords,
    /// Written by control with the gate closed, read by the poller inside.
    config: UnsafeCell<Option<VringConfig>>,
    /// Serialises control calls.
    control: Mutex<Entrance>,
    fences: FenceMode,
    index: u16,
    broken: AtomicU8,
    claimed: Mutex<Option<String>>,
    pub(crate) progress: Progress,
    pub(crate) counters: Counters,
}

/// What control knows of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entrance {
    /// It is closed and the poller was seen outside since: it stays there.
    Empty,
    /// It is open, or was closed without seeing the poller leave.
    InUse,
}

/// How far the poller is, stored once a burst.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Progress {
    /// The next available entry to be taken.
    pub base: AtomicU16,
    /// Something was published while the driver's flag said that it wants no wake-up, and was not confirmed since.
    pub unconfirmed: AtomicBool,
}

// SAFETY: `config` is written with the gate closed and read inside it (gate protocol); all else is atomics and locks.
unsafe impl Sync for VringShared {}
// SAFETY: nothing in it is tied to a thread.
unsafe impl Send for VringShared {}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for VringShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.base();
        f.debug_struct("VringShared")
            .field("index", &self.index)
            .field("base", &base)
            .finish_non_exhaustive()
    }
}

impl VringShared {
    /// A ring without configuration, its gate closed.
    pub fn new(index: u16, fences: FenceMode) -> Arc<Self> {
        Arc::new(Self {
            gate: GateWords::new(),
            config: UnsafeCell::new(None),
            control: Mutex::new(Entrance::Empty),
            fences,
            index,
            broken: AtomicU8::new(0),
            claimed: Mutex::new(None),
            progress: Progress { base: AtomicU16::new(0), unconfirmed: AtomicBool::new(false) },
            counters: Counters::default(),
        })
    }

    /// The ring's number in its device.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Closes the gate and waits until the poller is out of its burst, at most `deadline`.
    ///
    /// # Errors
    ///
    /// [`Stuck`] when the poller did not leave: the ring is quarantined; nothing it uses may be reused or unmapped until
    /// a later call succeeds.
    pub fn close(&self, deadline: Duration) -> Result<ClosedVring<'_>, Stuck> {
        let mut closing = self.begin_to_close();
        if *closing.entrance == Entrance::InUse {
            closing.gate.close(deadline)?;
            *closing.entrance = Entrance::Empty;
        }
        Ok(closing)
    }

    /// As [`VringShared::close`] for several rings at once, which costs one barrier at most: none when all their gates are
    /// known to be closed and empty. `deadline` is for all together.
    ///
    /// # Errors
    ///
    /// The place in `vrings` of one whose poller did not leave, and [`Stuck`] as above. All gates stay closed.
    pub(crate) fn close_all<'a>(
        vrings: &'a [Arc<Self>],
        deadline: Duration,
    ) -> Result<Vec<ClosedVring<'a>>, (usize, Stuck)> {
        let mut closing: Vec<_> = vrings.iter().map(|vring| vring.begin_to_close()).collect();
        let in_use = closing.iter().filter(|ring| *ring.entrance == Entrance::InUse);
        let gates: Vec<ControlGate> = in_use.map(|ring| ring.vring.control_gate()).collect();
        if !gates.is_empty()
            && let Err(stuck) = ControlGate::close_all(&gates, deadline)
        {
            let left = |ring: &ClosedVring<'_>| {
                *ring.entrance == Entrance::Empty || ring.gate.close(Duration::ZERO).is_ok()
            };
            return Err((closing.iter().position(|ring| !left(ring)).unwrap_or(0), stuck));
        }
        closing.iter_mut().for_each(|ring| *ring.entrance = Entrance::Empty);
        Ok(closing)
    }

    fn begin_to_close(&self) -> ClosedVring<'_> {
        let entrance = lock(&self.control);
        ClosedVring { vring: self, gate: self.control_gate(), entrance }
    }

    /// Control's end of the gate; only for whoever holds `control`.
    fn control_gate(&self) -> ControlGate {
        // SAFETY: the words live as long as self, and the caller serialises control.
        unsafe { ControlGate::new(NonNull::from(&self.gate), self.fences) }
    }

    /// The next available entry to be taken: what `GET_VRING_BASE` answers. Exact while the gate is closed.
    pub fn base(&self) -> u16 {
        self.progress.base.load(Ordering::Acquire)
    }

    /// The ring's counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Why the ring is out of service, if its driver broke a rule since it was last configured.
    pub fn broken(&self) -> Option<BreakReason> {
        BreakReason::from_raw(self.broken.load(Ordering::Relaxed))
    }

    pub(crate) fn break_ring(&self, reason: BreakReason) {
        self.broken.store(reason as u8, Ordering::Relaxed);
    }

    /// Control's tick, for a poller that never calls again: wakes a driver that asked for wake-ups just when packets were
    /// published. `told` is the place up to which an earlier tick has done so; the poller's own word stays as it is, as
    /// only the poller knows what it has published since.
    pub(crate) fn wake_unconfirmed(&self, told: &mut Option<u16>) {
        let base = self.base();
        if !self.progress.unconfirmed.load(Ordering::Relaxed) || *told == Some(base) {
            return;
        }
        // Whoever holds the lock is changing the ring; the next tick sees what came of it.
        let Ok(_serial) = self.control.try_lock() else { return };
        // SAFETY: `config` is written under the lock that is held, so nobody writes.
        let Some(config) = (unsafe { &*self.config.get() }) else { return };
        // The store of `used.idx` that came before `base` is ordered before the load of the flag.
        fence(Ordering::SeqCst);
        if config.rings.avail_flags() & AVAIL_NO_INTERRUPT == 0 {
            *told = Some(base);
            if let Some(call) = &config.call {
                eal::eventfd::signal(call);
                self.counters.late_notifications.add(1);
            }
        }
    }

    /// Who polls the ring.
    pub fn holder(&self) -> Option<String> {
        lock(&self.claimed).clone()
    }

    /// Makes `holder` the one that polls, until the claim is dropped.
    ///
    /// # Errors
    ///
    /// The name of the present holder.
    pub fn claim(self: &Arc<Self>, holder: &str) -> Result<Claim, String> {
        let mut claimed = lock(&self.claimed);
        if let Some(other) = claimed.as_ref() {
            return Err(other.clone());
        }
        *claimed = Some(holder.to_owned());
        Ok(Claim(Arc::clone(self)))
    }
}

/// A ring whose gate is closed and whose poller is outside. Dropping it leaves the gate closed.
pub struct ClosedVring<'a> {
    vring: &'a VringShared,
    gate: ControlGate,
    /// Serialises control.
    entrance: MutexGuard<'a, Entrance>,
}

impl ClosedVring<'_> {
    /// Replaces the configuration and forgets that the ring was broken.
    pub fn configure(&mut self, config: Option<VringConfig>) {
        if let Some(config) = &config {
            self.vring.progress.base.store(config.base, Ordering::Release);
        }
        self.vring.broken.store(0, Ordering::Relaxed);
        // Whoever was to be woken under the old configuration may not have been: asking once more costs one wake-up at most.
        self.vring.progress.unconfirmed.store(config.is_some(), Ordering::Relaxed);
        // SAFETY: the gate is closed and the poller outside, so nobody reads; control is serialised.
        let old = unsafe { self.vring.config.get().replace(config) };
        drop(old);
    }

    /// Lets the poller in, if there is a configuration.
    pub fn open(mut self) {
        // SAFETY: the gate is closed and control is serialised, so nobody writes.
        let config = unsafe { &*self.vring.config.get() };
        if config.is_some() {
            *self.entrance = Entrance::InUse;
            self.gate.open();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MockDriver;
    use eal::gate::Entry;

    #[test]
    fn closing_several_names_the_ring_that_is_still_polled() {
        let driver = MockDriver::new(8, Features::VERSION_1, 0).unwrap();
        let idle = VringShared::new(0, FenceMode::register());
        let vrings = [idle, driver.vring().unwrap(), driver.vring().unwrap()];
        let mut poller = vrings[2].claim("test").unwrap().poller_gate();
        let Entry::Changed(inside) = poller.enter() else { panic!("the gate is open") };
        let Err((place, _)) = VringShared::close_all(&vrings, Duration::from_millis(1)) else {
            panic!("a poller is inside")
        };
        assert_eq!(place, 2);
        drop(inside);
        assert!(matches!(poller.enter(), Entry::Closed));
        let closed = VringShared::close_all(&vrings, Duration::from_secs(5)).unwrap();
        assert_eq!(closed.len(), 3);
        drop(closed);
        // A gate that is known to be empty is closed as before, and an opened one has to be closed again.
        let again = vrings[2].close(Duration::ZERO).unwrap();
        again.open();
        let Entry::Changed(_inside) = poller.enter() else { panic!("the gate is open again") };
        assert!(vrings[2].close(Duration::ZERO).is_err());
    }
}
