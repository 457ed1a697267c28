//! The errors of this crate.

use std::fmt;
use std::io;
use std::path::PathBuf;

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
    /// Something lies at the path where the socket was to be made.
    PathInUse {
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
    },
    /// There is no such ring.
    NoRing {
        /// The ring asked for.
        ring: usize,
    },
    /// A memory table has no region or too many.
    RegionCount {
        /// How many there are.
        count: usize,
    },
    /// A region of a memory table cannot be used.
    Region {
        /// Which one, counted from 0.
        index: usize,
        /// What is wrong with it.
        fault: RegionFault,
    },
}

/// What is wrong with one region of a memory table.
#[derive(Debug)]
#[non_exhaustive]
pub enum RegionFault {
    /// Its size is zero.
    Empty,
    /// An address or offset plus the size wraps around, or does not fit this machine.
    Wraps,
    /// It shares guest or user addresses with another region.
    Overlaps,
    /// It ends beyond the end of its file.
    BeyondFile,
    /// Its file cannot be mapped.
    Map(io::Error),
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
                write!(f, "features {bits:#x} are not implemented and cannot be offered: leave them out")
            }
            Self::PathInUse { path } => write!(
                f,
                "failed to bind to {}: Address already in use; remove it and try again",
                path.display()
            ),
            Self::PathTooLong { path } => {
                write!(f, "{} is too long for a socket: use a path of at most 107 bytes", path.display())
            }
            Self::Io { what, source } => write!(f, "{what}: {source}"),
            Self::Quarantined { ring } => write!(
                f,
                "the thread that polls ring {ring} does not leave its burst; the ring is set aside until it does"
            ),
            Self::ServiceEnded => f.write_str("the vhost service has ended: make a new one"),
            Self::Claimed { ring } => write!(f, "ring {ring} is polled already: drop that handle first"),
            Self::NoRing { ring } => write!(f, "there is no ring {ring}: make the device with more queue pairs"),
            Self::RegionCount { count } => write!(f, "{count} memory regions: 1 to 8 can be mapped"),
            Self::Region { index, fault } => write!(f, "memory region {index}: {fault}"),
        }
    }
}

impl fmt::Display for RegionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("its size is zero"),
            Self::Wraps => f.write_str("its address or offset plus its size wraps around"),
            Self::Overlaps => f.write_str("it overlaps another region"),
            Self::BeyondFile => f.write_str("it ends beyond the end of its file"),
            Self::Map(error) => write!(f, "its file cannot be mapped: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::Region { fault: RegionFault::Map(source), .. } => Some(source),
            _ => None,
        }
    }
}
