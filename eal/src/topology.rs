//! The CPUs and memory nodes of a machine, as its kernel describes them below `/sys`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::lcore::parse_numbers;

/// Where the kernel describes the machine that we run on.
const MACHINE: &str = "/sys";

/// What a tree like `/sys` says.
#[derive(Clone, Debug)]
pub(crate) struct Topology {
    root: PathBuf,
    /// CPUs that are online; `None` when the tree does not say.
    cpus: Option<BTreeSet<u32>>,
    /// Memory nodes with their CPUs; never empty.
    nodes: BTreeMap<u32, BTreeSet<u32>>,
}

impl Topology {
    /// Reads the tree at `root`.
    pub fn read(root: &Path) -> Self {
        let cpus = numbers(&root.join("devices/system/cpu/online"));
        let dir = root.join("devices/system/node");
        let ids = numbers(&dir.join("online")).unwrap_or_default();
        let cpus_of = |id: u32| numbers(&dir.join(format!("node{id}/cpulist"))).unwrap_or_default();
        let mut nodes: BTreeMap<u32, BTreeSet<u32>> =
            ids.into_iter().map(|id| (id, cpus_of(id))).collect();
        if nodes.is_empty() {
            nodes.insert(0, cpus.clone().unwrap_or_default());
        }
        Self { root: root.into(), cpus, nodes }
    }

    /// Where the tree is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the tree describes the machine that we run on.
    pub fn is_this_machine(&self) -> bool {
        self.root == Path::new(MACHINE)
    }

    /// CPUs that are online; `None` when the tree does not say.
    pub fn cpus(&self) -> Option<&BTreeSet<u32>> {
        self.cpus.as_ref()
    }

    /// The memory nodes' numbers, rising; at least one.
    pub fn nodes(&self) -> Vec<u32> {
        self.nodes.keys().copied().collect()
    }

    /// Whether memory lies at different distances from different CPUs.
    pub fn has_several_nodes(&self) -> bool {
        self.nodes.len() > 1
    }

    /// The memory node of a CPU; the lowest when the tree does not say.
    pub fn node_of(&self, cpu: u32) -> u32 {
        let of_cpu = self.nodes.iter().find(|(_, cpus)| cpus.contains(&cpu));
        let lowest = || self.nodes.keys().next().copied().unwrap_or(0);
        of_cpu.map_or_else(lowest, |(&node, _)| node)
    }
}

/// Numbers and ranges from a file such as `0-3,8`; `None` without any.
fn numbers(path: &Path) -> Option<BTreeSet<u32>> {
    parse_numbers(std::fs::read_to_string(path).ok()?.trim())
}

/// A tree with `nodes` memory nodes of two CPUs each, for tests: node 0 has CPUs 0 and 1, and so on.
#[cfg(test)]
pub(crate) fn fake_tree(nodes: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = dir.path().join("devices/system").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text + "\n").unwrap();
    };
    write("cpu/online", format!("0-{}", 2 * nodes - 1));
    write("node/online", format!("0-{}", nodes - 1));
    for node in 0..nodes {
        write(&format!("node/node{node}/cpulist"), format!("{}-{}", 2 * node, 2 * node + 1));
    }
    dir
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_with_two_nodes() {
        let tree = fake_tree(2);
        let topology = Topology::read(tree.path());
        assert_eq!(topology.cpus().map(BTreeSet::len), Some(4));
        assert_eq!(topology.nodes(), [0, 1]);
        assert_eq!([0, 1, 2, 3, 99].map(|cpu| topology.node_of(cpu)), [0, 0, 1, 1, 0]);
        assert!(topology.has_several_nodes() && !topology.is_this_machine());
    }

    #[test]
    fn a_tree_that_says_nothing_has_one_node() {
        let tree = tempfile::tempdir().unwrap();
        let topology = Topology::read(tree.path());
        assert_eq!((topology.nodes(), topology.cpus()), (vec![0], None));
        assert_eq!(topology.node_of(7), 0);
    }

    #[test]
    fn this_machine_has_the_cpu_that_runs_this() {
        let topology = Topology::read(Path::new(MACHINE));
        assert!(topology.is_this_machine() && !topology.nodes().is_empty());
        let cpus = topology.cpus().unwrap();
        assert!(crate::lcore::affinity().is_subset(cpus));
    }
}
