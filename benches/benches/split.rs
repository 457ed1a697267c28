//! Cost of each of the four sides of a pair of split rings, per burst of 32 packets of 64 bytes, both ends on one
//! thread: what the instructions cost without the transfer of cache lines between cores.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot go on says so"
)]

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pmd_benches::pair::{End, Pair};
use pmd_core::{Burst, RxBurst, TxBurst};

const BURST: usize = 32;

/// Sends bursts from `from` to `to` and adds up the time of sending or of receiving.
fn pass(from: &mut End, to: &mut End, rounds: u64, time_sending: bool) -> Duration {
    let (mut out, mut back) = (Burst::new(BURST), Burst::new(BURST));
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        from.fill(&mut out, 64).expect("packets");
        let start = Instant::now();
        let sent = from.tx.burst(&mut out);
        let between = Instant::now();
        let received = to.rx.burst(&mut back);
        let end = Instant::now();
        assert_eq!((sent, received), (BURST, BURST));
        total += if time_sending { between - start } else { end - between };
        back.clear();
    }
    total
}

fn bench(c: &mut Criterion) {
    for (mode, args) in [
        ("split-mrg", "mrg_rxbuf=1,in_order=0"),
        ("split", "mrg_rxbuf=0,in_order=0"),
        ("split-inorder-mrg", "mrg_rxbuf=1,in_order=1"),
    ] {
        let mut pair = Pair::join(args).expect("a pair of ports");
        let Pair { vhost, virtio, .. } = &mut pair;
        let mut group = c.benchmark_group(mode);
        group.throughput(Throughput::Elements(BURST as u64));
        group.bench_function("virtio_transmit", |b| {
            b.iter_custom(|rounds| pass(virtio, vhost, rounds, true));
        });
        group.bench_function("vhost_dequeue", |b| {
            b.iter_custom(|rounds| pass(virtio, vhost, rounds, false));
        });
        group.bench_function("vhost_enqueue", |b| {
            b.iter_custom(|rounds| pass(vhost, virtio, rounds, true));
        });
        group.bench_function("virtio_receive", |b| {
            b.iter_custom(|rounds| pass(vhost, virtio, rounds, false));
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
