//! A process dies after each of its steps in turn; the pool must be exact after the sweep.

use super::super::cache::Cache;
use super::super::record::Record;
use super::super::test_pool::{
    TestPool, give, give_uncached, handle_of, take, take_uncached, until_death,
};
use super::super::view::PoolView;
use std::ptr::NonNull;

const DEAD: u32 = 0x102;
const SWEEPER: u32 = 0x103;
const SECOND_SWEEPER: u32 = 0x104;
const BYSTANDER: u32 = 0x105;

const SIZE: u32 = 10;
const CHUNK: u32 = 4;

type Life = fn(PoolView);

/// Fills virgin chunks, works up and down across chunk borders, goes to the depot both ways, ends properly.
fn cached_life(view: PoolView) {
    let Some(mut cache) = Cache::for_take(view) else { return };
    let mut held = take(&mut cache, 3);
    held.extend(take(&mut cache, 4));
    give(&mut cache, &held.split_off(1));
    held.extend(take(&mut cache, 2));
    give(&mut cache, &held);
    cache.close();
}

/// Begins with a give.
fn giving_life(view: PoolView) {
    let held = take_uncached(&view, 6);
    let Some(mut cache) = Cache::for_give(view) else { return };
    give(&mut cache, &held);
    let held = take(&mut cache, 5);
    give(&mut cache, &held);
    cache.close();
}

fn uncached_life(view: PoolView) {
    let mut held = take_uncached(&view, 5);
    give_uncached(&view, &held.split_off(2));
    held.extend(take_uncached(&view, 3));
    give_uncached(&view, &held);
}

/// Two threads of one process, interleaved; it ends with caches and records in its hands.
fn two_threads_life(view: PoolView) {
    let (Some(mut one), Some(mut two)) = (Cache::for_take(view), Cache::for_take(view)) else {
        return;
    };
    let from_one = take(&mut one, 5);
    give(&mut two, &from_one[..3]);
    let from_two = take(&mut two, 2);
    give(&mut one, &from_two);
}

const LIVES: [(&str, Life); 4] = [
    ("cached", cached_life),
    ("giving", giving_life),
    ("uncached", uncached_life),
    ("two threads", two_threads_life),
];

/// A pool in which a living process has a cache and holds two records.
fn pool_with_bystander() -> (TestPool, Cache, Vec<NonNull<Record>>) {
    let pool = TestPool::new(SIZE, CHUNK, 4);
    let mut cache = Cache::for_take(pool.view(BYSTANDER)).unwrap();
    let held = take(&mut cache, 2);
    (pool, cache, held)
}

/// After the sweeps: what the bystander holds is in use and nothing else; everything else can be taken; all seats
/// but the bystander's are free.
fn assert_recovered(
    pool: &TestPool,
    mut cache: Cache,
    held: &[NonNull<Record>],
    context: &dyn std::fmt::Debug,
) {
    let view = pool.view(BYSTANDER);
    let audit = view.audit();
    assert!(audit.is_exact() && audit.in_use as usize == held.len(), "{context:?}: {audit}");
    assert_eq!(view.in_use() as usize, held.len(), "{context:?}");
    give(&mut cache, held);
    cache.close();
    let expected: Vec<u32> = (view.first_record..view.first_record + SIZE).collect();
    assert_eq!(pool.drain(BYSTANDER), expected, "{context:?}");
    assert!((0..4).all(|_| view.take_seat().is_some()), "{context:?}: a seat is lost");
    assert!(view.audit().is_exact(), "{context:?}");
}

fn nothing(_handle: u32) -> bool {
    false
}

#[test]
fn wherever_a_process_dies_the_sweep_finds_everything() {
    for (name, life) in LIVES {
        let mut deaths = 0;
        for steps in 0.. {
            let (pool, cache, held) = pool_with_bystander();
            let view = pool.view(DEAD);
            let survived = until_death(steps, || life(view)).is_some();
            pool.view(SWEEPER).sweep(DEAD, &nothing);
            assert_recovered(&pool, cache, &held, &(name, steps));
            if survived {
                break;
            }
            deaths += 1;
        }
        assert!(deaths > 30, "{name}: only {deaths} steps to die at");
    }
}

#[test]
fn the_sweeper_may_die_too_and_its_successor_may_sweep_in_either_order() {
    for (name, life) in LIVES {
        for steps in 0.. {
            let mut survived = false;
            for sweep_steps in 0.. {
                let mut done = false;
                for order in [[DEAD, SWEEPER], [SWEEPER, DEAD]] {
                    let (pool, cache, held) = pool_with_bystander();
                    let (dead, sweeper) = (pool.view(DEAD), pool.view(SWEEPER));
                    survived = until_death(steps, || life(dead)).is_some();
                    done = until_death(sweep_steps, || sweeper.sweep(DEAD, &nothing)).is_some();
                    let successor = pool.view(SECOND_SWEEPER);
                    for owner in order {
                        successor.sweep(owner, &nothing);
                    }
                    assert_recovered(&pool, cache, &held, &(name, steps, sweep_steps, order));
                }
                if done {
                    break;
                }
            }
            if survived {
                break;
            }
        }
    }
}

#[test]
fn what_a_queue_lists_stays_in_use() {
    let (pool, cache, bystanders) = pool_with_bystander();
    let view = pool.view(DEAD);
    let mut dying = Cache::for_take(view).unwrap();
    let posted = take(&mut dying, 3);
    let in_hand = take(&mut dying, 2);
    let listed: Vec<u32> = posted.iter().map(|&record| handle_of(record)).collect();
    let sweeper = pool.view(SWEEPER);
    let recovered = sweeper.sweep(DEAD, &|handle| listed.contains(&handle));
    assert!(recovered as usize >= in_hand.len());
    let audit = sweeper.audit();
    assert!(audit.is_exact() && audit.in_use == 5, "{audit}");
    // The queue's next owner takes them over and gives them back.
    assert_eq!(sweeper.sweep(DEAD, &nothing), 3);
    assert_recovered(&pool, cache, &bystanders, &"queue");
}

#[test]
fn a_second_sweep_finds_nothing() {
    let (pool, cache, held) = pool_with_bystander();
    two_threads_life(pool.view(DEAD));
    assert!(pool.view(SWEEPER).sweep(DEAD, &nothing) > 0);
    assert_eq!(pool.view(SWEEPER).sweep(DEAD, &nothing), 0);
    assert_eq!(pool.view(SECOND_SWEEPER).sweep(DEAD, &nothing), 0);
    assert_recovered(&pool, cache, &held, &"twice");
}

#[test]
fn a_sweep_leaves_what_others_hold_alone() {
    let (pool, cache, held) = pool_with_bystander();
    let chunks = pool.chunks();
    let before: Vec<u64> = states(&pool, chunks);
    assert_eq!(pool.view(SWEEPER).sweep(DEAD, &nothing), 0);
    assert_eq!(states(&pool, chunks), before);
    assert_recovered(&pool, cache, &held, &"nobody died");
}

fn states(pool: &TestPool, chunks: u32) -> Vec<u64> {
    let view = pool.view(SWEEPER);
    (0..chunks).map(|index| view.state(index).load(std::sync::atomic::Ordering::Relaxed)).collect()
}

#[test]
fn sweeping_while_others_work_harms_nobody() {
    let pool = TestPool::new(64, CHUNK, 4);
    let mut dying = Cache::for_take(pool.view(DEAD)).unwrap();
    let lost = take(&mut dying, 20);
    assert_eq!(lost.len(), 20);
    std::thread::scope(|scope| {
        for owner in [BYSTANDER, BYSTANDER + 1] {
            let view = pool.view(owner);
            scope.spawn(move || super::churn(view, 3));
        }
        for owner in [SWEEPER, SECOND_SWEEPER] {
            let view = pool.view(owner);
            scope.spawn(move || view.sweep(DEAD, &nothing));
        }
    });
    let audit = pool.view(SWEEPER).audit();
    assert!(audit.is_exact() && audit.in_use == 0, "{audit}");
    assert_eq!(pool.drain(SWEEPER).len(), 64);
}
