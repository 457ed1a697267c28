//! The console: a prompt, a line, a command, again.
//!
//! Lines are read as they come, from a terminal in its ordinary line mode or from a pipe; there the line is repeated
//! behind the prompt, so that a record of the session reads like one.

#[cfg(test)]
pub mod bench;
pub mod input;
mod session;

use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd};

use crate::app::App;
use crate::commands;
use crate::signals::Signals;
use input::{Input, Wake};

pub use crate::commands::Which;
pub use session::Session;

/// What stands before every command.
const PROMPT: &str = "testpmd> ";

/// Runs commands from standard input until `quit`, the input's end, or a signal.
pub fn run(app: &mut App, signals: &Signals) {
    let stdin = std::io::stdin();
    let echo = !stdin.is_terminal();
    let mut input = Input::new(stdin);
    let session = Session::new(signals);
    while !app.out.is_broken() {
        app.out.say(format_args!("{PROMPT}"));
        app.out.flush();
        match next(app, &mut input, signals) {
            Wake::Line(line) => {
                if echo {
                    app.out.say(format_args!("{line}\r\n"));
                }
                execute(app, &session, &line);
                if session.has_ended() {
                    return;
                }
            }
            Wake::End(rest) if echo => {
                app.out.say(format_args!("{rest}"));
                return;
            }
            _ => return,
        }
    }
}

/// Waits for the end of the wait: a line, the input's end, a signal.
fn next<Fd: AsFd>(app: &mut App, input: &mut Input<Fd>, signals: &Signals) -> Wake {
    loop {
        match wait(app, input, signals, None) {
            Wake::Events | Wake::Timeout => app.print_events(),
            other => return other,
        }
    }
}

/// Waits for the user, a signal, or the ports.
pub fn wait<Fd: AsFd>(
    app: &App,
    input: &mut Input<Fd>,
    signals: &Signals,
    timeout_ms: Option<u16>,
) -> Wake {
    let events: Vec<BorrowedFd<'_>> =
        app.ports.iter().map(|(_, dev)| dev.events().as_fd()).collect();
    input.wait(signals, &events, timeout_ms)
}

/// Runs one line.
pub fn execute(app: &mut App, session: &Session<'_>, line: &str) {
    match commands::parse(line, session) {
        Ok(None) => {}
        Ok(Some(args)) => args.run(app),
        Err(refusal) => crate::say!(app.out, "{}", refusal.text()),
    }
}

#[cfg(test)]
mod tests;
