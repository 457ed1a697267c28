//! The right to poll one queue, in the process that made it and in others.
#![allow(unsafe_code, reason = "makes the poller's end of a gate")]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use eal::gate::PollerGate;
use eal::{Memory, OwnerId};
use pmd_core::{Error, MbufPool, RxQueue, TxQueue};

use super::shared::QueueShared;
use super::{Direction, OTHER_WINDOW, VirtQueue, rx, same_window, tx};

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
        // Held over both: who finds the word taken by this process finds a name too.
        let mut name = self.shared.holder();
        *name = None;
        let word = &self.shared.block().claim.0;
        // A claim that a reaper has ended, wrongly or not, is not ours to end.
        let _ = word.compare_exchange(self.owner, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}

impl VirtQueue {
    /// Hands out the receive queue.
    ///
    /// # Errors
    ///
    /// [`Error::Claimed`], or [`Error::WrongState`] when it is a transmit queue.
    pub fn claim_rx(&self, holder: &str) -> Result<RxQueue, Error> {
        let Some(pool) = self.pool.clone().filter(|_| self.direction == Direction::Rx) else {
            return Err(WRONG_DIRECTION);
        };
        let claim = Claim::take(&self.shared, self.queue, holder)?;
        Ok(RxQueue::new(rx::RxPoller::new(claim, pool)))
    }

    /// Hands out the transmit queue.
    ///
    /// # Errors
    ///
    /// [`Error::Claimed`], or [`Error::WrongState`] when it is a receive queue.
    pub fn claim_tx(&self, holder: &str) -> Result<TxQueue, Error> {
        if self.direction != Direction::Tx {
            return Err(WRONG_DIRECTION);
        }
        let claim = Claim::take(&self.shared, self.queue, holder)?;
        Ok(TxQueue::new(tx::TxPoller::new(claim)))
    }

    /// The process that holds the claim.
    pub fn claimed_by(&self) -> Option<OwnerId> {
        OwnerId::from_raw(self.shared.block().claim.0.load(Ordering::Acquire))
    }
}

const WRONG_DIRECTION: Error =
    Error::WrongState { call: "claim the queue", first: "ask for the other direction" };

/// Claims the queue that another process made under `name`, to poll it from this one.
///
/// # Errors
///
/// [`Error::WrongState`] when there is no such queue; [`Error::Claimed`].
pub fn attach_rx(memory: &Memory, name: &str, pool: MbufPool) -> Result<RxQueue, Error> {
    if !same_window(memory, &pool) {
        return Err(OTHER_WINDOW);
    }
    Ok(RxQueue::new(rx::RxPoller::new(attach(memory, name)?, pool)))
}

/// Claims the transmit queue that another process made under `name`.
///
/// # Errors
///
/// As [`attach_rx`].
pub fn attach_tx(memory: &Memory, name: &str) -> Result<TxQueue, Error> {
    Ok(TxQueue::new(tx::TxPoller::new(attach(memory, name)?)))
}

fn attach(memory: &Memory, name: &str) -> Result<Claim, Error> {
    let missing = Error::WrongState { call: "attach to a queue", first: "make it in the primary" };
    let shared = Arc::new(QueueShared::attach(memory, name).ok_or(missing)??);
    Claim::take(&shared, 0, "this process")
}
