//! The packets of one wrapped queue: judged once each, in order, and held back where the inner queue or the rule says so.

use pmd_core::{Burst, RxBurst, RxQueue, TxBurst, TxQueue};

use super::rule::Rule;
use super::waiting::Waiting;
use crate::counters::Counters;
use crate::queue::{Path, Poller};

/// Packets that are moved at once.
const BATCH: usize = 64;

/// The working state of one wrapped queue. Its counters count what the rule noted.
pub(super) struct Lane<R> {
    rule: R,
    /// `None` for a rule that lets packets go on at once.
    waiting: Option<Waiting>,
    /// Packets before they wait. Empty between bursts.
    incoming: Burst,
    /// Judged packets that are due, and for which the inner queue had no room.
    ready: Burst,
}

impl<R: Rule> Lane<R> {
    pub fn new(rule: R) -> Self {
        let waiting = Waiting::new(rule.release(), BATCH);
        Self { rule, waiting, incoming: Burst::new(BATCH), ready: Burst::new(BATCH) }
    }

    fn receive(&mut self, inner: &mut RxQueue, into: &mut Burst, counters: &Counters) -> usize {
        let Some(waiting) = &mut self.waiting else {
            let from = into.len();
            if inner.burst(into) > 0 {
                judge(&mut self.rule, into, from, counters);
            }
            return into.len() - from;
        };
        while waiting.has_room(BATCH) && inner.burst(&mut self.incoming) > 0 {
            judge(&mut self.rule, &mut self.incoming, 0, counters);
            waiting.hold(&mut self.incoming);
            if !waiting.needs_more() {
                break;
            }
        }
        waiting.release_into(into)
    }

    fn send(&mut self, inner: &mut TxQueue, from: &mut Burst, counters: &Counters) -> usize {
        let mut taken = 0;
        loop {
            self.send_due(inner);
            if from.is_empty() {
                return taken;
            }
            match &mut self.waiting {
                None if self.ready.is_empty() => {
                    taken += from.move_to(&mut self.ready);
                    judge(&mut self.rule, &mut self.ready, 0, counters);
                }
                Some(waiting) if waiting.has_room(BATCH) => {
                    taken += from.move_to(&mut self.incoming);
                    judge(&mut self.rule, &mut self.incoming, 0, counters);
                    waiting.hold(&mut self.incoming);
                }
                _ => return taken,
            }
        }
    }

    /// Sends what is due, as far as the inner queue has room.
    fn send_due(&mut self, inner: &mut TxQueue) {
        loop {
            if let Some(waiting) = &mut self.waiting {
                waiting.release_into(&mut self.ready);
            }
            if self.ready.is_empty() || inner.burst(&mut self.ready) == 0 {
                return;
            }
        }
    }
}

/// Judges the packets of `burst` from place `from` on.
#[inline]
fn judge<R: Rule>(rule: &mut R, burst: &mut Burst, from: usize, counters: &Counters) {
    counters.packets.add(rule.pass_burst(burst, from));
}

impl<R: Rule> Path for Lane<R> {
    fn stop(&mut self) {
        self.rule.stopped();
    }
}

/// A claimed receive queue and the inner queue that it claimed.
pub(super) struct WrappedRx<R> {
    pub inner: RxQueue,
    pub poller: Poller<Lane<R>>,
}

impl<R: Rule> RxBurst for WrappedRx<R> {
    fn burst(&mut self, into: &mut Burst) -> usize {
        let Self { inner, poller } = self;
        poller.with(|lane, counters| lane.receive(inner, into, counters)).unwrap_or(0)
    }
}

/// A claimed transmit queue and the inner queue that it claimed.
pub(super) struct WrappedTx<R> {
    pub inner: TxQueue,
    pub poller: Poller<Lane<R>>,
}

impl<R: Rule> WrappedTx<R> {
    /// Sends what is due.
    pub fn release(&mut self) {
        let Self { inner, poller } = self;
        poller.with(|lane, _| lane.send_due(inner));
    }
}

impl<R: Rule> TxBurst for WrappedTx<R> {
    fn burst(&mut self, from: &mut Burst) -> usize {
        let Self { inner, poller } = self;
        poller.with(|lane, counters| lane.send(inner, from, counters)).unwrap_or(0)
    }

    fn reclaim(&mut self) -> usize {
        self.release();
        self.inner.reclaim()
    }
}
