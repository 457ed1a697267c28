//! What was typed, asked for by name.

use pmd_core::{MacAddr, PortId};

use super::Command;
use super::syntax::{self, Step, steps};
use crate::app::App;
use crate::console::Session;

/// One port or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every port.
    All,
    /// The port of that number.
    One(u16),
}

/// The words of a line that fits a command's syntax.
///
/// Nothing here can fail: the line was checked against the syntax. What was left out, and in the program also what the syntax
/// does not have, is zero, nothing, the empty text.
pub struct Args<'a> {
    pub(super) command: &'static Command,
    pub(super) typed: Vec<(Step, &'a str)>,
    pub(super) session: &'a Session<'a>,
}

#[allow(dead_code, reason = "not every accessor is used by a command yet")]
impl<'a> Args<'a> {
    /// Runs the command.
    pub fn run(&self, app: &mut App) {
        (self.command.run)(app, self);
    }

    /// What was typed for the step of that name.
    pub fn text(&self, name: &str) -> &'a str {
        self.find(name).unwrap_or_default()
    }

    /// The number of that name, 0 if it was left out.
    pub fn number<T: TryFrom<u64> + Default>(&self, name: &str) -> T {
        self.number_or(name, T::default())
    }

    /// The number of that name, `default` if it was left out.
    pub fn number_or<T: TryFrom<u64>>(&self, name: &str, default: T) -> T {
        let Some(typed) = self.find(name) else { return default };
        let value = syntax::number(typed).and_then(|value| T::try_from(value).ok());
        self.check(value.is_some(), name);
        value.unwrap_or(default)
    }

    /// The ports of that name.
    pub fn which(&self, name: &str) -> Which {
        match self.text(name) {
            "all" => Which::All,
            typed => Which::One(syntax::port(typed).unwrap_or_default()),
        }
    }

    /// The port of that name.
    pub fn port(&self, name: &str) -> PortId {
        PortId(self.number(name))
    }

    /// The Ethernet address of that name.
    pub fn mac(&self, name: &str) -> MacAddr {
        let mac = self.text(name).parse();
        self.check(mac.is_ok(), name);
        mac.unwrap_or_default()
    }

    /// The word at a position of the line, from 0.
    pub fn word(&self, position: usize) -> &'a str {
        self.typed.get(position).map_or("", |(_, typed)| typed)
    }

    /// Whether that fixed word, or something for the step of that name, was typed.
    pub fn has(&self, word: &str) -> bool {
        self.check(self.syntax().any(|step| step.name == word || step.kind.has_word(word)), word);
        let is_it = |step: &Step, typed: &str| match step.kind {
            syntax::Kind::Words(_) | syntax::Kind::Ports if typed == word => true,
            _ => step.name == word,
        };
        self.typed.iter().any(|(step, typed)| is_it(step, typed))
    }

    /// Whether the answer is for a program: `json` was typed, or all answers are to be like that.
    pub fn json(&self) -> bool {
        self.has("json") || self.session.json()
    }

    /// Whether a signal arrived: what waits ends its wait.
    pub fn interrupted(&self) -> bool {
        self.session.interrupted()
    }

    /// The session that the line was typed in.
    pub fn session(&self) -> &'a Session<'a> {
        self.session
    }

    fn syntax(&self) -> impl Iterator<Item = Step> {
        steps(self.command.syntax)
    }

    fn find(&self, name: &str) -> Option<&'a str> {
        self.check(self.syntax().any(|step| step.name == name), name);
        self.typed.iter().find(|(step, _)| step.name == name).map(|(_, typed)| *typed)
    }

    /// In tests, a command must ask for what its syntax has.
    fn check(&self, good: bool, asked: &str) {
        assert!(good || !cfg!(test), "{:?} has no {asked:?} of that kind", self.command.syntax);
    }
}
