//! Where this crate's lock-free code gets its atomics, cells and fences.
//!
//! An ordinary build takes them from `core`. Built with `--cfg loom`, the same sources run on loom's
//! types, so that what is checked is what ships.
//!
//! What the model does not see: `membarrier` (it is modelled as a request which the poller
//! answers at a point of loom's choice, see `model`), compiler reordering, and the death of a process.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

#[cfg(not(loom))]
pub(crate) use core::cell::UnsafeCell;
#[cfg(loom)]
pub(crate) use loom::cell::UnsafeCell;

#[cfg(loom)]
pub(crate) use loom::sync::Arc;
#[cfg(not(loom))]
pub(crate) use std::sync::Arc;

use std::time::Duration;

/// Waits that grow from a pause instruction to a short sleep.
#[derive(Default)]
pub(crate) struct Backoff {
    steps: u32,
}

impl Backoff {
    /// Rounds of bare pauses; about a microsecond, the length of a burst.
    #[cfg(not(loom))]
    const SPINS: u32 = 64;
    /// Rounds that offer the CPU to another thread before sleeping is tried.
    #[cfg(not(loom))]
    const YIELDS: u32 = 256;

    /// Never sleeps: for waits that end with another thread's next few instructions.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn spin(&mut self) {
        self.steps = self.steps.saturating_add(1);
        if self.steps < Self::SPINS {
            core::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }

    /// Ends in short sleeps: for waits that may take long.
    #[cfg(not(loom))]
    pub(crate) fn wait(&mut self) {
        if self.steps < Self::SPINS + Self::YIELDS {
            self.spin();
        } else {
            std::thread::sleep(Duration::from_micros(50));
        }
    }

    #[cfg(loom)]
    pub(crate) fn spin(&mut self) {
        self.steps += 1;
        loom::thread::yield_now();
    }

    #[cfg(loom)]
    pub(crate) fn wait(&mut self) {
        self.spin();
    }
}

/// A point in time after which a wait is given up. The model has no time: there it never comes.
pub(crate) struct Deadline {
    #[cfg(not(loom))]
    end: Option<std::time::Instant>,
}

impl Deadline {
    /// The deadline `after` from now; one too far to be represented never comes.
    #[cfg(not(loom))]
    pub(crate) fn new(after: Duration) -> Self {
        Self { end: std::time::Instant::now().checked_add(after) }
    }

    #[cfg(not(loom))]
    pub(crate) fn passed(&self) -> bool {
        self.end.is_some_and(|end| std::time::Instant::now() >= end)
    }

    #[cfg(loom)]
    pub(crate) fn new(_after: Duration) -> Self {
        Self {}
    }

    #[cfg(loom)]
    pub(crate) fn passed(&self) -> bool {
        false
    }
}

/// `membarrier` for loom: control asks, the poller executes a full fence at one of the points that its code
/// names, and answers. Loom's choice of the point gives each outcome that the system call can have.
#[cfg(loom)]
#[doc(hidden)]
pub mod model {
    use super::{AtomicU32, Backoff, Ordering, fence};

    /// One poller and one control thread a model.
    struct Membarrier {
        /// How many barriers control has asked for.
        asked: AtomicU32,
        /// How many of them the poller has executed.
        done: AtomicU32,
        /// 1: the barrier does nothing, to see the model fail.
        broken: AtomicU32,
    }

    loom::lazy_static! {
        static ref MEMBARRIER: Membarrier = Membarrier {
            asked: AtomicU32::new(0),
            done: AtomicU32::new(0),
            broken: AtomicU32::new(0),
        };
    }

    /// Turns the barrier off for this run of the model. Called before any thread is started.
    pub fn break_barrier() {
        MEMBARRIER.broken.store(1, Ordering::SeqCst);
    }

    fn broken() -> bool {
        MEMBARRIER.broken.load(Ordering::Relaxed) == 1
    }

    /// The poller may be interrupted here.
    pub fn point() {
        if broken() {
            return;
        }
        let asked = MEMBARRIER.asked.load(Ordering::Acquire);
        if asked != MEMBARRIER.done.load(Ordering::Relaxed) {
            fence(Ordering::SeqCst);
            MEMBARRIER.done.store(asked, Ordering::Release);
        }
    }

    /// The poller runs nothing more but barriers, until it has executed `total` of them.
    pub fn drain(total: u32) {
        let mut backoff = Backoff::default();
        while !broken() && MEMBARRIER.done.load(Ordering::Relaxed) != total {
            point();
            backoff.spin();
        }
    }

    /// Control's call: returns when the poller has executed the barrier.
    pub(crate) fn request() -> bool {
        if broken() {
            return true;
        }
        fence(Ordering::SeqCst);
        let ticket = MEMBARRIER.asked.load(Ordering::Relaxed) + 1;
        MEMBARRIER.asked.store(ticket, Ordering::Release);
        let mut backoff = Backoff::default();
        while MEMBARRIER.done.load(Ordering::Acquire) != ticket {
            backoff.spin();
        }
        fence(Ordering::SeqCst);
        true
    }
}
