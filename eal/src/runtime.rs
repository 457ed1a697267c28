//! The runtime directory of a file prefix: where one primary's lock lies and secondaries find it.
//!
//! ```text
//! <base>/<prefix>/config             locked by the primary as long as it lives
//!                 socket             the primary listens here
//!                 secondary.<pid>-n  locked by a secondary as long as it lives
//! ```
//!
//! Locks are flock locks: they end with the process that holds them, however it ends. What a dead process left
//! is removed by the next start.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;

use crate::config::EalConfig;
use crate::error::Error;

const LOCK: &str = "config";
const SOCKET: &str = "socket";
const MEMBER: &str = "secondary.";

/// A primary's hold on the directory of its prefix.
#[derive(Debug)]
pub(crate) struct PrimaryDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl PrimaryDir {
    /// Takes the prefix.
    ///
    /// # Errors
    ///
    /// [`Error::PrimaryRunning`] and [`Error::SecondariesRunning`] when it is in use.
    pub fn create(config: &EalConfig, prefix: &str) -> Result<Self, Error> {
        let path = directory(config, prefix);
        // A primary that ends removes the file between our opening and locking it: look again then.
        for _ in 0..8 {
            make_dir(&path)?;
            let name = path.join(LOCK);
            let lock = lock_file(&name).map_err(Error::io("lock the runtime directory"))?;
            let Some(lock) = lock else {
                let pid = holder(&name);
                return Err(Error::PrimaryRunning { lock: name, pid });
            };
            if is_at(&lock, &name) {
                sign(&lock);
                let dir = Self { path, _lock: lock };
                dir.clean()?;
                return Ok(dir);
            }
        }
        Err(Error::PrimaryRunning { lock: path.join(LOCK), pid: None })
    }

    /// Where the primary listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what dead processes left; refuses while secondaries of an earlier primary live.
    fn clean(&self) -> Result<(), Error> {
        let mut pids = Vec::new();
        let entries = fs::read_dir(&self.path).map_err(Error::io("read the runtime directory"))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(member) = name.to_str().and_then(|name| name.strip_prefix(MEMBER)) else {
                continue;
            };
            match lock_file(&entry.path()) {
                Ok(Some(_)) => drop(fs::remove_file(entry.path())),
                _ => pids.extend(member.split('-').next().and_then(|pid| pid.parse::<u32>().ok())),
            }
        }
        if !pids.is_empty() {
            pids.sort_unstable();
            return Err(Error::SecondariesRunning { dir: self.path.clone(), pids });
        }
        let _ = fs::remove_file(self.path.join(SOCKET));
        Ok(())
    }
}

impl Drop for PrimaryDir {
    fn drop(&mut self) {
        for name in [SOCKET, LOCK] {
            let _ = fs::remove_file(self.path.join(name));
        }
        // Stays when a secondary still has its file there.
        let _ = fs::remove_dir(&self.path);
    }
}

/// A secondary's mark in the directory.
#[derive(Debug)]
pub(crate) struct MemberMark {
    path: PathBuf,
    _lock: Flock<File>,
}

impl MemberMark {
    /// Leaves a mark, so that no new primary starts while this process lives.
    pub fn leave_in(dir: &Path) -> Result<Self, Error> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!("{MEMBER}{}-{serial}", std::process::id()));
        let no_primary = |source: io::Error| Error::NoPrimary { dir: dir.to_path_buf(), source };
        let lock = lock_file(&path).map_err(no_primary)?;
        let lock = lock.ok_or_else(|| no_primary(io::ErrorKind::WouldBlock.into()))?;
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for MemberMark {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        if let Some(dir) = self.path.parent() {
            // Succeeds only for the last one to leave.
            let _ = fs::remove_dir(dir);
        }
    }
}

/// The directory of a prefix.
pub(crate) fn directory(config: &EalConfig, prefix: &str) -> PathBuf {
    config.runtime_dir.clone().unwrap_or_else(default_base).join(prefix)
}

/// `$RUNTIME_DIRECTORY`, else `$XDG_RUNTIME_DIR` if it is this user's, else `/run` for root, else the directory for temporary
/// files; in it `pmd-rs`, which carries the user's id where everybody may write.
fn default_base() -> PathBuf {
    let named = |name| std::env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    // After a change of user the variable may still name the former one's directory.
    let ours = |dir: &PathBuf| fs::metadata(dir).is_ok_and(|meta| meta.uid() == geteuid().as_raw());
    match named("RUNTIME_DIRECTORY").or_else(|| named("XDG_RUNTIME_DIR").filter(ours)) {
        Some(dir) => dir.join("pmd-rs"),
        None if geteuid().is_root() => PathBuf::from("/run/pmd-rs"),
        None => std::env::temp_dir().join(format!("pmd-rs-{}", geteuid())),
    }
}

/// A path to `name` in `dir` that is short enough for a socket address, valid while the file is open.
pub(crate) fn socket_path(dir: &Path) -> io::Result<(File, PathBuf)> {
    use std::os::fd::AsRawFd;
    let handle = File::open(dir)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd())).join(SOCKET);
    Ok((handle, short))
}

/// Makes the directory for us alone, and refuses one that is another user's.
fn make_dir(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    let checked = made.and_then(|()| fs::metadata(path)).and_then(|meta| {
        let ours = meta.uid() == geteuid().as_raw() && meta.mode() & 0o022 == 0;
        ours.then_some(()).ok_or_else(|| io::Error::other("others may write to it"))
    });
    checked.map_err(|source| Error::Configuration(format!(
        "cannot use the runtime directory '{}': {source}; set XDG_RUNTIME_DIR or use --in-memory",
        path.display()
    )))
}

/// Opens and locks a file; `None` when another process holds it.
fn lock_file(path: &Path) -> io::Result<Option<Flock<File>>> {
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(errno.into()),
    }
}

/// Writes into a lock file who holds it, for whoever is kept out.
fn sign(mut file: &File) {
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    // Nobody depends on it: without the name the message is shorter.
    let _ = written;
}

/// The process that signed a lock file.
fn holder(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Whether `file` still is what `path` names.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path) -> EalConfig {
        EalConfig { runtime_dir: Some(dir.into()), ..EalConfig::default() }
    }

    #[test]
    fn one_primary_for_a_prefix() {
        let dir = tempfile::tempdir().unwrap();
        let first = PrimaryDir::create(&config(dir.path()), "a").unwrap();
        let other = PrimaryDir::create(&config(dir.path()), "b").unwrap();
        let error = PrimaryDir::create(&config(dir.path()), "a").unwrap_err();
        let lock = dir.path().join("a/config");
        assert_eq!(
            error.to_string(),
            format!(
                "Cannot create lock on '{}'. Is another primary process running? \
                 Process {} holds it; end it or choose another --file-prefix",
                lock.display(),
                std::process::id()
            )
        );
        drop((first, other));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
        PrimaryDir::create(&config(dir.path()), "a").unwrap();
    }

    #[test]
    fn what_the_dead_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("a");
        DirBuilder::new().mode(0o700).create(&place).unwrap();
        for name in ["config", "socket", "secondary.77-0"] {
            fs::write(place.join(name), "").unwrap();
        }
        let primary = PrimaryDir::create(&config(dir.path()), "a").unwrap();
        let left: Vec<_> = fs::read_dir(primary.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_living_secondary_keeps_new_primaries_out() {
        let dir = tempfile::tempdir().unwrap();
        let primary = PrimaryDir::create(&config(dir.path()), "a").unwrap();
        let mark = MemberMark::leave_in(primary.path()).unwrap();
        drop(primary);
        let error = PrimaryDir::create(&config(dir.path()), "a").unwrap_err();
        assert!(error.to_string().contains(&format!("[{}]", std::process::id())), "{error}");
        drop(mark);
        PrimaryDir::create(&config(dir.path()), "a").unwrap();
    }

    #[test]
    fn a_place_that_cannot_be_a_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "kept").unwrap();
        let error = PrimaryDir::create(&config(&file), "a").unwrap_err().to_string();
        let place = file.join("a");
        assert!(error.contains(&format!("runtime directory '{}'", place.display())), "{error}");
        assert!(error.contains("set XDG_RUNTIME_DIR or use --in-memory"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("a");
        fs::create_dir(&place).unwrap();
        fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let error = PrimaryDir::create(&config(dir.path()), "a").unwrap_err();
        assert!(error.to_string().contains("others may write"), "{error}");
    }
}
