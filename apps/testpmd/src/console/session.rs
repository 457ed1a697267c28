//! What the lines of one console have in common.

use std::cell::Cell;

use crate::signals::Signals;

/// Files that may load each other.
const MOST_LEVELS: u8 = 16;

/// A console from its first line to its last.
pub struct Session<'a> {
    signals: &'a Signals,
    ended: Cell<bool>,
    level: Cell<u8>,
    json: bool,
}

impl<'a> Session<'a> {
    /// A session that ends early when a signal arrives.
    pub fn new(signals: &'a Signals) -> Self {
        Self { signals, ended: Cell::new(false), level: Cell::new(0), json: false }
    }

    /// The same, whose answers are for a program if `json`.
    #[must_use]
    pub fn with_json(self, json: bool) -> Self {
        Self { json, ..self }
    }

    /// Whether every `show` that can be is for a program.
    pub fn json(&self) -> bool {
        self.json
    }

    /// The signals that end it.
    pub fn signals(&self) -> &'a Signals {
        self.signals
    }

    /// Whether a signal arrived.
    pub fn interrupted(&self) -> bool {
        self.signals.arrived()
    }

    /// No further line is read, of the file if one is being read.
    pub fn end(&self) {
        self.ended.set(true);
    }

    /// Whether a line said that it was the last.
    pub fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Begins a file, until what is returned is dropped. Nothing when too many files load each other.
    pub fn enter_file(&self) -> Option<Level<'_>> {
        let level = self.level.get();
        (level < MOST_LEVELS).then(|| {
            self.level.set(level + 1);
            Level { level: &self.level, ended: &self.ended }
        })
    }
}

/// A file being read.
pub struct Level<'a> {
    level: &'a Cell<u8>,
    ended: &'a Cell<bool>,
}

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.level.set(self.level.get().saturating_sub(1));
        self.ended.set(false);
    }
}
