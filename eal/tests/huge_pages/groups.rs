//! Huge pages that the control group limits.

use std::path::Path;
use std::process::Command;

use eal::{Eal, EalConfig, FileKind, HugePolicy};

use super::{MIB, have, mount, touch, turn};

/// Runs `test` in a control group of its own with a limit on 2 MiB pages; only its thread is moved.
fn limited(name: &str, limit_bytes: u64, test: impl FnOnce() + Send) {
    let root = tempfile::tempdir().unwrap();
    let body = || {
        let mounted = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).is_ok()
            && run("mount", &["--make-rprivate", "/"])
            && run("mount", &["-t", "cgroup", "-o", "hugetlb", "none", path(root.path())]);
        if !mounted {
            println!(
                "SKIP {name}: a hugetlb hierarchy of control groups (version 1) that can be mounted"
            );
            return;
        }
        let group = root.path().join(format!("pmd-{}-{name}", std::process::id()));
        std::fs::create_dir(&group).unwrap();
        std::fs::write(group.join("hugetlb.2MB.limit_in_bytes"), limit_bytes.to_string()).unwrap();
        let move_to = |dir: &Path| {
            std::fs::write(dir.join("tasks"), nix::unistd::gettid().to_string()).unwrap();
        };
        move_to(&group);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test));
        move_to(root.path());
        let _ = std::fs::remove_dir(&group);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    };
    std::thread::scope(|scope| scope.spawn(body).join()).unwrap();
}

fn run(program: &str, words: &[&str]) -> bool {
    Command::new(program).args(words).status().is_ok_and(|status| status.success())
}

fn path(dir: &Path) -> &str {
    dir.to_str().unwrap()
}

#[test]
fn a_control_group_is_never_asked_for_more_than_it_allows() {
    const NAME: &str = "a_control_group_is_never_asked_for_more_than_it_allows";
    let _turn = turn();
    let (true, Some(dir)) = (have(NAME, 160), mount(NAME)) else { return };
    limited(NAME, 96 * MIB, || {
        let eal = Eal::new(EalConfig { memory_bytes: 32 * MIB, ..EalConfig::default() }).unwrap();
        assert_eq!(eal.memory().describe(), "memory: 2 MiB pages (memfd), sealed");
        touch(eal.memory(), 31 * MIB);
        let error = eal.memory().alloc(FileKind::Data, 64 * MIB, 64).unwrap_err().to_string();
        assert!(error.contains("the control group allows no more: 'echo "), "{error}");
        drop(eal);

        let eal = Eal::new(EalConfig::default()).unwrap();
        eal.memory().alloc(FileKind::Data, 128 * MIB, 64).unwrap();
        assert!(eal.memory().describe().contains("4 KiB pages"), "{}", eal.memory().describe());
        drop(eal);

        let huge = HugePolicy::Dir(dir.clone());
        let config = EalConfig { huge, memory_bytes: 128 * MIB, ..EalConfig::default() };
        let error = Eal::new(config).unwrap_err().to_string();
        // Pages of what was dropped may still be counted for a moment.
        let start = "Not enough memory available! Requested: 128MB, available: ";
        let available = error.strip_prefix(start).and_then(|rest| rest.split_once("MB"));
        let available: u64 = available.unwrap_or_default().0.parse().unwrap_or_default();
        assert!((64..=96).contains(&available), "{error}");
        assert!(error.contains("the control group allows no more: 'echo "), "{error}");
    });
}
