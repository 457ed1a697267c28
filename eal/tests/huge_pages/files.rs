//! Files in a hugetlbfs directory: their names, and mounts that are smaller than the machine's pool.

use std::path::{Path, PathBuf};
use std::process::Command;

use eal::{Eal, EalConfig, FileKind, HugePolicy, HugeUnlink};

use super::{MIB, free_bytes, have, mount, touch, turn};

/// Names of our files in a directory.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("pmd-rs-")).collect()
}

/// A primary of a prefix that no other test uses.
fn config(dir: &Path, runtime: &Path, prefix: &str, huge_unlink: HugeUnlink) -> EalConfig {
    EalConfig {
        huge: HugePolicy::Dir(dir.into()),
        huge_unlink,
        file_prefix: Some(prefix.into()),
        runtime_dir: Some(runtime.into()),
        memory_bytes: 8 * MIB,
        ..EalConfig::default()
    }
}

#[test]
fn file_names_last_as_long_as_asked() {
    const NAME: &str = "file_names_last_as_long_as_asked";
    let _turn = turn();
    let (true, Some(dir)) = (have(NAME, 160), mount(NAME)) else { return };
    let runtime = tempfile::tempdir().unwrap();
    let prefix = format!("names-{}", std::process::id());
    let mine = || {
        let own = |name: &String| name.contains(&prefix);
        names(&dir).into_iter().filter(own).collect::<Vec<_>>()
    };
    let config = |mode| config(&dir, runtime.path(), &prefix, mode);
    let data = format!("pmd-rs-{prefix}-data");

    let eal = Eal::new(config(HugeUnlink::Always)).unwrap();
    touch(eal.memory(), 3 * MIB);
    assert_eq!(mine(), [""; 0], "always: no names while it runs");
    drop(eal);

    let eal = Eal::new(config(HugeUnlink::Existing)).unwrap();
    touch(eal.memory(), 3 * MIB);
    assert!(mine().contains(&data), "existing: {:?}", mine());
    drop(eal);
    assert_eq!(mine(), [""; 0], "existing: no names when it has ended");

    for round in 0..2 {
        let eal = Eal::new(config(HugeUnlink::Never)).unwrap();
        // Looks at fresh memory first: nothing of an earlier round is in it.
        let extent = eal.memory().alloc(FileKind::Data, 4 * MIB, 64).unwrap();
        let at = eal.memory().pointer(&extent);
        // SAFETY: all of the extent is mapped and held here alone.
        let bytes = unsafe { std::slice::from_raw_parts_mut(at.as_ptr(), 4 << 20) };
        assert!(bytes.iter().all(|&byte| byte == 0), "round {round}");
        bytes.fill(0x5a);
        drop(eal);
        assert!(mine().contains(&data), "never: the name stays: {:?}", mine());
    }

    drop(Eal::new(config(HugeUnlink::Existing)).unwrap());
    assert_eq!(mine(), [""; 0], "what was left is taken over and removed");
}

#[test]
fn a_file_that_another_process_uses_is_left_to_it() {
    const NAME: &str = "a_file_that_another_process_uses_is_left_to_it";
    let _turn = turn();
    let (true, Some(dir)) = (have(NAME, 160), mount(NAME)) else { return };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let prefix = format!("used-{}", std::process::id());
    let first = Eal::new(config(&dir, one.path(), &prefix, HugeUnlink::Existing)).unwrap();
    let error = Eal::new(config(&dir, two.path(), &prefix, HugeUnlink::Existing)).unwrap_err();
    assert!(error.to_string().contains("in use by another process"), "{error}");
    touch(first.memory(), 3 * MIB);
    assert_eq!(std::fs::read_dir(two.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn file_names_mean_nothing() {
    const NAME: &str = "file_names_mean_nothing";
    let _turn = turn();
    let (true, Some(dir)) = (have(NAME, 160), mount(NAME)) else { return };
    let runtime = tempfile::tempdir().unwrap();
    // Programs that find memory by the form of its name would take these for it.
    let prefix = format!("odd map_0 .{}", std::process::id());
    let other = tempfile::Builder::new().prefix("rtemap_").tempfile_in(runtime.path()).unwrap();
    let eal = Eal::new(config(&dir, runtime.path(), &prefix, HugeUnlink::Existing)).unwrap();
    touch(eal.memory(), 40 * MIB);
    assert_eq!(mappings_of(eal.memory()), 1, "beside {other:?}");
}

/// How many files lie behind the data that peers are told of.
fn mappings_of(memory: &eal::Memory) -> usize {
    let start = memory.data_base().as_ptr().addr() as u64;
    let end = start + memory.data_committed();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (low, high) = fields[0].split_once('-')?;
        let bounds = [low, high].map(|text| u64::from_str_radix(text, 16).unwrap());
        let offset = u64::from_str_radix(fields[2], 16).unwrap();
        let inside = bounds[0] < end && bounds[1] > start;
        inside.then(|| {
            assert_eq!(offset, bounds[0] - start, "one run of bytes: {line}");
            fields[4].to_string()
        })
    };
    let inodes: std::collections::BTreeSet<String> = maps.lines().filter_map(inode).collect();
    inodes.len()
}

#[test]
fn more_pages_than_eight_regions_can_name_are_one_file() {
    const NAME: &str = "more_pages_than_eight_regions_can_name_are_one_file";
    let _turn = turn();
    if !have(NAME, 160) {
        return;
    }
    let eal = Eal::new(EalConfig { memory_bytes: 20 * MIB, ..EalConfig::default() }).unwrap();
    touch(eal.memory(), 18 * MIB);
    touch(eal.memory(), 18 * MIB);
    assert!(eal.memory().data_committed() / (2 * MIB) > 16);
    assert_eq!(mappings_of(eal.memory()), 1);
}

/// Runs `test` where a hugetlbfs of this size is mounted for its thread alone.
fn with_mount(name: &str, options: &str, test: impl FnOnce(PathBuf) + Send) {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIP {name}: the right to mount");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let body = || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
        let mount = |words: &[&str]| {
            assert!(Command::new("mount").args(words).status().unwrap().success(), "{words:?}");
        };
        mount(&["--make-rprivate", "/"]);
        mount(&["-t", "hugetlbfs", "-o", options, "none", dir.path().to_str().unwrap()]);
        test(dir.path().into());
    };
    std::thread::scope(|scope| scope.spawn(body).join()).unwrap();
}

#[test]
fn a_mount_with_a_size_gives_no_more_than_that() {
    const NAME: &str = "a_mount_with_a_size_gives_no_more_than_that";
    let _turn = turn();
    if !have(NAME, 160) {
        return;
    }
    with_mount(NAME, "pagesize=2M,size=16M", |dir| {
        let config = |mebibytes: u64| EalConfig {
            huge: HugePolicy::Dir(dir.clone()),
            socket_mem_bytes: vec![mebibytes * MIB],
            ..EalConfig::default()
        };
        let text = Eal::new(config(32)).unwrap_err().to_string();
        assert_eq!(
            text,
            format!(
                "Not enough memory available on socket 0! Requested: 32MB, available: 16MB: \
                 8 pages of 2 MiB are missing; mount '{}' with '-o size=32M' or more",
                dir.display()
            )
        );
        let before = free_bytes();
        let eal = Eal::new(config(16)).unwrap();
        touch(eal.memory(), 15 * MIB);
        assert!(before - free_bytes() <= 16 * MIB, "no pages from outside the mount");
        let error = eal.memory().alloc(FileKind::Data, 4 * MIB, 64).unwrap_err();
        assert!(error.to_string().contains("with '-o size="), "{error}");
        let second = Eal::new(config(2)).unwrap_err();
        assert!(second.to_string().contains("available: 0MB"), "{second}");
    });
}

#[test]
fn a_larger_size_than_the_machine_has_pages_is_no_help() {
    const NAME: &str = "a_larger_size_than_the_machine_has_pages_is_no_help";
    let _turn = turn();
    if !have(NAME, 160) {
        return;
    }
    let all = super::pages("nr_hugepages") * 2 + 64;
    with_mount(NAME, &format!("pagesize=2M,size={}M", all + 64), |dir| {
        let socket_mem_bytes = vec![all * MIB];
        let huge = HugePolicy::Dir(dir);
        let error = Eal::new(EalConfig { huge, socket_mem_bytes, ..EalConfig::default() });
        let text = error.unwrap_err().to_string();
        assert!(text.starts_with("Not enough memory available on socket 0!"), "{text}");
        assert!(text.contains("'sysctl -w vm.nr_hugepages="), "{text}");
    });
}
