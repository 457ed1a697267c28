//! Huge pages of 2 MiB: how many there are, how many more are wanted, where they are mounted.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::unistd::{getgid, getuid};

use super::privilege::Privilege;

/// The kernel's folder for pages of 2 MiB.
const SYSFS: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";
/// Where we mount hugetlbfs when nobody has.
const MOUNT: &str = "/run/pmd-rs-huge";
/// Size of one page.
const PAGE_KIB: u64 = 2048;
/// Memory that is left to everything else.
const LEAVE_KIB: u64 = 1 << 20;

/// What the kernel says about its pool of 2 MiB pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Pages in the pool, used or not.
    pub total: u64,
    /// Pages that nobody uses.
    pub free: u64,
}

impl Pool {
    /// Reads the pool; `None` when the kernel has no pages of that size.
    pub fn read() -> Option<Self> {
        Self::read_from(Path::new(SYSFS))
    }

    fn read_from(folder: &Path) -> Option<Self> {
        let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok();
        Some(Self { total: number("nr_hugepages")?, free: number("free_hugepages")? })
    }

    /// The size that the pool must have for `wanted` free pages, as far as `available_kib` of
    /// memory allow. Never less than it has.
    pub fn target(self, wanted: u64, available_kib: u64) -> u64 {
        let room = available_kib.saturating_sub(LEAVE_KIB) / PAGE_KIB;
        self.total + wanted.saturating_sub(self.free).min(room)
    }
}

/// Memory that could be had without swapping, in KiB; 0 when it cannot be told.
pub fn available_kib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Asks the kernel for a pool of `total` pages; it may give fewer.
pub fn resize(total: u64, privilege: Privilege) -> Result<(), String> {
    let path = format!("{SYSFS}/nr_hugepages");
    let refused = |why: &dyn std::fmt::Display| format!("cannot write {path}: {why}");
    let mut command = privilege.command("tee").ok_or_else(|| refused(&"it needs root"))?;
    command.arg(&path).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().map_err(|error| refused(&error))?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{total}").map_err(|error| refused(&error))?;
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(refused(&"the kernel refused")),
        Err(error) => Err(refused(&error)),
    }
}

/// Folders where pages of 2 MiB are mounted.
pub fn mounts() -> Vec<PathBuf> {
    mounts_in(&fs::read_to_string("/proc/mounts").unwrap_or_default())
}

/// The same from the text of /proc/mounts. Without an explicit size a mount has the default size,
/// which is 2 MiB on the machines that we run on.
fn mounts_in(text: &str) -> Vec<PathBuf> {
    let folder = |line: &str| {
        let mut words = line.split(' ');
        let (folder, kind, options) = (words.nth(1)?, words.next()?, words.next()?);
        let mut sizes = options.split(',').filter_map(|word| word.strip_prefix("pagesize="));
        let fits = sizes.next().is_none_or(|size| size == "2M");
        (kind == "hugetlbfs" && fits).then(|| PathBuf::from(folder))
    };
    text.lines().filter_map(folder).collect()
}

/// Where [`mount`] mounts.
pub fn mount_point() -> &'static Path {
    Path::new(MOUNT)
}

/// Mounts hugetlbfs for this user.
pub fn mount(privilege: Privilege) -> Result<(), String> {
    let options = format!("pagesize=2M,uid={},gid={},mode=0700", getuid(), getgid());
    run(privilege, "mkdir", &["-p", MOUNT])?;
    run(privilege, "mount", &["-t", "hugetlbfs", "-o", &options, "nodev", MOUNT])
}

/// Undoes [`mount`].
pub fn unmount(privilege: Privilege) -> Result<(), String> {
    run(privilege, "umount", &[MOUNT])?;
    run(privilege, "rmdir", &[MOUNT])
}

fn run(privilege: Privilege, program: &str, words: &[&str]) -> Result<(), String> {
    let line = format!("`{program} {}`", words.join(" "));
    let mut command = privilege.command(program).ok_or_else(|| format!("{line} needs root"))?;
    match command.args(words).stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("{line} failed")),
        Err(error) => Err(format!("{line}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY_KIB: u64 = 64 << 20;

    #[test]
    fn a_pool_with_enough_free_pages_stays_as_it_is() {
        assert_eq!(Pool { total: 600, free: 520 }.target(512, PLENTY_KIB), 600);
    }

    #[test]
    fn used_pages_are_not_counted_as_ours() {
        assert_eq!(Pool { total: 512, free: 100 }.target(512, PLENTY_KIB), 924);
    }

    #[test]
    fn a_small_machine_keeps_a_gibibyte() {
        let empty = Pool { total: 0, free: 0 };
        assert_eq!(empty.target(512, LEAVE_KIB + 100 * PAGE_KIB), 100);
        assert_eq!(empty.target(512, LEAVE_KIB / 2), 0);
    }

    #[test]
    fn the_pool_is_read_and_a_kernel_without_it_is_told_apart() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(Pool::read_from(folder.path()), None);
        fs::write(folder.path().join("nr_hugepages"), "12\n").expect("writable");
        fs::write(folder.path().join("free_hugepages"), "7\n").expect("writable");
        assert_eq!(Pool::read_from(folder.path()), Some(Pool { total: 12, free: 7 }));
    }

    #[test]
    fn only_mounts_of_two_mebibytes_count() {
        let text = "proc /proc proc rw 0 0\n\
                    nodev /mnt/huge hugetlbfs rw,relatime,pagesize=2M 0 0\n\
                    nodev /mnt/big hugetlbfs rw,pagesize=1024M 0 0\n\
                    nodev /dev/hugepages hugetlbfs rw 0 0\n";
        assert_eq!(mounts_in(text), [Path::new("/mnt/huge"), Path::new("/dev/hugepages")]);
    }
}
