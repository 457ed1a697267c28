//! Signals that end the app, as a file descriptor instead of handlers.
//!
//! They are blocked in the first thread before any other is started, so every thread inherits that, and what arrives
//! is read where the app waits for its user.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc::{SI_KERNEL, signalfd_siginfo};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals that ask the app to end: interrupt, quit, termination, a terminal that went away.
const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGHUP];

/// The signals that ask the app, or one command of it, to end.
pub struct Signals {
    fd: SignalFd,
    seen: Cell<Seen>,
}

/// What has arrived so far. The later ones hide the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Nothing,
    /// The interrupt key, which may mean a command only.
    Key,
    End,
}

impl Seen {
    fn of(signal: &signalfd_siginfo) -> Self {
        let interrupt = signal.ssi_signo == Signal::SIGINT as u32;
        match interrupt && signal.ssi_code == SI_KERNEL {
            true => Self::Key,
            false => Self::End,
        }
    }
}

impl Signals {
    /// Blocks the signals for this thread and all that it starts.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    pub fn block() -> nix::Result<Self> {
        let mut set = SigSet::empty();
        ENDING.into_iter().for_each(|signal| set.add(signal));
        set.thread_block()?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { fd, seen: Cell::new(Seen::Nothing) })
    }

    /// Whether one has arrived. Once it has, it stays so until it is forgotten.
    pub fn arrived(&self) -> bool {
        while let Ok(Some(signal)) = self.fd.read_signal() {
            self.seen.set(self.seen.get().max(Seen::of(&signal)));
        }
        self.seen.get() != Seen::Nothing
    }

    /// Forgets that the interrupt key was pressed: what it was meant for has ended. A signal that somebody sent stays.
    pub fn forget_key(&self) {
        if self.arrived() && self.seen.get() == Seen::Key {
            self.seen.set(Seen::Nothing);
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::raise;

    #[test]
    fn a_signal_is_read_and_remembered() {
        for signal in ENDING {
            std::thread::spawn(move || {
                let signals = Signals::block().unwrap();
                assert!(!signals.arrived());
                raise(signal).unwrap();
                assert!(signals.arrived());
                signals.forget_key();
                assert!(signals.arrived(), "{signal} was no key");
            })
            .join()
            .unwrap();
        }
    }
}
