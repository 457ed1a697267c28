//! What a wrapped transmit queue holds back leaves in time, though nothing else is sent: receiving from the queue of the same number
//! sends what is due.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use pmd_core::{Burst, RxBurst, RxQueue, TxBurst};

use super::lane::WrappedTx;
use super::rule::Rule;

/// A transmit queue that holds packets back, where its own poller and the one of the receive queue meet. The lock is only there where
/// packets are held back.
pub(super) struct Meeting<R>(Mutex<Option<WrappedTx<R>>>);

impl<R: Rule> Meeting<R> {
    /// A place that no transmit queue is at yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(None)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<WrappedTx<R>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is due, unless the transmit queue's poller is about to.
    fn release(&self) {
        let mut sender = match self.0.try_lock() {
            Ok(sender) => sender,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if let Some(sender) = sender.as_mut() {
            sender.release();
        }
    }
}

/// A claimed transmit queue that holds packets back.
pub(super) struct LateTx<R: Rule>(Arc<Meeting<R>>);

impl<R: Rule> LateTx<R> {
    /// Puts the claimed queue where the receive queue finds it.
    pub fn new(meeting: &Arc<Meeting<R>>, sender: WrappedTx<R>) -> Self {
        *meeting.lock() = Some(sender);
        Self(Arc::clone(meeting))
    }
}

impl<R: Rule> TxBurst for LateTx<R> {
    fn burst(&mut self, from: &mut Burst) -> usize {
        self.0.lock().as_mut().map_or(0, |sender| sender.burst(from))
    }

    fn reclaim(&mut self) -> usize {
        self.0.lock().as_mut().map_or(0, |sender| sender.reclaim())
    }
}

impl<R: Rule> Drop for LateTx<R> {
    fn drop(&mut self) {
        // The claim ends behind the lock: whoever claims next finds the place empty.
        let sender = self.0.lock().take();
        drop(sender);
    }
}

/// A claimed receive queue beside a transmit queue that holds packets back.
pub(super) struct BesideLateTx<R> {
    pub inner: RxQueue,
    pub meeting: Arc<Meeting<R>>,
}

impl<R: Rule> RxBurst for BesideLateTx<R> {
    fn burst(&mut self, into: &mut Burst) -> usize {
        self.meeting.release();
        self.inner.burst(into)
    }
}
