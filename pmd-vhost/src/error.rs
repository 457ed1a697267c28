//! The errors of this crate.

use std::fmt;
use std::io;
use std::path::PathBuf;

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
    /// The path does not fit a socket address.
    PathTooLong {
        /// The path.
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
            Self::PathInUse { path } => write!(
                f,
                "failed to bind to {}: Address already in use; remove it and try again",
                path.display()
            ),
            Self::PathServed { path } => write!(
                f,
                "failed to bind to {}: Address already in use by a running process; choose another path or end that process",
                path.display()
            ),
            Self::PathTooLong { path } => {
                write!(
                    f,
                    "{} is too long for a socket: use a path of at most 107 bytes",
                    path.display()
                )
            }
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
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
