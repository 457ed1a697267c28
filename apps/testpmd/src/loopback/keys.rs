//! The `q` key, without Enter where there is a terminal.

use std::io::{IsTerminal, Stdin};
use std::os::fd::AsFd;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, read, tcgetpgrp};

use crate::signals::Signals;

/// Standard input, one key at a time. Dropping it puts the terminal back as it was.
pub struct Keys {
    stdin: Stdin,
    /// False once the input is over, and for a job in the background, which must not touch the terminal.
    readable: bool,
    before: Option<Termios>,
}

impl Keys {
    /// Standard input; a terminal stops waiting for Enter and repeating keys.
    pub fn new() -> Self {
        let stdin = std::io::stdin();
        let mut keys = Self { stdin, readable: true, before: None };
        if keys.stdin.is_terminal() {
            // A terminal that is not this session's has no foreground and does not stop its readers.
            keys.readable = tcgetpgrp(&keys.stdin).map_or(true, |front| front == getpgrp());
            if keys.readable {
                keys.before = by_key(&keys.stdin);
            }
        }
        keys
    }

    /// Waits until `until`. True when `q` was pressed or a signal arrived.
    pub fn wait(&mut self, signals: &Signals, until: Instant) -> bool {
        loop {
            if signals.arrived() {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            // Rounded up, so that the time is over when the wait is.
            let ms = u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX);
            let of = |fd| PollFd::new(fd, PollFlags::POLLIN);
            let mut fds = vec![of(signals.as_fd())];
            if self.readable {
                fds.push(of(self.stdin.as_fd()));
            }
            let _ = poll(&mut fds, PollTimeout::from(ms));
            if fds.get(1).is_some_and(|fd| fd.any().unwrap_or(true)) && self.is_quit() {
                return true;
            }
        }
    }

    fn is_quit(&mut self) -> bool {
        let mut keys = [0; 64];
        let count = read(&self.stdin, &mut keys).unwrap_or(0);
        self.readable = count > 0;
        keys[..count].iter().any(|key| matches!(key, b'q' | b'Q'))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(&self.stdin, SetArg::TCSANOW, before);
        }
    }
}

/// Makes the terminal hand out keys as they come. Interrupts stay signals.
fn by_key(stdin: &Stdin) -> Option<Termios> {
    let before = tcgetattr(stdin).ok()?;
    let mut changed = before.clone();
    changed.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
    tcsetattr(stdin, SetArg::TCSANOW, &changed).ok()?;
    Some(before)
}
