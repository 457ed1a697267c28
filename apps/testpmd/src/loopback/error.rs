//! Why the loop could not run.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Longest wait for the link.
pub const LINK_DEADLINE: Duration = Duration::from_secs(10);

/// Why the loop could not run.
#[derive(Debug)]
pub enum Error {
    /// A folder for the socket.
    Folder(PathBuf, std::io::Error),
    /// A port or its memory.
    Port(pmd_core::Error),
    /// Memory or lcores.
    Eal(eal::Error),
    /// The two ports did not find each other in time.
    NoLink,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path, error) => {
                write!(f, "cannot make the folder {} for the socket: {error}", path.display())
            }
            Self::Port(error) => error.fmt(f),
            Self::Eal(error) => error.fmt(f),
            Self::NoLink => write!(
                f,
                "the two ports did not connect within {} s; is this machine very busy? Try again",
                LINK_DEADLINE.as_secs()
            ),
        }
    }
}

impl From<pmd_core::Error> for Error {
    fn from(error: pmd_core::Error) -> Self {
        Self::Port(error)
    }
}

impl From<eal::Error> for Error {
    fn from(error: eal::Error) -> Self {
        Self::Eal(error)
    }
}
