//! Other processes: started, listened to, told things, and ended by their own id.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::Result;

/// How long another process may take for anything it is asked.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running process whose output is read here. It is killed and waited for when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    input: Option<File>,
    output: File,
    /// What it said.
    said: String,
    /// How much of that was looked at.
    read: usize,
}

impl Process {
    /// Starts `command` with its input and output connected to pipes.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        let output = child.stdout.take().ok_or("a process without output")?;
        let output = File::from(OwnedFd::from(output));
        let (said, read) = (String::new(), 0);
        Ok(Self { name: name.into(), child, input, output, said, read })
    }

    /// Starts `command` on a terminal of its own.
    ///
    /// # Errors
    ///
    /// When there is no terminal, or it cannot be started.
    pub fn start_on_terminal(name: &str, command: &mut Command) -> Result<Self> {
        let pty = nix::pty::openpty(None, None)?;
        let slave = pty.slave;
        command.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave);
        let child = command.spawn()?;
        // The command keeps the other end open, and we would never hear that it ended.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let input = Some(File::from(pty.master.try_clone()?));
        let output = File::from(pty.master);
        let (said, read) = (String::new(), 0);
        Ok(Self { name: name.into(), child, input, output, said, read })
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it says `text` and returns what it said before that since the last call.
    ///
    /// # Errors
    ///
    /// When it ends first, or does not say so in time; with what it said.
    pub fn wait_for(&mut self, text: &str) -> Result<String> {
        self.wait_within(text, PATIENCE)
    }

    /// As [`Process::wait_for`], with another time limit.
    ///
    /// # Errors
    ///
    /// As [`Process::wait_for`].
    pub fn wait_within(&mut self, text: &str, patience: Duration) -> Result<String> {
        let end = Instant::now() + patience;
        loop {
            if let Some(at) = self.said[self.read..].find(text) {
                let before = self.said[self.read..self.read + at].to_owned();
                self.read += at + text.len();
                return Ok(before);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.listen(left)? {
                let Self { name, said, .. } = self;
                return Err(format!("{name} did not say '{text}'; it said:\n{said}").into());
            }
        }
    }

    /// As [`Process::wait_within`], for the first of two texts; also whether it was the second.
    ///
    /// # Errors
    ///
    /// As [`Process::wait_for`].
    pub fn wait_for_either(
        &mut self,
        first: &str,
        second: &str,
        patience: Duration,
    ) -> Result<(String, bool)> {
        let end = Instant::now() + patience;
        loop {
            let unread = &self.said[self.read..];
            let of_second = unread.find(second).map(|at| (at, second, true));
            let found =
                unread.find(first).map(|at| (at, first, false)).into_iter().chain(of_second);
            if let Some((at, text, is_second)) = found.min_by_key(|found| found.0) {
                let before = unread[..at].to_owned();
                self.read += at + text.len();
                return Ok((before, is_second));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.listen(left)? {
                let Self { name, said, .. } = self;
                return Err(format!("{name} said neither of two; it said:\n{said}").into());
            }
        }
    }

    /// Listens without waiting; how many bytes it has said so far.
    ///
    /// # Errors
    ///
    /// When it cannot be listened to.
    pub fn hear(&mut self) -> Result<usize> {
        while self.is_readable()? && self.listen(Duration::ZERO)? {}
        Ok(self.said.len())
    }

    /// Listens until it has ended; how, and all that it said.
    ///
    /// # Errors
    ///
    /// When it does not end in time.
    pub fn wait_end(&mut self, patience: Duration) -> Result<(ExitStatus, String)> {
        let end = Instant::now() + patience;
        loop {
            let goes_on = self.listen(Duration::from_millis(20))?;
            if let Some(status) = self.child.try_wait()? {
                self.hear()?;
                return Ok((status, self.said.clone()));
            }
            if Instant::now() > end {
                return Err(format!("{} does not end; it said:\n{}", self.name, self.said).into());
            }
            if !goes_on {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn is_readable(&self) -> Result<bool> {
        let mut polled = [PollFd::new(self.output.as_fd(), PollFlags::POLLIN)];
        Ok(poll(&mut polled, PollTimeout::ZERO)? > 0)
    }

    /// All that it said so far.
    pub fn said(&self) -> &str {
        &self.said
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.id())?), signal)?)
    }

    /// The rest of the line after `word`.
    ///
    /// # Errors
    ///
    /// As [`Process::wait_for`].
    pub fn answer(&mut self, word: &str) -> Result<String> {
        self.wait_for(word)?;
        Ok(self.wait_for("\n")?.trim().to_owned())
    }

    /// Reads what is there, or waits for it. False when there will be no more.
    fn listen(&mut self, patience: Duration) -> Result<bool> {
        let timeout = PollTimeout::try_from(patience.min(Duration::from_millis(500)))?;
        if poll(&mut [PollFd::new(self.output.as_fd(), PollFlags::POLLIN)], timeout)? == 0 {
            return Ok(true);
        }
        let mut bytes = [0; 4096];
        // A terminal whose other end is closed answers with an error.
        let count = self.output.read(&mut bytes).unwrap_or(0);
        self.said.push_str(&String::from_utf8_lossy(&bytes[..count]));
        Ok(count > 0)
    }

    /// Types a line.
    ///
    /// # Errors
    ///
    /// When it does not listen any more.
    pub fn say(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().ok_or("its input is closed")?;
        input.write_all(format!("{line}\n").as_bytes())?;
        Ok(())
    }

    /// Whether it has ended: its descriptors are closed then.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Holds it where it is (SIGSTOP), or lets it go on.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        let signal = if frozen { Signal::SIGSTOP } else { Signal::SIGCONT };
        let pid = i32::try_from(self.id()).map(Pid::from_raw)?;
        kill(pid, signal)?;
        if frozen {
            waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
        }
        Ok(())
    }

    /// Kills it (SIGKILL) without waiting for its end.
    ///
    /// # Errors
    ///
    /// When it cannot be killed.
    pub fn kill_now(&mut self) -> Result<()> {
        Ok(self.child.kill()?)
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    ///
    /// When it cannot be killed or waited for.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Closes its input and waits for its end; returns all it said.
    ///
    /// # Errors
    ///
    /// When it does not end in time, or not with success.
    pub fn finish(mut self, patience: Duration) -> Result<String> {
        self.input = None;
        let end = Instant::now() + patience;
        while self.listen(end.saturating_duration_since(Instant::now()))? {
            if Instant::now() >= end {
                let Self { name, said, .. } = &self;
                return Err(format!("{name} does not end; it said:\n{said}").into());
            }
        }
        let status: ExitStatus = self.child.wait()?;
        let said = std::mem::take(&mut self.said);
        if !status.success() {
            return Err(format!("{} ended with {status}; it said:\n{said}", self.name).into());
        }
        Ok(said)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An ended process is not there to be killed any more, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process holds: descriptors and mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Open descriptors.
    pub descriptors: usize,
    /// Mappings of shared files.
    pub mappings: usize,
}

impl Holdings {
    /// Of this process. Mappings of private memory are left out: allocators come and go with them.
    ///
    /// # Errors
    ///
    /// When `/proc` cannot be read.
    pub fn now() -> Result<Self> {
        let descriptors = std::fs::read_dir("/proc/self/fd")?.count();
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        let shared = |line: &&str| {
            line.split_ascii_whitespace().nth(1).is_some_and(|flags| flags.ends_with('s'))
        };
        Ok(Self { descriptors, mappings: maps.lines().filter(shared).count() })
    }
}

/// How long the threads of this process have been ready to run and had no CPU, in sum. Zero where the kernel does not count it.
pub fn waited_for_cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let waited = |task: std::fs::DirEntry| -> Option<u64> {
        let stat = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split_ascii_whitespace().nth(1)?.parse().ok()
    };
    Duration::from_nanos(tasks.filter_map(waited).sum())
}

/// Whether a program is there to be run.
pub fn is_installed(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|dir| Path::new(&dir).join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_heard_told_and_ended() {
        let mut cat = Process::start("cat", &mut Command::new("cat")).unwrap();
        cat.say("one two").unwrap();
        assert_eq!(cat.answer("one").unwrap(), "two");
        cat.finish(PATIENCE).unwrap();
    }

    #[test]
    fn an_end_or_silence_is_an_error_with_what_was_said() {
        let mut sh = Command::new("sh");
        let mut process = Process::start("sh", sh.args(["-c", "echo hello; exit 3"])).unwrap();
        let error = process.wait_for("bye").unwrap_err().to_string();
        assert!(error.contains("hello"), "{error}");
        assert!(process.finish(PATIENCE).unwrap_err().to_string().contains("3"));
        let mut cat = Process::start("cat", &mut Command::new("cat")).unwrap();
        assert!(cat.wait_within("x", Duration::from_millis(20)).is_err());
    }

    #[test]
    fn a_terminal_echoes_and_ends() {
        let mut cat = Process::start_on_terminal("cat", &mut Command::new("cat")).unwrap();
        cat.say("hello").unwrap();
        cat.wait_for("hello").unwrap();
        cat.wait_for("hello").unwrap();
        cat.kill().unwrap();
    }
}
