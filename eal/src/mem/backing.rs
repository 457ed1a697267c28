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

/// Size of the huge pages used through memfd, in bytes.
pub(crate) const HUGE_PAGE_BYTES: u64 = 2 << 20;

/// Size of a small page in bytes.
pub(crate) const SMALL_PAGE_BYTES: u64 = 4096;

/// What kind of file holds the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BackingKind {
    /// `memfd_create` with `MFD_HUGETLB`.
    HugeMemfd,
    /// A file in a hugetlbfs directory.
    HugeFile(PathBuf),
    /// `memfd_create` with ordinary pages.
    Plain,
}

/// An open file of the window.
#[derive(Debug)]
pub(crate) struct Backing {
    fd: OwnedFd,
    page_bytes: AtomicU64,
    sealed: AtomicBool,
}

impl Backing {
    /// Creates a sparse file of `len` bytes.
    pub fn create(kind: &BackingKind, len: u64) -> io::Result<Self> {
        match kind {
            BackingKind::HugeMemfd => {
                let huge = MFdFlags::MFD_HUGETLB | MFdFlags::MFD_HUGE_2MB;
                Self::memfd(huge, len, HUGE_PAGE_BYTES)
            }
            BackingKind::Plain => Self::memfd(MFdFlags::empty(), len, SMALL_PAGE_BYTES),
            BackingKind::HugeFile(dir) => Self::huge_file(dir, len),
        }
    }

    /// Takes over a file that another process created.
    pub fn adopt(fd: OwnedFd, page_bytes: u64) -> Self {
        let sealed = is_sealed(fd.as_fd());
        Self::new(fd, page_bytes, sealed)
    }

    fn new(fd: OwnedFd, page_bytes: u64, sealed: bool) -> Self {
        Self { fd, page_bytes: AtomicU64::new(page_bytes), sealed: AtomicBool::new(sealed) }
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
    fn huge_file(dir: &Path, len: u64) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let page_bytes = huge_dir_page_bytes(dir)?;
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
}

/// Bytes of free 2 MiB pages that nobody has reserved, from a sysfs tree at `sysfs` (normally `/sys`).
pub(crate) fn free_huge_bytes(sysfs: &Path) -> u64 {
    let dir = sysfs.join("kernel/mm/hugepages/hugepages-2048kB");
    let read = |name| read_number(&dir.join(name)).unwrap_or(0);
    read("free_hugepages").saturating_sub(read("resv_hugepages")) * HUGE_PAGE_BYTES
}

/// How many 2 MiB pages the machine has set aside in all.
pub(crate) fn total_huge_pages(sysfs: &Path) -> u64 {
    read_number(&sysfs.join("kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")).unwrap_or(0)
}

/// Page size of the hugetlbfs mounted at `dir`, in bytes.
pub(crate) fn huge_dir_page_bytes(dir: &Path) -> io::Result<u64> {
    let stat = nix::sys::statfs::statfs(dir)?;
    if stat.filesystem_type() != nix::sys::statfs::HUGETLBFS_MAGIC {
        return Err(io::Error::other(format!("{} is not a hugetlbfs mount", dir.display())));
    }
    u64::try_from(stat.block_size()).map_err(io::Error::other)
}

/// Bytes of free pages behind the hugetlbfs mounted at `dir`.
pub(crate) fn huge_dir_free_bytes(dir: &Path) -> io::Result<u64> {
    let page_bytes = huge_dir_page_bytes(dir)?;
    let pool = format!("/sys/kernel/mm/hugepages/hugepages-{}kB/free_hugepages", page_bytes / 1024);
    Ok(read_number(Path::new(&pool)).unwrap_or(0) * page_bytes)
}

fn read_number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
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
    fn free_pages_are_read_from_sysfs() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(free_huge_bytes(root.path()), 0);
        let dir = root.path().join("kernel/mm/hugepages/hugepages-2048kB");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("free_hugepages"), "10\n").unwrap();
        fs::write(dir.join("resv_hugepages"), "4\n").unwrap();
        fs::write(dir.join("nr_hugepages"), "12\n").unwrap();
        assert_eq!(free_huge_bytes(root.path()), 6 * HUGE_PAGE_BYTES);
        assert_eq!(total_huge_pages(root.path()), 12);
    }

    #[test]
    fn an_ordinary_directory_is_no_hugetlbfs() {
        let dir = tempfile::tempdir().unwrap();
        let error =
            Backing::create(&BackingKind::HugeFile(dir.path().into()), 1 << 21).unwrap_err();
        assert!(error.to_string().contains("not a hugetlbfs mount"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
