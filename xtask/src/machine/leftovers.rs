//! What DPDK leaves behind: huge-page files and runtime folders that keep memory from the next run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The files and folders that were there before we began.
#[derive(Debug)]
pub struct Leftovers {
    places: Vec<Place>,
    before: BTreeSet<PathBuf>,
}

/// A folder in which DPDK leaves things.
#[derive(Clone, Debug)]
struct Place {
    folder: PathBuf,
    /// Only names that hold this are DPDK's.
    part_of_name: &'static str,
}

impl Leftovers {
    /// Remembers what is there now, in `mounts` of huge pages and in DPDK's runtime folders.
    pub fn remember(mounts: &[PathBuf]) -> Self {
        let mut places: Vec<Place> = mounts
            .iter()
            .map(|mount| Place { folder: mount.clone(), part_of_name: "map_" })
            .collect();
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let parents = ["/var/run", "/tmp"].map(PathBuf::from).into_iter().chain(runtime);
        places
            .extend(parents.map(|parent| Place { folder: parent.join("dpdk"), part_of_name: "" }));
        Self { before: listing(&places), places }
    }

    /// Removes what is new and not in use by a running process; how many entries.
    pub fn remove_new(&self) -> usize {
        let new: Vec<PathBuf> = listing(&self.places).difference(&self.before).cloned().collect();
        if new.is_empty() {
            return 0;
        }
        let used = open_files(Path::new("/proc"));
        let is_free = |path: &&PathBuf| !used.iter().any(|open| open.starts_with(path));
        new.iter().filter(is_free).filter(|path| remove(path)).count()
    }
}

fn listing(places: &[Place]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for place in places {
        for entry in fs::read_dir(&place.folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().contains(place.part_of_name) {
                found.insert(entry.path().canonicalize().unwrap_or_else(|_| entry.path()));
            }
        }
    }
    found
}

/// Every file that a process has open or mapped, as far as we may look.
fn open_files(proc: &Path) -> BTreeSet<PathBuf> {
    let mut open = BTreeSet::new();
    for process in fs::read_dir(proc).into_iter().flatten().flatten() {
        let descriptors = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        open.extend(descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()));
        let maps = fs::read_to_string(process.path().join("maps")).unwrap_or_default();
        let mapped = maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..]));
        open.extend(mapped.map(PathBuf::from));
    }
    open
}

fn remove(path: &Path) -> bool {
    let is_folder = path.symlink_metadata().is_ok_and(|data| data.is_dir());
    if is_folder { fs::remove_dir_all(path).is_ok() } else { fs::remove_file(path).is_ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remember(folder: &Path) -> Leftovers {
        let places = vec![Place { folder: folder.to_path_buf(), part_of_name: "map_" }];
        Leftovers { before: listing(&places), places }
    }

    fn touch(folder: &Path, name: &str) -> fs::File {
        fs::File::create(folder.join(name)).expect("writable")
    }

    #[test]
    fn only_what_is_new_named_so_and_unused_goes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        drop(touch(folder.path(), "old_map_0"));
        let leftovers = remember(folder.path());
        drop(touch(folder.path(), "new_map_0"));
        drop(touch(folder.path(), "somebody_else"));
        let held = touch(folder.path(), "held_map_0");
        assert_eq!(leftovers.remove_new(), 1);
        let rest = |name: &str| folder.path().join(name).exists();
        assert!(rest("old_map_0") && rest("somebody_else") && rest("held_map_0"));
        assert!(!rest("new_map_0"));
        drop(held);
        assert_eq!(leftovers.remove_new(), 1);
    }

    #[test]
    fn a_new_folder_goes_with_its_contents() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let leftovers = remember(folder.path());
        let inner = folder.path().join("map_folder");
        fs::create_dir(&inner).expect("writable");
        drop(touch(&inner, "config"));
        assert_eq!(leftovers.remove_new(), 1);
        assert!(!inner.exists());
    }
}
