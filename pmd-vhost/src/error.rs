//! The errors of this crate.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::guest_memory::BadTable;

/// What an embedder's call can answer, and why a memory table is refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The number of queue pairs is not 1 to [`QUEUE_PAIRS_MAX`](crate::config::QUEUE_PAIRS_MAX).
    QueuePairs {
        /// What was asked for.
        asked: u16,
    },
    /// Features were to be offered that are not implemented.
    UnknownFeatures {
        /// Their bits.
        bits: u64,
    },
    /// Something that no process uses as a socket lies at the path where the socket was to be made.
    PathInUse {
        /// The path.
        path: PathBuf,
    },
    /// Another socket, in use by a process, lies at the path where the socket was to be made.
    PathServed {
        /// The path.
        path: PathBuf,
    },
    /// A file or folder that is no socket lies at the path where the socket was to be made.
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The folder in which the socket was to be made is not there.
    NoFolder {
        /// The socket's path.
        path: PathBuf,
    },
    /// The process may not make a socket there, or may not use the one that is there.
    Forbidden {
        /// What was being done.
        what: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// The socket to connect to is another user's, who alone may write to it.
    ForeignSocket {
        /// The path.
        path: PathBuf,
    },
    /// The path does not fit a socket address.
    PathTooLong {
        /// The path.
        path: PathBuf,
    },
    /// The process has all the file descriptors that it may have.
    NoDescriptors {
        /// What one was wanted for.
        what: String,
        /// How many it may have.
        limit: u64,
    },
    /// A service has as many devices as it can have.
    TooManyDevices {
        /// The path of the one too many.
        path: PathBuf,
    },
    /// A system call failed.
    Io {
        /// What was being done.
        what: String,
        /// What the system answered.
        source: io::Error,
    },
    /// A poller did not leave its burst in time.
    Quarantined {
        /// The ring that could not be stopped.
        ring: usize,
    },
    /// The control thread is gone.
    ServiceEnded,
    /// A ring is polled by another handle.
    Claimed {
        /// The ring.
        ring: usize,
        /// Who polls it.
        holder: String,
    },
    /// There is no such ring.
    NoRing {
        /// The ring asked for.
        ring: usize,
    },
    /// A memory table was refused; nothing was replaced.
    MemoryTable(BadTable),
}

impl Error {
    /// An [`Error::Io`] with the action that failed.
    pub(crate) fn io(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io { what: what.into(), source: source.into() }
    }
}

/// The folder that a path lies in.
fn folder_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueuePairs { asked } => {
                write!(f, "{asked} queue pairs: give 1 to {}", crate::config::QUEUE_PAIRS_MAX)
            }
            Self::UnknownFeatures { bits } => {
                write!(
                    f,
                    "features {bits:#x} are not implemented and cannot be offered: leave them out"
                )
            }
            Self::NoDescriptors { what, limit } => write!(
                f,
                "{what}: Too many open files; the process may have {limit}: allow more with 'ulimit -n {}' before starting it",
                limit.saturating_mul(4).max(4096)
            ),
            Self::TooManyDevices { path } => write!(
                f,
                "failed to add listen fd: {}: a process has at most {} vhost-user sockets; use fewer, or a second process",
                path.display(),
                crate::service::DEVICES_MAX
            ),
            Self::Io { what, source } => write!(f, "{what}: {source}"),
            Self::Quarantined { ring } => write!(
                f,
                "the thread that polls ring {ring} does not leave its burst; the ring is set aside until it does"
            ),
            Self::ServiceEnded => f.write_str("the vhost service has ended: make a new one"),
            Self::Claimed { ring, holder } => {
                write!(f, "ring {ring} is polled by {holder}: drop that handle first")
            }
            Self::NoRing { ring } => {
                write!(f, "there is no ring {ring}: make the device with more queue pairs")
            }
            Self::MemoryTable(bad) => write!(f, "memory table refused: {bad}"),
            _ => self.fmt_socket(f),
        }
    }
}

impl Error {
    /// What keeps a socket from being made or reached.
    fn fmt_socket(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PathInUse { path } => fmt_in_use(f, path, "; remove it and try again"),
            Self::NotASocket { path } => {
                fmt_in_use(f, path, " by something that is no socket; choose another path")
            }
            Self::NoFolder { path } => write!(
                f,
                "failed to bind to {}: No such file or directory; make the folder {} first",
                path.display(),
                folder_of(path).display()
            ),
            Self::Forbidden { what, path } => write!(
                f,
                "failed to {what} {}: Permission denied; use a folder that belongs to you, or ask for the right to {}",
                path.display(),
                folder_of(path).display()
            ),
            Self::PathServed { path } => fmt_in_use(
                f,
                path,
                " by a running process; choose another path or end that process",
            ),
            Self::PathTooLong { path } => {
                write!(
                    f,
                    "{} is too long for a socket: use a path of at most 107 bytes",
                    path.display()
                )
            }
            Self::ForeignSocket { path } => write!(
                f,
                "failed to connect to {}: Permission denied; the socket belongs to another user: run both as one user, or \
                 give this one write permission on it",
                path.display()
            ),
            _ => Ok(()),
        }
    }
}

fn fmt_in_use(f: &mut fmt::Formatter<'_>, path: &Path, more: &str) -> fmt::Result {
    write!(f, "failed to bind to {}: Address already in use{more}", path.display())
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
