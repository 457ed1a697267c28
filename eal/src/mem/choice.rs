//! Which pages a memory gets: what was asked for, what is free, and what is said about it.

use std::path::Path;

use crate::config::HugePolicy;
use crate::error::Error;

use super::backing::{self, Backing, BackingKind, HUGE_PAGE_BYTES};

const SYSFS: &str = "/sys";
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
    /// Bytes that were asked for, 0 when nobody said.
    wanted_bytes: u64,
    /// Huge pages that were free at the start, in bytes.
    found_bytes: u64,
}

impl Choice {
    /// Decides from the policy, the bytes asked for and the pages that are free.
    fn decide(policy: &HugePolicy, wanted: u64, free_bytes: u64) -> Self {
        let enough = free_bytes >= wanted.max(WORTHWHILE_BYTES);
        let data = match policy {
            HugePolicy::Dir(dir) => BackingKind::HugeFile(dir.clone()),
            HugePolicy::Auto if enough => BackingKind::HugeMemfd,
            _ => BackingKind::Plain,
        };
        let spare = free_bytes.saturating_sub(wanted) >= PRIVATE_BYTES;
        let private = if spare { data.clone() } else { BackingKind::Plain };
        let (wanted_bytes, found_bytes) = (wanted, free_bytes);
        Self { private, data, policy: policy.clone(), wanted_bytes, found_bytes }
    }

    /// Decides by the pages that are free now.
    pub fn now(policy: &HugePolicy, wanted: u64) -> Self {
        Self::decide(policy, wanted, free_bytes(policy))
    }

    /// What another process chose, as far as its files show.
    pub fn of_another(private: &Backing, data: &Backing) -> Self {
        let kind = |backing: &Backing| {
            if backing.is_huge() { BackingKind::HugeMemfd } else { BackingKind::Plain }
        };
        let (private, data) = (kind(private), kind(data));
        Self { private, data, policy: HugePolicy::Auto, wanted_bytes: 0, found_bytes: 0 }
    }

    /// Whether ordinary pages may stand in for huge ones.
    pub fn may_fall_back(&self) -> bool {
        self.policy == HugePolicy::Auto
    }

    /// Bytes of huge pages that are free for this policy now.
    fn free_bytes(&self) -> u64 {
        free_bytes(&self.policy)
    }

    /// Size of a huge page of this policy in bytes.
    pub fn page_bytes(&self) -> u64 {
        match &self.policy {
            HugePolicy::Dir(dir) => backing::huge_dir_page_bytes(dir).unwrap_or(HUGE_PAGE_BYTES),
            _ => HUGE_PAGE_BYTES,
        }
    }

    /// The line that start-up logs.
    pub fn describe(&self, data: &Backing) -> String {
        let seal = if data.is_sealed() { "sealed" } else { "not sealed" };
        if data.is_huge() {
            let size = data.page_bytes() >> 20;
            return match &self.policy {
                HugePolicy::Dir(dir) => format!(
                    "memory: {size} MiB pages (hugetlbfs at {}), {seal}: the kernel cannot seal files there",
                    dir.display()
                ),
                _ => format!("memory: {size} MiB pages (memfd), {seal}"),
            };
        }
        if self.policy == HugePolicy::Never {
            return format!("memory: 4 KiB pages (--no-huge), {seal}; about 18 % slower");
        }
        let total = self.advised_pages(backing::total_huge_pages(Path::new(SYSFS)));
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

/// A directory for huge pages that will not do, and what would.
pub(super) fn bad_huge_dir(dir: &Path, error: &std::io::Error) -> Error {
    Error::Configuration(format!(
        "option --huge-dir: cannot make a file in '{}' ({error}); \
         give a mounted hugetlbfs that this user may write to, or leave the option out",
        dir.display()
    ))
}

/// The error that says how many pages are missing.
pub(super) fn huge_pages_missing(choice: &Choice, wanted_bytes: u64) -> Error {
    let (free_bytes, page_bytes) = (choice.free_bytes(), choice.page_bytes());
    Error::HugePages { wanted_bytes, free_bytes, page_bytes }
}

fn free_bytes(policy: &HugePolicy) -> u64 {
    match policy {
        HugePolicy::Auto => backing::free_huge_bytes(Path::new(SYSFS)),
        HugePolicy::Never => 0,
        HugePolicy::Dir(dir) => backing::huge_dir_free_bytes(dir).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn auto(wanted: u64, free: u64) -> Choice {
        Choice::decide(&HugePolicy::Auto, wanted, free)
    }

    #[test]
    fn huge_pages_are_taken_when_enough_are_free() {
        assert_eq!(auto(0, 63 * MIB).data, BackingKind::Plain);
        assert_eq!(auto(0, 64 * MIB).data, BackingKind::HugeMemfd);
        assert_eq!(auto(256 * MIB, 255 * MIB).data, BackingKind::Plain);
        assert_eq!(auto(256 * MIB, 256 * MIB).data, BackingKind::HugeMemfd);
    }

    #[test]
    fn the_advice_covers_the_request_and_what_others_use() {
        let pages = |wanted, free, total| auto(wanted, free).advised_pages(total);
        assert_eq!(pages(100_000 * MIB, 0, 0), 50_000);
        assert_eq!(pages(100_000 * MIB, 100 * MIB, 50), 50_000);
        assert_eq!(pages(100_000 * MIB, 100 * MIB, 60), 50_010, "10 are used by others");
        assert_eq!(pages(0, 0, 0), 512);
        assert_eq!(pages(3 * MIB, 0, 7), 7 + 32);
    }

    #[test]
    fn metadata_gets_huge_pages_only_beside_the_data() {
        assert_eq!(auto(256 * MIB, 260 * MIB).private, BackingKind::Plain);
        assert_eq!(auto(256 * MIB, 288 * MIB).private, BackingKind::HugeMemfd);
        assert_eq!(auto(0, 40 * MIB).private, BackingKind::Plain);
    }

    #[test]
    fn the_policy_is_kept() {
        let never = Choice::decide(&HugePolicy::Never, 0, 1 << 40);
        assert_eq!((never.data.clone(), never.may_fall_back()), (BackingKind::Plain, false));
        let dir = Choice::decide(&HugePolicy::Dir("/huge".into()), 0, 0);
        assert_eq!(dir.data, BackingKind::HugeFile("/huge".into()));
        assert!(!dir.may_fall_back());
    }

    #[test]
    fn the_line_names_pages_cost_and_remedy() {
        let plain = Backing::create(&BackingKind::Plain, 2 * MIB).unwrap();
        let line = auto(0, 0).describe(&plain);
        assert!(
            line.starts_with("memory: 4 KiB pages (no huge pages free), sealed; about 18 % slower")
        );
        assert!(line.contains("'sysctl -w vm.nr_hugepages="), "{line}");
        let line = auto(256 * MIB, 100 * MIB).describe(&plain);
        assert!(line.contains("only 100 MiB of huge pages free"), "{line}");
    }
}
