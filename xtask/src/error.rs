//! What can stop a command before it has an answer.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a command could not do its work at all. A failed test or check is not an error.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The command line holds something that the command does not know.
    Usage(lexopt::Error),
    /// There is no command of that name.
    UnknownCommand(String),
    /// A program could not be started.
    Start {
        /// The program's name or path.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ran and failed where its result was needed.
    Program(String),
    /// A file could not be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `cargo metadata` printed something that is not what its format promises.
    Metadata(&'static str),
    /// The system refused something that has no file or program to name.
    System(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => write!(f, "{error}; --help lists the options"),
            Self::UnknownCommand(name) => {
                write!(f, "no command \"{name}\"; cargo xtask --help lists them")
            }
            Self::Start { program, source } => {
                write!(f, "cannot start {program}: {source}; is it installed and in PATH?")
            }
            Self::Program(command) => write!(f, "`{command}` failed; its own output says why"),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Metadata(what) => write!(f, "cargo metadata: {what} is not there; update cargo"),
            Self::System(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<lexopt::Error> for Error {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error)
    }
}
