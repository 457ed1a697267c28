//! Extended statistics of the `net_vhost` port: names, order, and what is cleared when.
#![cfg(feature = "ethdev")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "support/port.rs"]
mod port;
mod support;

use pmd_core::{Burst, RxBurst, TxBurst, Xstat, xstats};
use port::Setup;

/// What follows `rx_q0_` and `tx_q0_`, in DPDK's order.
const RING: [&str; 17] = [
    "good_packets",
    "good_bytes",
    "multicast_packets",
    "broadcast_packets",
    "undersize_packets",
    "size_64_packets",
    "size_65_127_packets",
    "size_128_255_packets",
    "size_256_511_packets",
    "size_512_1023_packets",
    "size_1024_1518_packets",
    "size_1519_max_packets",
    "guest_notifications",
    "iotlb_hits",
    "iotlb_misses",
    "inflight_submitted",
    "inflight_completed",
];

#[test]
fn names_in_the_order_of_the_reference() {
    let mut setup = Setup::new(2, 2048);
    let names: Vec<_> = setup.dev().device_xstats().into_iter().map(|stat| stat.name).collect();
    let mut expected = Vec::new();
    for queue in 0..2 {
        expected.extend(["packets", "bytes", "errors"].map(|name| format!("rx_q{queue}_{name}")));
    }
    for queue in 0..2 {
        expected.extend(["packets", "bytes"].map(|name| format!("tx_q{queue}_{name}")));
    }
    for side in ["rx", "tx"] {
        for queue in 0..2 {
            expected.extend(RING.map(|name| format!("{side}_q{queue}_{name}")));
        }
    }
    assert_eq!(names, expected);
}

/// The counters that are not 0.
fn counted(setup: &mut Setup) -> Vec<(String, u64)> {
    let all = xstats::all(setup.dev());
    all.into_iter()
        .filter(|stat| stat.value != 0)
        .map(|Xstat { name, value }| (name, value))
        .collect()
}

fn named(list: &[(&str, u64)]) -> Vec<(String, u64)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

fn frame(first: u8, len: usize) -> Vec<u8> {
    let mut frame = vec![0xFF; len];
    frame[0] = first;
    frame
}

#[test]
fn frames_of_both_directions_and_what_clearing_leaves() {
    let mut setup = Setup::new(2, 2048);
    let mut front = setup.front(2);
    let mut rx = setup.dev().claim_rx(1, "test").unwrap();
    let mut tx = setup.dev().claim_tx(1, "test").unwrap();
    let mut burst = Burst::new(32);
    for frame in [frame(0xFF, 64), frame(0x01, 65), frame(0x02, 1518), frame(0x02, 60)] {
        front.send(3, &frame);
        front.rings[2].post();
    }
    assert_eq!(rx.burst(&mut burst), 4);
    assert_eq!(tx.burst(&mut burst), 4);
    let ring = [
        ("rx_q1_good_packets", 4),
        ("rx_q1_good_bytes", 1707),
        ("rx_q1_multicast_packets", 1),
        ("rx_q1_broadcast_packets", 1),
        ("rx_q1_undersize_packets", 1),
        ("rx_q1_size_64_packets", 1),
        ("rx_q1_size_65_127_packets", 1),
        ("rx_q1_size_1024_1518_packets", 1),
    ];
    let basic = [
        ("rx_good_packets", 4),
        ("tx_good_packets", 4),
        ("rx_good_bytes", 1707),
        ("tx_good_bytes", 1707),
        ("rx_q1_packets", 4),
        ("rx_q1_bytes", 1707),
        ("tx_q1_packets", 4),
        ("tx_q1_bytes", 1707),
    ];
    let mut all = named(&basic);
    all.extend(named(&ring));
    all.extend(named(&ring).into_iter().map(|(name, n)| (name.replace("rx_", "tx_"), n)));
    // The front-end polls neither ring, so that its flag asks for wake-ups: one a burst.
    all.retain(|(name, _)| !name.contains("notifications"));
    let quiet = |setup: &mut Setup| {
        let mut counted = counted(setup);
        counted.retain(|(name, _)| !name.contains("notifications"));
        counted
    };
    assert_eq!(quiet(&mut setup), all);
    let notified = |setup: &mut Setup| {
        counted(setup).into_iter().find(|(name, _)| name == "rx_q1_guest_notifications")
    };
    assert_eq!(notified(&mut setup).map(|(_, n)| n), Some(1));

    setup.dev().reset_device_xstats();
    assert_eq!(counted(&mut setup), named(&basic), "the port's own stay");
    front.send(3, &frame(0x02, 64));
    assert_eq!(rx.burst(&mut burst), 1);
    setup.dev().reset_stats();
    let left = [
        ("rx_q1_good_packets", 1),
        ("rx_q1_good_bytes", 64),
        ("rx_q1_size_64_packets", 1),
        ("rx_q1_guest_notifications", 1),
    ];
    assert_eq!(counted(&mut setup), named(&left), "those of the rings stay");
    drop(burst);
    setup.assert_pool_is_whole();
}
