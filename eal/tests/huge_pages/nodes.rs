//! Huge pages on a machine with two memory nodes, as a tree like `/sys` tells it.

use std::path::Path;

use eal::{Eal, EalConfig, Error, FileKind};

use super::{MIB, have, touch, turn};

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Two nodes, of which the second has eight huge pages, the first all others.
fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "devices/system/cpu/online", "0-1\n");
    write(dir.path(), "devices/system/node/online", "0-1\n");
    let pool = "hugepages-2048kB";
    write(dir.path(), &format!("kernel/mm/hugepages/{pool}/free_hugepages"), "80\n");
    write(dir.path(), &format!("kernel/mm/hugepages/{pool}/nr_hugepages"), "80\n");
    for (node, pages) in [(0, "72\n"), (1, "8\n")] {
        let node = format!("devices/system/node/node{node}");
        write(dir.path(), &format!("{node}/cpulist"), "0-1\n");
        write(dir.path(), &format!("{node}/hugepages/{pool}/free_hugepages"), pages);
        write(dir.path(), &format!("{node}/hugepages/{pool}/nr_hugepages"), pages);
    }
    dir
}

#[test]
fn a_node_without_pages_says_so_and_the_others_go_on() {
    let _turn = turn();
    if !have("a_node_without_pages_says_so_and_the_others_go_on", 160) {
        return;
    }
    let tree = tree();
    let config = EalConfig {
        sysfs: tree.path().into(),
        socket_mem_bytes: vec![16 * MIB, 8 * MIB],
        ..EalConfig::default()
    };
    let eal = Eal::new(config).unwrap();
    let memory = eal.memory();
    assert_eq!(memory.describe(), "memory: 2 MiB pages (memfd), sealed");
    let second = memory.alloc_on(Some(1), FileKind::Data, 8 * MIB, 64).unwrap();
    assert_eq!(second.extent().offset, 16 * MIB);
    memory.alloc_on(Some(1), FileKind::Data, 16 * MIB, 64).unwrap();
    let error = memory.alloc_on(Some(1), FileKind::Data, 18 * MIB, 64).unwrap_err();
    assert!(matches!(error, Error::HugePages { socket: Some(1), .. }), "{error}");
    assert!(
        error.to_string().contains("node1/hugepages/hugepages-2048kB/nr_hugepages'"),
        "{error}"
    );
    touch(memory, 12 * MIB);
}
