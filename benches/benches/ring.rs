//! Enqueueing and dequeueing in bulk: on one thread (the cost of the calls), and from one thread to another.
#![allow(unsafe_code, reason = "places the shared ring in memory of its own")]
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot go on says so"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use eal::ring::{self, Ring, SharedRing};
use pmd_benches::{BURSTS, time_two_threads};
use std::ptr::NonNull;

const CAPACITY: usize = 1024;

fn mpmc(criterion: &mut Criterion) {
    let ring = Ring::<u64>::new(CAPACITY).expect("a ring");
    let mut group = criterion.benchmark_group("ring/mpmc/bulk");
    for burst in BURSTS {
        group.throughput(Throughput::Elements(burst as u64));
        group.bench_function(BenchmarkId::from_parameter(burst), |bencher| {
            let mut items: Vec<u64> = (0..burst as u64).collect();
            bencher.iter(|| ring.enqueue_bulk(&mut items) && ring.dequeue_bulk(&mut items, burst));
        });
    }
    group.finish();
}

fn spsc(criterion: &mut Criterion) {
    let (mut producer, mut consumer) = ring::spsc::<u64>(CAPACITY).expect("a ring");
    let mut group = criterion.benchmark_group("ring/spsc/bulk");
    for burst in BURSTS {
        group.throughput(Throughput::Elements(burst as u64));
        group.bench_function(BenchmarkId::from_parameter(burst), |bencher| {
            let mut items: Vec<u64> = (0..burst as u64).collect();
            bencher.iter(|| {
                producer.enqueue_bulk(&mut items) && consumer.dequeue_bulk(&mut items, burst)
            });
        });
    }
    group.finish();
}

/// Memory for a shared ring of `CAPACITY` elements.
#[repr(align(64))]
struct Place([u8; 128 + CAPACITY * 4]);

fn shared(criterion: &mut Criterion) {
    let mut place = Box::new(Place([0; _]));
    let at = NonNull::from(&mut place.0).cast();
    // SAFETY: the place is aligned, large enough, and outlives the bench.
    let ring = unsafe { SharedRing::init(at, CAPACITY) }.expect("a ring");
    // SAFETY: the only producer.
    let mut producer = unsafe { ring.producer() };
    // SAFETY: the only consumer.
    let mut consumer = unsafe { ring.consumer() };
    let mut group = criterion.benchmark_group("ring/shared/bulk");
    for burst in BURSTS {
        group.throughput(Throughput::Elements(burst as u64));
        group.bench_function(BenchmarkId::from_parameter(burst), |bencher| {
            let mut items: Vec<u32> = (0..burst as u32).collect();
            bencher.iter(|| producer.enqueue_bulk(&items) && consumer.dequeue_bulk(&mut items));
        });
    }
    group.finish();
}

fn spsc_two_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring/spsc/two_threads");
    for burst in BURSTS {
        group.throughput(Throughput::Elements(burst as u64));
        group.bench_function(BenchmarkId::from_parameter(burst), |bencher| {
            bencher.iter_custom(|rounds| {
                let (mut producer, mut consumer) = ring::spsc::<u64>(CAPACITY).expect("a ring");
                let mut items = vec![0; burst];
                let send = || {
                    while !producer.enqueue_bulk(&mut items) {
                        std::hint::spin_loop();
                    }
                    items.resize(burst, 0);
                };
                time_two_threads(rounds, send, |rounds| {
                    drain(rounds * burst as u64, |out| consumer.dequeue_burst(out, burst));
                })
            });
        });
    }
    group.finish();
}

fn mpmc_two_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring/mpmc/two_threads");
    for burst in BURSTS {
        group.throughput(Throughput::Elements(burst as u64));
        group.bench_function(BenchmarkId::from_parameter(burst), |bencher| {
            bencher.iter_custom(|rounds| {
                let ring = Ring::<u64>::new(CAPACITY).expect("a ring");
                let mut items = vec![0; burst];
                let send = || {
                    while !ring.enqueue_bulk(&mut items) {
                        std::hint::spin_loop();
                    }
                    items.resize(burst, 0);
                };
                time_two_threads(rounds, send, |rounds| {
                    drain(rounds * burst as u64, |out| ring.dequeue_burst(out, burst));
                })
            });
        });
    }
    group.finish();
}

/// Dequeues until `left` elements have come.
fn drain(mut left: u64, mut dequeue: impl FnMut(&mut Vec<u64>) -> usize) {
    let mut out = Vec::with_capacity(64);
    while left > 0 {
        match dequeue(&mut out) {
            0 => std::hint::spin_loop(),
            count => left -= count as u64,
        }
        out.clear();
    }
}

criterion_group!(benches, mpmc, spsc, shared, spsc_two_threads, mpmc_two_threads);
criterion_main!(benches);
