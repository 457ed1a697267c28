//! From a line to a command and its arguments.

use super::syntax::{Step, steps};
use super::{Args, Command, all};
use crate::console::Session;

/// Why a line is no command, in the reference's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No command begins like this.
    NotFound,
    /// A command begins like this but does not go on like it.
    BadArguments,
}

impl Refusal {
    /// The line to print.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotFound => "Command not found",
            Self::BadArguments => "Bad arguments",
        }
    }
}

/// How a line fits a syntax.
pub struct Fit<'a> {
    /// The steps that have a word, with it.
    pub typed: Vec<(Step, &'a str)>,
    /// Where the syntax goes on: the position behind the last step that has a word.
    pub next: usize,
    /// What fits no step.
    pub surplus: &'a str,
    /// Whether nothing is missing and nothing is too much.
    pub complete: bool,
}

/// The part of a line in front of a comment.
pub fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}

/// Finds the command that a line gives. `None` for an empty line or a comment.
///
/// # Errors
///
/// [`Refusal`].
pub fn parse<'a>(line: &'a str, session: &'a Session<'a>) -> Result<Option<Args<'a>>, Refusal> {
    let text = without_comment(line);
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    let mut refusal = Refusal::NotFound;
    for command in all() {
        let Fit { typed, complete, .. } = fit(command, text);
        if complete {
            return Ok(Some(Args { command, typed, session }));
        }
        if !typed.is_empty() {
            refusal = Refusal::BadArguments;
        }
    }
    Err(refusal)
}

/// Lays a line along a command's syntax, as far as it goes.
pub fn fit<'a>(command: &'static Command, mut text: &'a str) -> Fit<'a> {
    let (mut typed, mut next, mut missing) = (Vec::new(), 0, false);
    for (position, step) in steps(command.syntax).enumerate() {
        let (word, rest) = match step.kind.takes_rest() {
            true => (text.trim_ascii(), ""),
            false => next_word(text).unwrap_or_default(),
        };
        if !word.is_empty() && step.kind.accepts(word) {
            typed.push((step, word));
            (text, next) = (rest, position + 1);
        } else if !step.optional {
            missing = true;
            break;
        }
    }
    let complete = !missing && next_word(text).is_none();
    Fit { typed, next, surplus: text, complete }
}

/// The first word of a text, and what follows it.
pub fn next_word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_ascii_start();
    let end = text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// Whether some command begins with these words.
pub fn is_beginning(text: &str) -> bool {
    all().any(|command| begins(command, text))
}

/// Whether a command begins with these words. What is to be filled in may be called by its name.
pub fn begins(command: &'static Command, text: &str) -> bool {
    let mut steps = steps(command.syntax);
    text.split_ascii_whitespace()
        .all(|word| steps.next().is_some_and(|step| step.kind.has_word(word) || step.name == word))
}
