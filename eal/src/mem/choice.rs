//! Which pages a memory gets: what was asked for, what is free, and what is said about it.

use std::path::{Path, PathBuf};

use crate::config::{EalConfig, HugePolicy, HugeUnlink};
use crate::error::{Error, HugeRemedy};

use super::backing::{Backing, BackingKind};
use super::cgroup::{self, Bound};
use super::huge::{self, GIANT_PAGE_BYTES, HUGE_PAGE_BYTES, Pool};
use super::named::FileName;
use super::numa::{Nodes, Part};

/// Fewer free huge pages than this are not worth it when nobody asked for an amount.
const WORTHWHILE_BYTES: u64 = 64 << 20;
/// What is advised when nobody asked for an amount.
const ADVISED_BYTES: u64 = 1 << 30;
/// The private file takes huge pages when this much stays free beside the data.
const PRIVATE_BYTES: u64 = 32 << 20;

/// What was chosen to hold the memory, and why not better.
#[derive(Debug)]
pub(super) struct Choice {
    pub private: BackingKind,
    pub data: BackingKind,
    policy: HugePolicy,
    sysfs: PathBuf,
    page_bytes: u64,
    /// Bytes that were asked for, 0 when nobody said.
    wanted_bytes: u64,
    /// Bytes of free huge pages at the start, of the size that was used or would have been.
    found_bytes: u64,
    /// What the control group allows of these pages.
    group: Option<Bound>,
}

/// What is free of the two sizes that memory files without a directory can have.
#[derive(Clone, Copy, Debug, Default)]
struct Free {
    huge_bytes: u64,
    giant_bytes: u64,
}

impl Choice {
    /// Decides by the configuration and the pages that are free now.
    ///
    /// # Errors
    ///
    /// What is wrong with the directory for huge pages, or how many of its pages are missing.
    pub fn now(config: &EalConfig) -> Result<Self, Error> {
        match &config.huge {
            HugePolicy::Dir(dir) => Self::in_dir(config, dir),
            HugePolicy::Never => Ok(Self::auto(config, Free::default())),
            HugePolicy::Auto => {
                let free = |page_bytes| {
                    let pool = huge::pool(&config.sysfs, page_bytes);
                    pool.free_bytes.min(group_room(&cgroup::bound(page_bytes)))
                };
                let (huge_bytes, giant_bytes) = (free(HUGE_PAGE_BYTES), free(GIANT_PAGE_BYTES));
                Ok(Self::auto(config, Free { huge_bytes, giant_bytes }))
            }
        }
    }

    fn auto(config: &EalConfig, free: Free) -> Self {
        let wanted = config.floor_bytes();
        let memfd = |page_bytes| BackingKind::HugeMemfd { page_bytes };
        let (data, page_bytes, found_bytes) = match best_size(wanted, free) {
            Some(GIANT_PAGE_BYTES) => (memfd(GIANT_PAGE_BYTES), GIANT_PAGE_BYTES, free.giant_bytes),
            Some(size) => (memfd(size), size, free.huge_bytes),
            None => (BackingKind::Plain, HUGE_PAGE_BYTES, free.huge_bytes),
        };
        let beside = if page_bytes == HUGE_PAGE_BYTES { wanted } else { 0 };
        let spare = free.huge_bytes.saturating_sub(beside) >= PRIVATE_BYTES;
        let private = match spare && data != BackingKind::Plain {
            true => memfd(HUGE_PAGE_BYTES),
            false => BackingKind::Plain,
        };
        Self::new(config, private, data, page_bytes, found_bytes)
    }

    fn in_dir(config: &EalConfig, dir: &Path) -> Result<Self, Error> {
        let mount = huge::mount(dir).map_err(|error| bad_huge_dir(dir, &error))?;
        let pool = huge::pool(&config.sysfs, mount.page_bytes);
        let free_bytes = pool.free_bytes.min(mount.room_bytes.unwrap_or(u64::MAX));
        let file =
            |of: &str| BackingKind::HugeFile { dir: dir.into(), name: file_name(config, of) };
        let spare = free_bytes.saturating_sub(config.floor_bytes()) >= PRIVATE_BYTES;
        // A giant page is too much for what the private file holds.
        let private = match spare && mount.page_bytes <= HUGE_PAGE_BYTES {
            true => file("private"),
            false => BackingKind::Plain,
        };
        let choice = Self::new(config, private, file("data"), mount.page_bytes, free_bytes);
        match config.floor_bytes() > free_bytes {
            true => Err(choice.missing(config.floor_bytes(), first_socket(config))),
            false => Ok(choice),
        }
    }

    /// Does without huge pages when a node has fewer than are wanted on it.
    ///
    /// # Errors
    ///
    /// How many pages the node lacks, where huge pages were asked for.
    pub fn check_nodes(&mut self, nodes: &Nodes, plan: &[Part]) -> Result<(), Error> {
        if self.data == BackingKind::Plain || !nodes.topology.has_several_nodes() {
            return Ok(());
        }
        let pool = |node| huge::node_pool(&self.sysfs, node, self.page_bytes);
        let short = plan.iter().find(|part| pool(part.node).free_bytes < part.bytes);
        match short {
            None => Ok(()),
            Some(_) if self.may_fall_back() => {
                (self.private, self.data) = (BackingKind::Plain, BackingKind::Plain);
                Ok(())
            }
            Some(part) => Err(self.missing_on_node(part.bytes, part.node, pool(part.node))),
        }
    }

    fn new(
        config: &EalConfig,
        private: BackingKind,
        data: BackingKind,
        page_bytes: u64,
        found_bytes: u64,
    ) -> Self {
        let (policy, sysfs) = (config.huge.clone(), config.sysfs.clone());
        let wanted_bytes = config.floor_bytes();
        let group = cgroup::bound(page_bytes);
        Self { private, data, policy, sysfs, page_bytes, wanted_bytes, found_bytes, group }
    }

    /// What another process chose, as far as its files show.
    pub fn of_another(private: &Backing, data: &Backing) -> Self {
        let kind = |backing: &Backing| match backing.is_huge() {
            true => BackingKind::HugeMemfd { page_bytes: backing.page_bytes() },
            false => BackingKind::Plain,
        };
        let (private, kind) = (kind(private), kind(data));
        Self::new(&EalConfig::default(), private, kind, data.page_bytes(), 0)
    }

    /// Whether ordinary pages may stand in for huge ones.
    pub fn may_fall_back(&self) -> bool {
        self.policy == HugePolicy::Auto
    }

    /// Size of a huge page of this choice in bytes.
    pub fn page_bytes(&self) -> u64 {
        self.page_bytes
    }

    /// Bytes of huge pages that are free for this choice now.
    pub fn free_bytes(&self) -> u64 {
        let mount = self.mount().and_then(|mount| mount.room_bytes).unwrap_or(u64::MAX);
        let group = group_room(&cgroup::bound(self.page_bytes));
        self.pool().free_bytes.min(mount).min(group)
    }

    /// Whether huge pages for so many bytes of each file are within what the control group allowed at the start.
    pub fn group_allows(&self, data_bytes: u64, private_bytes: u64) -> bool {
        // Each size of pages has a limit of its own.
        let together = self.private != BackingKind::Plain && self.page_bytes == HUGE_PAGE_BYTES;
        let private = if together { private_bytes.max(PRIVATE_BYTES) } else { 0 };
        data_bytes.saturating_add(private) <= group_room(&self.group)
    }

    fn pool(&self) -> Pool {
        huge::pool(&self.sysfs, self.page_bytes)
    }

    fn mount(&self) -> Option<huge::Mount> {
        match &self.policy {
            HugePolicy::Dir(dir) => huge::mount(dir).ok(),
            _ => None,
        }
    }

    /// The error that says how many pages are missing: of the machine, or of its memory node `socket` when the amount was
    /// asked for by node.
    pub fn missing(&self, wanted_bytes: u64, socket: Option<u32>) -> Error {
        let (free_bytes, page_bytes) = (self.free_bytes(), self.page_bytes);
        let remedy = self.remedy(wanted_bytes, free_bytes);
        Error::HugePages { wanted_bytes, free_bytes, page_bytes, socket, remedy }
    }

    /// As [`Choice::missing`] where pages are free, but not on this node.
    pub fn missing_on_node(&self, wanted_bytes: u64, node: u32, pool: Pool) -> Error {
        let (free_bytes, page_bytes) = (pool.free_bytes, self.page_bytes);
        let missing = wanted_bytes.saturating_sub(free_bytes).div_ceil(page_bytes);
        let file = huge::node_dir(Path::new("/sys"), node, page_bytes).join("nr_hugepages");
        let remedy = HugeRemedy::Node { file, pages: pool.pages + missing };
        Error::HugePages { wanted_bytes, free_bytes, page_bytes, socket: Some(node), remedy }
    }

    fn remedy(&self, wanted_bytes: u64, free_bytes: u64) -> HugeRemedy {
        let pool = self.pool();
        let missing = wanted_bytes.saturating_sub(pool.free_bytes).div_ceil(self.page_bytes);
        match (&self.policy, self.mount()) {
            (HugePolicy::Dir(dir), Some(huge::Mount { size_bytes: Some(size_bytes), .. }))
                if missing == 0 =>
            {
                let size_bytes = size_bytes + wanted_bytes.saturating_sub(free_bytes);
                HugeRemedy::Mount { dir: dir.clone(), size_bytes }
            }
            _ => match &self.group {
                Some(Bound { file, limit_bytes, .. }) if missing == 0 => {
                    let bytes = limit_bytes + wanted_bytes.saturating_sub(free_bytes);
                    HugeRemedy::Group { file: file.clone(), bytes }
                }
                _ => HugeRemedy::Pool { pages: pool.pages + missing },
            },
        }
    }

    /// The line that start-up logs.
    pub fn describe(&self, data: &Backing) -> String {
        let seal = if data.is_sealed() { "sealed" } else { "not sealed" };
        if data.is_huge() {
            let size = huge::page_size(data.page_bytes());
            return match &self.policy {
                HugePolicy::Dir(dir) => format!(
                    "memory: {size} pages (hugetlbfs at {}), {seal}: the kernel cannot seal files there",
                    dir.display()
                ),
                _ => format!("memory: {size} pages (memfd), {seal}"),
            };
        }
        if self.policy == HugePolicy::Never {
            return format!("memory: 4 KiB pages (--no-huge), {seal}; about 18 % slower");
        }
        let total = self.advised_pages(huge::pool(&self.sysfs, HUGE_PAGE_BYTES).pages);
        let found = match self.found_bytes >> 20 {
            0 => "no huge pages free".into(),
            some => format!("only {some} MiB of huge pages free"),
        };
        format!(
            "memory: 4 KiB pages ({found}), {seal}; about 18 % slower; \
             'sysctl -w vm.nr_hugepages={total}' changes that"
        )
    }

    /// How many pages the machine has to set aside, of which it has `total` now, for what was asked for.
    fn advised_pages(&self, total: u64) -> u64 {
        let wanted = if self.wanted_bytes == 0 { ADVISED_BYTES } else { self.wanted_bytes };
        let wanted = wanted.max(WORTHWHILE_BYTES).div_ceil(HUGE_PAGE_BYTES);
        let taken = total.saturating_sub(self.found_bytes / HUGE_PAGE_BYTES);
        taken.saturating_add(wanted).max(total)
    }
}

/// The page size for an amount (0 when nobody said): large pages for large amounts, and whatever has enough free.
fn best_size(wanted: u64, free: Free) -> Option<u64> {
    let huge = (HUGE_PAGE_BYTES, free.huge_bytes);
    let giant = (GIANT_PAGE_BYTES, free.giant_bytes);
    let order = if wanted >= GIANT_PAGE_BYTES { [giant, huge] } else { [huge, giant] };
    let needed = wanted.max(WORTHWHILE_BYTES);
    let enough = |&(size, free): &(u64, u64)| {
        needed.checked_next_multiple_of(size).is_some_and(|needed| needed <= free)
    };
    order.into_iter().find(enough).map(|(size, _)| size)
}

/// The first node for which an amount was asked.
fn first_socket(config: &EalConfig) -> Option<u32> {
    let place = config.socket_mem_bytes.iter().position(|&bytes| bytes > 0)?;
    u32::try_from(place).ok()
}

/// Bytes that a control group leaves.
fn group_room(bound: &Option<Bound>) -> u64 {
    bound.as_ref().map_or(u64::MAX, |bound| bound.room_bytes)
}

/// What a file in a directory is called; `None` when it is to lose its name at once.
fn file_name(config: &EalConfig, of: &str) -> Option<FileName> {
    let prefix = config.file_prefix.as_deref()?;
    let name = format!("pmd-rs-{prefix}-{of}");
    match config.huge_unlink {
        HugeUnlink::Always => None,
        HugeUnlink::Existing => Some(FileName { name, stays: false }),
        HugeUnlink::Never => Some(FileName { name, stays: true }),
    }
}

/// A directory for huge pages that will not do, and what would.
pub(super) fn bad_huge_dir(dir: &Path, error: &std::io::Error) -> Error {
    let mounts = huge::mounts();
    let instead = match mounts.is_empty() {
        true => "none is mounted; 'mount -t hugetlbfs none /mnt/huge' mounts one".into(),
        false => format!("mounted are {mounts}"),
    };
    Error::Configuration(format!(
        "option --huge-dir: cannot make a file in '{}' ({error}); \
         give a mounted hugetlbfs that this user may write to ({instead}), or leave the option out",
        dir.display()
    ))
}

#[cfg(test)]
mod tests;
