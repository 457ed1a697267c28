//! Searching backwards in the lines typed before.

use super::history::History;
use super::keys::Key;

/// A search that is going on.
#[derive(Debug)]
pub struct Search {
    typed: String,
    text: String,
    found: String,
    at: usize,
    failed: bool,
}

impl Search {
    /// A search from the newest of `len` lines on, while `typed` stands in the line.
    pub fn new(typed: String, len: usize) -> Self {
        Self { found: typed.clone(), typed, text: String::new(), at: len, failed: false }
    }

    /// What stood in the line before.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// What has been found.
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What stands in the line instead of the prompt.
    pub fn shown(&self) -> String {
        let failed = if self.failed { "failed " } else { "" };
        format!("({failed}reverse-i-search)`{}': {}", self.text, self.found)
    }

    /// Takes a key. False when it is none of a search, which then is over.
    pub fn press(&mut self, key: Key, history: &History) -> bool {
        match key {
            Key::Char(c) => {
                self.text.push(c);
                // The line shown may go on fitting.
                self.look(history, self.at + 1);
            }
            Key::Backspace => {
                self.text.pop();
                self.look(history, history.len());
            }
            Key::Search => self.look(history, self.at),
            _ => return false,
        }
        true
    }

    fn look(&mut self, history: &History, before: usize) {
        match history.find(&self.text, before) {
            Some((at, line)) if !self.text.is_empty() => {
                (self.at, self.found, self.failed) = (at, line.to_owned(), false);
            }
            _ => self.failed = !self.text.is_empty(),
        }
    }
}
