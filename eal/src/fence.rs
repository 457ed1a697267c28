//! The fence pair of a gate: a light half for pollers, a heavy half for control.
//!
//! With [`FenceMode::Asymmetric`] the heavy half is `membarrier(2)`; under loom it is the model of it, see `sync::model`.
#![allow(unsafe_code, reason = "the membarrier system call")]

#[cfg(loom)]
use crate::sync::model;
use crate::sync::{Ordering, fence};
use std::fmt;

/// How the poller's store is ordered before its load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FenceMode {
    /// The poller pays nothing, control calls `membarrier(GLOBAL_EXPEDITED)`. Every polling process must have
    /// registered with the kernel, which an `Eal` does when it starts.
    Asymmetric,
    /// Both execute a full fence: for kernels that refuse `membarrier`.
    Full,
}

impl FenceMode {
    /// Registers this process for asymmetric fences and says which mode it can use.
    pub fn register() -> Self {
        if register_membarrier() { Self::Asymmetric } else { Self::Full }
    }
}

impl fmt::Display for FenceMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asymmetric => "asymmetric fences (membarrier)",
            Self::Full => "full fences",
        })
    }
}

/// Bits of `membarrier(2)`, from the kernel's `linux/membarrier.h`.
#[cfg(not(loom))]
const MEMBARRIER_GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
#[cfg(not(loom))]
const MEMBARRIER_REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;

#[cfg(not(loom))]
fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: membarrier takes three integers and touches no memory of the caller.
    let status = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
    status == 0
}

/// Registers this process as one whose threads `heavy_fence` reaches. False where the kernel
/// refuses: the `Eal` then runs with [`FenceMode::Full`].
#[cfg(not(loom))]
fn register_membarrier() -> bool {
    membarrier(MEMBARRIER_REGISTER_GLOBAL_EXPEDITED)
}

/// Registers this process with the kernel; the model needs no registration.
#[cfg(loom)]
fn register_membarrier() -> bool {
    true
}

/// The poller's half of the fence pair: orders its earlier stores before its later loads, as seen by a
/// thread that has run [`heavy_fence`].
#[inline(always)]
pub(crate) fn light_fence(mode: FenceMode) {
    match mode {
        #[cfg(not(loom))]
        FenceMode::Asymmetric => core::sync::atomic::compiler_fence(Ordering::SeqCst),
        #[cfg(loom)]
        FenceMode::Asymmetric => model::point(),
        FenceMode::Full => fence(Ordering::SeqCst),
    }
}

/// Control's half of the fence pair: once it returns, every thread of every registered process has
/// executed a full fence. False when the kernel refused, in which case nothing is known.
#[must_use]
pub(crate) fn heavy_fence(mode: FenceMode) -> bool {
    match mode {
        #[cfg(not(loom))]
        FenceMode::Asymmetric => membarrier(MEMBARRIER_GLOBAL_EXPEDITED),
        #[cfg(loom)]
        FenceMode::Asymmetric => model::request(),
        FenceMode::Full => {
            fence(Ordering::SeqCst);
            true
        }
    }
}
