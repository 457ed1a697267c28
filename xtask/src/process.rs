//! Running programs: quietly for an answer, or line by line with a time limit.

use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::error::Error;
use crate::interrupt::Interrupt;

/// How long output is still awaited after the program itself has ended: something that it left
/// behind may hold the pipe open for ever.
const STRAGGLERS: Duration = Duration::from_secs(1);

/// How a program that was watched came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with success.
    Well,
    /// By itself, with a failure or a signal.
    Badly,
    /// It was ended because its time was up.
    TimeOut,
    /// It was ended because the user asked for it.
    Interrupted,
}

/// The command as a person would type it.
pub fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Runs `command` to its end and hands back what it wrote to standard output.
pub fn output(command: &mut Command) -> Result<String, Error> {
    let out = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| start_error(command, source))?;
    if !out.status.success() {
        return Err(Error::Program(describe(command)));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Runs `command` with the terminal as it is; whether it succeeded.
pub fn succeeds(command: &mut Command) -> Result<bool, Error> {
    let status = command.status().map_err(|source| start_error(command, source))?;
    Ok(status.success())
}

/// Runs `command` and gives `line` every line of its output and errors, in their order.
///
/// The program gets a process group of its own, which is killed whole when `limit` has passed or
/// `interrupt` is set.
pub fn watch(
    mut command: Command,
    limit: Duration,
    interrupt: &Interrupt,
    mut line: impl FnMut(&str),
) -> Result<Ended, Error> {
    let (reader, writer) = io::pipe().map_err(Error::System)?;
    let copy = writer.try_clone().map_err(Error::System)?;
    command.stdin(Stdio::null()).stdout(copy).stderr(writer).process_group(0);
    let mut child = command.spawn().map_err(|source| start_error(&command, source))?;
    // The command holds the write ends; the reader sees the end of output only without them.
    drop(command);
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for text in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&text).into_owned()).is_err() {
                return;
            }
        }
    });
    follow(&mut child, &lines, Instant::now() + limit, interrupt, &mut line)
}

/// Passes lines on until the program has ended and its output is drained.
fn follow(
    child: &mut Child,
    lines: &Receiver<String>,
    deadline: Instant,
    interrupt: &Interrupt,
    line: &mut dyn FnMut(&str),
) -> Result<Ended, Error> {
    let mut forced = None;
    let mut drained_by = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(100)) {
            Ok(text) => line(&text),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let status = child.wait().map_err(Error::System)?;
                return Ok(forced.unwrap_or(ended(status.success())));
            }
        }
        if forced.is_none() {
            forced = must_end(deadline, interrupt);
            if forced.is_some() {
                kill_group(child);
            }
        }
        if let Some(status) = child.try_wait().map_err(Error::System)? {
            let by = *drained_by.get_or_insert(Instant::now() + STRAGGLERS);
            if Instant::now() >= by {
                return Ok(forced.unwrap_or(ended(status.success())));
            }
        }
    }
}

fn must_end(deadline: Instant, interrupt: &Interrupt) -> Option<Ended> {
    if interrupt.is_set() {
        Some(Ended::Interrupted)
    } else if Instant::now() >= deadline {
        Some(Ended::TimeOut)
    } else {
        None
    }
}

fn ended(success: bool) -> Ended {
    if success { Ended::Well } else { Ended::Badly }
}

fn kill_group(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // The group may be gone already, and then there is nothing left to do.
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

fn start_error(command: &Command, source: io::Error) -> Error {
    Error::Start { program: command.get_program().to_string_lossy().into_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn run(script: &str, limit: Duration) -> (Ended, Vec<String>) {
        let mut seen = Vec::new();
        let ended = watch(shell(script), limit, &Interrupt::default(), |line| {
            seen.push(line.to_owned());
        });
        (ended.expect("sh is everywhere"), seen)
    }

    #[test]
    fn output_and_errors_come_in_order() {
        let (ended, seen) = run("echo one; echo two >&2; echo three", Duration::from_secs(60));
        assert_eq!(ended, Ended::Well);
        assert_eq!(seen, ["one", "two", "three"]);
    }

    #[test]
    fn a_failure_is_told_from_a_success() {
        assert_eq!(run("exit 3", Duration::from_secs(60)).0, Ended::Badly);
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_its_children() {
        let began = Instant::now();
        let (ended, seen) = run("echo up; sleep 600 & sleep 600", Duration::from_millis(300));
        assert_eq!(ended, Ended::TimeOut);
        assert_eq!(seen, ["up"]);
        assert!(began.elapsed() < Duration::from_secs(60), "the limit was ignored");
    }

    #[test]
    fn a_straggler_that_holds_the_pipe_does_not_hold_us() {
        let began = Instant::now();
        let (ended, _) = run("setsid sleep 20 & exit 0", Duration::from_secs(600));
        assert_eq!(ended, Ended::Well);
        assert!(began.elapsed() < Duration::from_secs(15), "waited for the straggler");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = output(&mut Command::new("pmd-rs-no-such-program")).expect_err("not there");
        assert!(error.to_string().contains("pmd-rs-no-such-program"), "{error}");
    }
}
