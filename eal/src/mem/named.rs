//! Files in a hugetlbfs directory that have a name for a while, or for good.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// How a file is called, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileName {
    pub name: String,
    /// It keeps its name when the process has ended.
    pub stays: bool,
}

/// A file that is in use under its name. Its lock tells others so: those who clean up leave locked files alone.
#[derive(Debug)]
pub(super) struct NamedFile {
    path: PathBuf,
    stays: bool,
    /// Not the descriptor that peers are given: they would hold the lock with it.
    _lock: Flock<File>,
}

impl NamedFile {
    /// Takes the file over, emptied, or makes it.
    pub fn take(dir: &Path, name: &FileName) -> io::Result<(OwnedFd, Self)> {
        let path = dir.join(&name.name);
        loop {
            let lock = locked(&path)?;
            let file = open(&path)?;
            // Whoever had it before may have removed it just before the lock was free: then this is another file.
            if identity(&file)? == identity(&lock)? {
                file.set_len(0)?;
                return Ok((file.into(), Self { path, stays: name.stays, _lock: lock }));
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    options.open(path)
}

/// The file, which is ours, with its lock.
fn locked(path: &Path) -> io::Result<Flock<File>> {
    let file = open(path)?;
    let meta = file.metadata()?;
    if meta.uid() != nix::unistd::geteuid().as_raw() || !meta.is_file() {
        return Err(io::Error::other(format!("'{}' belongs to somebody else", path.display())));
    }
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
        io::Error::other(format!("'{}' is in use by another process: {errno}", path.display()))
    })
}

/// What tells a file from others.
fn identity(file: &File) -> io::Result<(u64, u64)> {
    let meta = file.metadata()?;
    Ok((meta.dev(), meta.ino()))
}

impl Drop for NamedFile {
    fn drop(&mut self) {
        if !self.stays {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(stays: bool) -> FileName {
        FileName { name: "pmd-rs-a-data".into(), stays }
    }

    #[test]
    fn a_name_lasts_as_long_as_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pmd-rs-a-data");
        drop(NamedFile::take(dir.path(), &name(false)).unwrap());
        assert!(!path.exists());
        drop(NamedFile::take(dir.path(), &name(true)).unwrap());
        assert!(path.exists());
        drop(NamedFile::take(dir.path(), &name(false)).unwrap());
        assert!(!path.exists(), "what another one left is taken over");
    }

    #[test]
    fn old_contents_are_gone_and_a_second_user_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("pmd-rs-a-data"), "old").unwrap();
        let (fd, first) = NamedFile::take(dir.path(), &name(true)).unwrap();
        assert_eq!(File::from(fd).metadata().unwrap().len(), 0);
        let error = NamedFile::take(dir.path(), &name(true)).unwrap_err();
        assert!(error.to_string().contains("in use by another process"), "{error}");
        drop(first);
        assert!(NamedFile::take(dir.path(), &name(true)).is_ok());
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        fs::write(&target, "kept").unwrap();
        std::os::unix::fs::symlink(&target, dir.path().join("pmd-rs-a-data")).unwrap();
        assert!(NamedFile::take(dir.path(), &name(false)).is_err());
        assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
    }

    #[test]
    fn no_two_have_a_file_at_the_same_time_however_often_it_goes() {
        use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let (held, taken) = (AtomicBool::new(false), AtomicU32::new(0));
        let until = std::time::Instant::now() + std::time::Duration::from_secs(2);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while taken.load(Ordering::Relaxed) < 5_000 && std::time::Instant::now() < until
                    {
                        let Ok(file) = NamedFile::take(dir.path(), &name(false)) else { continue };
                        assert!(!held.swap(true, Ordering::SeqCst), "two have it");
                        taken.fetch_add(1, Ordering::Relaxed);
                        // Long enough for others to try.
                        (0..20).for_each(|_| std::thread::yield_now());
                        held.store(false, Ordering::SeqCst);
                        drop(file);
                    }
                });
            }
        });
        assert!(taken.into_inner() > 0);
    }
}
