//! Lines from standard input, waited for together with signals and the ports' events.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::signals::Signals;

/// Longest line in bytes; more without a line end is dropped.
const LONGEST_LINE_BYTES: usize = 64 << 10;

/// Why the wait ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Wake {
    /// A line, without its end.
    Line(String),
    /// Bytes to be taken, for those who wait for bytes.
    Input,
    /// The input is over; the text of an unfinished line, which is not a command.
    End(String),
    /// A signal asks the app to end.
    Signal,
    /// A port has events.
    Events,
    /// The time is over.
    Timeout,
}

/// A source of lines.
pub struct Input<Fd> {
    fd: Fd,
    bytes: Vec<u8>,
    ended: bool,
}

impl<Fd: AsFd> Input<Fd> {
    /// Lines from `fd`, which may block or not.
    pub fn new(fd: Fd) -> Self {
        Self { fd, bytes: Vec::new(), ended: false }
    }

    /// Waits for the next line or whatever comes first. `timeout` is in milliseconds; `None` waits for ever.
    pub fn wait(
        &mut self,
        signals: &Signals,
        events: &[BorrowedFd<'_>],
        timeout_ms: Option<u16>,
    ) -> Wake {
        loop {
            if signals.arrived() {
                return Wake::Signal;
            }
            if let Some(line) = self.next_line() {
                return Wake::Line(line);
            }
            if self.ended {
                let rest = String::from_utf8_lossy(&self.bytes).into_owned();
                self.bytes.clear();
                return Wake::End(rest);
            }
            match self.poll(signals, events, timeout_ms) {
                Ready::Input => self.read(),
                Ready::Events => return Wake::Events,
                Ready::Timeout => return Wake::Timeout,
                Ready::Other => {}
            }
        }
    }

    /// Waits for bytes or whatever comes first.
    pub fn wait_for_bytes(
        &mut self,
        signals: &Signals,
        events: &[BorrowedFd<'_>],
        timeout_ms: Option<u16>,
    ) -> Wake {
        loop {
            if signals.arrived() {
                return Wake::Signal;
            }
            if !self.bytes.is_empty() {
                return Wake::Input;
            }
            if self.ended {
                return Wake::End(String::new());
            }
            match self.poll(signals, events, timeout_ms) {
                Ready::Input => self.read(),
                Ready::Events => return Wake::Events,
                Ready::Timeout => return Wake::Timeout,
                Ready::Other => {}
            }
        }
    }

    /// Whether there is nothing to come, as far as can be told without waiting.
    pub fn is_over(&mut self) -> bool {
        self.read();
        self.ended && self.bytes.is_empty()
    }

    /// The bytes that came.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    fn next_line(&mut self) -> Option<String> {
        let end = self.bytes.iter().position(|&b| b == b'\n' || b == b'\r')?;
        let line = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
        self.bytes.drain(..=end);
        Some(line)
    }

    fn poll(&self, signals: &Signals, events: &[BorrowedFd<'_>], timeout_ms: Option<u16>) -> Ready {
        let of = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = vec![of(self.fd.as_fd()), of(signals.as_fd())];
        fds.extend(events.iter().map(|fd| of(*fd)));
        let timeout = timeout_ms.map_or(PollTimeout::NONE, PollTimeout::from);
        match poll(&mut fds, timeout) {
            Ok(0) => return Ready::Timeout,
            Ok(_) => {}
            Err(_) => return Ready::Other,
        }
        let ready = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
        if ready(&fds[1]) {
            Ready::Other
        } else if ready(&fds[0]) {
            Ready::Input
        } else {
            Ready::Events
        }
    }

    fn read(&mut self) {
        let mut chunk = [0; 4096];
        match nix::unistd::read(&self.fd, &mut chunk) {
            Ok(0) => self.ended = true,
            Ok(count) => self.bytes.extend_from_slice(&chunk[..count]),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => self.ended = true,
        }
        let unfinished = !self.bytes.iter().any(|&b| b == b'\n' || b == b'\r');
        if unfinished && self.bytes.len() > LONGEST_LINE_BYTES {
            self.bytes.clear();
        }
    }
}

enum Ready {
    Input,
    Events,
    Timeout,
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Runs `test` in a thread of its own, whose signal mask it may change.
    fn with_signals(test: impl FnOnce(Signals) + Send + 'static) {
        std::thread::spawn(|| test(Signals::block().unwrap())).join().unwrap();
    }

    #[test]
    fn lines_then_the_unfinished_rest() {
        with_signals(|signals| {
            let (read, mut write) = std::io::pipe().unwrap();
            write.write_all(b"one\ntwo\r\nthr").unwrap();
            drop(write);
            let mut input = Input::new(read);
            let mut next = || input.wait(&signals, &[], None);
            assert_eq!(next(), Wake::Line("one".into()));
            assert_eq!(next(), Wake::Line("two".into()));
            assert_eq!(next(), Wake::Line(String::new()), "CR LF is a line end and an empty line");
            assert_eq!(next(), Wake::End("thr".into()));
            assert_eq!(next(), Wake::End(String::new()));
        });
    }

    #[test]
    fn events_and_time() {
        with_signals(|signals| {
            let (read, _write) = std::io::pipe().unwrap();
            let (event, mut raise) = std::io::pipe().unwrap();
            let mut input = Input::new(read);
            assert_eq!(input.wait(&signals, &[event.as_fd()], Some(1)), Wake::Timeout);
            raise.write_all(b"x").unwrap();
            assert_eq!(input.wait(&signals, &[event.as_fd()], None), Wake::Events);
            nix::sys::signal::raise(nix::sys::signal::Signal::SIGINT).unwrap();
            assert_eq!(input.wait(&signals, &[event.as_fd()], None), Wake::Signal);
        });
    }

    #[test]
    fn a_line_without_end_does_not_grow_for_ever() {
        with_signals(|signals| {
            let (read, mut write) = std::io::pipe().unwrap();
            let writer = std::thread::spawn(move || {
                write.write_all(&vec![b'x'; 2 * LONGEST_LINE_BYTES]).unwrap();
                write.write_all(b"\nquit\n").unwrap();
            });
            let mut input = Input::new(read);
            assert!(
                matches!(input.wait(&signals, &[], None), Wake::Line(rest) if rest.len() <= LONGEST_LINE_BYTES)
            );
            assert_eq!(input.wait(&signals, &[], None), Wake::Line("quit".into()));
            writer.join().unwrap();
        });
    }
}
