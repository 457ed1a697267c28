//! Waking somebody through an event descriptor that a peer shares.
//!
//! Whether a descriptor blocks is a property of its open file, which both sides share: a peer that clears `O_NONBLOCK` and
//! fills the counter makes a plain write wait for as long as it likes. So what a peer sent is looked at once
//! ([`is_eventfd`]), each write asks first whether there is room ([`signal`]), and a writer that lost the race all
//! the same is let out by whoever watches over it ([`relieve`]).
//!
//! **Threads.** Every function may be called from any thread.
#![allow(unsafe_code, reason = "preadv2 has no safe wrapper")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;

/// Whether `fd` is an eventfd: of other kinds (pipes, sockets, files of a file system in user space) it cannot be said how
/// long a write takes.
pub fn is_eventfd(fd: impl AsFd) -> bool {
    let fd = fd.as_fd();
    match std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())) {
        // Names of real files begin with a slash.
        Ok(name) => name.as_os_str() == "anon_inode:[eventfd]",
        // Without /proc: what has a file type is not an eventfd.
        Err(_) => fstat(fd).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == 0),
    }
}

/// Adds 1 to the eventfd `fd`. When it is full nothing is added: that is a wake-up already.
///
/// Does not wait, even if the peer has made the descriptor a blocking one, unless the peer fills it in the instant
/// between the question and the write; see [`relieve`].
#[inline]
pub fn signal(fd: impl AsFd) {
    let fd = fd.as_fd();
    if has_room(fd) {
        // If the peer was faster, it is full.
        let _ = nix::unistd::write(fd, &1_u64.to_ne_bytes());
    }
}

/// Lets out whoever waits in [`signal`] because the peer keeps the eventfd `fd` full. Never waits. An eventfd that is not
/// full, as that of an honest peer always is, is left alone.
pub fn relieve(fd: impl AsFd) {
    let fd = fd.as_fd();
    if has_room(fd) {
        return;
    }
    let mut count = [0_u8; 8];
    let into = libc::iovec { iov_base: count.as_mut_ptr().cast(), iov_len: count.len() };
    // SAFETY: `into` describes the 8 bytes of `count`, both alive; -1 reads at the current place, as `read` does. What it
    // answers does not matter: either there is room now or there was before.
    let _ = unsafe { libc::preadv2(fd.as_raw_fd(), &raw const into, 1, -1, libc::RWF_NOWAIT) };
}

#[inline]
fn has_room(fd: BorrowedFd<'_>) -> bool {
    let mut question = [PollFd::new(fd, PollFlags::POLLOUT)];
    poll(&mut question, PollTimeout::ZERO) == Ok(1)
        && question[0].revents().is_some_and(|events| events.contains(PollFlags::POLLOUT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::eventfd::{EfdFlags, EventFd};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    const FULL: u64 = u64::MAX - 1;

    fn blocking(count: u64) -> EventFd {
        let fd = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC).unwrap();
        fd.write(count).unwrap();
        fd
    }

    #[test]
    fn a_signal_adds_one() {
        let fd = blocking(3);
        signal(&fd);
        assert_eq!(fd.read().unwrap(), 4);
    }

    #[test]
    fn a_full_blocking_eventfd_holds_nobody_up() {
        let fd = blocking(FULL);
        let (done, wait) = channel();
        std::thread::spawn({
            let fd = fd.as_fd().try_clone_to_owned().unwrap();
            move || {
                signal(&fd);
                done.send(()).unwrap();
            }
        });
        wait.recv_timeout(Duration::from_secs(10)).expect("the write waits");
        assert_eq!(fd.read().unwrap(), FULL);
    }

    #[test]
    fn a_writer_that_waits_is_let_out() {
        let fd = blocking(FULL);
        let (done, wait) = channel();
        std::thread::spawn({
            let fd = fd.as_fd().try_clone_to_owned().unwrap();
            move || {
                nix::unistd::write(&fd, &1_u64.to_ne_bytes()).unwrap();
                done.send(()).unwrap();
            }
        });
        // Whether the writer waits already or comes only now, it gets through.
        relieve(&fd);
        wait.recv_timeout(Duration::from_secs(10)).expect("the writer still waits");
        assert_eq!(fd.read().unwrap(), 1);
    }

    #[test]
    fn relief_takes_nothing_from_an_eventfd_with_room() {
        let fd = blocking(7);
        relieve(&fd);
        assert_eq!(fd.read().unwrap(), 7);
        relieve(&fd);
        signal(&fd);
        assert_eq!(fd.read().unwrap(), 1);
    }

    #[test]
    fn only_eventfds_are_eventfds() {
        assert!(is_eventfd(blocking(0)));
        let (pipe, _) = nix::unistd::pipe().unwrap();
        let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
        let epoll = nix::sys::epoll::Epoll::new(nix::sys::epoll::EpollCreateFlags::empty());
        assert!(!is_eventfd(pipe));
        assert!(!is_eventfd(socket));
        assert!(!is_eventfd(epoll.unwrap().0));
        assert!(!is_eventfd(std::fs::File::open("/dev/null").unwrap()));
    }
}
