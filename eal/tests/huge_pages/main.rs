//! Memory on huge pages. Each test says what it lacks and passes when the machine has none free.

#![allow(unsafe_code, reason = "touches mapped memory")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, helpers included"
)]

mod files;
mod giant;
mod groups;
mod nodes;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use eal::{Eal, EalConfig, Error, FileKind, HugePolicy, Memory};

const MIB: u64 = 1 << 20;
const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";

/// The tests share the machine's pages and take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pages(name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("{POOL}/{name}")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

fn free_bytes() -> u64 {
    pages("free_hugepages").saturating_sub(pages("resv_hugepages")) * 2 * MIB
}

/// Whether this much is free; prints the reason for skipping when it is not.
fn have(test: &str, mebibytes: u64) -> bool {
    let enough = free_bytes() >= mebibytes * MIB;
    if !enough {
        println!("SKIP {test}: {mebibytes} MiB of free 2 MiB huge pages");
    }
    enough
}

/// A mounted hugetlbfs with 2 MiB pages that this user may write to.
fn mount(test: &str) -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let dirs = mounts.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields[..] {
            [_, dir, "hugetlbfs", options, ..] if !options.contains("pagesize=1024M") => Some(dir),
            _ => None,
        }
    });
    let writable = |dir: &PathBuf| nix::unistd::access(dir, nix::unistd::AccessFlags::W_OK).is_ok();
    let found = dirs.map(PathBuf::from).find(writable);
    if found.is_none() {
        println!("SKIP {test}: a writable hugetlbfs mount with 2 MiB pages");
    }
    found
}

/// Huge pages that this process has mapped and touched.
fn mapped_huge_kib() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let figure = |line: &str| line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok();
    rollup.lines().filter(|line| line.contains("_Hugetlb:")).filter_map(figure).sum()
}

fn touch(memory: &Memory, len: u64) {
    let extent = memory.alloc(FileKind::Data, len, 64).unwrap();
    let at = memory.pointer(&extent);
    // SAFETY: all of the extent is mapped and held here alone.
    unsafe { at.write_bytes(0x77, len as usize) };
    let place = extent.extent();
    memory.free(extent);
    let again = memory.alloc(FileKind::Data, len, 64).unwrap();
    assert_eq!(again.extent(), place);
    // SAFETY: as above.
    let bytes =
        unsafe { std::slice::from_raw_parts(memory.pointer(&again).as_ptr(), len as usize) };
    assert!(bytes.iter().all(|&byte| byte == 0), "freed memory comes back zeroed");
}

#[test]
fn memfd_is_chosen_when_pages_are_free() {
    let _turn = turn();
    if !have("memfd_is_chosen_when_pages_are_free", 160) {
        return;
    }
    let eal = Eal::new(EalConfig::default()).unwrap();
    touch(eal.memory(), 5 * MIB);
    assert_eq!(eal.memory().describe(), "memory: 2 MiB pages (memfd), sealed");
    assert!(mapped_huge_kib() >= 6 << 10);
    drop(eal);
    assert_eq!(mapped_huge_kib(), 0, "the pages are given back");
}

#[test]
fn a_secondary_reaches_pages_that_were_added_after_it_joined() {
    let _turn = turn();
    if !have("a_secondary_reaches_pages_that_were_added_after_it_joined", 160) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = || EalConfig {
        file_prefix: Some("huge".into()),
        runtime_dir: Some(dir.path().into()),
        ..EalConfig::default()
    };
    let eal = Eal::new(config()).unwrap();
    let second = Eal::attach(config()).unwrap();
    let late = eal.memory().zone_create("late", FileKind::Data, 20 * MIB, 64).unwrap();
    let seen = second.memory().zone_lookup("late").unwrap();
    assert_eq!(seen, late.extent());
    let at = second.memory().pointer(&seen);
    // SAFETY: the zone is mapped in the second mapping and nobody else uses it yet.
    unsafe { at.write_bytes(0x42, seen.len as usize) };
    // SAFETY: the last byte of the zone, mapped in the first mapping.
    let last = unsafe { eal.memory().pointer(&late).add(late.len as usize - 1) };
    // SAFETY: nobody writes to the zone now.
    assert_eq!(unsafe { last.read_volatile() }, 0x42);
}

#[test]
fn too_large_a_first_request_falls_back_to_ordinary_pages() {
    let _turn = turn();
    if !have("too_large_a_first_request_falls_back_to_ordinary_pages", 160) {
        return;
    }
    let eal = Eal::new(EalConfig::default()).unwrap();
    let all = pages("nr_hugepages") * 2 * MIB + 64 * MIB;
    let extent = eal.memory().alloc(FileKind::Data, all, 64).unwrap();
    assert!(eal.memory().describe().contains("4 KiB pages"), "{}", eal.memory().describe());
    // SAFETY: the first byte of the extent, held here alone.
    unsafe { eal.memory().pointer(&extent).write_volatile(1) };
}

#[test]
fn running_out_later_is_an_error_that_counts_the_missing_pages() {
    let _turn = turn();
    if !have("running_out_later_is_an_error_that_counts_the_missing_pages", 160) {
        return;
    }
    let eal = Eal::new(EalConfig::default()).unwrap();
    eal.memory().alloc(FileKind::Data, MIB, 64).unwrap();
    let all = pages("nr_hugepages") * 2 * MIB + 64 * MIB;
    let error = eal.memory().alloc(FileKind::Data, all, 64).unwrap_err();
    assert!(matches!(error, Error::HugePages { .. }), "{error}");
    assert!(error.to_string().contains("vm.nr_hugepages"), "{error}");
    eal.memory().alloc(FileKind::Data, MIB / 2, 64).unwrap();
}

#[test]
fn a_hugetlbfs_directory_is_used_and_left_empty() {
    const NAME: &str = "a_hugetlbfs_directory_is_used_and_left_empty";
    let _turn = turn();
    let (true, Some(dir)) = (have(NAME, 160), mount(NAME)) else { return };
    let names = || {
        let entries = std::fs::read_dir(&dir).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("pmd-rs")).count()
    };
    let before = names();
    let config = EalConfig {
        huge: HugePolicy::Dir(dir.clone()),
        memory_bytes: 8 * MIB,
        ..EalConfig::default()
    };
    let eal = Eal::new(config).unwrap();
    touch(eal.memory(), 3 * MIB);
    assert!(eal.memory().describe().contains("hugetlbfs at"), "{}", eal.memory().describe());
    assert_eq!(names(), before, "the files have no name");
}

#[test]
fn asking_a_directory_for_more_than_there_is_says_how_much_is_missing() {
    const NAME: &str = "asking_a_directory_for_more_than_there_is_says_how_much_is_missing";
    let _turn = turn();
    let Some(dir) = mount(NAME) else { return };
    let all = pages("nr_hugepages") * 2 * MIB + 64 * MIB;
    let config =
        EalConfig { huge: HugePolicy::Dir(dir), memory_bytes: all, ..EalConfig::default() };
    let error = Eal::new(config).unwrap_err();
    assert!(matches!(error, Error::HugePages { .. }), "{error}");
}
