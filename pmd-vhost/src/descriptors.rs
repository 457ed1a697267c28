//! File descriptors: a process has a soft limit, which it may raise itself up to a hard one.

use std::io;
use std::sync::Mutex;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::Error;
use crate::config::LOG_TARGET;

/// Serialises raising: the limit is the process's.
static RAISING: Mutex<()> = Mutex::new(());

/// Makes sure that the process may have `wanted` descriptors, or as many as its hard limit lets it.
pub(crate) fn reserve(wanted: u64) {
    // The call that lacks one says so.
    let _ = raise_to(wanted);
}

/// Does `attempt`; when it fails for want of a descriptor, raises the soft limit and does it again.
///
/// # Errors
///
/// What `attempt` answers; [`Error::NoDescriptors`] when the hard limit is reached.
pub(crate) fn with_more<T>(
    what: &str,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> Result<T, Error> {
    let lacking = |error: &io::Error| error.raw_os_error() == Some(Errno::EMFILE as i32);
    match attempt() {
        Err(error) if lacking(&error) && raise_to(u64::MAX) => {}
        done => return done.map_err(|error| failed(what, error)),
    }
    attempt().map_err(|error| failed(what, error))
}

fn failed(what: &str, error: io::Error) -> Error {
    match error.raw_os_error() {
        Some(code) if code == Errno::EMFILE as i32 => {
            let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
            Error::NoDescriptors { what: what.to_owned(), limit }
        }
        _ => Error::io(what, error),
    }
}

/// Raises the soft limit to the hard one if it is below `wanted`. Returns whether it was raised.
fn raise_to(wanted: u64) -> bool {
    let _one = RAISING.lock();
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return false };
    if soft >= wanted.min(hard) || setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() {
        return false;
    }
    log::info!(target: LOG_TARGET, "open files: the limit was raised from {soft} to {hard}");
    true
}
