//! What a port's control calls answer: as dpdk-testpmd's virtio-user port does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

mod common;

use common::{Lab, set_up};
use pmd_core::{Error, MacAddr, PortConfig, RxOffloads, TxQueueConfig, xstats};

fn unsupported<T: std::fmt::Debug>(answer: Result<T, Error>) -> bool {
    matches!(answer, Err(Error::NoOperation(_)))
}

#[test]
fn counters_have_the_names_and_the_order_of_dpdk() {
    let lab = Lab::new();
    let port = lab.ready(",queues=2", 2);
    let frames = [
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
    ];
    let mut expected = Vec::new();
    for (side, basic) in [
        ("rx", &["good_packets", "good_bytes", "errors"][..]),
        ("tx", &["good_packets", "good_bytes"]),
    ] {
        for queue in 0..2 {
            let all = basic.iter().chain(&frames);
            expected.extend(all.map(|name| format!("{side}_q{queue}_{name}")));
        }
    }
    let names: Vec<String> = port.device_xstats().into_iter().map(|x| x.name).collect();
    assert_eq!(names, expected);
    assert_eq!(xstats::all(port.as_ref()).len(), 8 + 2 * 13 + 2 * 12);
}

#[test]
fn modes_need_the_control_queue_that_several_pairs_have() {
    let lab = Lab::new();
    let mut single = lab.ready("", 1);
    assert_eq!((single.promiscuous(), single.allmulticast()), (false, false));
    assert!(single.set_promiscuous(false).is_ok() && single.set_allmulticast(false).is_ok());
    assert!(
        unsupported(single.set_promiscuous(true)) && unsupported(single.set_allmulticast(true))
    );
    assert_eq!((single.promiscuous(), single.allmulticast()), (false, false));
    drop(single);
    let mut several = lab.ready(",queues=2", 2);
    for on in [true, false, true] {
        several.set_promiscuous(on).unwrap();
        several.set_allmulticast(on).unwrap();
        assert_eq!((several.promiscuous(), several.allmulticast()), (on, on));
    }
}

#[test]
fn the_address_can_be_changed_and_no_other_added() {
    let lab = Lab::new();
    let mut port = lab.ready(",mac=00:11:22:33:44:10", 1);
    let other: MacAddr = "00:11:22:33:44:66".parse().unwrap();
    port.set_mac(other).unwrap();
    assert_eq!((port.mac(), port.macs()), (other, vec![other]));
    let group = port.set_mac("01:00:5e:00:00:01".parse().unwrap());
    assert!(matches!(group, Err(Error::BadMac(_))), "{group:?}");
    assert!(unsupported(port.add_mac("00:11:22:33:44:77".parse().unwrap())));
    assert!(port.remove_mac("00:11:22:33:44:77".parse().unwrap()).is_ok(), "it is not there");
    assert!(unsupported(port.remove_mac(other)), "the last one stays");
    assert!(unsupported(port.set_multicast(&[])) && unsupported(port.set_vlan_filter(5, true)));
    assert!(
        unsupported(port.set_link(false)) && unsupported(port.set_queue_running(true, 0, false))
    );
    assert!(port.queue_info(true, 0).is_none());
    assert_eq!(port.mac(), other);
}

#[test]
fn offloads_are_those_of_the_list_and_descriptors_within_the_limits() {
    let lab = Lab::new();
    let mut port = lab.port(",queue_size=1024").unwrap();
    let config = PortConfig { rx_queues: 1, tx_queues: 1, ..PortConfig::default() };
    let strip = PortConfig { rx_offloads: RxOffloads::VLAN_STRIP, ..config };
    port.configure(&PortConfig { rx_offloads: RxOffloads::TCP_LRO, ..config }).unwrap();
    port.configure(&strip).unwrap();
    let filter = PortConfig { rx_offloads: RxOffloads::VLAN_FILTER, ..config };
    assert!(matches!(port.configure(&filter), Err(Error::Offloads { rx: true, .. })));
    assert_eq!(port.config(), strip, "a refused call changes nothing");
    for descriptors in [0, 32, 40, 1024, 32_768] {
        port.setup_tx(0, &TxQueueConfig { descriptors }).unwrap();
    }
    for descriptors in [10, 40_000] {
        let refused = port.setup_tx(0, &TxQueueConfig { descriptors }).unwrap_err();
        assert!(matches!(refused, Error::OutOfRange { min: 32, max: 32_768, .. }), "{refused}");
    }
    set_up(port.as_mut(), &lab.pool, 1);
}

#[test]
fn a_queue_whose_former_handle_is_still_held_is_said_to_be_so() {
    let lab = Lab::new();
    let mut port = lab.ready(",queues=2", 2);
    let held = port.claim_tx(1, "test").unwrap();
    for queues in [1, 2] {
        let config = PortConfig { rx_queues: queues, tx_queues: queues, ..PortConfig::default() };
        port.configure(&config).unwrap();
    }
    let again = TxQueueConfig { descriptors: 0 };
    let refused = port.setup_tx(1, &again).unwrap_err();
    assert!(matches!(refused, Error::Claimed { queue: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("the handle of its former set-up"), "{refused}");
    drop(held);
    port.setup_tx(1, &again).unwrap();
}
