//! `cargo xtask bench startup`: from the start of testpmd to its first prompt, without huge pages.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::openpty;

use crate::error::Error;
use crate::machine::{Needs, Plan, packages};
use crate::workspace::Workspace;

/// What the console prints when it is ready.
const PROMPT: &[u8] = b"testpmd> ";
/// It runs with what is there.
const NEEDS: Needs = Needs { packages: &[], huge_pages: 0 };
/// A start that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(30);

/// Measures ours and, where it is installed, DPDK's, in turn.
pub fn run(arguments: Vec<OsString>) -> Result<bool, Error> {
    let Some(runs) = parse(arguments)? else {
        print!("{}", super::USAGE);
        return Ok(true);
    };
    let mut programs = vec![super::build(&Workspace::load()?, "testpmd")?];
    let path = std::env::var_os("PATH").unwrap_or_default();
    if packages::missing(&[packages::DPDK], &path).is_empty() {
        programs.push(PathBuf::from(packages::DPDK.program));
    } else {
        println!("{} is not installed: measuring ours alone.", packages::DPDK.program);
    }
    // Takes nothing from the machine; what DPDK leaves behind is cleared away when this is dropped.
    let _leftovers = Plan::probe(&NEEDS).take_nothing();
    let mut times = vec![Vec::new(); programs.len()];
    for _ in 0..runs {
        for (program, times) in programs.iter().zip(&mut times) {
            times.push(first_prompt(Command::new(program))?);
        }
    }
    for (program, times) in programs.iter().zip(times) {
        println!("{}", line(program, times));
    }
    Ok(true)
}

/// The number of runs, or `None` when help was asked for.
fn parse(arguments: Vec<OsString>) -> Result<Option<usize>, Error> {
    use lexopt::prelude::*;
    let mut runs = 11;
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("runs") => runs = parser.value()?.parse::<usize>()?.max(1),
            Long("help") | Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(runs))
}

/// One line of the result: median, least and most.
fn line(program: &Path, mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let ms = |at: usize| times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
    format!(
        "first prompt after {:7.1} ms [{:.1}-{:.1}], median of {}: {}",
        ms(times.len() / 2),
        ms(0),
        ms(times.len().saturating_sub(1)),
        times.len(),
        program.display()
    )
}

/// Runs `command` on a terminal of its own with one vhost port, and leaves it with `quit`.
fn first_prompt(mut command: Command) -> Result<Duration, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let name = format!("pmd-rs-startup-{}", std::process::id());
    let socket = std::env::temp_dir().join(format!("{name}.sock"));
    let terminal = openpty(None, None).map_err(|error| Error::System(error.into()))?;
    let device = format!("net_vhost0,iface={},queues=1,client=0", socket.display());
    command.args(["--lcores", "0@0,1@1", "--no-huge", "-m", "256", "--no-pci", "--file-prefix"]);
    command.args([name.as_str(), "--vdev", &device, "--", "-i", "--nb-cores=1"]);
    command.args(["--total-num-mbufs=4096"]).env("TESTPMD_HISTORY", "");
    let end = |fd: &OwnedFd| fd.try_clone().map(Stdio::from).map_err(Error::System);
    command.stdin(end(&terminal.slave)?).stdout(end(&terminal.slave)?).stderr(terminal.slave);
    let began = Instant::now();
    let mut child =
        command.spawn().map_err(|source| Error::Start { program: program.clone(), source })?;
    drop(command);
    let mut console = File::from(terminal.master);
    let output = pump(console.try_clone().map_err(Error::System)?);
    let took = await_prompt(&output, began);
    let _ = console.write_all(b"quit\n");
    end_of(&mut child);
    // DPDK leaves the socket of a port that was not closed.
    let _ = std::fs::remove_file(socket);
    took.ok_or(Error::Program(program))
}

/// Reads the terminal from a thread, so that waiting has a limit.
fn pump(mut console: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        // A terminal whose program has ended reports an error, not an end.
        while let Ok(count @ 1..) = console.read(&mut bytes) {
            if sender.send(bytes[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The time from `began` until the prompt has been read; `None` when it did not come.
fn await_prompt(output: &Receiver<Vec<u8>>, began: Instant) -> Option<Duration> {
    let mut seen = Vec::new();
    while let Ok(bytes) = output.recv_timeout(LIMIT.saturating_sub(began.elapsed())) {
        seen.extend(bytes);
        if seen.windows(PROMPT.len()).any(|window| window == PROMPT) {
            return Some(began.elapsed());
        }
    }
    print!("{}", String::from_utf8_lossy(&seen));
    None
}

/// Waits a little for the program to end, then ends it.
fn end_of(child: &mut Child) {
    let by = Instant::now() + Duration::from_secs(5);
    while Instant::now() < by {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        command
    }

    #[test]
    fn the_prompt_is_seen_even_without_a_line_end() {
        let command = script("sleep 0.1; printf 'EAL: up\\ntestpmd> '; read line");
        let took = first_prompt(command).expect("it prompts");
        assert!(took >= Duration::from_millis(100) && took < LIMIT, "{took:?}");
    }

    #[test]
    fn a_program_that_ends_without_a_prompt_is_an_error() {
        assert!(first_prompt(script("echo cannot start")).is_err());
    }

    #[test]
    fn the_median_is_of_the_sorted_times() {
        let times = [30, 10, 20].map(Duration::from_millis).to_vec();
        let line = line(Path::new("testpmd"), times);
        assert!(line.contains("20.0 ms [10.0-30.0], median of 3: testpmd"), "{line}");
    }
}
