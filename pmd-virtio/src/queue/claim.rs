//! The right to poll one queue.
#![allow(unsafe_code, reason = "makes the poller's end of a gate")]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use eal::gate::PollerGate;
use pmd_core::Error;

use super::shared::QueueShared;

/// Held by the one poller of a queue. The claim word names its process, so that a dead one's claim can be ended.
#[derive(Debug)]
pub(crate) struct Claim {
    shared: Arc<QueueShared>,
    owner: u32,
}

impl Claim {
    /// Claims the queue for `holder` of this process.
    ///
    /// # Errors
    ///
    /// [`Error::Claimed`].
    pub fn take(shared: &Arc<QueueShared>, queue: u16, holder: &str) -> Result<Self, Error> {
        let owner = shared.memory.owner().raw();
        let mut name = shared.holder();
        let word = &shared.block().claim.0;
        if let Err(other) = word.compare_exchange(0, owner, Ordering::AcqRel, Ordering::Relaxed) {
            let mine = name.clone().filter(|_| other == owner);
            let holder = mine.unwrap_or_else(|| format!("another process (owner {other:#x})"));
            return Err(Error::Claimed { queue, holder });
        }
        *name = Some(holder.to_owned());
        drop(name);
        Ok(Self { shared: Arc::clone(shared), owner })
    }

    pub fn shared(&self) -> &Arc<QueueShared> {
        &self.shared
    }

    /// The poller's end of the gate.
    pub fn poller_gate(&self) -> PollerGate {
        let memory = &self.shared.memory;
        // SAFETY: the gate is the block's first field and stays mapped while the claim, which the poller holds beside it, keeps
        // the memory; the claim word makes it the only poller.
        unsafe { PollerGate::new(self.shared.block_ptr().cast(), memory.owner(), memory.fences()) }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        *self.shared.holder() = None;
        let word = &self.shared.block().claim.0;
        // A claim that a reaper has ended, wrongly or not, is not ours to end.
        let _ = word.compare_exchange(self.owner, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}
