//! Taking and giving records: on one thread, and from one thread to another.
#![allow(unsafe_code, reason = "records are given back by raw pointer")]
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot go on says so"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use eal::mempool::{Mempool, PoolConfig, Record};
use eal::{Eal, EalConfig, ring};
use pmd_benches::{BURSTS, time_two_threads};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

const CONFIG: PoolConfig = PoolConfig { size: 16_384, buf_len: 2176, cache: 512 };

fn pool(eal: &Eal) -> Mempool {
    Mempool::create(eal.memory(), "bench", &CONFIG).expect("memory for a pool")
}

/// The front of `places`, filled.
fn take<'a>(
    pool: &Mempool,
    places: &'a mut [MaybeUninit<NonNull<Record>>],
) -> &'a [NonNull<Record>] {
    let taken = pool.take_bulk(places);
    // SAFETY: `take_bulk` filled the first `taken` places.
    unsafe { std::slice::from_raw_parts(places.as_ptr().cast(), taken) }
}

/// Take and give back at once: both stay in the thread's loaded chunk.
fn same_thread(criterion: &mut Criterion) {
    let eal = Eal::new(EalConfig::default()).expect("an Eal");
    let pool = pool(&eal);
    let mut group = criterion.benchmark_group("mempool/take_give");
    for burst in BURSTS {
        group.throughput(Throughput::Elements(burst as u64));
        group.bench_function(BenchmarkId::from_parameter(burst), |bencher| {
            let mut places = vec![MaybeUninit::uninit(); burst];
            bencher.iter(|| {
                let records = take(&pool, &mut places);
                // SAFETY: taken just now, forgotten after.
                unsafe { pool.give_bulk(records) };
            });
        });
    }
    group.finish();
}

/// As `same_thread`, with the pool found from each record.
fn mixed(criterion: &mut Criterion) {
    let eal = Eal::new(EalConfig::default()).expect("an Eal");
    let pool = pool(&eal);
    let mut group = criterion.benchmark_group("mempool/take_give_mixed");
    for burst in BURSTS {
        group.throughput(Throughput::Elements(burst as u64));
        group.bench_function(BenchmarkId::from_parameter(burst), |bencher| {
            let mut places = vec![MaybeUninit::uninit(); burst];
            bencher.iter(|| {
                let records = take(&pool, &mut places);
                // SAFETY: taken just now, forgotten after.
                unsafe { Mempool::give_mixed(records) };
            });
        });
    }
    group.finish();
}

/// Takes 1024 in bursts, then gives them back: chunks go to the depot and come from it.
fn through_the_depot(criterion: &mut Criterion) {
    let eal = Eal::new(EalConfig::default()).expect("an Eal");
    let pool = pool(&eal);
    let mut group = criterion.benchmark_group("mempool/depot");
    group.throughput(Throughput::Elements(1024));
    for burst in BURSTS {
        group.bench_function(BenchmarkId::from_parameter(burst), |bencher| {
            let mut places = vec![MaybeUninit::uninit(); 1024];
            bencher.iter(|| {
                for part in places.chunks_mut(burst) {
                    pool.take_bulk(part);
                }
                for part in places.chunks(burst) {
                    // SAFETY: the pool has more than 1024 records, so every place was filled.
                    let part = unsafe {
                        std::slice::from_raw_parts(
                            part.as_ptr().cast::<NonNull<Record>>(),
                            part.len(),
                        )
                    };
                    // SAFETY: taken above, forgotten after.
                    unsafe { pool.give_bulk(part) };
                }
            });
        });
    }
    group.finish();
}

/// One thread takes, another gives: every chunk crosses between them.
fn two_threads(criterion: &mut Criterion) {
    let eal = Eal::new(EalConfig::default()).expect("an Eal");
    let pool = pool(&eal);
    let mut group = criterion.benchmark_group("mempool/take_here_give_there");
    for burst in BURSTS {
        group.throughput(Throughput::Elements(burst as u64));
        group.bench_function(BenchmarkId::from_parameter(burst), |bencher| {
            bencher.iter_custom(|rounds| cross(&pool, burst, rounds));
        });
    }
    group.finish();
}

fn cross(pool: &Mempool, burst: usize, rounds: u64) -> std::time::Duration {
    let (mut to_giver, mut from_taker) = ring::spsc::<u32>(1024).expect("a ring");
    let mut places = vec![MaybeUninit::uninit(); burst];
    let mut handles = Vec::with_capacity(burst);
    let take_and_send = || {
        while handles.len() < burst {
            let left = burst - handles.len();
            let records = take(pool, &mut places[..left]);
            if records.is_empty() {
                std::thread::yield_now();
            }
            // SAFETY: the records were taken just now.
            handles.extend(records.iter().map(|record| unsafe { record.as_ref() }.head.handle));
        }
        while !handles.is_empty() {
            if to_giver.enqueue_burst(&mut handles) == 0 {
                std::thread::yield_now();
            }
        }
    };
    let giver = pool.clone();
    time_two_threads(rounds, take_and_send, move |rounds| {
        let mut handles = Vec::with_capacity(burst);
        let mut left = rounds * burst as u64;
        while left > 0 {
            if from_taker.dequeue_burst(&mut handles, burst) == 0 {
                std::thread::yield_now();
            }
            left -= handles.len() as u64;
            let records: one_burst::Records =
                handles.drain(..).filter_map(|at| giver.record(at)).collect();
            // SAFETY: the taker sent each record once.
            unsafe { giver.give_bulk(records.as_slice()) };
        }
    })
}

/// A fixed place for one burst, so that the bench does not measure the allocator.
mod one_burst {
    use super::{NonNull, Record};

    pub struct Records {
        places: [NonNull<Record>; 64],
        len: usize,
    }

    impl Records {
        pub fn as_slice(&self) -> &[NonNull<Record>] {
            &self.places[..self.len]
        }
    }

    impl FromIterator<NonNull<Record>> for Records {
        fn from_iter<I: IntoIterator<Item = NonNull<Record>>>(records: I) -> Self {
            let mut all = Self { places: [NonNull::dangling(); 64], len: 0 };
            for record in records {
                all.places[all.len] = record;
                all.len += 1;
            }
            all
        }
    }
}

criterion_group!(benches, same_thread, mixed, through_the_depot, two_threads);
criterion_main!(benches);
