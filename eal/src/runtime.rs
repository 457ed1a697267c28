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
            make_dirs(&path, config.runtime_dir.is_none())?;
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

/// Makes the directory of a prefix. Whoever owns the folder that it lies in can put another in its place, so that one is made
/// and looked at first if it is ours to choose.
fn make_dirs(path: &Path, own_base: bool) -> Result<(), Error> {
    if let Some(base) = path.parent().filter(|_| own_base) {
        make_dir(base)?;
    }
    make_dir(path)
}

/// Makes the directory for us alone, and refuses one that is another user's.
fn make_dir(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.and_then(|()| check_dir(path)).map_err(|source| unusable(path, &source))
}

/// Refuses the directory of a primary, and the folder that it lies in, that another user could have put there to be believed.
/// One that is not there is for the caller to find out.
pub(crate) fn check_dirs(config: &EalConfig, path: &Path) -> Result<(), Error> {
    let bases = path.parent().filter(|_| config.runtime_dir.is_none());
    let found = bases.into_iter().chain([path]).filter(|dir| fs::symlink_metadata(dir).is_ok());
    found.into_iter().try_for_each(|dir| check_dir(dir).map_err(|source| unusable(dir, &source)))
}

fn check_dir(path: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    if !meta.is_dir() {
        return Err(io::Error::other("it is no directory"));
    }
    let ours = meta.uid() == geteuid().as_raw() && meta.mode() & 0o022 == 0;
    ours.then_some(()).ok_or_else(|| io::Error::other("others may write to it"))
}

fn unusable(path: &Path, source: &io::Error) -> Error {
    Error::Configuration(format!(
        "cannot use the runtime directory '{}': {source}; set XDG_RUNTIME_DIR or use --in-memory",
        path.display()
    ))
}

/// Opens and locks a file; `None` when another process holds it.
fn lock_file(path: &Path) -> io::Result<Option<Flock<File>>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    // A link would have another file locked and emptied.
    let file = options.custom_flags(libc::O_NOFOLLOW).open(path)?;
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
    match (file.metadata(), fs::symlink_metadata(path)) {
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

    #[test]
    fn a_base_that_others_may_write_to_is_refused_before_anything_is_made_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("base");
        fs::create_dir(&base).unwrap();
        fs::set_permissions(&base, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let error = make_dirs(&base.join("rte"), true).unwrap_err().to_string();
        let start = format!("cannot use the runtime directory '{}': others may", base.display());
        assert!(error.starts_with(&start), "{error}");
        assert_eq!(fs::read_dir(&base).unwrap().count(), 0);
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        DirBuilder::new().mode(0o700).create(&target).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let error = make_dirs(&link.join("rte"), true).unwrap_err().to_string();
        assert!(error.contains("it is no directory"), "{error}");
        assert_eq!(fs::read_dir(&target).unwrap().count(), 0);

        let victim = dir.path().join("victim");
        fs::write(&victim, "kept").unwrap();
        std::os::unix::fs::symlink(&victim, target.join(LOCK)).unwrap();
        assert!(PrimaryDir::create(&config(dir.path()), "target").is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "kept");
    }

    #[test]
    fn no_primary_is_believed_whose_directory_others_may_change() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("a");
        let config = config(dir.path());
        assert!(check_dirs(&config, &place).is_ok(), "not there: the caller says so");
        fs::create_dir(&place).unwrap();
        fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let error = check_dirs(&config, &place).unwrap_err().to_string();
        assert!(error.contains("others may write"), "{error}");
        fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        assert!(check_dirs(&config, &place).is_ok());
    }
}
