//! What control prepares and one poller works with: a value behind a gate.
//!
//! A driver whose queues live in one process keeps each queue's working state (a file, a pool, held packets) in a
//! [`Gated`]. Control closes the gate, puts the state in, takes it out or changes it, and opens the gate; the poller that
//! holds the [`Claim`] borrows it for a burst at a time. The state outlives the claim: a queue that is claimed again goes on
//! where it was.
//!
//! **Threads.** Control calls may come from any thread and are serialised; one poller at a time has the claim.
//!
//! ```
//! use pmd_core::gated::Gated;
//! use std::time::Duration;
//!
//! let queue = Gated::<u32>::new();
//! let mut poller = queue.claim("lcore 1")?;
//! assert!(poller.enter().is_none(), "closed until control opens it");
//! queue.close(Duration::from_secs(1)).unwrap().open(7);
//! *poller.enter().unwrap() += 1;
//! assert_eq!(queue.close(Duration::from_secs(1)).unwrap().take(), Some(8));
//! assert_eq!(queue.claim("lcore 2").unwrap_err(), "lcore 1");
//! # Ok::<(), String>(())
//! ```
#![allow(unsafe_code, reason = "a value is handed from control to poller under the gate")]

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eal::OwnerId;
use eal::gate::{ControlGate, Entry, FenceMode, GateWords, Inside, PollerGate, Stuck};

/// Any id will do: these gates lie on the heap of one process and only say that somebody is inside.
const ME: OwnerId = match OwnerId::from_raw(1) {
    Some(id) => id,
    None => unreachable!(),
};

/// A value that control owns while the gate is closed, and the poller while it is inside.
pub struct Gated<T> {
    gate: GateWords,
    value: UnsafeCell<Option<T>>,
    /// Serialises control.
    control: Mutex<()>,
    holder: Mutex<Option<String>>,
    fences: FenceMode,
}

// SAFETY: the value is reached by control with the gate closed and empty, or by the one poller inside it, never by both (gate
// protocol); it may be reached from either thread, hence `T: Send`. All else is atomics and locks.
unsafe impl<T: Send> Sync for Gated<T> {}

impl<T> Gated<T> {
    /// A closed gate without a value.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            gate: GateWords::new(),
            value: UnsafeCell::new(None),
            control: Mutex::new(()),
            holder: Mutex::new(None),
            fences: FenceMode::register(),
        })
    }

    /// Closes the gate and waits until the poller is out of its burst, at most `deadline`.
    ///
    /// # Errors
    ///
    /// [`Stuck`] when it did not leave. The gate stays closed and the value where it is, until a later call succeeds.
    pub fn close(&self, deadline: Duration) -> Result<Closed<'_, T>, Stuck> {
        let serial = lock(&self.control);
        // SAFETY: the words live as long as self, and the lock serialises control.
        let gate = unsafe { ControlGate::new(NonNull::from(&self.gate), self.fences) };
        gate.close(deadline)?;
        Ok(Closed { gated: self, gate, _serial: serial })
    }

    /// Who polls.
    pub fn holder(&self) -> Option<String> {
        lock(&self.holder).clone()
    }

    /// Makes `holder` the one that polls, until the claim is dropped.
    ///
    /// # Errors
    ///
    /// The name of the present holder.
    pub fn claim(self: &Arc<Self>, holder: &str) -> Result<Claim<T>, String> {
        let mut held = lock(&self.holder);
        if let Some(other) = held.as_ref() {
            return Err(other.clone());
        }
        *held = Some(holder.to_owned());
        // SAFETY: the words live in the Arc that the claim keeps beside the gate, and there is one claim.
        let gate = unsafe { PollerGate::new(NonNull::from(&self.gate), ME, self.fences) };
        Ok(Claim { gate, gated: Arc::clone(self) })
    }
}

impl<T> fmt::Debug for Gated<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gated").field("holder", &self.holder()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A value whose gate is closed and whose poller is outside. Dropping it leaves the gate closed.
pub struct Closed<'a, T> {
    gated: &'a Gated<T>,
    gate: ControlGate,
    _serial: MutexGuard<'a, ()>,
}

impl<T> Closed<'_, T> {
    /// The value, if there is one.
    pub fn value(&mut self) -> Option<&mut T> {
        // SAFETY: the gate is closed and the poller outside; control is serialised by the guard.
        unsafe { &mut *self.gated.value.get() }.as_mut()
    }

    /// Takes the value out.
    pub fn take(&mut self) -> Option<T> {
        // SAFETY: as in `value`.
        unsafe { &mut *self.gated.value.get() }.take()
    }

    /// Puts `value` in place of the one that is there, and leaves the gate closed.
    pub fn put(&mut self, value: T) -> Option<T> {
        // SAFETY: as in `value`.
        unsafe { &mut *self.gated.value.get() }.replace(value)
    }

    /// Puts `value` in and lets the poller in.
    pub fn open(mut self, value: T) {
        self.put(value);
        self.gate.open();
    }

    /// Lets the poller in, if there is a value.
    pub fn reopen(mut self) {
        if self.value().is_some() {
            self.gate.open();
        }
    }
}

/// The right to poll one value. Dropping it ends the claim.
pub struct Claim<T> {
    gate: PollerGate,
    gated: Arc<Gated<T>>,
}

impl<T> Claim<T> {
    /// Goes inside for one burst. `None` while the gate is closed.
    #[inline]
    pub fn enter(&mut self) -> Option<Borrowed<'_, T>> {
        let inside = match self.gate.enter() {
            Entry::Open(inside) | Entry::Changed(inside) => inside,
            Entry::Closed => return None,
        };
        // SAFETY: inside the gate the one poller alone reaches the value.
        let value = unsafe { &mut *self.gated.value.get() }.as_mut()?;
        Some(Borrowed { value, _inside: inside })
    }

    /// What is claimed.
    pub fn gated(&self) -> &Arc<Gated<T>> {
        &self.gated
    }
}

impl<T> Drop for Claim<T> {
    fn drop(&mut self) {
        *lock(&self.gated.holder) = None;
    }
}

impl<T> fmt::Debug for Claim<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claim").field(&self.gated).finish()
    }
}

/// The value, for one burst.
pub struct Borrowed<'a, T> {
    value: &'a mut T,
    _inside: Inside<'a>,
}

impl<T> Deref for Borrowed<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value
    }
}

impl<T> DerefMut for Borrowed<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_value_outlives_the_claim_and_closing() {
        let gated = Gated::new();
        gated.close(SECOND).unwrap().open(1);
        let mut first = gated.claim("first").unwrap();
        *first.enter().unwrap() += 1;
        assert_eq!(gated.claim("second").unwrap_err(), "first");
        drop(first);
        let mut second = gated.claim("second").unwrap();
        assert_eq!(gated.holder().as_deref(), Some("second"));
        *second.enter().unwrap() += 1;
        let mut closed = gated.close(SECOND).unwrap();
        assert_eq!(closed.value(), Some(&mut 3));
        assert!(second.enter().is_none());
        closed.reopen();
        assert_eq!(*second.enter().unwrap(), 3);
    }

    #[test]
    fn without_a_value_nobody_gets_in() {
        let gated = Gated::<u8>::new();
        let mut claim = gated.claim("c").unwrap();
        gated.close(SECOND).unwrap().reopen();
        assert!(claim.enter().is_none());
    }

    #[test]
    fn a_poller_inside_keeps_control_out() {
        let gated = Gated::new();
        gated.close(SECOND).unwrap().open(5);
        let mut claim = gated.claim("c").unwrap();
        let inside = claim.enter().unwrap();
        assert!(gated.close(Duration::from_millis(1)).is_err());
        drop(inside);
        assert!(claim.enter().is_none(), "closed although control gave up waiting");
        assert_eq!(gated.close(SECOND).unwrap().take(), Some(5));
    }

    #[test]
    fn control_and_poller_in_two_threads() {
        let gated = Gated::new();
        let mut claim = gated.claim("c").unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        let (rounds, mut given) = (200u64, 0);
        let polled = std::thread::scope(|scope| {
            let poller = scope.spawn(|| {
                let mut polled = 0;
                while !done.load(std::sync::atomic::Ordering::Acquire) {
                    if let Some(mut left) = claim.enter()
                        && *left > 0
                    {
                        *left -= 1;
                        polled += 1;
                    }
                    std::thread::yield_now();
                }
                polled
            });
            let mut left = 0;
            for _ in 0..rounds {
                let mut closed = gated.close(SECOND).unwrap();
                left = closed.take().unwrap_or(0);
                if left == 0 {
                    (left, given) = (10, given + 10);
                }
                closed.open(left);
            }
            while left > 0 {
                let mut closed = gated.close(SECOND).unwrap();
                left = closed.take().unwrap_or(0);
                closed.open(left);
            }
            done.store(true, std::sync::atomic::Ordering::Release);
            poller.join().unwrap()
        });
        assert_eq!(polled, given, "each one is taken exactly once");
    }
}
