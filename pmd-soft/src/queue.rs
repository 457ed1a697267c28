//! Queues of soft ports: working state behind a gate, counters, claims.

use std::sync::Arc;
use std::time::Duration;

use pmd_core::gated::{Claim, Closed, Gated};
use pmd_core::{Burst, Error, QueueStats, RxBurst, TxBurst};

use crate::counters::Counters;

/// How long control waits for a burst that is under way.
const DEADLINE: Duration = Duration::from_secs(1);

/// The working state of one queue.
pub(crate) trait Path: Send + 'static {
    /// Gets ready for bursts. Called with the gate closed.
    fn start(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// No burst comes until the next `start`. Called with the gate closed.
    fn stop(&mut self) {}
}

/// Receiving.
pub(crate) trait RxPath: Path {
    /// As [`RxBurst::burst`].
    fn burst(&mut self, into: &mut Burst, counters: &Counters) -> usize;
}

/// Transmitting.
pub(crate) trait TxPath: Path {
    /// As [`TxBurst::burst`].
    fn burst(&mut self, from: &mut Burst, counters: &Counters) -> usize;
}

/// One queue as control sees it.
struct Slot<P> {
    gated: Arc<Gated<P>>,
    counters: Arc<Counters>,
    base: QueueStats,
    ready: bool,
}

impl<P> Slot<P> {
    fn new() -> Self {
        Self {
            gated: Gated::new(),
            counters: Arc::default(),
            base: QueueStats::default(),
            ready: false,
        }
    }

    fn close(&self, queue: usize) -> Result<Closed<'_, P>, Error> {
        // Queues are counted in 16 bits.
        self.gated.close(DEADLINE).map_err(|_| Error::Quarantined { queue: queue as u16 })
    }
}

/// All queues of one direction. A queue is made when it is first configured and stays for as long as the port does, so that
/// claimed handles meet it again.
pub(crate) struct Side<P> {
    slots: Vec<Slot<P>>,
    count: u16,
}

impl<P: Path> Side<P> {
    pub fn new() -> Self {
        Self { slots: Vec::new(), count: 0 }
    }

    /// Sets the number of queues, none of which is set up then.
    pub fn configure(&mut self, count: u16) -> Result<(), Error> {
        for (queue, slot) in self.slots.iter_mut().enumerate() {
            slot.close(queue)?.take();
            slot.ready = false;
        }
        let need = self.slots.len().max(count.into());
        self.slots.resize_with(need, Slot::new);
        self.count = count;
        Ok(())
    }

    pub fn count(&self) -> u16 {
        self.count
    }

    fn missing(&self, queue: u16) -> Error {
        Error::NoQueue { queue, queues: self.count }
    }

    fn slot(&self, queue: u16) -> Option<&Slot<P>> {
        self.slots.get(usize::from(queue)).filter(|_| queue < self.count)
    }

    /// Whether the queue is set up.
    pub fn is_set_up(&self, queue: u16) -> bool {
        self.slot(queue).is_some_and(|slot| slot.ready)
    }

    /// Refuses a queue that is not configured.
    pub fn check(&self, queue: u16) -> Result<(), Error> {
        self.slot(queue).map(|_| ()).ok_or_else(|| self.missing(queue))
    }

    /// Gives the queue its working state.
    pub fn setup(&mut self, queue: u16, path: P) -> Result<(), Error> {
        let missing = self.missing(queue);
        let count = usize::from(self.count);
        let slot = self.slots[..count].get_mut(usize::from(queue)).ok_or(missing)?;
        let mut closed = slot.close(queue.into())?;
        closed.put(path);
        drop(closed);
        slot.ready = true;
        Ok(())
    }

    /// Whether all configured queues are set up.
    pub fn is_ready(&self) -> bool {
        self.slots.iter().take(self.count.into()).all(|slot| slot.ready)
    }

    /// Makes all queues ready for bursts, with their gates closed.
    pub fn prepare(&self) -> Result<(), Error> {
        for (queue, slot) in self.slots.iter().take(self.count.into()).enumerate() {
            if let Some(path) = slot.close(queue)?.value() {
                path.start()?;
            }
        }
        Ok(())
    }

    /// Lets pollers in.
    pub fn open(&self) -> Result<(), Error> {
        (0..self.count).try_for_each(|queue| self.set_running(queue, true))
    }

    /// Lets the poller of one queue in, or keeps it out.
    pub fn set_running(&self, queue: u16, run: bool) -> Result<(), Error> {
        let slot = self.slot(queue).ok_or_else(|| self.missing(queue))?;
        let closed = slot.close(queue.into())?;
        if run {
            closed.reopen();
        }
        Ok(())
    }

    /// Keeps pollers out and tells the queues that they are stopped.
    pub fn stop(&self) -> Result<(), Error> {
        for (queue, slot) in self.slots.iter().enumerate() {
            if let Some(path) = slot.close(queue)?.value() {
                path.stop();
            }
        }
        Ok(())
    }

    /// Keeps pollers out for good and drops the working state.
    pub fn close(&mut self) -> Result<(), Error> {
        self.stop()?;
        self.configure(0)
    }

    /// What queue `queue` has counted since its counters were cleared.
    pub fn stats(&self, queue: u16) -> Option<QueueStats> {
        let slot = self.slot(queue)?;
        Some(slot.counters.values().since(&slot.base))
    }

    pub fn all_stats(&self) -> impl Iterator<Item = QueueStats> {
        (0..self.count).filter_map(|queue| self.stats(queue))
    }

    pub fn reset_stats(&mut self) {
        for slot in &mut self.slots {
            slot.base = slot.counters.values();
        }
    }

    /// Hands out the queue.
    pub fn claim(&self, queue: u16, holder: &str) -> Result<Poller<P>, Error> {
        let slot = self.slot(queue).filter(|slot| slot.ready).ok_or_else(|| self.missing(queue))?;
        let claim = slot.gated.claim(holder).map_err(|holder| Error::Claimed { queue, holder })?;
        Ok(Poller { claim, counters: Arc::clone(&slot.counters) })
    }
}

/// A claimed queue.
pub(crate) struct Poller<P> {
    claim: Claim<P>,
    counters: Arc<Counters>,
}

impl<P> Poller<P> {
    /// Calls `burst` with the working state. `None` while the queue is stopped.
    #[inline]
    pub fn with<T>(&mut self, burst: impl FnOnce(&mut P, &Counters) -> T) -> Option<T> {
        let mut path = self.claim.enter()?;
        Some(burst(&mut path, &self.counters))
    }
}

/// A claimed receive queue.
pub(crate) struct SoftRx<P>(pub Poller<P>);

impl<P: RxPath> RxBurst for SoftRx<P> {
    #[inline]
    fn burst(&mut self, into: &mut Burst) -> usize {
        self.0.with(|path, counters| path.burst(into, counters)).unwrap_or(0)
    }
}

/// A claimed transmit queue.
pub(crate) struct SoftTx<P>(pub Poller<P>);

impl<P: TxPath> TxBurst for SoftTx<P> {
    #[inline]
    fn burst(&mut self, from: &mut Burst) -> usize {
        self.0.with(|path, counters| path.burst(from, counters)).unwrap_or(0)
    }
}
