//! The machine's huge pages: how many are free, in its pools, on its memory nodes and behind its mounts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Size of the huge pages that every machine of ours has, in bytes.
pub(crate) const HUGE_PAGE_BYTES: u64 = 2 << 20;
/// Size of the largest pages that are used, in bytes.
pub(crate) const GIANT_PAGE_BYTES: u64 = 1 << 30;

/// The pages of one size that are kept for whoever asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Pool {
    /// Bytes of free pages that nobody has reserved.
    pub free_bytes: u64,
    /// How many pages there are in all.
    pub pages: u64,
}

/// The pool of a page size, from a tree at `sysfs` (normally `/sys`).
pub(crate) fn pool(sysfs: &Path, page_bytes: u64) -> Pool {
    let dir = sysfs.join("kernel/mm/hugepages").join(pool_name(page_bytes));
    let read = |name| read_number(&dir.join(name)).unwrap_or(0);
    let free = read("free_hugepages").saturating_sub(read("resv_hugepages"));
    Pool { free_bytes: free.saturating_mul(page_bytes), pages: read("nr_hugepages") }
}

/// The same on one memory node, where the kernel does not tell what is reserved.
pub(crate) fn node_pool(sysfs: &Path, node: u32, page_bytes: u64) -> Pool {
    let dir = node_dir(sysfs, node, page_bytes);
    let read = |name| read_number(&dir.join(name)).unwrap_or(0);
    let free_bytes = read("free_hugepages").saturating_mul(page_bytes);
    Pool { free_bytes, pages: read("nr_hugepages") }
}

/// Where a node's pages of one size are described and set.
pub(crate) fn node_dir(sysfs: &Path, node: u32, page_bytes: u64) -> PathBuf {
    let dir = sysfs.join(format!("devices/system/node/node{node}/hugepages"));
    dir.join(pool_name(page_bytes))
}

/// The kernel's name for the pages of one size.
pub(crate) fn pool_name(page_bytes: u64) -> String {
    format!("hugepages-{}kB", page_bytes / 1024)
}

/// A mounted hugetlbfs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mount {
    /// Size of its pages in bytes.
    pub page_bytes: u64,
    /// Bytes that its `size=` leaves; `None` when it was mounted without.
    pub room_bytes: Option<u64>,
    /// Bytes that its `size=` allows in all.
    pub size_bytes: Option<u64>,
}

/// The hugetlbfs that is mounted at `dir`.
pub(crate) fn mount(dir: &Path) -> io::Result<Mount> {
    let stat = nix::sys::statfs::statfs(dir)?;
    if stat.filesystem_type() != nix::sys::statfs::HUGETLBFS_MAGIC {
        return Err(io::Error::other("it is not a hugetlbfs mount"));
    }
    let page_bytes = u64::try_from(stat.block_size()).map_err(io::Error::other)?;
    // A mount without size says 0 blocks, or as many as fit the number.
    let limited = (1..=i64::MAX as u64 / page_bytes.max(1)).contains(&stat.blocks());
    let bytes = |blocks: u64| limited.then(|| blocks.saturating_mul(page_bytes));
    let (room_bytes, size_bytes) = (bytes(stat.blocks_free()), bytes(stat.blocks()));
    Ok(Mount { page_bytes, room_bytes, size_bytes })
}

/// The hugetlbfs mounts of this machine with their page sizes, for messages.
pub(crate) fn mounts() -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let dirs = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let dir = fields.next()?;
        (fields.next()? == "hugetlbfs").then_some(dir)
    });
    let described = dirs.filter_map(|dir| {
        let page_bytes = mount(Path::new(dir)).ok()?.page_bytes;
        Some(format!("{dir} ({} pages)", page_size(page_bytes)))
    });
    described.collect::<Vec<_>>().join(", ")
}

/// A page size as people write it.
pub(crate) fn page_size(page_bytes: u64) -> String {
    match page_bytes {
        0..HUGE_PAGE_BYTES => format!("{} KiB", page_bytes >> 10),
        HUGE_PAGE_BYTES..GIANT_PAGE_BYTES => format!("{} MiB", page_bytes >> 20),
        _ => format!("{} GiB", page_bytes >> 30),
    }
}

fn read_number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Adds a pool to a tree like `/sys`, for tests: that of a node, or that of the machine.
#[cfg(test)]
pub(crate) fn fake_pool(sysfs: &Path, node: Option<u32>, page_bytes: u64, counts: [u64; 3]) {
    let dir = match node {
        Some(node) => node_dir(sysfs, node, page_bytes),
        None => sysfs.join("kernel/mm/hugepages").join(pool_name(page_bytes)),
    };
    fs::create_dir_all(&dir).unwrap();
    let names = ["nr_hugepages", "free_hugepages", "resv_hugepages"];
    for (name, count) in names.into_iter().zip(counts) {
        fs::write(dir.join(name), format!("{count}\n")).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_pages_are_read_from_sysfs() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(pool(root.path(), HUGE_PAGE_BYTES), Pool::default());
        fake_pool(root.path(), None, HUGE_PAGE_BYTES, [12, 10, 4]);
        fake_pool(root.path(), None, GIANT_PAGE_BYTES, [3, 2, 0]);
        fake_pool(root.path(), Some(1), HUGE_PAGE_BYTES, [7, 5, 0]);
        let found = |free_bytes, pages| Pool { free_bytes, pages };
        assert_eq!(pool(root.path(), HUGE_PAGE_BYTES), found(6 * HUGE_PAGE_BYTES, 12));
        assert_eq!(pool(root.path(), GIANT_PAGE_BYTES), found(2 << 30, 3));
        assert_eq!(node_pool(root.path(), 1, HUGE_PAGE_BYTES), found(5 * HUGE_PAGE_BYTES, 7));
        assert_eq!(node_pool(root.path(), 0, HUGE_PAGE_BYTES), Pool::default());
    }

    #[test]
    fn an_ordinary_directory_is_no_hugetlbfs() {
        let dir = tempfile::tempdir().unwrap();
        let error = mount(dir.path()).unwrap_err();
        assert!(error.to_string().contains("not a hugetlbfs mount"), "{error}");
        assert!(mount(&dir.path().join("none")).is_err());
    }

    #[test]
    fn page_sizes_are_written_as_people_do() {
        let text = [4096, 2 << 20, 512 << 20, 1 << 30, 16 << 30].map(page_size);
        assert_eq!(text, ["4 KiB", "2 MiB", "512 MiB", "1 GiB", "16 GiB"]);
    }
}
