//! Queues that are polled while control stops, starts and counts: nothing gets lost, doubled or stuck.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pmd_core::{Burst, Error, EthDev, RxBurst, TxBurst};
use support::Rig;

/// Forwards in two threads (one sends numbered frames, one receives them) while control restarts the port, then lets all that is on its
/// way arrive and compares.
fn restarted_under_traffic(text: &str, restarts: u32) {
    let mut rig = Rig::new(4096);
    let id = rig.start(text, 1);
    let port = rig.port(id);
    let (mut rx, mut tx) = (port.claim_rx(0, "rx").unwrap(), port.claim_tx(0, "tx").unwrap());
    let (sending, receiving) = (AtomicBool::new(true), AtomicBool::new(true));
    let received = AtomicU64::new(0);
    let pool = rig.pool.clone();
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut burst = Burst::new(32);
            let mut next = 0u64;
            while sending.load(Ordering::Acquire) || !burst.is_empty() {
                if burst.is_empty() {
                    pool.take_burst(&mut burst, 32);
                    for mbuf in burst.as_mut_slice() {
                        mbuf.append(64).unwrap()[..8].copy_from_slice(&next.to_ne_bytes());
                        next += 1;
                    }
                }
                if tx.burst(&mut burst) == 0 {
                    thread::yield_now();
                }
            }
            tx.reclaim();
            next
        });
        let receiver = scope.spawn(|| {
            let mut burst = Burst::new(32);
            let mut expected = 0u64;
            while receiving.load(Ordering::Acquire) {
                rx.burst(&mut burst);
                for mbuf in burst.iter() {
                    let mut number = [0; 8];
                    mbuf.read_at(0, &mut number);
                    assert_eq!(u64::from_ne_bytes(number), expected, "in order, none lost");
                    expected += 1;
                }
                burst.clear();
                received.store(expected, Ordering::Release);
                thread::yield_now();
            }
        });
        for round in 0..restarts {
            let port = rig.port(id);
            // On a busy machine a poller may sleep inside its burst for longer than the deadline.
            stop_at_last(port);
            assert!(port.queue_stats(true, 0).is_some());
            port.start().unwrap();
            let wanted = received.load(Ordering::Acquire) + u64::from(round % 3);
            wait_until(|| received.load(Ordering::Acquire) >= wanted);
        }
        sending.store(false, Ordering::Release);
        let sent = sender.join().unwrap();
        wait_until(|| received.load(Ordering::Acquire) >= sent);
        receiving.store(false, Ordering::Release);
        receiver.join().unwrap();
        assert_eq!(received.load(Ordering::Acquire), sent);
    });
    rig.port(id).close().unwrap();
    drop((rx, tx));
    rig.all_back();
}

fn stop_at_last(port: &mut dyn EthDev) {
    let begin = Instant::now();
    while let Err(error) = port.stop() {
        assert!(matches!(error, Error::Quarantined { .. }), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(60), "{error}");
    }
}

fn wait_until(done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing moves");
        thread::sleep(Duration::from_micros(100));
    }
}

#[test]
fn a_ring() {
    restarted_under_traffic("net_ring0", 300);
}

#[test]
fn a_ring_with_wrappers() {
    restarted_under_traffic(
        "net_trace0,dev=[net_delay0,dev=[net_ring0],us=20,direction=rx],file=/dev/null,direction=rx",
        100,
    );
}
