//! A terminal that gives keys as they are pressed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, Once, PoisonError};

use nix::libc::_POSIX_VDISABLE as NO_KEY;
use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};

/// Terminal and settings to go back to, for the panic hook: the console's guard is dropped only if the panic unwinds.
static SAVED: Mutex<Option<(OwnedFd, Termios)>> = Mutex::new(None);

/// Without echo, line editing and keys that are signals, until it is dropped. Output is as before.
pub struct RawMode {
    raw: Termios,
}

impl RawMode {
    /// Changes the terminal behind `fd`. Nothing when it is none or will not be changed.
    pub fn enter(fd: impl AsFd) -> Option<Self> {
        let before = tcgetattr(&fd).ok()?;
        let own = fd.as_fd().try_clone_to_owned().ok()?;
        let mut raw = before.clone();
        raw.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
        for key in [SpecialCharacterIndices::VSUSP, SpecialCharacterIndices::VQUIT] {
            raw.control_chars[key as usize] = NO_KEY;
        }
        restore_on_panic();
        set(fd.as_fd(), &raw)?;
        *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = Some((own, before));
        Some(Self { raw })
    }

    /// Makes the interrupt key a signal, or not. While a command runs it is one: what waits ends its wait.
    pub fn set_interruptible(&mut self, interruptible: bool) {
        self.raw.local_flags.set(LocalFlags::ISIG, interruptible);
        if let Some((fd, _)) = &*SAVED.lock().unwrap_or_else(PoisonError::into_inner) {
            set(fd.as_fd(), &self.raw);
        }
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

fn set(fd: BorrowedFd<'_>, settings: &Termios) -> Option<()> {
    tcsetattr(fd, SetArg::TCSANOW, settings).ok()
}

/// Goes back to the settings found, once.
fn restore() {
    let saved = SAVED.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((fd, before)) = saved {
        set(fd.as_fd(), &before);
    }
}

fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            report(panic);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(fd: impl AsFd) -> LocalFlags {
        tcgetattr(fd).unwrap().local_flags
    }

    /// One test, because there is one console in a process.
    #[test]
    fn the_terminal_is_as_before_however_it_ends() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let keys = LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG;
        assert!(flags(&pty.slave).contains(keys));
        let mut raw = RawMode::enter(&pty.slave).unwrap();
        assert!(!flags(&pty.slave).intersects(keys));
        raw.set_interruptible(true);
        assert_eq!(flags(&pty.slave) & keys, LocalFlags::ISIG);
        raw.set_interruptible(false);
        assert!(!flags(&pty.slave).intersects(keys));
        drop(raw);
        assert!(flags(&pty.slave).contains(keys));

        let slave = pty.slave.try_clone().unwrap();
        let body = move || {
            let raw = RawMode::enter(&slave).unwrap();
            std::mem::forget(raw);
            panic!("on purpose");
        };
        assert!(std::thread::spawn(body).join().is_err());
        assert!(flags(&pty.slave).contains(keys), "the hook restores, nothing unwound");

        let (pipe, _writer) = std::io::pipe().unwrap();
        assert!(RawMode::enter(pipe).is_none());
    }
}
