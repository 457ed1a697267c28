//! Mounts of huge pages that only one test sees.
//!
//! The test's thread leaves the mount namespace of the rest; what it starts sees its mounts, and they go with it.

use std::path::Path;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

use crate::Result;

/// The thread has a mount namespace of its own.
#[derive(Debug)]
pub struct Own(());

/// A mount namespace of its own for this thread, or a `SKIP` line that says what is missing.
pub fn or_skip(test: &str) -> Option<Own> {
    let free = free_huge_pages();
    let reason = if !nix::unistd::geteuid().is_root() {
        "only root can mount".to_owned()
    } else if free < 128 {
        format!("{free} huge pages of 2 MiB are free, 128 are needed (sysctl -w vm.nr_hugepages)")
    } else {
        match leave() {
            Ok(own) => return Some(own),
            Err(error) => format!("no mount namespace: {error}"),
        }
    };
    println!("SKIP {test}: {reason}");
    None
}

fn leave() -> Result<Own> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    // What is mounted here must not come up elsewhere.
    run(Command::new("mount").args(["--make-rprivate", "/"]))?;
    Ok(Own(()))
}

/// Huge pages of 2 MiB that are free and promised to nobody.
fn free_huge_pages() -> u64 {
    let number = |name: &str| -> u64 {
        let path = format!("/sys/kernel/mm/hugepages/hugepages-2048kB/{name}");
        std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    };
    number("free_hugepages").saturating_sub(number("resv_hugepages"))
}

/// Mounts huge pages of 2 MiB on a new folder, with `size` (as `64M`) if there is one.
///
/// # Errors
///
/// What the system answers.
pub fn mount(folder: &Path, size: Option<&str>) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let size = size.map(|size| format!(",size={size}")).unwrap_or_default();
    let mut command = Command::new("mount");
    command.args(["-t", "hugetlbfs", "-o", &format!("pagesize=2M{size}"), "hugetlbfs"]);
    run(command.arg(folder))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}", said.trim()).into());
    }
    Ok(())
}
