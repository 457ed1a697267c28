//! The gate between the control of a queue and its poller.
//!
//! A poller enters the gate for each burst and leaves it after; control closes the gate, and from then on the
//! poller is outside and stays outside until control opens it again. Whatever only changes while the gate is
//! closed (ring addresses, memory maps, path types) may be used inside it without another check.
//!
//! The poller pays one plain store, one load and one plain store a burst. Ordering its store before its load is
//! control's expense: [`FenceMode::Asymmetric`] makes control run a `membarrier`, which executes a full fence on
//! every polling CPU. Wherever that fence hits the poller, the outcome is legal:
//!
//! | the fence hits | then |
//! |---|---|
//! | before `inside` is stored | the poller reads the closed bit and goes away |
//! | between store and load | both: the poller sees the bit, or control sees the poller and waits for it |
//! | after the load | control sees the poller inside and waits for it |
//!
//! | word | on its own cache line | written by |
//! |---|---|---|
//! | `control` | `epoch << 1 \| closed` | control |
//! | `inside` | owner id of the process whose poller is inside, or 0 | the poller (and control for a dead one) |
//!
//! **Threads.** One [`PollerGate`] exists for a gate at a time: whoever holds the claim on the queue holds it. Several
//! [`ControlGate`]s may exist, but their calls must be serialised by the caller (a lock, or one control thread):
//! `control` is written by plain stores.
//!
//! ```
//! use eal::gate::{ControlGate, Entry, FenceMode, GateWords, PollerGate};
//! use eal::OwnerId;
//! use std::{ptr::NonNull, time::Duration};
//!
//! let words = GateWords::new();
//! let at = NonNull::from(&words);
//! let me = OwnerId::from_raw(0x101).unwrap();
//! // SAFETY: `words` outlives both ends, and there is one poller.
//! let mut poller = unsafe { PollerGate::new(at, me, FenceMode::Full) };
//! // SAFETY: as above.
//! let control = unsafe { ControlGate::new(at, FenceMode::Full) };
//!
//! assert!(matches!(poller.enter(), Entry::Closed));
//! control.open();
//! assert!(matches!(poller.enter(), Entry::Changed(_)), "first sight of this epoch: read the configuration");
//! assert!(matches!(poller.enter(), Entry::Open(_)), "same epoch: poll");
//! control.close(Duration::from_millis(100)).unwrap();
//! assert!(matches!(poller.enter(), Entry::Closed));
//! ```
#![allow(unsafe_code, reason = "the gate's words lie in memory shared by several processes")]

use crate::fence::{heavy_fence, light_fence};
use crate::process::OwnerId;
use crate::sync::{AtomicU32, Backoff, Deadline, Ordering};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::time::Duration;

pub use crate::fence::FenceMode;
#[cfg(loom)]
#[doc(hidden)]
pub use crate::sync::model;

/// Bit of `control` that says closed; the epoch lies above it.
const CLOSED: u32 = 1;
/// What a poller has seen before it has seen anything: closed, so no open gate equals it.
/// Its epoch is one that [`ControlGate::open`] never reaches, so no closed gate equals it either.
const SEEN_NOTHING: u32 = u32::MAX;
/// Epochs have 30 bits and wrap.
const EPOCH_MASK: u32 = u32::MAX >> 2;

#[cfg_attr(not(loom), repr(C, align(64)))]
struct Line(AtomicU32);

/// The two words of a gate, each on its own cache line. Lies wherever both sides can reach it.
#[repr(C)]
pub struct GateWords {
    control: Line,
    inside: Line,
}

impl GateWords {
    /// A closed gate in epoch 0 with nobody inside. Zeroed memory is *not* one (it would be open): place
    /// this value with `ptr::write`, or call [`GateWords::init`], before anyone polls.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self { control: Line(AtomicU32::new(CLOSED)), inside: Line(AtomicU32::new(0)) }
    }

    /// A closed gate in epoch 0 with nobody inside.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self { control: Line(AtomicU32::new(CLOSED)), inside: Line(AtomicU32::new(0)) }
    }

    /// Makes the memory at `place` a closed gate.
    ///
    /// # Safety
    /// `place` is valid for writes of a `GateWords`, aligned to 64 bytes, and nobody uses it as a gate yet.
    pub unsafe fn init(place: NonNull<Self>) {
        // SAFETY: the caller vouches for the place and that nobody reads it yet.
        unsafe { place.write(Self::new()) };
    }
}

impl Default for GateWords {
    fn default() -> Self {
        Self::new()
    }
}

/// The poller's end of a gate. `Send`, not `Sync`.
pub struct PollerGate {
    words: NonNull<GateWords>,
    /// The value of `control` whose configuration the poller has taken over.
    seen: u32,
    me: u32,
    fences: FenceMode,
}

// SAFETY: the words are atomics that any thread may touch; that one thread at a time polls follows from `&mut`.
unsafe impl Send for PollerGate {}

/// What a poller finds when it enters.
#[must_use]
pub enum Entry<'a> {
    /// The configuration is the one that the poller has: poll.
    Open(Inside<'a>),
    /// The gate was closed and opened since the last entry: read the configuration again, then poll. Also the
    /// first entry.
    Changed(Inside<'a>),
    /// Nothing may be touched; the poller is outside.
    Closed,
}

/// Being inside a gate. Leaves when dropped.
#[must_use]
pub struct Inside<'a> {
    words: NonNull<GateWords>,
    gate: PhantomData<&'a mut PollerGate>,
}

impl PollerGate {
    /// The poller's end of the gate at `words`, for a poller of process `me`. Its first entry is never
    /// [`Entry::Open`].
    ///
    /// # Safety
    /// `words` stays valid while this value lives, was initialised as a gate, and no other poller uses it
    /// meanwhile. With [`FenceMode::Asymmetric`] this process is registered.
    pub unsafe fn new(words: NonNull<GateWords>, me: OwnerId, fences: FenceMode) -> Self {
        Self { words, seen: SEEN_NOTHING, me: me.raw(), fences }
    }

    /// Tries to go inside for one burst.
    #[inline(always)]
    pub fn enter(&mut self) -> Entry<'_> {
        let inside = Inside { words: self.words, gate: PhantomData };
        inside.words().inside.0.store(self.me, Ordering::Relaxed);
        light_fence(self.fences);
        let control = inside.words().control.0.load(Ordering::Acquire);
        if control == self.seen {
            return Entry::Open(inside);
        }
        if control & CLOSED != 0 {
            return Entry::Closed;
        }
        self.seen = control;
        Entry::Changed(inside)
    }

    /// Makes the next entry an [`Entry::Changed`], for a poller that lost what it had built.
    pub fn forget(&mut self) {
        self.seen = SEEN_NOTHING;
    }
}

impl fmt::Debug for PollerGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollerGate").field("seen_epoch", &(self.seen >> 1)).finish_non_exhaustive()
    }
}

impl Inside<'_> {
    #[inline(always)]
    fn words(&self) -> &GateWords {
        // SAFETY: `PollerGate::new` was promised that the words stay valid, and both are atomics.
        unsafe { self.words.as_ref() }
    }
}

impl Drop for Inside<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.words().inside.0.store(0, Ordering::Release);
    }
}

/// Control's end of a gate. `Send`, not `Sync`: calls on one gate are serialised by the caller.
pub struct ControlGate {
    words: NonNull<GateWords>,
    fences: FenceMode,
}

// SAFETY: the words are atomics that any thread may touch.
unsafe impl Send for ControlGate {}

/// A gate could not be confirmed empty. It stays closed: the queue behind it must be neither reused nor unmapped
/// (quarantine) until a later [`ControlGate::close`] succeeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stuck {
    who: Option<OwnerId>,
}

impl Stuck {
    /// The process whose poller is still inside; `None` when the kernel refused the barrier, so that
    /// nothing can be known.
    pub fn who(&self) -> Option<OwnerId> {
        self.who
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.who {
            Some(owner) => write!(
                f,
                "a poller of {owner} did not leave its burst in time; its queue is quarantined until \
                 it leaves or its process ends"
            ),
            None => f.write_str(
                "the kernel refused membarrier, so pollers cannot be told to leave; allow the system call",
            ),
        }
    }
}

impl std::error::Error for Stuck {}

impl ControlGate {
    /// Control's end of the gate at `words`.
    ///
    /// # Safety
    /// `words` stays valid while this value lives, was initialised as a gate, and control calls on it are
    /// serialised. `fences` is what the pollers use.
    pub unsafe fn new(words: NonNull<GateWords>, fences: FenceMode) -> Self {
        Self { words, fences }
    }

    fn words(&self) -> &GateWords {
        // SAFETY: `new` was promised that the words stay valid, and both are atomics.
        unsafe { self.words.as_ref() }
    }

    /// Closes the gate and waits until nobody is inside, at most `deadline`. Closing a closed gate waits again,
    /// which is how a quarantine is ended.
    ///
    /// # Errors
    /// [`Stuck`] when a poller was inside all the time. The gate stays closed.
    pub fn close(&self, deadline: Duration) -> Result<(), Stuck> {
        Self::close_all(std::slice::from_ref(self), deadline)
    }

    /// Closes several gates for the price of one barrier. `deadline` is for all together.
    ///
    /// # Errors
    /// [`Stuck`] for the first gate that was not left in time; all stay closed.
    pub fn close_all(gates: &[Self], deadline: Duration) -> Result<(), Stuck> {
        for gate in gates {
            let control = gate.words().control.0.load(Ordering::Relaxed);
            gate.words().control.0.store(control | CLOSED, Ordering::Relaxed);
        }
        let full = gates.iter().any(|gate| gate.fences == FenceMode::Full);
        let asymmetric = gates.iter().any(|gate| gate.fences == FenceMode::Asymmetric);
        let fenced = (!full || heavy_fence(FenceMode::Full))
            && (!asymmetric || heavy_fence(FenceMode::Asymmetric));
        if !fenced {
            return Err(Stuck { who: None });
        }
        let deadline = Deadline::new(deadline);
        gates.iter().try_for_each(|gate| gate.wait_empty(&deadline))
    }

    fn wait_empty(&self, deadline: &Deadline) -> Result<(), Stuck> {
        let mut backoff = Backoff::default();
        loop {
            let inside = OwnerId::from_raw(self.words().inside.0.load(Ordering::Acquire));
            if inside.is_none() {
                return Ok(());
            }
            if deadline.passed() {
                return Err(Stuck { who: inside });
            }
            backoff.wait();
        }
    }

    /// Opens the gate in a new epoch. Everything written before is seen by a poller that gets in. Only after a
    /// `close` that succeeded (or on a new gate) may configuration have been changed.
    pub fn open(&self) {
        let epoch = self.epoch().wrapping_add(1) & EPOCH_MASK;
        self.words().control.0.store(epoch << 1, Ordering::Release);
    }

    /// Whether the gate is closed; a poller may still be on its way out of it.
    pub fn is_closed(&self) -> bool {
        self.words().control.0.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// How often the gate has been opened (30 bits, wrapping).
    pub fn epoch(&self) -> u32 {
        self.words().control.0.load(Ordering::Relaxed) >> 1
    }

    /// Takes the dead process `dead` out of the gate, if it died inside. The caller knows that it is dead.
    pub fn release_dead(&self, dead: OwnerId) {
        let inside = &self.words().inside.0;
        // Losing the race means that `dead` is not inside, which is what was asked for.
        let _ = inside.compare_exchange(dead.raw(), 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}

impl fmt::Debug for ControlGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlGate")
            .field("epoch", &self.epoch())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
