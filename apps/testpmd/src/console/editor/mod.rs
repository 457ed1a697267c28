//! Editing a line on a terminal.
//!
//! The editor gets bytes and says what to write and when a line is there; it neither reads nor waits, so the console's one wait,
//! for keys, signals and ports, stays the only one. Typing plain text writes that text and nothing else, so what records or
//! drives a session sees the bytes that the reference would write. Control sequences appear once an editing key is pressed.

mod history;
mod keys;
mod line;
mod search;

pub use history::History;
use keys::{Decoder, Key};
use line::Line;
use search::Search;

use super::PROMPT;

/// Longest line in characters; what is typed beyond is not taken.
const LONGEST_LINE: usize = 4096;
/// Erases from the cursor to the end of the line.
const ERASE: &str = "\x1b[0K";
/// To the begin of this line: one up, then to the next.
const LINE_START: &str = "\x1bM\x1bE";

/// What a byte came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// Nothing that the console has to do something about.
    Nothing,
    /// A whole line.
    Line(String),
    /// The end of the input.
    End,
}

/// What may follow the text left of the cursor.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// What can only come next.
    pub insert: String,
    /// What may come next, a line each.
    pub list: Vec<String>,
}

/// A line being typed and those typed before.
pub struct Editor {
    decoder: Decoder,
    line: Line,
    history: History,
    search: Option<Search>,
    removed: String,
    screen: String,
    edited: bool,
    used: bool,
}

impl Editor {
    /// An empty line.
    pub fn new(history: History) -> Self {
        Self {
            decoder: Decoder::default(),
            line: Line::default(),
            history,
            search: None,
            removed: String::new(),
            screen: String::new(),
            edited: false,
            used: false,
        }
    }

    /// Takes a byte. `complete` answers with what may follow a text.
    pub fn feed(&mut self, byte: u8, complete: impl Fn(&str) -> Completion) -> Typed {
        let Some(key) = self.decoder.next(byte) else { return Typed::Nothing };
        if let Some(search) = self.search.take() {
            return self.in_search(search, key, complete);
        }
        self.press(key, complete)
    }

    /// What is to be written to the terminal.
    pub fn take_screen(&mut self) -> String {
        std::mem::take(&mut self.screen)
    }

    /// Whether an editing key was pressed in this line.
    pub fn is_edited(&self) -> bool {
        self.edited
    }

    /// Whether an editing key was ever pressed: somebody sits there.
    pub fn was_used(&self) -> bool {
        self.used
    }

    /// Draws prompt and line again.
    pub fn redraw(&mut self) {
        let text = match &self.search {
            Some(search) => search.shown(),
            None => format!("{PROMPT}{}", self.line.text()),
        };
        self.screen += &format!("{LINE_START}{text}{ERASE}");
        if self.search.is_none() {
            self.step(-(self.line.after_len() as isize));
        }
    }

    fn press(&mut self, key: Key, complete: impl Fn(&str) -> Completion) -> Typed {
        let plain = matches!(key, Key::Char(c) if c != '?' && self.line.after_len() == 0);
        if !plain && !matches!(key, Key::Enter | Key::Interrupt | Key::EndOfInput) {
            (self.edited, self.used) = (true, true);
        }
        match key {
            Key::Enter => return Typed::Line(self.finish()),
            Key::EndOfInput if self.line.is_empty() => return Typed::End,
            Key::Interrupt => self.drop_line(),
            Key::Tab => self.complete(&complete(&self.line.before())),
            Key::Char('?') => self.list(&complete(&self.line.before()).list),
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Key::Yank => self.insert(&self.removed.clone()),
            Key::Up => self.show_older(),
            Key::Down => self.show_newer(),
            Key::Redraw => self.redraw(),
            Key::Search => self.start_search(),
            Key::EndOfInput | Key::Abort => {}
            Key::Left | Key::Right | Key::WordLeft | Key::WordRight | Key::Home | Key::End => {
                self.go(key);
            }
            _ => self.remove(key),
        }
        Typed::Nothing
    }

    fn finish(&mut self) -> String {
        let line = std::mem::take(&mut self.line).text();
        self.history.add(&line);
        self.screen += "\r\n";
        self.edited = false;
        line
    }

    fn drop_line(&mut self) {
        self.line = Line::default();
        self.edited = false;
        self.screen += &format!("\r\n{PROMPT}");
    }

    fn insert(&mut self, text: &str) {
        if self.line.len() + text.chars().count() > LONGEST_LINE {
            return;
        }
        self.line.insert(text);
        self.screen += text;
        if self.line.after_len() > 0 {
            self.draw_rest();
        }
    }

    /// Draws what is right of the cursor.
    fn draw_rest(&mut self) {
        self.screen += ERASE;
        self.screen += &self.line.after();
        self.step(-(self.line.after_len() as isize));
    }

    /// Moves the terminal's cursor so many columns.
    fn step(&mut self, columns: isize) {
        match columns {
            0 => {}
            _ if columns < 0 => self.screen += &format!("\x1b[{}D", -columns),
            _ => self.screen += &format!("\x1b[{columns}C"),
        }
    }

    fn go(&mut self, key: Key) {
        let cursor = self.line.cursor();
        // Single steps are written without a count.
        let (position, single) = match key {
            Key::Left => (cursor.saturating_sub(1), "\x1b[D"),
            Key::Right => (cursor + 1, "\x1b[C"),
            Key::WordLeft => (self.line.word_left(), ""),
            Key::WordRight => (self.line.word_right(), ""),
            Key::Home => (0, ""),
            _ => (self.line.len(), ""),
        };
        match self.line.go(position) {
            0 => {}
            _ if !single.is_empty() => self.screen += single,
            columns => self.step(columns),
        }
    }

    fn remove(&mut self, key: Key) {
        let cursor = self.line.cursor();
        let to = match key {
            Key::Backspace => cursor.saturating_sub(1),
            Key::Delete => cursor + 1,
            Key::KillToEnd => self.line.len(),
            Key::KillToStart => 0,
            Key::KillWord => self.line.word_left(),
            _ => self.line.word_right(),
        };
        let removed = self.line.remove_to(to);
        if removed.is_empty() && key != Key::KillToEnd {
            return;
        }
        if key == Key::Backspace {
            self.screen += "\x08";
        } else {
            self.step(self.line.cursor() as isize - cursor as isize);
        }
        self.draw_rest();
        if !matches!(key, Key::Backspace | Key::Delete) && !removed.is_empty() {
            self.removed = removed;
        }
    }

    fn complete(&mut self, completion: &Completion) {
        if completion.insert.is_empty() {
            self.list(&completion.list);
            return;
        }
        let at_end = self.line.after_len() == 0;
        self.insert(&completion.insert);
        if at_end {
            self.screen += ERASE;
        }
    }

    fn list(&mut self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        self.screen += "\r\n";
        for line in lines {
            self.screen += &format!(" {line}\r\n");
        }
        self.redraw();
    }

    fn show_older(&mut self) {
        let typed = self.line.text();
        if let Some(older) = self.history.older(&typed) {
            self.line = Line::new(older);
            self.redraw();
        }
    }

    fn show_newer(&mut self) {
        if let Some(newer) = self.history.newer() {
            self.line = Line::new(newer);
            self.redraw();
        }
    }

    fn start_search(&mut self) {
        self.search = Some(Search::new(self.line.text(), self.history.len()));
        self.redraw();
    }

    fn in_search(
        &mut self,
        mut search: Search,
        key: Key,
        complete: impl Fn(&str) -> Completion,
    ) -> Typed {
        if search.press(key, &self.history) {
            self.search = Some(search);
            self.redraw();
            return Typed::Nothing;
        }
        let given_up = matches!(key, Key::Abort | Key::Interrupt);
        self.line = Line::new(if given_up { search.typed() } else { search.found() });
        self.redraw();
        if given_up { Typed::Nothing } else { self.press(key, complete) }
    }
}

#[cfg(test)]
mod tests;
