//! The console: a prompt, a line, a command, again.
//!
//! On a terminal, lines are typed through an editor, which echoes them; from a pipe they are read as they come and repeated
//! behind the prompt, so that a record of either session reads the same. Files of commands are read by `load`.

#[cfg(test)]
pub mod bench;
mod editor;
pub mod input;
mod raw_mode;
mod script;
mod session;
mod terminal;

use std::io::{IsTerminal, Stdin};
use std::os::fd::{AsFd, BorrowedFd};

use crate::app::App;
use crate::commands::{self, Refusal};
use crate::signals::Signals;
use crate::{say, warn_user};
use input::{Input, Wake};
use terminal::Terminal;

pub use crate::commands::Which;
pub use editor::Completion;
pub use script::load;
pub use session::Session;

/// What stands before every command.
const PROMPT: &str = "testpmd> ";

/// Where lines come from.
enum Source {
    /// Somebody, or something, at a terminal.
    Terminal(Box<Terminal<Stdin>>),
    /// A pipe or a file.
    Pipe(Input<Stdin>),
}

impl Source {
    fn of_process() -> Self {
        match Terminal::open(std::io::stdin()) {
            Ok(terminal) => Self::Terminal(Box::new(terminal)),
            Err(stdin) => Self::Pipe(Input::new(stdin)),
        }
    }

    /// Waits for a line, the input's end, or a signal. What was read stands on the output then.
    fn next(&mut self, app: &mut App, signals: &Signals) -> Wake {
        let input = match self {
            Self::Terminal(terminal) => return terminal.next(app, signals),
            Self::Pipe(input) => input,
        };
        let wake = next(app, input, signals);
        match &wake {
            Wake::Line(line) => app.out.say(format_args!("{line}\r\n")),
            Wake::End(rest) => app.out.say(format_args!("{rest}")),
            _ => {}
        }
        wake
    }

    /// Whether somebody reads standard error who would not mind a hint: a program that drives a terminal presses no editing
    /// keys.
    fn wants_hints(&self) -> bool {
        matches!(self, Self::Terminal(terminal) if terminal.is_used_by_hand())
            && std::io::stderr().is_terminal()
    }
}

/// Runs commands from standard input until `quit`, the input's end, or a signal. The interrupt key of a terminal ends the command
/// that runs and no more.
pub fn run(app: &mut App, session: &Session<'_>) {
    let mut source = Source::of_process();
    while !app.out.is_broken() && !session.has_ended() {
        app.out.say(format_args!("{PROMPT}"));
        app.out.flush();
        let Wake::Line(line) = source.next(app, session.signals()) else { return };
        let refused = !execute(app, session, &line);
        if matches!(source, Source::Terminal(_)) {
            session.signals().forget_key();
        }
        if let (true, true, Some(hint)) =
            (refused, source.wants_hints(), commands::completion::hint(&line))
        {
            warn_user!(app.out, "{hint}");
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

/// Runs a line that was typed. False when it is no command, which was said then.
fn execute(app: &mut App, session: &Session<'_>, line: &str) -> bool {
    match run_line(app, session, line) {
        Ok(()) => true,
        Err(refusal) => {
            say!(app.out, "{}", refusal.text());
            false
        }
    }
}

/// Runs a line.
fn run_line(app: &mut App, session: &Session<'_>, line: &str) -> Result<(), Refusal> {
    if let Some(args) = commands::parse(line, session)? {
        args.run(app);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
