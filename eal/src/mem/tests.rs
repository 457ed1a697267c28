//! The memory handle as its users see it.

#![allow(unsafe_code, reason = "looks at mapped memory")]

use super::*;
use crate::config::{EalConfig, HugePolicy};
use crate::error::Error;
use crate::topology::Topology;

const MIB: u64 = 1 << 20;

fn memory() -> Memory {
    let config = EalConfig {
        huge: HugePolicy::Never,
        private_reserve_bytes: 64 * MIB,
        data_reserve_bytes: 128 * MIB,
        ..EalConfig::default()
    };
    create(&config).unwrap()
}

fn create(config: &EalConfig) -> Result<Memory, Error> {
    let topology = Topology::read(&config.sysfs);
    let lcores = topology.nodes();
    Memory::create(config, &Nodes::new(topology, 0, lcores.into_iter()))
}

/// The bytes of an extent, copied out.
fn contents(memory: &Memory, extent: &Extent) -> Vec<u8> {
    let at = memory.pointer(extent);
    // SAFETY: all of the extent is mapped, and nobody writes while the test looks.
    unsafe { std::slice::from_raw_parts(at.as_ptr(), extent.len as usize) }.to_vec()
}

fn fill(memory: &Memory, extent: &Extent, byte: u8) {
    let at = memory.pointer(extent);
    // SAFETY: all of the extent is mapped and held by the test alone.
    unsafe { at.write_bytes(byte, extent.len as usize) };
}

#[test]
fn extents_are_zero_also_when_used_again() {
    let memory = memory();
    for len in [64, 5000, 3 * 4096, 1 << 20] {
        let first = memory.alloc(FileKind::Data, len, 64).unwrap();
        fill(&memory, &first, 0xff);
        let place = first.extent();
        memory.free(first);
        let again = memory.alloc(FileKind::Data, len, 64).unwrap();
        assert_eq!(again.offset, place.offset, "freed memory is used again first");
        assert!(contents(&memory, &again).iter().all(|&byte| byte == 0), "{len}");
    }
}

#[test]
fn neighbours_survive_an_allocation_that_clears() {
    let memory = memory();
    let [before, between, after] =
        [(); 3].map(|()| memory.alloc(FileKind::Private, 6000, 64).unwrap());
    for extent in [&before, &between, &after] {
        fill(&memory, extent, 0x11);
    }
    let place = between.extent();
    memory.free(between);
    let again = memory.alloc(FileKind::Private, 6000, 64).unwrap();
    assert_eq!(again.extent(), place);
    for kept in [&before, &after] {
        assert!(contents(&memory, kept).iter().all(|&byte| byte == 0x11));
    }
}

#[test]
fn growth_raises_the_generation_and_stops_at_the_reservation() {
    let memory = memory();
    let before = (memory.generation(), memory.data_committed());
    let first = memory.alloc(FileKind::Data, 20 * MIB, 64).unwrap();
    assert!(memory.generation() > before.0 && memory.data_committed() >= 20 * MIB);
    fill(&memory, &first, 1);
    let second = memory.alloc(FileKind::Data, 100 * MIB, 2 * MIB).unwrap();
    assert_eq!(second.offset % (2 * MIB), 0);
    let error = memory.alloc(FileKind::Data, 100 * MIB, 64).unwrap_err();
    assert!(matches!(error, Error::Reservation { file: FileKind::Data, .. }), "{error}");
    memory.free(second);
    memory.alloc(FileKind::Data, 100 * MIB, 64).unwrap();
    assert!(memory.data_committed() <= 128 * MIB);
}

#[test]
fn impossible_requests_are_errors() {
    let memory = memory();
    for (len, align) in [(0, 64), (64, 0), (64, 48)] {
        assert!(matches!(memory.alloc(FileKind::Data, len, align), Err(Error::Extent { .. })));
    }
    for len in [u64::MAX, u64::MAX / 2, 1 << 40] {
        let error = memory.alloc(FileKind::Private, len, 1 << 20).unwrap_err();
        assert!(matches!(error, Error::Reservation { .. }), "{error}");
    }
}

#[test]
fn zones_are_found_by_name_until_freed() {
    let memory = memory();
    let zone = memory.zone_create("pool", FileKind::Private, 4096, 64).unwrap();
    let place = zone.extent();
    assert_eq!(memory.zone_lookup("pool"), Some(place));
    let taken = memory.zone_create("pool", FileKind::Private, 4096, 64).unwrap_err();
    assert!(taken.to_string().contains("taken"), "{taken}");
    memory.zone_free("pool", zone);
    assert_eq!(memory.zone_lookup("pool"), None);
    let other = memory.zone_create("other", FileKind::Private, 4096, 64).unwrap();
    assert_eq!(other.extent(), place);
}

#[test]
fn only_its_holder_gives_an_extent_back_and_only_to_its_memory() {
    let (one, two) = (memory(), memory());
    let mine = one.alloc(FileKind::Data, 4096, 64).unwrap();
    let theirs = two.alloc(FileKind::Data, 4096, 64).unwrap();
    assert_eq!(mine.extent(), theirs.extent(), "the same place in different files");
    fill(&two, &theirs, 5);
    two.free(mine);
    let zone = two.zone_create("zone", FileKind::Data, 4096, 64).unwrap();
    assert_ne!(zone.offset, theirs.offset, "what another memory handed out freed nothing");
    let other = two.alloc(FileKind::Data, 4096, 64).unwrap();
    two.zone_free("zone", other);
    assert_eq!(two.zone_lookup("zone"), Some(zone.extent()), "a name is not enough");
    assert!(contents(&two, &theirs).iter().all(|&byte| byte == 5));
}

#[test]
fn the_local_page_leads_from_any_record_to_the_memory() {
    let memory = memory();
    let extent = memory.alloc(FileKind::Private, 64, 64).unwrap();
    let record = memory.pointer(&extent);
    let handle = extent.offset / 64;
    assert_ne!(handle, 0);
    // SAFETY: the record lies `64 * handle` after the private file's first byte.
    let base = unsafe { record.sub(64 * handle as usize) };
    // SAFETY: `memory` keeps the window mapped.
    let context = unsafe { LocalContext::of(base) };
    assert_eq!((context.owner, context.unique), (memory.owner(), memory.unique()));
    // SAFETY: as above.
    let found = unsafe { Memory::from_private_base(base) }.unwrap();
    assert_eq!(found.unique(), memory.unique());
}

#[test]
fn memories_live_side_by_side() {
    let (one, two) = (memory(), memory());
    assert_ne!(one.unique(), two.unique());
    let a = one.alloc(FileKind::Data, 64, 64).unwrap();
    let b = two.alloc(FileKind::Data, 64, 64).unwrap();
    fill(&one, &a, 1);
    assert!(contents(&two, &b).iter().all(|&byte| byte == 0));
}

#[test]
fn memory_with_buffers_out_stays_mapped() {
    let memory = memory();
    let weak = memory.downgrade();
    let removed = memory.add_in_use_check(Box::new(|| 7));
    memory.remove_in_use_check(removed);
    memory.add_in_use_check(Box::new(|| 1));
    let extent = memory.alloc(FileKind::Data, 64, 64).unwrap();
    let at = memory.pointer(&extent);
    drop(memory);
    assert!(weak.upgrade().is_none());
    // SAFETY: the check above counted a buffer that is out, so the mapping stays.
    unsafe { at.write_volatile(1) };
}

#[test]
#[should_panic(expected = "not part of this memory")]
fn foreign_extents_are_refused() {
    let memory = memory();
    memory.pointer(&Extent { file: FileKind::Data, offset: 1 << 50, len: 64 });
}

#[test]
fn a_floor_above_all_there_is_is_refused() {
    let config =
        EalConfig { huge: HugePolicy::Never, memory_bytes: 1 << 50, ..EalConfig::default() };
    let error = create(&config).unwrap_err();
    assert!(matches!(error, Error::Machine { .. }), "{error}");
}

#[test]
fn a_floor_is_committed_at_the_start() {
    let config = EalConfig {
        huge: HugePolicy::Never,
        memory_bytes: 50 * MIB + 1,
        data_reserve_bytes: 8 * MIB,
        ..EalConfig::default()
    };
    let memory = create(&config).unwrap();
    assert_eq!(memory.data_committed(), 52 * MIB);
    assert!(memory.describe().contains("--no-huge"), "{}", memory.describe());
}

/// A memory on a machine with two nodes, as a tree tells it.
fn on_two_nodes(mem: &[u64], limit: &[u64]) -> Result<Memory, Error> {
    let tree = crate::topology::fake_tree(2);
    let bytes = |figures: &[u64]| figures.iter().map(|figure| figure * MIB).collect();
    create(&EalConfig {
        huge: HugePolicy::Never,
        sysfs: tree.path().into(),
        socket_mem_bytes: bytes(mem),
        socket_limit_bytes: bytes(limit),
        private_reserve_bytes: 64 * MIB,
        data_reserve_bytes: 512 * MIB,
        ..EalConfig::default()
    })
}

#[test]
fn each_node_has_its_part_of_one_region() {
    let memory = on_two_nodes(&[64, 32], &[]).unwrap();
    assert_eq!(memory.data_committed(), 96 * MIB);
    let alloc = |socket, mebibytes| {
        memory.alloc_on(socket, FileKind::Data, mebibytes * MIB, 64).unwrap().extent().offset / MIB
    };
    assert_eq!((alloc(Some(1), 8), alloc(Some(0), 8), alloc(Some(1), 8)), (64, 0, 72));
    assert_eq!(alloc(None, 8), 8, "any place will do");
    assert_eq!(alloc(Some(1), 16), 80);
    assert_eq!(alloc(Some(1), 4), 96, "node 1 is full: it gets more at the end");
    assert_eq!(memory.data_committed(), 128 * MIB);
    assert_eq!(alloc(Some(0), 60), 128, "and node 0 after it, not in what node 1 has left");
    assert_eq!(alloc(Some(1), 28), 100);
}

#[test]
fn a_node_grows_though_what_is_free_before_it_is_anothers() {
    let memory = on_two_nodes(&[64, 64], &[]).unwrap();
    let alloc = |socket, mebibytes| {
        memory.alloc_on(socket, FileKind::Data, mebibytes * MIB, 64).unwrap().extent().offset / MIB
    };
    assert_eq!(alloc(Some(1), 100), 64, "all of node 1's part and what was added to it");
    assert_eq!(alloc(Some(0), 64), 0);
}

#[test]
fn a_node_grows_up_to_its_limit() {
    let memory = on_two_nodes(&[16], &[64, 48]).unwrap();
    let alloc =
        |socket, mebibytes| memory.alloc_on(Some(socket), FileKind::Data, mebibytes * MIB, 64);
    let first = alloc(0, 60).unwrap();
    let error = alloc(0, 8).unwrap_err();
    assert!(matches!(error, Error::SocketLimit { socket: 0, .. }), "{error}");
    assert!(error.to_string().contains("--socket-limit allows 64 MiB"), "{error}");
    alloc(1, 48).unwrap();
    assert!(alloc(1, 1).is_err());
    assert_eq!(memory.data_committed(), (60 + 48) * MIB);
    assert!(memory.room_bytes() <= 4 * MIB, "{}", memory.room_bytes());
    memory.free(first);
    alloc(0, 40).unwrap();
}

#[test]
fn a_node_that_is_not_there_is_refused() {
    let memory = on_two_nodes(&[], &[]).unwrap();
    let error = memory.alloc_on(Some(2), FileKind::Data, MIB, 64).unwrap_err();
    assert!(error.to_string().contains("only socket 0, 1"), "{error}");
    memory.alloc_on(Some(1), FileKind::Private, 4096, 64).unwrap();
    let error = on_two_nodes(&[16, 16, 16], &[]).unwrap_err();
    assert!(matches!(error, Error::NoSocket { socket: 2, .. }), "{error}");
}

#[test]
fn room_is_what_one_more_allocation_can_have() {
    let memory = memory();
    let room = memory.room_bytes();
    assert_eq!(room, 128 * MIB, "all of the reservation");
    memory.alloc(FileKind::Data, 50 * MIB, 64).unwrap();
    assert_eq!(memory.room_bytes(), 78 * MIB);
    memory.alloc(FileKind::Data, memory.room_bytes(), 64).unwrap();
    assert_eq!(memory.room_bytes(), 0);
}

#[test]
fn a_pool_lies_on_the_node_that_was_named() {
    use crate::mempool::{Mempool, PoolConfig};
    let memory = on_two_nodes(&[32, 32], &[]).unwrap();
    let config = PoolConfig { size: 1024, buf_len: 2176, cache: 64 };
    let before = memory.alloc_on(Some(1), FileKind::Data, 64, 64).unwrap();
    let pool = Mempool::create_on(&memory, "one", &config, Some(1)).unwrap();
    let after = memory.alloc_on(Some(1), FileKind::Data, 64, 64).unwrap();
    assert!(after.offset - before.offset > 1024 * 2176, "{before:?} {after:?}");
    assert_eq!(memory.alloc_on(Some(0), FileKind::Data, 64, 64).unwrap().offset, 0);
    assert_eq!(pool.size(), 1024);
    assert!(Mempool::create_on(&memory, "two", &config, Some(7)).is_err());
}

#[test]
fn a_large_pool_costs_nothing_until_it_is_used() {
    use crate::mempool::{Mempool, PoolConfig};
    let config = EalConfig { huge: HugePolicy::Never, ..EalConfig::default() };
    let memory = create(&config).unwrap();
    let config = PoolConfig { size: 155_456, buf_len: 2176, cache: 250 };
    let pool = Mempool::create(&memory, "default", &config).unwrap();
    let blocks = |file: std::os::fd::BorrowedFd<'_>| nix::sys::stat::fstat(file).unwrap().st_blocks;
    let [(private, _), (data, _)] = memory.files();
    assert!(memory.data_committed() > 300 * MIB);
    assert!(blocks(data) * 512 < 1 << 20, "{} blocks of data", blocks(data));
    assert!(blocks(private) * 512 < 8 << 20, "{} blocks of metadata", blocks(private));
    drop(pool);
}
