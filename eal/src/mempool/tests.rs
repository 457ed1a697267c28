//! The pool's protocol on heap memory: what one process does, what threads do, and death at every step.
#![allow(unsafe_code, reason = "tests of code on raw records")]

mod death;
mod handle;
mod model;

use super::cache::Cache;
use super::test_pool::{TestPool, give, give_uncached, handle_of, stamp_of, take, take_uncached};

const ME: u32 = 0x101;

#[test]
fn every_record_can_be_taken_once_and_the_pool_is_then_empty() {
    let pool = TestPool::new(10, 4, 2);
    let mut cache = Cache::for_take(pool.view(ME)).unwrap();
    let all = take(&mut cache, 100);
    let mut handles: Vec<u32> = all.iter().map(|&record| handle_of(record)).collect();
    handles.sort_unstable();
    handles.dedup();
    assert_eq!(handles.len(), 10);
    assert!(all.iter().all(|&record| stamp_of(record) == ME));
    assert!(take(&mut cache, 1).is_empty());
    let audit = cache.view.audit();
    assert!(audit.is_exact() && audit.in_use == 10, "{audit}");
    give(&mut cache, &all);
    assert!(all.iter().all(|&record| stamp_of(record) == 0));
    cache.close();
    assert_eq!(pool.drain(ME).len(), 10);
}

#[test]
fn the_last_given_is_the_first_taken() {
    let pool = TestPool::new(8, 4, 1);
    let mut cache = Cache::for_take(pool.view(ME)).unwrap();
    let taken = take(&mut cache, 3);
    give(&mut cache, &taken);
    let again = take(&mut cache, 3);
    assert_eq!(again, taken.iter().rev().copied().collect::<Vec<_>>());
}

#[test]
fn memory_is_first_touched_in_ascending_order_and_no_sooner_than_needed() {
    let pool = TestPool::new(16, 4, 1);
    let view = pool.view(ME);
    let mut cache = Cache::for_take(view).unwrap();
    let first = take(&mut cache, 2);
    assert_eq!(handle_of(first[0]) + 1, handle_of(first[1]));
    assert_eq!(handle_of(first[0]), view.first_record);
    give(&mut cache, &first);
    for _ in 0..100 {
        let some = take(&mut cache, 4);
        give(&mut cache, &some);
    }
    assert!(!view.is_untouched(0));
    assert!((1..4).all(|range| view.is_untouched(range)));
}

#[test]
fn records_know_their_buffer_and_their_pool() {
    let pool = TestPool::new(5, 4, 1);
    let view = pool.view(ME);
    let all = take_uncached(&view, 5);
    for &record in &all {
        // SAFETY: the record was taken above.
        let head = unsafe { &(*record.as_ptr()).head };
        let number = i64::from(head.handle - view.first_record);
        let buffer = record.as_ptr().addr() as i64 + head.buf_distance;
        let first_record = view.base.as_ptr().addr() as i64 + 64 * i64::from(view.first_record);
        assert_eq!(buffer, first_record + (1 << 20) + number * 192);
        assert_eq!((head.pool, head.buf_len), (view.header().handle, 64));
    }
    give_uncached(&view, &all);
}

#[test]
fn a_cache_finds_room_even_when_all_others_hoard() {
    let pool = TestPool::new(64, 4, 8);
    let view = pool.view(ME);
    let records = take_uncached(&view, 64);
    let mut caches: Vec<Cache> = (0..8).map(|_| Cache::for_give(view).unwrap()).collect();
    for (turn, record) in records.iter().enumerate() {
        give(&mut caches[turn % 8], &[*record]);
    }
    assert!(view.audit().is_exact());
    assert_eq!(view.in_use(), 0);
    caches.into_iter().for_each(Cache::close);
    assert_eq!(pool.drain(ME).len(), 64);
}

#[test]
fn without_a_seat_there_is_no_cache_but_the_pool_still_works() {
    let pool = TestPool::new(16, 4, 2);
    let view = pool.view(ME);
    let caches = [Cache::for_give(view).unwrap(), Cache::for_give(view).unwrap()];
    assert!(Cache::for_give(view).is_none());
    assert!(Cache::for_take(view).is_none());
    let records = take_uncached(&view, 16);
    assert_eq!(records.len(), 16);
    give_uncached(&view, &records);
    caches.into_iter().for_each(Cache::close);
    assert!(Cache::for_take(view).is_some(), "closing a cache frees its seat");
}

#[test]
fn an_empty_pool_gives_no_cache_and_keeps_no_seat() {
    let pool = TestPool::new(4, 4, 1);
    let view = pool.view(ME);
    let all = take_uncached(&view, 4);
    assert!(Cache::for_take(view).is_none());
    give_uncached(&view, &all);
    assert!(Cache::for_take(view).is_some());
}

#[test]
fn threads_neither_lose_nor_double_a_record() {
    let pool = TestPool::new(48, 4, 3);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let view = pool.view(ME);
            scope.spawn(move || churn(view, thread));
        }
    });
    let audit = pool.view(ME).audit();
    assert!(audit.is_exact() && audit.in_use == 0, "{audit}");
    assert_eq!(pool.drain(ME).len(), 48);
}

/// Takes and gives in uneven portions; the last thread works without a cache.
fn churn(view: super::view::PoolView, thread: usize) {
    let mut cache = if thread < 3 { Cache::for_give(view) } else { None };
    for round in 0..20_000_usize {
        let want = 1 + (round * 7 + thread * 3) % 11;
        let records = match &mut cache {
            Some(cache) => take(cache, want),
            None => take_uncached(&view, want),
        };
        for &record in &records {
            assert_eq!(stamp_of(record), view.me);
            // SAFETY: this thread holds the record.
            unsafe { (*record.as_ptr()).body[0] = thread as u64 };
        }
        for &record in &records {
            // SAFETY: this thread holds the record.
            let mark = unsafe { (*record.as_ptr()).body[0] };
            assert_eq!(mark, thread as u64, "somebody else has this record too");
        }
        match &mut cache {
            Some(cache) => give(cache, &records),
            None => give_uncached(&view, &records),
        }
    }
    if let Some(cache) = cache {
        cache.close();
    }
}
