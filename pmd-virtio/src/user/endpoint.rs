//! How a port comes to a connection: by connecting to a path, or by listening there.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
};
use nix::sys::stat::{Mode, fchmod};
use pmd_core::Error;

use super::backoff::SHORTEST;

/// One end of the socket path. A server's socket file is removed when it is dropped, if it is still the one it made.
#[derive(Debug)]
pub enum Endpoint {
    /// Connects to a back-end that listens on the path.
    Client(PathBuf),
    /// Listens on the path for a back-end that connects.
    Server(Listener),
}

impl Endpoint {
    /// An endpoint at `path`. A server's socket exists and accepts connections when this returns.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when a server's socket cannot be made; a file that is in the way is left there.
    pub fn open(path: &Path, server: bool) -> Result<Self, Error> {
        if server {
            Ok(Self::Server(Listener::bind(path)?))
        } else {
            Ok(Self::Client(path.to_owned()))
        }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Client(path) => path,
            Self::Server(listener) => &listener.path,
        }
    }

    /// The descriptor that becomes readable when a connection can be had; none for a client, which has to ask.
    pub fn readable(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Client(_) => None,
            Self::Server(listener) => Some(listener.socket.as_fd()),
        }
    }

    /// How long to wait before asking again when there was no connection; a server need not ask.
    pub fn retry(&self) -> Duration {
        match self {
            Self::Client(_) => SHORTEST,
            Self::Server(_) => Duration::ZERO,
        }
    }

    /// A connection if there is one to be had now; `None` means later. Never blocks.
    ///
    /// # Errors
    ///
    /// Whatever waiting longer may not mend: permissions, descriptors used up.
    pub fn attempt(&self) -> io::Result<Option<UnixStream>> {
        let result = match self {
            Self::Client(path) => connect_now(path).map_err(|errno| connect_error(path, errno)),
            Self::Server(listener) => listener.socket.accept().map(|(stream, _)| stream),
        };
        match result {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if is_not_yet(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Nobody there, nobody waiting, its backlog full, or gone between two calls.
fn is_not_yet(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, Interrupted, NotFound, WouldBlock};
    matches!(
        error.kind(),
        NotFound | ConnectionRefused | WouldBlock | Interrupted | ConnectionAborted
    )
}

fn stream_socket() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

fn connect_now(path: &Path) -> Result<UnixStream, Errno> {
    let fd = stream_socket()?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(fd))
}

/// A listening socket and the file it made.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    file: Option<(u64, u64)>,
}

impl Listener {
    /// The socket file is for its owner alone (mode 0600): who can connect can write the port's rings.
    fn bind(path: &Path) -> Result<Self, Error> {
        let made = || {
            let fd = stream_socket()?;
            fchmod(&fd, Mode::S_IRUSR | Mode::S_IWUSR)?;
            bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
            Ok(fd)
        };
        let fd = made().map_err(|errno| bind_error(path, errno))?;
        let listener =
            Self { socket: UnixListener::from(fd), path: path.to_owned(), file: identity(path) };
        let backlog = Backlog::new(1).unwrap_or(Backlog::MAXALLOWABLE);
        listen(&listener.socket, backlog)
            .map_err(|errno| Error::io(format!("listening on {}", path.display()), errno))?;
        log::info!(target: super::TARGET, "({}) waiting for client connection...", path.display());
        Ok(listener)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.file.is_some() && self.file == identity(&self.path) {
            // A directory that has become read-only leaves the file behind; nothing else can be done here.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Device and inode: what tells the file at `path` from a later one of that name.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

fn bind_error(path: &Path, errno: Errno) -> Error {
    let system = io::Error::from(errno);
    let what = format!("failed to bind to {}", path.display());
    let known = errno.desc();
    let advice = match errno {
        Errno::EADDRINUSE if is_served(path) => {
            format!("{known} by a running process; choose another path or end that process")
        }
        Errno::EADDRINUSE => format!("{known}; remove it and try again"),
        Errno::ENOENT => {
            let folder = path.parent().unwrap_or(path).display();
            format!("{known}; make the folder {folder} first")
        }
        _ => return Error::io(what, system),
    };
    Error::io(what, io::Error::new(system.kind(), advice))
}

/// Who sees a socket has the right to its folder: then it is the socket that is another's.
fn connect_error(path: &Path, errno: Errno) -> io::Error {
    let system = io::Error::from(errno);
    let advice = match errno {
        Errno::EACCES if path.exists() => {
            "the socket belongs to another user: run both as one user, or give this one write permission on it"
        }
        Errno::EACCES => "use a folder that this user may look into",
        _ => return system,
    };
    io::Error::new(system.kind(), format!("{system}; {advice}"))
}

/// Whether a process has a socket bound at the path. A datagram socket asks: that a stream cannot take it shows that there is
/// one, and whoever listens there notices nothing.
fn is_served(path: &Path) -> bool {
    let asking = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None);
    let answer = asking.and_then(|fd| connect(fd.as_raw_fd(), &UnixAddr::new(path)?));
    matches!(answer, Ok(()) | Err(Errno::EPROTOTYPE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_client_waits_for_its_server_whatever_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let client = Endpoint::open(&path, false).unwrap();
        assert!(client.attempt().unwrap().is_none(), "no file");
        drop(UnixListener::bind(&path).unwrap());
        assert!(client.attempt().unwrap().is_none(), "a file that nobody listens on");
        std::fs::remove_file(&path).unwrap();
        let _server = UnixListener::bind(&path).unwrap();
        assert!(client.attempt().unwrap().is_some());
    }

    #[test]
    fn a_server_removes_what_it_made_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let server = Endpoint::open(&path, true).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let second = Endpoint::open(&path, true).unwrap_err().to_string();
        assert!(second.contains("Address already in use by a running process; choose"), "{second}");
        assert!(path.exists(), "the file in the way was touched");
        assert!(server.attempt().unwrap().is_none(), "the server was disturbed");
        drop(server);
        assert!(!path.exists());

        drop(UnixListener::bind(&path).unwrap());
        let stale = Endpoint::open(&path, true).unwrap_err().to_string();
        assert!(stale.contains("Address already in use; remove it and try again"), "{stale}");
        std::fs::remove_file(&path).unwrap();
        let nowhere = Endpoint::open(&dir.path().join("no/s"), true).unwrap_err().to_string();
        assert!(nowhere.ends_with("/no first"), "{nowhere}");

        let server = Endpoint::open(&path, true).unwrap();
        std::fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        drop(server);
        assert!(path.exists(), "the file of another was removed");
        drop(other);
    }

    #[test]
    fn a_server_accepts_without_blocking() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let server = Endpoint::open(&path, true).unwrap();
        assert!(server.attempt().unwrap().is_none());
        let _peer = UnixStream::connect(&path).unwrap();
        assert!(server.attempt().unwrap().is_some());
    }

    #[test]
    fn a_client_without_the_right_is_told_whose_to_ask_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let hidden = connect_error(&path, Errno::EACCES).to_string();
        assert!(hidden.ends_with("; use a folder that this user may look into"), "{hidden}");
        let _anothers = UnixListener::bind(&path).unwrap();
        let text = connect_error(&path, Errno::EACCES).to_string();
        assert!(text.starts_with("Permission denied"), "{text}");
        assert!(text.contains("belongs to another user: run both as one user"), "{text}");
        assert!(is_not_yet(&connect_error(&path, Errno::ECONNREFUSED)));
    }
}
