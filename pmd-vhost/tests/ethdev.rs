//! The `net_vhost` port against a scripted front-end.
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

use eal::{Eal, EalConfig};
use pmd_core::{
    Burst, Error, Event, Mbuf, PortConfig, Ports, RxBurst, RxOffloads, RxQueueConfig, TxBurst,
    TxOffloads,
};
use port::{POOL, Setup, args, drivers};
use support::{BUFFER, HEADER, eventually};

/// Bytes that differ from packet to packet and from place to place.
fn pattern(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + seed * 7 + at / 256) as u8).collect()
}

#[test]
fn packets_become_mbufs_and_mbufs_packets() {
    let mut setup = Setup::new(2, 2048);
    let mut front = setup.front(2);
    for queue in 0..2_u16 {
        let mut rx = setup.dev().claim_rx(queue, "test").unwrap();
        let mut tx = setup.dev().claim_tx(queue, "test").unwrap();
        let mut burst = Burst::new(32);
        let pair = usize::from(queue);
        for number in 0..300 {
            let packet = pattern(number, 60 + number);
            front.send(pair * 2 + 1, &packet);
            assert_eq!(rx.burst(&mut burst), 1);
            assert_eq!(burst[0].to_vec(), packet);
            assert_eq!(burst[0].port(), Some(0));
            front.rings[pair * 2].post();
            assert_eq!(tx.burst(&mut burst), 1);
            assert!(burst.is_empty());
            assert_eq!(front.rings[pair * 2].take(&front.memory), Some(packet));
        }
    }
    let bytes = (0..300).map(|number| 60 + number).sum::<u64>() * 2;
    let stats = setup.dev().stats();
    assert_eq!((stats.rx_packets, stats.rx_bytes), (600, bytes));
    assert_eq!((stats.tx_packets, stats.tx_bytes), (600, bytes));
    assert_eq!(setup.dev().queue_stats(true, 1).unwrap().packets, 300);
    setup.dev().reset_stats();
    assert_eq!(setup.dev().stats(), pmd_core::PortStats::default());
    setup.assert_pool_is_whole();
}

#[test]
fn long_packets_are_chains_both_ways() {
    let mut setup = Setup::new(1, 256);
    let mut front = setup.front(1);
    let mut rx = setup.dev().claim_rx(0, "test").unwrap();
    let mut tx = setup.dev().claim_tx(0, "test").unwrap();
    let mut burst = Burst::new(8);
    for len in [255, 256, 257, 512, 513, 1514, BUFFER as usize - HEADER] {
        let packet = pattern(len, len);
        front.send(1, &packet);
        assert_eq!(rx.burst(&mut burst), 1);
        assert_eq!(burst[0].to_vec(), packet);
        assert_eq!(usize::from(burst[0].segment_count()), len.div_ceil(256), "{len} bytes");
        front.rings[0].post();
        assert_eq!(tx.burst(&mut burst), 1);
        assert_eq!(front.rings[0].take(&front.memory), Some(packet));
    }
    setup.assert_pool_is_whole();
}

#[test]
fn an_empty_pool_loses_nothing() {
    let mut setup = Setup::new(1, 256);
    let mut front = setup.front(1);
    let mut rx = setup.dev().claim_rx(0, "test").unwrap();
    let mut hoard = Burst::new(POOL as usize);
    setup.pool.take_burst(&mut hoard, POOL as usize);
    for number in 0..10 {
        front.send(1, &pattern(number, 60));
    }
    let mut burst = Burst::new(32);
    assert_eq!(rx.burst(&mut burst), 0);
    assert!(setup.dev().stats().rx_no_mbuf > 0);
    // Room for one segment of a packet that needs two is as good as none.
    front.send(1, &pattern(99, 400));
    hoard.pop();
    assert_eq!(rx.burst(&mut burst), 1);
    hoard.clear();
    assert_eq!(rx.burst(&mut burst), 10);
    for (number, mbuf) in burst.iter().take(10).enumerate() {
        assert_eq!(mbuf.to_vec(), pattern(number, 60));
    }
    assert_eq!(burst[10].to_vec(), pattern(99, 400));
    drop(burst);
    drop(hoard);
    setup.assert_pool_is_whole();
}

#[test]
fn what_the_guest_has_no_room_for_stays_with_the_app() {
    let mut setup = Setup::new(1, 2048);
    let mut front = setup.front(1);
    let mut tx = setup.dev().claim_tx(0, "test").unwrap();
    let mut burst = Burst::new(32);
    setup.pool.take_burst(&mut burst, 10);
    for (number, mbuf) in burst.as_mut_slice().iter_mut().enumerate() {
        mbuf.append(64).unwrap().copy_from_slice(&pattern(number, 64));
    }
    assert_eq!(tx.burst(&mut burst), 0);
    (0..4).for_each(|_| front.rings[0].post());
    assert_eq!(tx.burst(&mut burst), 4);
    assert_eq!(burst.len(), 6);
    assert_eq!(burst[0].to_vec(), pattern(4, 64));
    (0..10).for_each(|_| front.rings[0].post());
    assert_eq!(tx.burst(&mut burst), 6);
    for number in 0..10 {
        assert_eq!(front.rings[0].take(&front.memory), Some(pattern(number, 64)));
    }
    setup.assert_pool_is_whole();
}

#[test]
fn handles_outlive_stop_reconnect_and_close() {
    let mut setup = Setup::new(1, 2048);
    let mut front = setup.front(1);
    let mut rx = setup.dev().claim_rx(0, "test").unwrap();
    let mut burst = Burst::new(32);
    setup.dev().stop().unwrap();
    front.send(1, &[1; 60]);
    assert_eq!(rx.burst(&mut burst), 0);
    assert!(setup.dev().link().up);
    setup.dev().start().unwrap();
    assert_eq!(rx.burst(&mut burst), 1);

    drop(front);
    eventually("link down", || !setup.dev().link().up);
    assert_eq!(rx.burst(&mut burst), 0);
    let mut front = setup.front(1);
    front.send(1, &[2; 60]);
    assert_eq!(rx.burst(&mut burst), 1);

    setup.dev().close().unwrap();
    front.send(1, &[3; 60]);
    assert_eq!(rx.burst(&mut burst), 0);
    assert!(!setup.path.exists());
    setup.dev().close().unwrap();
    assert!(setup.dev().start().is_err());
    drop(burst);
    setup.assert_pool_is_whole();
}

#[test]
fn link_changes_are_events() {
    let mut setup = Setup::new(1, 2048);
    let front = setup.front(1);
    drop(front);
    eventually("link down", || !setup.dev().link().up);
    let events: Vec<_> = std::iter::from_fn(|| setup.dev().events().try_next()).collect();
    let enabled = |rx| Event::QueueState { rx, queue: 0, enabled: true };
    // What vanishes says nothing of its rings.
    assert_eq!(events, [enabled(false), enabled(true), Event::Link(true), Event::Link(false)]);
}

#[test]
fn rings_that_are_enabled_and_disabled_are_events() {
    let mut setup = Setup::new(2, 2048);
    let mut front = setup.front(2);
    let events = |setup: &mut Setup| -> Vec<_> {
        std::iter::from_fn(|| setup.dev().events().try_next()).collect()
    };
    let state =
        |index: u16, enabled| Event::QueueState { rx: index % 2 == 1, queue: index / 2, enabled };
    let mut all: Vec<_> = (0..4).map(|index| state(index, true)).collect();
    all.push(Event::Link(true));
    assert_eq!(events(&mut setup), all);
    (0..4).for_each(|index| front.enable(index, false));
    assert_eq!(events(&mut setup), [0, 1, 2, 3].map(|index| state(index, false)));
    (0..4).for_each(|index| assert_eq!(front.base(index), 0));
    assert_eq!(events(&mut setup), [Event::Link(false)]);
}

#[test]
fn a_broken_ring_is_an_event() {
    let mut setup = Setup::new(2, 2048);
    let front = setup.front(2);
    let mut rx = setup.dev().claim_rx(1, "test").unwrap();
    front.rings[3].ptrs.publish_avail(1000);
    assert_eq!(rx.burst(&mut Burst::new(4)), 0);
    eventually("the event", || {
        let next = setup.dev().events().try_next();
        matches!(next, Some(Event::QueueBroken { rx: true, queue: 1, .. }))
    });
}

#[test]
fn a_queue_has_one_holder_at_a_time() {
    let mut setup = Setup::new(1, 2048);
    let rx = setup.dev().claim_rx(0, "the first").unwrap();
    let refused = setup.dev().claim_rx(0, "the second").unwrap_err();
    assert!(
        matches!(&refused, Error::Claimed { holder, .. } if holder == "the first"),
        "{refused}"
    );
    drop(rx);
    setup.dev().claim_rx(0, "the second").unwrap();
    assert!(matches!(setup.dev().claim_tx(1, "x"), Err(Error::NoQueue { queue: 1, queues: 1 })));
}

#[test]
fn calls_out_of_order_are_refused_and_change_nothing() {
    let mut setup = Setup::new(1, 2048);
    let pool = setup.pool.clone();
    let one = PortConfig { rx_queues: 1, tx_queues: 1, ..PortConfig::default() };
    assert!(matches!(setup.dev().configure(&one), Err(Error::WrongState { .. })), "started");
    let config = RxQueueConfig { descriptors: 0, pool };
    assert!(matches!(setup.dev().setup_rx(0, &config), Err(Error::WrongState { .. })));
    setup.dev().stop().unwrap();
    setup.dev().stop().unwrap();
    let two = PortConfig { rx_queues: 2, tx_queues: 1, ..PortConfig::default() };
    assert!(matches!(setup.dev().configure(&two), Err(Error::OutOfRange { value: 2, max: 1, .. })));
    assert_eq!(setup.dev().config(), one);
    setup.dev().configure(&one).unwrap();
    assert!(matches!(setup.dev().start(), Err(Error::WrongState { .. })), "no queue set up");
    setup.prepare(1);
    setup.dev().start().unwrap();
}

#[test]
fn what_a_port_says_of_itself() {
    let mut setup = Setup::new(2, 2048);
    let info = setup.dev().info();
    assert_eq!((info.name.as_str(), info.driver), ("net_vhost0", "net_vhost"));
    assert_eq!((info.rx.max_queues, info.tx.max_queues), (2, 2));
    assert_eq!(setup.dev().mac().to_string(), "56:48:4F:53:54:00");
    let link = setup.dev().link();
    assert_eq!((link.up, link.speed_mbps), (false, Some(10_000)));
    assert_eq!(setup.dev().mtu(), 1500);
    // As DPDK's: what it has no operation for.
    assert!(matches!(setup.dev().set_mtu(9000), Err(Error::NoOperation(_))));
    assert!(setup.dev().promiscuous() && setup.dev().allmulticast());
    setup.dev().set_promiscuous(true).unwrap();
    assert!(matches!(setup.dev().set_promiscuous(false), Err(Error::NoOperation(_))));
    assert!(matches!(setup.dev().set_allmulticast(false), Err(Error::NoOperation(_))));
    assert_eq!(setup.dev().queue_info(true, 0), None);
}

#[test]
fn the_mtu_is_the_guests() {
    let mut setup = Setup::new(1, 2048);
    let mut front = setup.front(1);
    assert_eq!(setup.dev().mtu(), 1500);
    front.set_mtu(9000);
    assert_eq!(setup.dev().mtu(), 9000);
}

#[test]
fn a_path_in_use_is_an_error_of_configure() {
    let setup = Setup::new(1, 2048);
    let eal = Eal::new(EalConfig::default()).unwrap();
    let mut ports = Ports::new();
    let id = ports.attach(&eal, &drivers(), &args(&setup.path, 1)).unwrap();
    let error = ports.get_mut(id).unwrap().configure(&PortConfig {
        rx_queues: 1,
        tx_queues: 1,
        ..PortConfig::default()
    });
    let text = error.unwrap_err().to_string();
    assert!(text.contains("Address already in use by a running process; choose"), "{text}");
    assert!(setup.path.exists());
}

/// A frame with VLAN tag `tci`, or without any.
fn tagged(tci: Option<u16>) -> Vec<u8> {
    let mut frame = pattern(3, 12);
    if let Some(tci) = tci {
        frame.extend([0x81, 0x00]);
        frame.extend(tci.to_be_bytes());
    }
    frame.extend([0x08, 0x00]);
    frame.extend(pattern(4, 60));
    frame
}

#[test]
fn vlan_tags_are_taken_out_and_put_in_when_asked_for() {
    let mut setup = Setup::new(1, 2048);
    let mut front = setup.front(1);
    let mut rx = setup.dev().claim_rx(0, "test").unwrap();
    let mut tx = setup.dev().claim_tx(0, "test").unwrap();
    let mut burst = Burst::new(4);
    let config = |strip, insert| PortConfig {
        rx_queues: 1,
        tx_queues: 1,
        rx_offloads: if strip { RxOffloads::VLAN_STRIP } else { RxOffloads::empty() },
        tx_offloads: if insert { TxOffloads::VLAN_INSERT } else { TxOffloads::empty() },
    };
    let mut bytes = 0;
    for (strip, insert) in [(false, true), (true, false), (true, true), (false, false)] {
        setup.dev().stop().unwrap();
        drop((rx, tx));
        setup.dev().configure(&config(strip, insert)).unwrap();
        setup.set_up_queues(1);
        rx = setup.dev().claim_rx(0, "test").unwrap();
        tx = setup.dev().claim_tx(0, "test").unwrap();
        setup.dev().start().unwrap();
        for tag in [Some(0x602A), None] {
            front.send(1, &tagged(tag));
            front.rings[0].post();
            assert_eq!(rx.burst(&mut burst), 1);
            assert_eq!(burst[0].to_vec(), tagged(tag.filter(|_| !strip)));
            bytes += u64::from(burst[0].len());
            assert_eq!(setup.dev().stats().rx_bytes, bytes, "as the application gets them");
            assert_eq!(tx.burst(&mut burst), 1);
            let comes_back = tagged(tag.filter(|_| !strip || insert));
            assert_eq!(front.rings[0].take(&front.memory), Some(comes_back), "{strip} {insert}");
        }
    }
    setup.dev().stop().unwrap();
    let mut lro = config(false, false);
    lro.rx_offloads = RxOffloads::TCP_LRO;
    assert!(matches!(setup.dev().configure(&lro), Err(Error::Offloads { rx: true, .. })));
    drop(burst);
    setup.assert_pool_is_whole();
}

#[test]
fn a_packet_without_room_for_its_tag_is_dropped_and_does_not_go_untagged() {
    let mut setup = Setup::new(1, 2048);
    let mut front = setup.front(1);
    setup.dev().stop().unwrap();
    let config = PortConfig {
        rx_queues: 1,
        tx_queues: 1,
        rx_offloads: RxOffloads::VLAN_STRIP,
        tx_offloads: TxOffloads::VLAN_INSERT,
    };
    setup.dev().configure(&config).unwrap();
    setup.set_up_queues(1);
    let mut rx = setup.dev().claim_rx(0, "test").unwrap();
    let mut tx = setup.dev().claim_tx(0, "test").unwrap();
    setup.dev().start().unwrap();
    let mut burst = Burst::new(4);
    for number in 0..2 {
        front.send(1, &tagged(Some(number)));
        front.rings[0].post();
    }
    assert_eq!(rx.burst(&mut burst), 2);
    let room = burst[0].headroom();
    burst.as_mut_slice()[0].prepend(room - 3).unwrap().fill(0);
    assert_eq!(tx.burst(&mut burst), 2);
    assert!(burst.is_empty());
    assert_eq!(front.rings[0].take(&front.memory), Some(tagged(Some(1))));
    assert_eq!(front.rings[0].take(&front.memory), None);
    let stats = setup.dev().queue_stats(false, 0).unwrap();
    assert_eq!((stats.packets, stats.errors), (1, 1));
    drop(burst);
    setup.assert_pool_is_whole();
}

#[test]
fn a_frame_of_64_kib_in_a_chain_of_descriptors_becomes_a_chain_of_mbufs() {
    let mut setup = Setup::new(1, 2048);
    let front = setup.front(1);
    let mut rx = setup.dev().claim_rx(0, "test").unwrap();
    // A kilobyte in each of 64 descriptors, the header in front of the first.
    let packet = pattern(9, 65_535);
    let (at, each) = (0x30_0000, 1024);
    front.memory.write(at, &[0; HEADER]);
    front.memory.write(at + HEADER as u64, &packet);
    let total = (HEADER + packet.len()) as u64;
    for slot in 0..64_u16 {
        let from = u64::from(slot) * each;
        let last = slot == 63;
        let len = if last { total - from } else { each } as u32;
        let flags = if last { 0 } else { virtio::layout::DESC_NEXT };
        let addr = support::GUEST + at + from;
        let descriptor = virtio::layout::Descriptor { addr, len, flags, next: slot + 1 };
        front.rings[1].ptrs.set_descriptor(slot, descriptor);
    }
    front.rings[1].ptrs.set_avail_entry(0, 0);
    front.rings[1].ptrs.publish_avail(1);
    let mut burst = Burst::new(4);
    assert_eq!(rx.burst(&mut burst), 1);
    assert_eq!(burst[0].segment_count(), 32);
    assert_eq!(burst[0].to_vec(), packet);
    drop(burst);
    setup.assert_pool_is_whole();
}

#[test]
fn a_chain_of_8000_bytes_goes_into_as_many_buffers_as_it_takes() {
    let mut setup = Setup::new(1, 2048);
    let mut front = setup.front(1);
    let mut tx = setup.dev().claim_tx(0, "test").unwrap();
    let mut burst = Burst::new(8);
    let packet = pattern(5, 8000);
    for _ in 0..5 {
        let mut chain: Option<Mbuf> = None;
        for part in packet.chunks(2000) {
            let mut segment = setup.pool.take().unwrap();
            segment.append(2000).unwrap().copy_from_slice(part);
            match &mut chain {
                Some(head) => head.chain(segment).unwrap(),
                None => chain = Some(segment),
            }
        }
        burst.push(chain.unwrap()).unwrap();
    }
    // Four buffers of 2048 bytes for each; one less than enough.
    (0..19).for_each(|_| front.rings[0].post());
    assert_eq!(tx.burst(&mut burst), 4, "a packet is never cut");
    front.rings[0].post();
    assert_eq!(tx.burst(&mut burst), 1);
    for _ in 0..5 {
        let mut all = Vec::new();
        (0..4).for_each(|_| all.extend(front.rings[0].take_raw(&front.memory).unwrap()));
        assert_eq!(all[10..HEADER], [4, 0], "num_buffers");
        assert_eq!(all[HEADER..], packet);
    }
    assert_eq!(setup.dev().stats().tx_bytes, 40_000);
    setup.assert_pool_is_whole();
}
