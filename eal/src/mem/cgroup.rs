//! What the control group of this process leaves of the machine's huge pages (controller `hugetlb`, either version).
//!
//! A group's limit counts pages that were touched: going beyond it ends the process by a signal, whatever was reserved. It
//! is therefore looked at before pages are chosen and when memory grows.

use std::fs;
use std::path::{Path, PathBuf};

use super::huge::GIANT_PAGE_BYTES;

/// A limit that holds for this process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Bound {
    /// The file that sets it.
    pub file: PathBuf,
    /// The limit in bytes.
    pub limit_bytes: u64,
    /// Bytes that were not used when it was read.
    pub room_bytes: u64,
}

/// One group that a process is in.
#[derive(PartialEq, Eq, Debug)]
struct Group {
    dir: PathBuf,
    /// The files' names have the form of version 2.
    unified: bool,
}

/// The tightest limit on pages of a size; `None` without one.
pub(super) fn bound(page_bytes: u64) -> Option<Bound> {
    let groups = fs::read_to_string("/proc/thread-self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/thread-self/mounts").ok()?;
    tightest(&groups_of(&groups, &mounts), page_bytes)
}

fn tightest(groups: &[Group], page_bytes: u64) -> Option<Bound> {
    let bounds = groups.iter().flat_map(|group| group.bounds(page_bytes));
    bounds.min_by_key(|bound| bound.room_bytes)
}

/// The groups that a process is in and those above them.
fn groups_of(groups: &str, mounts: &str) -> Vec<Group> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let unified = controllers.is_empty();
        if !unified && !controllers.split(',').any(|name| name == "hugetlb") {
            continue;
        }
        let Some(root) = mounted(mounts, unified) else { continue };
        let own = root.join(path.trim_start_matches('/'));
        let dirs = own.ancestors().take_while(|dir| dir.starts_with(&root));
        found.extend(dirs.map(|dir| Group { dir: dir.into(), unified }));
    }
    found
}

/// Where the hierarchy of groups is mounted.
fn mounted(mounts: &str, unified: bool) -> Option<PathBuf> {
    let place = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, dir, kind, options, ..] = fields[..] else { return None };
        let right = match unified {
            true => kind == "cgroup2",
            false => kind == "cgroup" && options.split(',').any(|option| option == "hugetlb"),
        };
        // A blank in a name would end the field.
        right.then(|| PathBuf::from(dir.replace("\\040", " ")))
    };
    mounts.lines().find_map(place)
}

impl Group {
    /// Limits on touched and on reserved pages.
    fn bounds(&self, page_bytes: u64) -> impl Iterator<Item = Bound> + '_ {
        let size = if page_bytes == GIANT_PAGE_BYTES { "1GB" } else { "2MB" };
        let (most, used) = match self.unified {
            true => ("max", "current"),
            false => ("limit_in_bytes", "usage_in_bytes"),
        };
        ["", "rsvd."].into_iter().filter_map(move |kind| {
            let file = self.dir.join(format!("hugetlb.{size}.{kind}{most}"));
            let limit_bytes = number(&file).filter(|&limit| limit < UNLIMITED_BYTES)?;
            let used = number(&self.dir.join(format!("hugetlb.{size}.{kind}{used}"))).unwrap_or(0);
            Some(Bound { file, limit_bytes, room_bytes: limit_bytes.saturating_sub(used) })
        })
    }
}

/// Version 1 writes "no limit" as nearly 2^63.
const UNLIMITED_BYTES: u64 = 1 << 60;

/// `None` also for the word that means "no limit" in version 2.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUGE: u64 = 2 << 20;

    #[test]
    fn groups_are_found_in_either_hierarchy() {
        let mounts = "cgroup /a/hugetlb cgroup rw,nosuid,hugetlb 0 0\ncgroup /a/pids cgroup rw,pids 0 0\n\
                      cgroup2 /a/unified cgroup2 rw 0 0\n";
        let dirs = |text: &str| {
            let groups = groups_of(text, mounts);
            groups.into_iter().map(|group| (group.dir, group.unified)).collect::<Vec<_>>()
        };
        let of = |dirs: &[&str], unified| {
            dirs.iter().map(|dir| (PathBuf::from(dir), unified)).collect::<Vec<_>>()
        };
        assert_eq!(
            dirs("3:pids:/x\n4:hugetlb,misc:/\n"),
            of(&["/a/hugetlb/", "/a/hugetlb"], false)[..1]
        );
        assert_eq!(dirs("0::/x/y\n"), of(&["/a/unified/x/y", "/a/unified/x", "/a/unified"], true));
        assert_eq!(groups_of("0::/x", ""), []);
        let blank = groups_of("0::/", "cgroup2 /a\\040b cgroup2 rw 0 0\n");
        assert_eq!(blank.first().map(|group| group.dir.as_path()), Some(Path::new("/a b/")));
    }

    #[test]
    fn the_tightest_limit_counts() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let write = |dir: &Path, name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
        write(dir.path(), "hugetlb.2MB.max", "8388608\n");
        write(dir.path(), "hugetlb.2MB.current", "6291456\n");
        write(&inner, "hugetlb.2MB.max", "max\n");
        write(&inner, "hugetlb.2MB.rsvd.max", "4194304\n");
        write(&inner, "hugetlb.1GB.max", "1073741824\n");
        let both = [inner.clone(), dir.path().into()].map(|dir| Group { dir, unified: true });
        let file = dir.path().join("hugetlb.2MB.max");
        let bound = Bound { file, limit_bytes: 8 << 20, room_bytes: 2 << 20 };
        assert_eq!(tightest(&both, HUGE), Some(bound));
        assert_eq!(tightest(&both, GIANT_PAGE_BYTES).unwrap().room_bytes, 1 << 30);
        let old = |dir: &Path| [Group { dir: dir.into(), unified: false }];
        assert_eq!(tightest(&old(&inner), HUGE), None);
        write(&inner, "hugetlb.2MB.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(tightest(&old(&inner), HUGE), None);
        write(&inner, "hugetlb.2MB.limit_in_bytes", "2097152\n");
        assert_eq!(tightest(&old(&inner), HUGE).unwrap().limit_bytes, 2 << 20);
    }
}
