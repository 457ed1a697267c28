//! How many places of the ring packets take: the numbers on which counts of DPDK's users rest.

use virtio::layout::{DESC_INDIRECT, DESC_NEXT};

use super::*;

const TABLES: Features = PLAIN.union(Features::INDIRECT_DESC);
const ORDERED: Features = TABLES.union(Features::IN_ORDER);

/// A packet of segments of these sizes.
fn chained(bed: &Bed, sizes: &[usize], seed: usize) -> Mbuf {
    let mut parts = sizes.iter().enumerate().map(|(i, &size)| bed.mbuf(&bytes(size, seed + i)));
    let mut packet = parts.next().unwrap();
    parts.for_each(|part| packet.chain(part).unwrap());
    packet
}

/// Sends 251 packets of one segment, then 32 of four segments of 2000 bytes, and says how many of the latter went.
fn chains_behind_251(features: Features) -> usize {
    let bed = bed(512, 2048);
    let (queue, mut device) = bed.queue(Direction::Tx, 256, features);
    let (mut tx, mut burst) = (queue.claim_tx("test").unwrap(), Burst::new(32));
    for count in std::iter::repeat_n(1, 27).chain([32; 7]) {
        (0..count).for_each(|i| burst.push(bed.mbuf(&bytes(64, i))).unwrap());
        assert_eq!(tx.burst(&mut burst), count);
    }
    (0..32).for_each(|i| burst.push(chained(&bed, &[2000; 4], i)).unwrap());
    let sent = tx.burst(&mut burst);
    assert_eq!(tx.burst(&mut burst), 0, "the ring is full");
    (0..251).for_each(|_| assert_eq!(device.receive().unwrap().len(), 12 + 64));
    for i in 0..sent {
        assert_eq!(device.receive().unwrap()[12..], chained(&bed, &[2000; 4], i).to_vec());
    }
    assert!(device.receive().is_none());
    burst.clear();
    assert_eq!(tx.reclaim(), 251 + sent);
    bed.exact(0);
    sent
}

#[test]
fn five_chains_fit_behind_251_packets_with_tables_and_one_without() {
    assert_eq!(chains_behind_251(TABLES), 5);
    assert_eq!(chains_behind_251(ORDERED), 1);
    assert_eq!(chains_behind_251(PLAIN), 1);
}

#[test]
fn a_table_holds_up_to_seven_segments_and_the_ring_the_longer_chains() {
    let bed = bed(256, 2048);
    let (queue, mut device) = bed.queue(Direction::Tx, 32, TABLES);
    let (mut tx, mut burst) = (queue.claim_tx("test").unwrap(), Burst::new(1));
    for segments in 1..=20usize {
        let packet = chained(&bed, &vec![100; segments], segments);
        let content = packet.to_vec();
        burst.push(packet).unwrap();
        assert_eq!(tx.burst(&mut burst), 1, "{segments} segments");
        let head = device.take().unwrap();
        let first = device.rings().descriptor(head);
        let outside = first.flags & DESC_INDIRECT != 0;
        assert_eq!(outside, (2..=7).contains(&segments), "{segments} segments");
        if outside {
            assert_eq!(first.flags & DESC_NEXT, 0, "2.7.5.3.1: not both flags");
            assert_eq!(first.len as usize, device.chain(head).len() * 16);
            assert!(device.chain(head).iter().all(|d| d.flags & DESC_INDIRECT == 0));
        } else if segments > 1 {
            assert_eq!(device.chain(head).len(), segments + 1, "header and segments");
        }
        assert_eq!(device.gather(head)[12..], content);
        device.complete(head.into(), 0);
        assert_eq!(tx.reclaim(), 1);
    }
    bed.exact(0);
}

#[test]
fn all_segments_behind_a_table_are_held_in_the_smallest_ring() {
    let bed = bed(64, 128);
    let (queue, _device) = bed.queue(Direction::Tx, 2, TABLES);
    let (mut tx, mut burst) = (queue.claim_tx("test").unwrap(), Burst::new(2));
    burst.push(chained(&bed, &[50; 7], 1)).unwrap();
    assert_eq!(tx.burst(&mut burst), 1);
    assert_eq!(queue.held().len(), 7);
    queue.close().unwrap();
    queue.drain();
    bed.exact(0);
}

#[test]
fn a_packet_without_headroom_takes_one_place_with_tables_and_two_without() {
    for (features, places) in [(TABLES, 1), (ORDERED, 2), (PLAIN, 2)] {
        let bed = bed(64, 2048);
        let (queue, mut device) = bed.queue(Direction::Tx, 32, features);
        let (mut tx, mut burst) = (queue.claim_tx("test").unwrap(), Burst::new(64));
        for i in 0..40 {
            let mut tight = bed.mbuf(&bytes(60, i));
            tight.prepend(120).unwrap().fill(i as u8);
            burst.push(tight).unwrap();
        }
        assert_eq!(tx.burst(&mut burst), 32 / places);
        for i in 0..32 / places {
            let got = device.receive().unwrap();
            assert_eq!(got[..12], [0; 12]);
            assert_eq!((got[12], got.len()), (i as u8, 12 + 180));
        }
        burst.clear();
        tx.reclaim();
        bed.exact(0);
    }
}

#[test]
fn a_chain_as_long_as_the_ring_still_goes_and_a_longer_one_never() {
    let bed = bed(256, 128);
    let (queue, mut device) = bed.queue(Direction::Tx, 32, PLAIN);
    let (mut tx, mut burst) = (queue.claim_tx("test").unwrap(), Burst::new(2));
    let longest = chained(&bed, &[50; 32], 1);
    let content = longest.to_vec();
    burst.push(longest).unwrap();
    burst.push(chained(&bed, &[50; 33], 1)).unwrap();
    assert_eq!(tx.burst(&mut burst), 2);
    assert_eq!(device.receive().unwrap()[12..], content);
    assert!(device.receive().is_none());
    assert_eq!((tx.reclaim(), queue.stats().errors, queue.stats().packets), (1, 1, 1));
    bed.exact(0);
}

#[test]
fn a_limit_leaves_a_part_of_the_ring_unused() {
    for features in [PLAIN, ORDERED] {
        let bed = bed(256, 2048);
        let make = |direction| {
            let pool = (direction == Direction::Rx).then(|| bed.pool.clone());
            let queue = VirtQueue::create(&bed.memory, direction, 64, pool).unwrap();
            queue.limit_descriptors(40);
            queue.prepare(features).unwrap();
            queue.open();
            let device = MockDevice::new(&bed.memory, &queue).unwrap();
            (queue, device)
        };
        let (rxq, mut device) = make(Direction::Rx);
        let (mut rx, mut burst) = (rxq.claim_rx("test").unwrap(), Burst::new(64));
        for round in 0..20 {
            (0..40).for_each(|i| assert!(device.send(&bytes(60, i))));
            assert!(!device.send(&[0; 60]), "{round}: 40 of 64 are posted");
            assert_eq!(rx.burst(&mut burst), 40);
            burst.clear();
        }
        let (txq, mut device) = make(Direction::Tx);
        let mut tx = txq.claim_tx("test").unwrap();
        for round in 0..20 {
            (0..64).for_each(|i| burst.push(bed.mbuf(&bytes(60, i))).unwrap());
            assert_eq!(tx.burst(&mut burst), 40, "{round}");
            burst.clear();
            (0..40).for_each(|i| assert_eq!(device.receive().unwrap()[12..], bytes(60, i)));
        }
        assert_eq!(tx.reclaim(), 40);
        drop(rxq);
        bed.exact(0);
    }
}
