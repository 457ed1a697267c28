//! Runs the built program on a terminal or on pipes and talks to it.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test support")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Far more than anything here takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);

/// A program at work. It is killed when this is dropped.
pub struct Program {
    child: Child,
    input: Option<File>,
    out: Stream,
    err: Stream,
}

/// What a stream has said so far.
struct Stream {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn of(mut from: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&text);
        let body = move || {
            let mut bytes = [0; 4096];
            // A terminal whose other end is closed answers with an error.
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        };
        Self { text, reader: Some(std::thread::spawn(body)) }
    }

    fn get(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}

fn command(args: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testpmd"));
    command.args(args).current_dir(folder).env("TMPDIR", folder).env("XDG_RUNTIME_DIR", folder);
    command.env("TESTPMD_HISTORY", "");
    command
}

impl Program {
    /// With pipes for all three streams.
    pub fn on_pipes(args: &[&str], folder: &Path) -> Self {
        let mut command = command(args, folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = File::from(OwnedFd::from(child.stdin.take().unwrap()));
        let out = Stream::of(child.stdout.take().unwrap());
        let err = Stream::of(child.stderr.take().unwrap());
        Self { child, input: Some(input), out, err }
    }

    /// With input and output on a terminal, and errors on a pipe.
    pub fn on_terminal(args: &[&str], folder: &Path) -> Self {
        Self::on_terminal_with_history(args, folder, Path::new(""))
    }

    /// The same, where typed lines are remembered in a file.
    pub fn on_terminal_with_history(args: &[&str], folder: &Path, history: &Path) -> Self {
        let mut command = command(args, folder);
        command.env("TESTPMD_HISTORY", history);
        Self::on_new_terminal(command)
    }

    /// On a terminal whose keys can be signals, as a shell would start it.
    pub fn on_own_terminal(args: &[&str], folder: &Path) -> Self {
        let mut session = Command::new("setsid");
        session.args(["--ctty", env!("CARGO_BIN_EXE_testpmd")]).args(args);
        session.current_dir(folder).env("TESTPMD_HISTORY", "");
        Self::on_new_terminal(session)
    }

    fn on_new_terminal(mut command: Command) -> Self {
        let pty = nix::pty::openpty(None, None).unwrap();
        command.stdin(pty.slave.try_clone().unwrap()).stdout(pty.slave).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(command);
        let input = File::from(pty.master.try_clone().unwrap());
        let err = Stream::of(child.stderr.take().unwrap());
        Self { child, input: Some(input), out: Stream::of(File::from(pty.master)), err }
    }

    /// Types a line.
    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Types keys without Enter.
    pub fn press(&mut self, keys: &str) {
        self.input.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Ends the input.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Standard output so far, with line ends as on a file.
    pub fn out(&self) -> String {
        self.out.get().replace('\r', "")
    }

    /// Standard output so far, as it was written.
    pub fn raw_out(&self) -> String {
        self.out.get()
    }

    /// The settings of its terminal.
    pub fn terminal(&self) -> nix::sys::termios::Termios {
        nix::sys::termios::tcgetattr(self.input.as_ref().unwrap()).unwrap()
    }

    /// Standard error so far.
    pub fn err(&self) -> String {
        self.err.get()
    }

    /// Waits until standard output has said `text` so many times.
    pub fn await_times(&self, text: &str, times: usize) {
        let start = Instant::now();
        while self.out().matches(text).count() < times {
            assert!(start.elapsed() < LONG, "no {text:?}:\n{}\n{}", self.out(), self.err());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for `text` on standard output.
    pub fn await_out(&self, text: &str) {
        self.await_times(text, 1);
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Waits for the end and returns how it ended and what was said on both streams.
    pub fn finish(&mut self) -> (ExitStatus, String, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < LONG, "does not end:\n{}\n{}", self.out(), self.err());
            std::thread::sleep(Duration::from_millis(5));
        };
        self.input = None;
        self.err.finish();
        // The reader of a terminal ends when both ends are closed, of which it holds one.
        std::thread::sleep(Duration::from_millis(20));
        (status, self.out(), self.err())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything below `folder`, in order.
pub fn left_in(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        names.push(path.display().to_string());
        if path.is_dir() {
            names.extend(left_in(&path));
        }
    }
    names.sort();
    names
}
