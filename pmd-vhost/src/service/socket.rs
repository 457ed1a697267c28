//! The two ways to a connection: a listening socket of ours, or connecting to the front-end's.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
};
use nix::sys::stat::{Mode, fchmod};

use crate::Error;
use crate::descriptors::with_more;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// A listening socket at a path. Dropping it removes the path, if what lies there is still this socket.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: UnixListener,
    path: PathBuf,
    identity: Option<Identity>,
}

impl Listener {
    /// Makes the socket, readable and writable for its owner only. What exists at the path is never removed.
    ///
    /// # Errors
    ///
    /// One of its own for each reason that a user can do something about; [`Error::Io`] for the others.
    pub(crate) fn bind(path: &Path) -> Result<Self, Error> {
        let addr = address(path)?;
        let what = format!("failed to bind to {}", path.display());
        let failed = |errno: Errno| Error::io(what.clone(), errno);
        let fd = with_more(&what, || stream_socket().map_err(Into::into))?;
        // The mode of the socket is what the path is made with: it is never open to others.
        fchmod(&fd, Mode::S_IRUSR | Mode::S_IWUSR).map_err(failed)?;
        bind(fd.as_raw_fd(), &addr).map_err(|errno| refused(errno, path, &addr))?;
        let listener = Self { socket: fd.into(), path: path.to_owned(), identity: identity(path) };
        let backlog = Backlog::new(BACKLOG).unwrap_or(Backlog::MAXCONN);
        listen(&listener.socket, backlog).map_err(failed)?;
        Ok(listener)
    }

    pub(crate) fn socket(&self) -> &UnixListener {
        &self.socket
    }

    /// The next connection, or `None` when none waits.
    pub(crate) fn accept(&self) -> io::Result<Option<UnixStream>> {
        match self.socket.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                Ok(Some(stream))
            }
            Err(error) if is_transient(error.kind()) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn is_transient(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(kind, WouldBlock | Interrupted | ConnectionAborted)
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // Somebody may have been faster; then there is nothing left to do.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Device, inode and time of birth of a path: an inode number alone may be used again.
type Identity = (u64, u64, Option<SystemTime>);

/// What lies at `path`, not following a link.
fn identity(path: &Path) -> Option<Identity> {
    std::fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino(), meta.created().ok()))
}

fn address(path: &Path) -> Result<UnixAddr, Error> {
    UnixAddr::new(path).map_err(|_| Error::PathTooLong { path: path.to_owned() })
}

/// Whether a process has a socket bound at the address. A datagram socket asks: that a stream cannot take it shows that there is
/// one, and whoever listens there notices nothing.
fn is_served(addr: &UnixAddr) -> bool {
    let asking = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None);
    let answer = asking.and_then(|fd| connect(fd.as_raw_fd(), addr));
    matches!(answer, Ok(()) | Err(Errno::EPROTOTYPE))
}

/// Why a socket cannot be made at `path`, in terms of what to do.
fn refused(errno: Errno, path: &Path, addr: &UnixAddr) -> Error {
    let path = path.to_owned();
    match errno {
        Errno::EADDRINUSE if is_served(addr) => Error::PathServed { path },
        Errno::EADDRINUSE if !may_be_removed(&path) => Error::NotASocket { path },
        Errno::EADDRINUSE => Error::PathInUse { path },
        Errno::ENOENT | Errno::ENOTDIR => Error::NoFolder { path },
        Errno::EACCES | Errno::EPERM => Error::Forbidden { what: "bind to", path },
        errno => Error::io(format!("failed to bind to {}", path.display()), errno),
    }
}

/// Whether what lies at `path` is a socket, or a link without target: nothing that somebody could miss.
fn may_be_removed(path: &Path) -> bool {
    let here = std::fs::symlink_metadata(path).map(|meta| meta.file_type());
    let is_link = here.as_ref().is_ok_and(|kind| kind.is_symlink());
    here.is_ok_and(|kind| kind.is_socket()) || is_link && !path.exists()
}

fn stream_socket() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

/// Connects to the front-end's socket without blocking.
///
/// # Errors
///
/// Whatever stands in the way; nobody listening yet is the usual case.
pub(crate) fn connect_to(path: &Path) -> Result<UnixStream, Error> {
    let addr = address(path)?;
    let what = format!("failed to connect to {}", path.display());
    let fd = with_more(&what, || stream_socket().map_err(Into::into))?;
    connect(fd.as_raw_fd(), &addr).map_err(|errno| match errno {
        Errno::EACCES => no_right_to(path),
        errno => Error::io(what, errno),
    })?;
    Ok(fd.into())
}

/// Who sees the socket has the right to its folder, so it is the socket that is another's.
fn no_right_to(path: &Path) -> Error {
    let seen = std::fs::metadata(path).is_ok();
    let path = path.to_owned();
    match seen {
        true => Error::ForeignSocket { path },
        false => Error::Forbidden { what: "connect to", path },
    }
}

/// Whether a client path can be a socket address at all.
///
/// # Errors
///
/// [`Error::PathTooLong`].
pub(crate) fn check_path(path: &Path) -> Result<(), Error> {
    address(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_socket_is_private_and_goes_with_the_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        let listener = Listener::bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(listener.accept().unwrap().is_none());
        let _client = connect_to(&path).unwrap();
        assert!(listener.accept().unwrap().is_some());
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn what_lies_at_the_path_is_never_removed() {
        let dir = tempfile::tempdir().unwrap();
        let stale = dir.path().join("stale");
        drop(UnixListener::bind(&stale).unwrap());
        let dangling = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("nowhere"), &dangling).unwrap();
        for path in [&stale, &dangling] {
            let error = Listener::bind(path).unwrap_err();
            assert!(matches!(error, Error::PathInUse { .. }), "{error}");
            assert!(error.to_string().ends_with("Address already in use; remove it and try again"));
            assert!(std::fs::symlink_metadata(path).is_ok(), "{} was removed", path.display());
        }
    }

    #[test]
    fn nobody_is_told_to_remove_what_is_no_socket() {
        let dir = tempfile::tempdir().unwrap();
        let (file, folder) = (dir.path().join("file"), dir.path().join("folder"));
        std::fs::write(&file, "x").unwrap();
        std::fs::create_dir(&folder).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for path in [&file, &folder, &link] {
            let text = Listener::bind(path).unwrap_err().to_string();
            assert!(
                text.ends_with("by something that is no socket; choose another path"),
                "{text}"
            );
        }
        assert_eq!(std::fs::read_to_string(&link).unwrap(), "x");
    }

    #[test]
    fn a_socket_that_is_in_use_is_not_to_be_removed_and_is_not_disturbed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("live");
        let live = UnixListener::bind(&path).unwrap();
        let error = Listener::bind(&path).unwrap_err();
        assert!(matches!(error, Error::PathServed { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("already in use by a running process; choose another path"),
            "{text}"
        );
        live.set_nonblocking(true).unwrap();
        assert_eq!(live.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_path_that_was_replaced_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        let listener = Listener::bind(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(listener);
        assert!(path.exists());
    }

    #[test]
    fn errors_name_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(200));
        assert!(matches!(Listener::bind(&long), Err(Error::PathTooLong { .. })));
        assert!(matches!(check_path(&long), Err(Error::PathTooLong { .. })));
        let missing = dir.path().join("no/such/dir/sock");
        let error = Listener::bind(&missing).unwrap_err().to_string();
        assert!(
            error.contains("no/such/dir/sock: No such file or directory; make the folder"),
            "{error}"
        );
        assert!(error.ends_with("no/such/dir first"), "{error}");
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let below = Listener::bind(&file.join("sock")).unwrap_err().to_string();
        assert!(below.contains("make the folder"), "{below}");
        assert!(connect_to(&dir.path().join("nobody")).is_err());
    }

    #[test]
    fn what_the_system_forbids_says_whom_to_ask() {
        let path = Path::new("/run/somewhere/sock");
        let addr = address(path).unwrap();
        for errno in [Errno::EACCES, Errno::EPERM] {
            let text = refused(errno, path, &addr).to_string();
            assert!(
                text.contains("bind to /run/somewhere/sock: Permission denied; use a folder that"),
                "{text}"
            );
            assert!(text.ends_with("/run/somewhere"), "{text}");
        }
        let hidden = no_right_to(path).to_string();
        assert!(hidden.contains("Permission denied; use a folder that"), "{hidden}");
        let dir = tempfile::tempdir().unwrap();
        let seen = dir.path().join("sock");
        let _anothers = UnixListener::bind(&seen).unwrap();
        let text = no_right_to(&seen).to_string();
        assert!(
            text.contains("belongs to another user: run both as one user, or give this one write"),
            "{text}"
        );
        let other = refused(Errno::EROFS, path, &addr).to_string();
        assert!(other.contains("failed to bind to /run/somewhere/sock: "), "{other}");
    }

    #[test]
    fn a_relative_path_lies_in_this_folder() {
        let error = Error::NoFolder { path: "sock".into() };
        assert!(error.to_string().ends_with("make the folder . first"), "{error}");
    }
}
