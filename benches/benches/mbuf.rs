//! Cost of taking mbufs from a pool, writing a header, and giving them back, per burst.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot go on says so"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use eal::{Eal, EalConfig};
use pmd_benches::BURSTS;
use pmd_core::{Burst, MbufPool};

fn bench(c: &mut Criterion) {
    let eal = Eal::new(EalConfig::default()).expect("an Eal");
    let pool = MbufPool::create(eal.memory(), "bench", 8192, 2048, 250).expect("a pool");
    let mut group = c.benchmark_group("mbuf");
    for count in BURSTS {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::new("take_drop", count), &count, |b, &count| {
            let mut burst = Burst::new(count);
            b.iter(|| {
                pool.take_burst(&mut burst, count);
                burst.clear();
            });
        });
        group.bench_with_input(BenchmarkId::new("take_write_drop", count), &count, |b, &count| {
            let mut burst = Burst::new(count);
            b.iter(|| {
                pool.take_burst(&mut burst, count);
                for mbuf in burst.as_mut_slice() {
                    mbuf.append(64).expect("room")[..14].fill(0xFF);
                    mbuf.prepend(12).expect("headroom").fill(0);
                }
                burst.clear();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
