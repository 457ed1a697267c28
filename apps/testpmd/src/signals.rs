//! Signals that end the app, as a file descriptor instead of handlers.
//!
//! They are blocked in the first thread before any other is started, so every thread inherits that, and what arrives
//! is read where the app waits for its user.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals that ask the app to end: interrupt, termination, a terminal that went away.
pub struct Signals {
    fd: SignalFd,
    seen: std::cell::Cell<bool>,
}

impl Signals {
    /// Blocks the signals for this thread and all that it starts.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    pub fn block() -> nix::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block()?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { fd, seen: std::cell::Cell::new(false) })
    }

    /// Whether one has arrived. Once it has, it stays so.
    pub fn arrived(&self) -> bool {
        if !self.seen.get() && matches!(self.fd.read_signal(), Ok(Some(_))) {
            self.seen.set(true);
        }
        self.seen.get()
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
        std::thread::spawn(|| {
            let signals = Signals::block().unwrap();
            assert!(!signals.arrived());
            raise(Signal::SIGTERM).unwrap();
            assert!(signals.arrived());
            assert!(signals.arrived());
        })
        .join()
        .unwrap();
    }
}
