//! Which pages are chosen, and what is said.

use super::*;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const HUGE: BackingKind = BackingKind::HugeMemfd { page_bytes: HUGE_PAGE_BYTES };
const GIANT: BackingKind = BackingKind::HugeMemfd { page_bytes: GIANT_PAGE_BYTES };

fn wanting(memory_bytes: u64) -> EalConfig {
    EalConfig { memory_bytes, ..EalConfig::default() }
}

fn auto(wanted: u64, huge_bytes: u64) -> Choice {
    Choice::auto(&wanting(wanted), Free { huge_bytes, giant_bytes: 0 })
}

fn data(wanted: u64, huge_bytes: u64, giant_bytes: u64) -> BackingKind {
    Choice::auto(&wanting(wanted), Free { huge_bytes, giant_bytes }).data
}

#[test]
fn huge_pages_are_taken_when_enough_are_free() {
    assert_eq!(auto(0, 63 * MIB).data, BackingKind::Plain);
    assert_eq!(auto(0, 64 * MIB).data, HUGE);
    assert_eq!(auto(256 * MIB, 255 * MIB).data, BackingKind::Plain);
    assert_eq!(auto(256 * MIB, 256 * MIB).data, HUGE);
    assert_eq!(auto(u64::MAX, u64::MAX).data, BackingKind::Plain);
}

#[test]
fn a_control_group_bounds_both_files_where_their_pages_are_of_one_size() {
    let bound = |room_bytes| {
        Some(Bound { file: "hugetlb.2MB.max".into(), limit_bytes: room_bytes, room_bytes })
    };
    let mut choice = auto(256 * MIB, 512 * MIB);
    assert_eq!(choice.private, HUGE);
    choice.group = bound(300 * MIB);
    assert!(choice.group_allows(256 * MIB, 2 * MIB));
    assert!(!choice.group_allows(270 * MIB, 2 * MIB), "the private file will have 32 MiB");
    assert!(!choice.group_allows(256 * MIB, 46 * MIB), "it has more");
    let free = Free { huge_bytes: 64 * MIB, giant_bytes: GIB };
    let mut choice = Choice::auto(&wanting(GIB), free);
    assert_eq!((&choice.private, &choice.data), (&HUGE, &GIANT));
    choice.group = bound(GIB);
    assert!(choice.group_allows(GIB, 64 * MIB), "that is another limit");
}

#[test]
fn large_amounts_get_giant_pages_when_there_are_enough() {
    assert_eq!(data(GIB, 2 * GIB, GIB), GIANT);
    assert_eq!(data(GIB + MIB, 2 * GIB, GIB), HUGE, "two would be needed");
    assert_eq!(data(GIB - MIB, 2 * GIB, GIB), HUGE, "small amounts leave them to others");
    assert_eq!(data(GIB - MIB, 0, GIB), GIANT, "better than ordinary pages");
    assert_eq!(data(0, 0, GIB), GIANT);
    assert_eq!(data(2 * GIB, GIB, GIB), BackingKind::Plain);
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
    assert_eq!(auto(256 * MIB, 288 * MIB).private, HUGE);
    assert_eq!(auto(0, 40 * MIB).private, BackingKind::Plain);
    let beside_giant = |huge_bytes| {
        let free = Free { huge_bytes, giant_bytes: GIB };
        Choice::auto(&wanting(GIB), free).private
    };
    assert_eq!((beside_giant(40 * MIB), beside_giant(0)), (HUGE, BackingKind::Plain));
}

#[test]
fn the_policy_is_kept() {
    let config = EalConfig { huge: HugePolicy::Never, ..wanting(0) };
    let never = Choice::now(&config).unwrap();
    assert_eq!((never.data.clone(), never.may_fall_back()), (BackingKind::Plain, false));
}

#[test]
fn a_directory_that_will_not_do_is_named_with_what_would() {
    let dir = tempfile::tempdir().unwrap();
    for (path, why) in [
        (dir.path().to_path_buf(), "it is not a hugetlbfs mount"),
        (dir.path().join("none"), "No such file or directory"),
    ] {
        let config = EalConfig { huge: HugePolicy::Dir(path.clone()), ..wanting(0) };
        let text = Choice::now(&config).unwrap_err().to_string();
        assert!(text.contains(&format!("'{}' ({why}", path.display())), "{text}");
        assert!(text.contains("leave the option out"), "{text}");
    }
}

#[test]
fn too_few_pages_come_with_the_number_to_set() {
    let tree = tempfile::tempdir().unwrap();
    huge::fake_pool(tree.path(), None, HUGE_PAGE_BYTES, [100, 60, 10]);
    let config = EalConfig { sysfs: tree.path().into(), ..wanting(0) };
    let text = Choice::now(&config).unwrap().missing(256 * MIB, None).to_string();
    assert_eq!(
        text,
        "Not enough memory available! Requested: 256MB, available: 100MB: 78 pages of 2 MiB are missing; \
         'sysctl -w vm.nr_hugepages=178' adds them, --no-huge (and no --huge-dir) does without"
    );
}

#[test]
fn too_few_pages_on_a_node_come_with_its_file() {
    let pool = Pool { free_bytes: 10 * MIB, pages: 8 };
    let text = auto(0, 0).missing_on_node(64 * MIB, 1, pool).to_string();
    let start = "Not enough memory available on socket 1! Requested: 64MB, available: 10MB";
    assert!(text.starts_with(start), "{text}");
    let how = "'echo 35 > /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages'";
    assert!(text.contains(how), "{text}");
}

#[test]
fn files_have_the_names_that_were_asked_for() {
    let named = |huge_unlink, prefix: Option<&str>| {
        let file_prefix = prefix.map(Into::into);
        file_name(&EalConfig { huge_unlink, file_prefix, ..wanting(0) }, "data")
    };
    assert_eq!(named(HugeUnlink::Always, Some("a")), None);
    assert_eq!(named(HugeUnlink::Never, None), None, "only a prefix tells programs apart");
    let name = |stays| Some(FileName { name: "pmd-rs-a-data".into(), stays });
    assert_eq!(named(HugeUnlink::Existing, Some("a")), name(false));
    assert_eq!(named(HugeUnlink::Never, Some("a")), name(true));
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

#[test]
fn a_node_that_is_short_of_pages_is_noticed_before_anything_is_made() {
    let tree = crate::topology::fake_tree(2);
    huge::fake_pool(tree.path(), None, HUGE_PAGE_BYTES, [100, 100, 0]);
    huge::fake_pool(tree.path(), Some(0), HUGE_PAGE_BYTES, [90, 90, 0]);
    huge::fake_pool(tree.path(), Some(1), HUGE_PAGE_BYTES, [10, 10, 0]);
    let topology = crate::topology::Topology::read(tree.path());
    let nodes = Nodes::new(topology, 0, std::iter::once(0));
    let choice = |figures: [u64; 2], huge: HugePolicy| {
        let socket_mem_bytes = figures.map(|figure| figure * MIB).to_vec();
        let config = EalConfig { sysfs: tree.path().into(), huge, socket_mem_bytes, ..wanting(0) };
        let mut choice = Choice::new(&config, HUGE, HUGE, HUGE_PAGE_BYTES, 200 * MIB);
        let plan = nodes.plan(&config, HUGE_PAGE_BYTES)?;
        choice.check_nodes(&nodes, &plan).map(|()| choice.data)
    };
    assert_eq!(choice([128, 20], HugePolicy::Auto).unwrap(), HUGE);
    assert_eq!(choice([64, 32], HugePolicy::Auto).unwrap(), BackingKind::Plain);
    let text = choice([64, 32], HugePolicy::Dir("/mnt/huge".into())).unwrap_err().to_string();
    let start =
        "Not enough memory available on socket 1! Requested: 32MB, available: 20MB: 6 pages";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains("'echo 16 > /sys/devices/system/node/node1/"), "{text}");
}
