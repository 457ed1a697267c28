//! What the lines of one console have in common.

use std::cell::Cell;

use crate::signals::Signals;

/// A console from its first line to its last.
pub struct Session<'a> {
    signals: &'a Signals,
    ended: Cell<bool>,
}

impl<'a> Session<'a> {
    /// A session that ends early when a signal arrives.
    pub fn new(signals: &'a Signals) -> Self {
        Self { signals, ended: Cell::new(false) }
    }

    /// Whether a signal arrived.
    pub fn interrupted(&self) -> bool {
        self.signals.arrived()
    }

    /// No further line is read.
    pub fn end(&self) {
        self.ended.set(true);
    }

    /// Whether a line said that it was the last.
    pub fn has_ended(&self) -> bool {
        self.ended.get()
    }
}
