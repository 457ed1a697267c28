//! Handles on other processes that become readable when those end.

#![allow(
    unsafe_code,
    reason = "pidfd_open and SO_PEERPIDFD have no wrapper among the dependencies"
)]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};

/// A process, held by descriptor: its pid cannot come to mean another one.
#[derive(Debug)]
pub(crate) struct ProcessFd {
    fd: OwnedFd,
}

impl ProcessFd {
    /// Opens a handle on the process `pid`, which may have ended but must not have been waited for.
    pub fn open(pid: u32) -> io::Result<Self> {
        // SAFETY: pidfd_open takes two integers and touches no memory of the caller.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
        let fd = Errno::result(fd)? as RawFd;
        // SAFETY: the system call just returned this descriptor, and nobody else knows it.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }
}

impl AsFd for ProcessFd {
    /// Readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Pid and handle of the process that connected `stream`.
pub(crate) fn peer_process(stream: &UnixStream) -> io::Result<(u32, ProcessFd)> {
    let credentials = getsockopt(stream, sockopt::PeerCredentials)?;
    let pid = u32::try_from(credentials.pid()).map_err(io::Error::other)?;
    let process = peer_pidfd(stream).or_else(|_| ProcessFd::open(pid))?;
    Ok((pid, process))
}

/// Linux 6.5 and later name the peer itself, free of a race over its pid.
fn peer_pidfd(stream: &UnixStream) -> io::Result<ProcessFd> {
    let mut fd: RawFd = -1;
    let mut len = size_of::<RawFd>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `fd`, which is that large, and the new length to `len`.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERPIDFD,
            (&raw mut fd).cast(),
            &raw mut len,
        )
    };
    Errno::result(result)?;
    // SAFETY: the call succeeded and returned a new descriptor, which nobody else knows.
    Ok(ProcessFd { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn ended(process: &ProcessFd, wait: PollTimeout) -> bool {
        let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, wait).unwrap() == 1
    }

    #[test]
    fn a_handle_becomes_readable_when_the_process_ends() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = ProcessFd::open(child.id()).unwrap();
        assert!(!ended(&process, PollTimeout::ZERO));
        child.kill().unwrap();
        assert!(ended(&process, PollTimeout::from(5000u16)));
        child.wait().unwrap();
    }

    #[test]
    fn the_peer_of_a_pair_is_this_process() {
        let (one, _two) = UnixStream::pair().unwrap();
        let (pid, process) = peer_process(&one).unwrap();
        assert_eq!(pid, std::process::id());
        assert!(!ended(&process, PollTimeout::ZERO));
    }
}
