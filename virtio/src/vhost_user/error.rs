//! What can go wrong on the socket.

use std::fmt;
use std::io;

/// Why a message could not be read or written.
///
/// Every one of these leaves the byte stream at an unknown place, so the connection is of no further use.
#[derive(Debug)]
#[non_exhaustive]
pub enum WireError {
    /// The peer closed its end, between two messages or inside one.
    Closed,
    /// The header's flags carry another version than 1 or a bit that has no meaning.
    BadFlags {
        /// The flags word as received.
        flags: u32,
    },
    /// The header announces more payload than [`PAYLOAD_BYTES_MAX`](super::PAYLOAD_BYTES_MAX).
    TooLong {
        /// The announced size in bytes.
        size_bytes: u32,
    },
    /// More file descriptors than [`FDS_MAX`](super::FDS_MAX) came with a message, or this process may open no more.
    TooManyFds,
    /// The deadline passed before the message was complete.
    TimedOut,
    /// The socket reported an error.
    Io(io::Error),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the peer closed the connection"),
            Self::BadFlags { flags } => {
                write!(
                    f,
                    "message flags {flags:#x} are not of vhost-user version 1; check what the peer speaks"
                )
            }
            Self::TooLong { size_bytes } => {
                write!(
                    f,
                    "the peer announced a payload of {size_bytes} bytes, more than {} are never needed",
                    super::PAYLOAD_BYTES_MAX
                )
            }
            Self::TooManyFds => write!(
                f,
                "more than {} file descriptors with one message, or no descriptor left in this process (see 'ulimit -n')",
                super::FDS_MAX
            ),
            Self::TimedOut => f.write_str("the peer did not finish its message in time"),
            Self::Io(error) => write!(f, "socket error: {error}"),
        }
    }
}

impl std::error::Error for WireError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl From<nix::errno::Errno> for WireError {
    fn from(error: nix::errno::Errno) -> Self {
        io::Error::from(error).into()
    }
}
