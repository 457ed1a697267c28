//! The public handle, on an `Eal`'s memory.

use super::super::test_pool::meanwhile;
use super::super::view::PoolView;
use super::super::{Mempool, PoolConfig, Record};
use super::stamp_of;
use crate::{Eal, EalConfig, Memory};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::mpsc;

const CONFIG: PoolConfig = PoolConfig { size: 256, buf_len: 2176, cache: 64 };

fn eal() -> Eal {
    Eal::new(EalConfig { huge: crate::HugePolicy::Never, ..EalConfig::default() }).unwrap()
}

fn pool(memory: &Memory) -> Mempool {
    Mempool::create(memory, "packets", &CONFIG).unwrap()
}

fn take(pool: &Mempool, count: usize) -> Vec<NonNull<Record>> {
    let mut places = vec![MaybeUninit::uninit(); count];
    let taken = pool.take_bulk(&mut places);
    // SAFETY: take_bulk filled the first `taken` places.
    places[..taken].iter().map(|place| unsafe { place.assume_init() }).collect()
}

fn give(pool: &Mempool, records: &[NonNull<Record>]) {
    // SAFETY: tests give what they took from this pool, once.
    unsafe { pool.give_bulk(records) };
}

fn give_mixed(records: &[NonNull<Record>]) {
    // SAFETY: tests give what they took, once, while the pools live.
    unsafe { Mempool::give_mixed(records) };
}

fn assert_exact(pool: &Mempool, in_use: u32) {
    let audit = pool.audit();
    assert!(audit.is_exact() && audit.in_use == in_use, "{audit}");
    assert_eq!(pool.in_use(), in_use);
}

#[test]
fn a_pool_is_what_was_asked_for() {
    let eal = eal();
    let pool = pool(eal.memory());
    assert_eq!((pool.name(), pool.size(), pool.buf_len()), ("packets", 256, 2176));
    assert_exact(&pool, 0);
    let all = take(&pool, 300);
    assert_eq!(all.len(), 256);
    assert_exact(&pool, 256);
    assert_eq!(take(&pool, 1).len(), 0);
    give(&pool, &all);
    assert_exact(&pool, 0);
}

#[test]
fn every_buffer_can_be_written_to_its_last_byte_and_shares_none() {
    let eal = eal();
    let pool = pool(eal.memory());
    let all = take(&pool, 256);
    let buffer = |record: NonNull<Record>| {
        // SAFETY: the record was taken above.
        let distance = unsafe { (*record.as_ptr()).head.buf_distance };
        // SAFETY: the distance leads to the record's buffer in the same window.
        unsafe { record.cast::<u8>().offset(distance as isize) }
    };
    for (mark, &record) in all.iter().enumerate() {
        // SAFETY: the buffer has 2176 bytes and belongs to the record that this test holds.
        unsafe { buffer(record).write_bytes(mark as u8, 2176) };
    }
    for (mark, &record) in all.iter().enumerate() {
        for at in [0, 1088, 2175] {
            // SAFETY: `at` is inside the buffer.
            let byte = unsafe { buffer(record).add(at) };
            // SAFETY: as above.
            assert_eq!(unsafe { byte.read() }, mark as u8);
        }
    }
    give(&pool, &all);
}

#[test]
fn impossible_pools_are_refused_and_leave_nothing() {
    let eal = eal();
    let memory = eal.memory();
    for config in [PoolConfig { size: 0, ..CONFIG }, PoolConfig { buf_len: 0, ..CONFIG }] {
        Mempool::create(memory, "packets", &config).unwrap_err();
    }
    let first = pool(memory);
    let error = Mempool::create(memory, "packets", &CONFIG).unwrap_err();
    assert!(error.to_string().contains("packets"), "{error}");
    assert_exact(&first, 0);
    let long = "n".repeat(100);
    Mempool::create(memory, &long, &CONFIG).unwrap_err();
}

#[test]
fn a_pool_is_found_by_its_name_only() {
    let eal = eal();
    let made = pool(eal.memory());
    let found = Mempool::attach(eal.memory(), "packets").unwrap();
    let records = take(&made, 5);
    assert_exact(&found, 5);
    give(&found, &records);
    assert_exact(&made, 0);
    let error = Mempool::attach(eal.memory(), "other").unwrap_err();
    assert!(error.to_string().contains("other"), "{error}");
}

#[test]
fn records_of_several_pools_find_their_way_home() {
    let (one, two) = (eal(), eal());
    let pools = [
        pool(one.memory()),
        Mempool::create(one.memory(), "second", &CONFIG).unwrap(),
        pool(two.memory()),
    ];
    let mut mixed = Vec::new();
    for round in 0..20 {
        mixed.extend(take(&pools[round % 3], 1 + round % 4));
    }
    give_mixed(&mixed);
    give_mixed(&[]);
    pools.iter().for_each(|pool| assert_exact(pool, 0));
}

#[test]
fn more_pools_than_hot_places_keep_their_caches_apart() {
    let eal = eal();
    let small = PoolConfig { size: 40, buf_len: 64, cache: 32 };
    let pools: Vec<Mempool> = (0..20)
        .map(|number| Mempool::create(eal.memory(), &number.to_string(), &small).unwrap())
        .collect();
    for _ in 0..3 {
        let taken: Vec<_> = pools.iter().map(|pool| take(pool, 7)).collect();
        for (pool, records) in pools.iter().zip(&taken) {
            assert!(records.iter().all(|record| {
                // SAFETY: the record was taken above.
                unsafe { (*record.as_ptr()).head.pool == pool.handle() }
            }));
        }
        taken.iter().for_each(|records| give_mixed(records));
    }
    pools.iter().for_each(|pool| assert_exact(pool, 0));
}

#[test]
fn a_thread_that_ends_leaves_all_its_buffers_to_the_others() {
    let eal = eal();
    let pool = pool(eal.memory());
    let other = pool.clone();
    std::thread::spawn(move || {
        let records = take(&other, 100);
        give(&other, &records);
    })
    .join()
    .unwrap();
    assert_eq!(take(&pool, 256).len(), 256);
}

#[test]
fn a_thread_that_only_gives_needs_no_handle() {
    struct Parcel(Vec<NonNull<Record>>);
    // SAFETY: whoever has the parcel holds the records.
    unsafe impl Send for Parcel {}
    let eal = eal();
    let pool = pool(eal.memory());
    let parcel = Parcel(take(&pool, 200));
    std::thread::spawn(move || {
        let parcel = parcel;
        parcel.0.chunks(7).for_each(give_mixed);
    })
    .join()
    .unwrap();
    assert_exact(&pool, 0);
    assert_eq!(take(&pool, 256).len(), 256);
}

#[test]
fn a_thread_may_outlive_the_memory_whose_caches_it_had() {
    let (to_thread, from_test) = mpsc::channel::<Mempool>();
    let (to_test, from_thread) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        for pool in from_test {
            let records = take(&pool, 30);
            give(&pool, &records);
            drop(pool);
            to_test.send(()).unwrap();
        }
    });
    for _ in 0..3 {
        // The next memory may well be mapped where the last one was.
        let eal = eal();
        to_thread.send(pool(eal.memory())).unwrap();
        from_thread.recv().unwrap();
        let again = Mempool::attach(eal.memory(), "packets").unwrap();
        assert_exact(&again, 0);
    }
    drop(to_thread);
    thread.join().unwrap();
}

#[test]
fn records_given_while_a_thread_ends_are_not_lost() {
    struct Last(Option<Mempool>);
    impl Drop for Last {
        fn drop(&mut self) {
            if let Some(pool) = self.0.take() {
                let records = super::handle::take(&pool, 3);
                give_mixed(&records);
            }
        }
    }
    thread_local! { static LAST: std::cell::RefCell<Last> = const { std::cell::RefCell::new(Last(None)) }; }
    let eal = eal();
    let pool = pool(eal.memory());
    let other = pool.clone();
    std::thread::spawn(move || {
        // Registered first, so it runs after the caches of this thread are gone.
        LAST.with_borrow_mut(|last| last.0 = Some(other.clone()));
        let records = take(&other, 9);
        give(&other, &records);
    })
    .join()
    .unwrap();
    assert_exact(&pool, 0);
    assert_eq!(take(&pool, 256).len(), 256);
}

#[test]
fn taking_one_by_one_hands_out_each_record_once_and_survives_a_panic() {
    let eal = eal();
    let pool = pool(eal.memory());
    let mut records = Vec::new();
    assert_eq!(pool.take_each(100, |record| records.push(record)), 100);
    assert_exact(&pool, 100);
    assert_eq!(pool.take_each(1000, |record| records.push(record)), 156);
    give(&pool, &records);
    let mut calls = 0;
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pool.take_each(50, |_| {
            calls += 1;
            assert!(calls < 10, "the user's code fails");
        })
    }));
    assert!(panicked.is_err());
    assert_exact(&pool, 10);
}

#[test]
fn a_record_is_found_by_its_handle_and_stamped_for_this_process() {
    let eal = eal();
    let pool = pool(eal.memory());
    let [record] = take(&pool, 1)[..] else { panic!("the pool is full") };
    // SAFETY: the record was taken above.
    let head = unsafe { &(*record.as_ptr()).head };
    assert_eq!(pool.record(head.handle), Some(record));
    assert_eq!(pool.record(0), None);
    assert_eq!(pool.record(u32::MAX), None);
    head.owner.store(77, std::sync::atomic::Ordering::Relaxed);
    // SAFETY: this test holds the record.
    unsafe { pool.stamp(record) };
    assert_eq!(stamp_of(record), eal.memory().owner().raw());
    give(&pool, &[record]);
}

#[test]
fn sweeping_oneself_does_nothing() {
    let eal = eal();
    let pool = pool(eal.memory());
    let records = take(&pool, 5);
    assert_eq!(pool.sweep(eal.memory().owner(), &|_| false), 0);
    assert_exact(&pool, 5);
    give(&pool, &records);
}

#[test]
fn buffers_that_are_out_keep_the_memory() {
    let eal = eal();
    let pool = pool(eal.memory());
    let records = take(&pool, 3);
    drop(pool);
    drop(eal);
    // SAFETY: the memory stays mapped while buffers are out, and this test holds them.
    let head = unsafe { &(*records[0].as_ptr()).head };
    assert_ne!(head.handle, 0);
    give_mixed(&records);
    assert_eq!(stamp_of(records[0]), 0);
}

/// A memory with one record out and no seat left, so that whoever gives it back has no cache.
fn last_record_of_a_full_house() -> (Memory, NonNull<Record>, PoolView) {
    let memory = eal().memory().clone();
    let pool = pool(&memory);
    let zone = memory.zone_lookup("pool:packets").unwrap();
    let (at, base) = (memory.pointer(&zone), memory.private_base());
    // SAFETY: the pool is complete; tests use the view only while the memory is mapped.
    let view = unsafe { PoolView::new(at, base, memory.owner().raw()) };
    while view.take_seat().is_some() {}
    let [record] = take(&pool, 1)[..] else { panic!("the pool is full") };
    (memory, record, view)
}

#[test]
fn buffers_of_a_pool_that_was_found_twice_count_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = || EalConfig {
        file_prefix: Some("twice".into()),
        runtime_dir: Some(dir.path().into()),
        huge: crate::HugePolicy::Never,
        ..EalConfig::default()
    };
    let primary = Eal::new(config()).unwrap();
    let _made = pool(primary.memory());
    let second = Eal::attach(config()).unwrap();
    let memory = second.memory();
    let (found, _again) =
        (Mempool::attach(memory, "packets").unwrap(), Mempool::attach(memory, "packets").unwrap());
    let records = take(&found, 3);
    assert_eq!((memory.held(), primary.memory().held()), (3, 0));
    give(&found, &records);
    assert_eq!(memory.held(), 0);
}

#[test]
fn the_memory_may_end_while_a_thread_without_a_cache_gives_its_last_record() {
    let (memory, record, view) = last_record_of_a_full_house();
    let weak = memory.downgrade();
    let mut last = Some(memory);
    meanwhile(move || {
        let nothing_out = last.is_some() && view.held_by(view.me) == 0;
        if nothing_out {
            drop(last.take());
        }
        nothing_out
    });
    give_mixed(&[record]);
    assert!(weak.upgrade().is_none(), "it ended with the giving");
}

#[test]
fn a_record_given_while_its_memory_ends_stays_stamped() {
    struct Parcel(NonNull<Record>);
    // SAFETY: whoever has the parcel holds the record.
    unsafe impl Send for Parcel {}
    // SAFETY: the check below looks at it from one thread.
    unsafe impl Sync for Parcel {}
    let (memory, record, view) = last_record_of_a_full_house();
    let parcel = Parcel(record);
    let give_late = move || {
        let Parcel(record) = &parcel;
        give_mixed(&[*record]);
        0
    };
    memory.add_in_use_check(Box::new(give_late));
    drop(memory);
    assert_eq!(stamp_of(record), view.me, "it keeps the memory mapped");
}
