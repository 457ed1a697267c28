//! The shipped depot and caches, checked by loom over all interleavings of a few calls.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p eal --release --test loom_mempool`.
//!
//! State words, bitmaps, lengths and entries are loom's atomics, so an access that is not ordered by a claim sees
//! old values, and a record is lost or doubled. Stamps on records are plain atomics here.
//!
//! Loom remembers one load of a word when it looks for orders to try, so a store that its own thread precedes by
//! a load hides other threads' loads from it. Each model is therefore run twice,
//! the second time with the main thread letting the others go first.
#![cfg(loom)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use eal::mempool::model::{Held, ModelPool};
use loom::sync::Arc;
use loom::thread;

fn check(preemptions: usize, model: impl Fn(Order) + Sync + Send + 'static) {
    let model = std::sync::Arc::new(model);
    for order in [Order::AsSpawned, Order::OthersFirst] {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.max_branches = 20_000;
        let model = std::sync::Arc::clone(&model);
        builder.check(move || model(order));
    }
}

/// Who goes first after the main thread has started others.
#[derive(Clone, Copy)]
enum Order {
    AsSpawned,
    OthersFirst,
}

impl Order {
    fn apply(self) {
        if matches!(self, Self::OthersFirst) {
            thread::yield_now();
        }
    }
}

fn assert_exact(pool: &ModelPool, in_use: u32) {
    let audit = pool.audit();
    assert!(audit.is_exact() && audit.in_use == in_use, "{audit}");
}

fn assert_distinct(one: &Held, two: &Held) {
    let mut all = [one.handles(), two.handles()].concat();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "a record was handed out twice");
}

#[test]
fn two_threads_never_get_the_same_record() {
    check(3, |order| {
        let pool = Arc::new(ModelPool::new(4, 2, 1, 3));
        let other = Arc::clone(&pool);
        let thread = thread::spawn(move || other.take_uncached(1, 2));
        order.apply();
        let here = pool.take_uncached(1, 2);
        let there = thread.join().expect("the thread ends");
        assert_eq!((here.len(), there.len()), (2, 2));
        assert_distinct(&here, &there);
        assert_exact(&pool, 4);
    });
}

#[test]
fn what_one_thread_gives_another_can_take() {
    check(3, |order| {
        let pool = Arc::new(ModelPool::new(2, 2, 1, 3));
        let all = pool.take_uncached(1, 2);
        let other = Arc::clone(&pool);
        let thread = thread::spawn(move || other.give_uncached(1, all));
        order.apply();
        let some = pool.take_uncached(1, 2);
        thread.join().expect("the thread ends");
        assert_exact(&pool, some.len() as u32);
        let rest = pool.take_uncached(1, 2);
        assert_eq!(some.len() + rest.len(), 2);
        assert_distinct(&some, &rest);
        assert_exact(&pool, 2);
    });
}

#[test]
fn two_caches_steal_from_one_depot_and_lose_nothing() {
    check(2, |order| {
        let pool = Arc::new(ModelPool::new(4, 2, 2, 8));
        let work = |pool: &ModelPool, owner: u32| {
            let mut cache = pool.cache(owner).expect("a seat for each");
            let held = cache.take(3);
            cache.give(held);
            cache.close();
        };
        let other = Arc::clone(&pool);
        let thread = thread::spawn(move || work(&other, 2));
        order.apply();
        work(&pool, 1);
        thread.join().expect("the thread ends");
        assert_exact(&pool, 0);
        assert_eq!(pool.take_uncached(1, 5).len(), 4, "a hint hides a chunk");
    });
}

#[test]
fn a_giver_finds_room_while_another_moves_chunks() {
    check(2, |order| {
        let pool = Arc::new(ModelPool::new(2, 1, 1, 3));
        let all = pool.take_uncached(1, 1);
        let other = Arc::clone(&pool);
        let thread = thread::spawn(move || {
            let one = other.take_uncached(1, 1);
            other.give_uncached(1, one);
        });
        order.apply();
        pool.give_uncached(1, all);
        thread.join().expect("the thread ends");
        assert_exact(&pool, 0);
    });
}

#[test]
fn a_sweep_beside_a_worker_gives_each_record_once() {
    check(2, |order| {
        let pool = Arc::new(ModelPool::new(3, 2, 1, 4));
        let lost = pool.take_uncached(9, 2);
        assert_eq!(lost.len(), 2);
        let other = Arc::clone(&pool);
        let thread = thread::spawn(move || {
            let held = other.take_uncached(1, 2);
            other.give_uncached(1, held);
        });
        order.apply();
        assert_eq!(pool.sweep(2, 9), 2);
        thread.join().expect("the thread ends");
        assert_exact(&pool, 0);
        assert_eq!(pool.take_uncached(1, 4).len(), 3);
    });
}

#[test]
fn two_sweepers_of_one_death_do_not_meet() {
    check(2, |order| {
        let pool = Arc::new(ModelPool::new(2, 2, 1, 4));
        let mut cache = pool.cache(9).expect("a free seat");
        let lost = cache.take(1);
        assert_eq!(lost.len(), 1);
        let other = Arc::clone(&pool);
        let thread = thread::spawn(move || other.sweep(3, 9));
        order.apply();
        pool.sweep(2, 9);
        thread.join().expect("the thread ends");
        assert_exact(&pool, 0);
        assert_eq!(pool.take_uncached(1, 3).len(), 2);
    });
}
