//! ^C and SIGTERM as a flag, so that what was taken from the machine is given back first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal};

/// Set once the user or the system has asked the command to end. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes SIGINT, SIGTERM and SIGHUP over from the kernel's default for the whole process.
    ///
    /// Must be called before other threads are started: they inherit the mask. Programs that are
    /// started later do not, the standard library clears it for them.
    pub fn install() -> Self {
        let interrupt = Self::default();
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            signals.add(signal);
        }
        if signals.thread_block().is_ok() {
            let flag = interrupt.clone();
            std::thread::spawn(move || {
                while signals.wait().is_ok() {
                    flag.0.store(true, Ordering::Relaxed);
                }
            });
        }
        interrupt
    }

    /// Whether the end was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
