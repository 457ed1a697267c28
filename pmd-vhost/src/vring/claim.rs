//! Who polls a ring.
#![allow(unsafe_code, reason = "the claim is what makes somebody the one poller")]

use std::ptr::NonNull;
use std::sync::Arc;

use eal::OwnerId;
use eal::gate::PollerGate;

use super::{VringConfig, VringShared, lock};

/// The right to poll one ring.
#[derive(Debug)]
pub struct Claim(pub(super) Arc<VringShared>);

impl Claim {
    /// The ring.
    pub fn vring(&self) -> &Arc<VringShared> {
        &self.0
    }

    pub(crate) fn poller_gate(&self) -> PollerGate {
        // Heap gates are not shared between processes: any id says "somebody is inside".
        const ME: OwnerId = match OwnerId::from_raw(1) {
            Some(id) => id,
            None => unreachable!(),
        };
        // SAFETY: the words live in the Arc that the poller holds beside the gate; the claim makes it the only poller.
        unsafe { PollerGate::new(NonNull::from(&self.0.gate), ME, self.0.fences) }
    }

    /// The configuration.
    ///
    /// # Safety
    ///
    /// The caller is inside the gate and keeps nothing of it beyond.
    pub(crate) unsafe fn config(&self) -> Option<&VringConfig> {
        // SAFETY: inside the gate control does not write.
        unsafe { &*self.0.config.get() }.as_ref()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        *lock(&self.0.claimed) = None;
    }
}
