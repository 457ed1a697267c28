//! Where the bytes come from: a memfd with huge pages, a file on hugetlbfs, or a plain memfd.
//!
//! Files are sparse at their full reservation from the start and, where the kernel allows it, sealed against
//! shrinking and growing: nobody who is handed one can pull pages away from under us.

#![allow(unsafe_code, reason = "replaces a file behind its descriptor number")]

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use nix::fcntl::{FcntlArg, Flock, FlockArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::huge::{self, GIANT_PAGE_BYTES};
use super::named::{FileName, NamedFile};

/// Size of a small page in bytes.
pub(crate) const SMALL_PAGE_BYTES: u64 = 4096;

/// What kind of file holds the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BackingKind {
    /// `memfd_create` with `MFD_HUGETLB`.
    HugeMemfd {
        /// Size of its pages in bytes.
        page_bytes: u64,
    },
    /// A file in a hugetlbfs directory.
    HugeFile {
        /// The directory.
        dir: PathBuf,
        /// Its name; `None` for a file that loses its name as soon as it is made.
        name: Option<FileName>,
    },
    /// `memfd_create` with ordinary pages.
    Plain,
}

/// An open file of the window.
#[derive(Debug)]
pub(crate) struct Backing {
    fd: OwnedFd,
    page_bytes: AtomicU64,
    sealed: AtomicBool,
    /// Held while the file is in use under a name.
    _name: Option<NamedFile>,
}

impl Backing {
    /// Creates a sparse file of `len` bytes.
    pub fn create(kind: &BackingKind, len: u64) -> io::Result<Self> {
        match kind {
            BackingKind::HugeMemfd { page_bytes } => {
                let size = match *page_bytes {
                    GIANT_PAGE_BYTES => MFdFlags::MFD_HUGE_1GB,
                    _ => MFdFlags::MFD_HUGE_2MB,
                };
                Self::memfd(MFdFlags::MFD_HUGETLB | size, len, *page_bytes)
            }
            BackingKind::Plain => Self::memfd(MFdFlags::empty(), len, SMALL_PAGE_BYTES),
            BackingKind::HugeFile { dir, name: None } => Self::nameless_file(dir, len),
            BackingKind::HugeFile { dir, name: Some(name) } => Self::named_file(dir, name, len),
        }
    }

    /// Takes over a file that another process created.
    pub fn adopt(fd: OwnedFd, page_bytes: u64) -> Self {
        let sealed = is_sealed(fd.as_fd());
        Self::new(fd, page_bytes, sealed)
    }

    fn new(fd: OwnedFd, page_bytes: u64, sealed: bool) -> Self {
        let (page_bytes, sealed) = (AtomicU64::new(page_bytes), AtomicBool::new(sealed));
        Self { fd, page_bytes, sealed, _name: None }
    }

    /// Puts another, empty file behind the same descriptor number. Only before anything was mapped.
    pub fn replace(&self, kind: &BackingKind, len: u64) -> io::Result<()> {
        let other = Self::create(kind, len)?;
        // SAFETY: both numbers are open descriptors that these two values own; dup3 swaps the file behind
        // ours in one step, and ours stays owned by `self`.
        let result =
            unsafe { libc::dup3(other.fd.as_raw_fd(), self.fd.as_raw_fd(), libc::O_CLOEXEC) };
        nix::errno::Errno::result(result)?;
        self.page_bytes.store(other.page_bytes(), Ordering::Relaxed);
        self.sealed.store(other.is_sealed(), Ordering::Relaxed);
        Ok(())
    }

    /// Page size in bytes.
    pub fn page_bytes(&self) -> u64 {
        self.page_bytes.load(Ordering::Relaxed)
    }

    /// Whether the file is sealed against shrinking and growing.
    pub fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Relaxed)
    }

    /// The file.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// True for pages larger than the machine's own.
    pub fn is_huge(&self) -> bool {
        self.page_bytes() > SMALL_PAGE_BYTES
    }

    fn memfd(extra: MFdFlags, len: u64, page_bytes: u64) -> io::Result<Self> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING | extra;
        let fd = memfd_create(c"pmd-rs", flags)?;
        set_len(fd.as_fd(), len)?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        let sealed = fcntl(&fd, FcntlArg::F_ADD_SEALS(seals)).is_ok();
        Ok(Self::new(fd, page_bytes, sealed))
    }

    /// The file is locked while it has a name, because others clean up unlocked files there, and loses
    /// its name at once, so that nothing is left behind however this process ends.
    fn nameless_file(dir: &Path, len: u64) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let page_bytes = huge::mount(dir)?.page_bytes;
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!("pmd-rs-{}-{serial}", std::process::id()));
        let file = fs::OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock);
        let unlinked = fs::remove_file(&path);
        let fd = OwnedFd::from(locked.map_err(|(_, errno)| errno)?.try_clone()?);
        unlinked?;
        set_len(fd.as_fd(), len)?;
        Ok(Self::new(fd, page_bytes, false))
    }

    fn named_file(dir: &Path, name: &FileName, len: u64) -> io::Result<Self> {
        let page_bytes = huge::mount(dir)?.page_bytes;
        let (fd, name) = NamedFile::take(dir, name)?;
        set_len(fd.as_fd(), len)?;
        Ok(Self { _name: Some(name), ..Self::new(fd, page_bytes, false) })
    }
}

fn set_len(fd: BorrowedFd<'_>, len: u64) -> io::Result<()> {
    let len = i64::try_from(len).map_err(io::Error::other)?;
    Ok(nix::unistd::ftruncate(fd, len)?)
}

/// Whether `fd` can no longer be shrunk.
fn is_sealed(fd: BorrowedFd<'_>) -> bool {
    let seals = fcntl(fd, FcntlArg::F_GET_SEALS).unwrap_or(0);
    seals & SealFlag::F_SEAL_SHRINK.bits() != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_memfd_is_sparse_and_sealed() {
        let backing = Backing::create(&BackingKind::Plain, 1 << 36).unwrap();
        assert!(backing.is_sealed() && is_sealed(backing.fd()));
        let file = fs::File::from(backing.fd().try_clone_to_owned().unwrap());
        let meta = file.metadata().unwrap();
        assert_eq!(meta.len(), 1 << 36);
        assert_eq!(std::os::unix::fs::MetadataExt::blocks(&meta), 0);
        assert!(file.set_len(4096).is_err());
        assert!(file.set_len(1 << 37).is_err());
    }

    #[test]
    fn replacing_keeps_the_descriptor_number() {
        let backing = Backing::create(&BackingKind::Plain, 1 << 21).unwrap();
        let before = backing.fd().as_raw_fd();
        backing.replace(&BackingKind::Plain, 1 << 22).unwrap();
        assert_eq!(backing.fd().as_raw_fd(), before);
        let file = fs::File::from(backing.fd().try_clone_to_owned().unwrap());
        assert_eq!(file.metadata().unwrap().len(), 1 << 22);
    }

    #[test]
    fn an_ordinary_directory_is_no_hugetlbfs() {
        let dir = tempfile::tempdir().unwrap();
        for name in [None, Some(FileName { name: "a".into(), stays: true })] {
            let kind = BackingKind::HugeFile { dir: dir.path().into(), name };
            let error = Backing::create(&kind, 1 << 21).unwrap_err();
            assert!(error.to_string().contains("not a hugetlbfs mount"), "{error}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
