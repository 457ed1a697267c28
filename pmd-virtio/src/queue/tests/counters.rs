//! Frames by size and destination, as both directions count them.

use super::*;

const BROADCAST: [u8; 6] = [0xFF; 6];
const MULTICAST: [u8; 6] = [0x01, 0, 0x5E, 0, 0, 1];
const UNICAST: [u8; 6] = [0x02, 0, 0, 0, 0, 0xFF];

/// Frames of each size bin's edges, addressed to all kinds in turn.
fn frames() -> Vec<Vec<u8>> {
    let sizes = [60, 64, 65, 127, 128, 255, 256, 511, 512, 1023, 1024, 1518, 1519, 2000];
    let to = [UNICAST, MULTICAST, UNICAST, BROADCAST, UNICAST];
    let frame = |(size, to): (usize, [u8; 6])| {
        let mut frame = bytes(size, 3);
        frame[..6].copy_from_slice(&to);
        frame
    };
    sizes.into_iter().zip(to.into_iter().cycle()).map(frame).collect()
}

fn expected() -> Vec<(&'static str, u64)> {
    vec![
        ("multicast_packets", 3),
        ("broadcast_packets", 3),
        ("undersize_packets", 1),
        ("size_64_packets", 1),
        ("size_65_127_packets", 2),
        ("size_128_255_packets", 2),
        ("size_256_511_packets", 2),
        ("size_512_1023_packets", 2),
        ("size_1024_1518_packets", 2),
        ("size_1519_max_packets", 2),
    ]
}

#[test]
fn received_frames_are_counted_once_each_by_size_and_destination() {
    for features in [PLAIN, MERGE, MERGE.union(Features::IN_ORDER)] {
        let bed = bed(64, 2048);
        let (queue, mut device) = bed.queue(Direction::Rx, 32, features);
        let (mut rx, mut burst) = (queue.claim_rx("test").unwrap(), Burst::new(5));
        frames().iter().for_each(|frame| assert!(device.send(frame)));
        let mut got = 0;
        while rx.burst(&mut burst) > 0 {
            got += burst.len();
            burst.clear();
        }
        assert_eq!(got, 14);
        assert_eq!(queue.frames().named().collect::<Vec<_>>(), expected());
        assert_eq!(queue.stats().packets, 14);
    }
}

#[test]
fn a_merged_frame_is_counted_once_with_its_whole_length() {
    let bed = bed(64, 256);
    let (queue, mut device) = bed.queue(Direction::Rx, 32, MERGE);
    let (mut rx, mut burst) = (queue.claim_rx("test").unwrap(), Burst::new(5));
    let mut frame = bytes(1500, 1);
    frame[..6].copy_from_slice(&BROADCAST);
    assert!(device.send(&frame));
    assert_eq!(rx.burst(&mut burst), 1);
    let seen = queue.frames();
    assert_eq!((seen.size_1024_1518, seen.broadcast, seen.multicast), (1, 1, 0));
    assert_eq!(seen.values().iter().sum::<u64>(), 2, "in one size bin");
}

#[test]
fn sent_frames_are_counted_when_the_ring_took_them() {
    for features in [PLAIN, PLAIN.union(Features::INDIRECT_DESC)] {
        let bed = bed(64, 2048);
        let (queue, _device) = bed.queue(Direction::Tx, 16, features);
        let (mut tx, mut burst) = (queue.claim_tx("test").unwrap(), Burst::new(32));
        frames().iter().for_each(|frame| burst.push(bed.mbuf(frame)).unwrap());
        assert_eq!(tx.burst(&mut burst), 14);
        assert_eq!(queue.frames().named().collect::<Vec<_>>(), expected());
        (0..4).for_each(|_| burst.push(bed.mbuf(&bytes(70, 0))).unwrap());
        assert_eq!(tx.burst(&mut burst), 2, "two places are left");
        assert_eq!(queue.frames().size_65_127, 4);
        assert_eq!(queue.stats().packets, 16);
        queue.close().unwrap();
    }
}

#[test]
fn a_frame_shorter_than_an_address_is_undersized_and_of_no_group() {
    let bed = bed(64, 2048);
    let (queue, mut device) = bed.queue(Direction::Rx, 16, PLAIN);
    let (mut rx, mut burst) = (queue.claim_rx("test").unwrap(), Burst::new(5));
    (0..6).for_each(|len| assert!(device.send(&vec![0xFF; len])));
    assert_eq!(rx.burst(&mut burst) + rx.burst(&mut Burst::new(5)), 6);
    let seen = queue.frames();
    assert_eq!((seen.undersize, seen.multicast, seen.broadcast), (6, 0, 0));
}

#[test]
fn tags_are_taken_out_on_receive_and_put_back_on_transmit_when_asked_for() {
    let bed = bed(64, 2048);
    let ((rxq, _), (txq, _)) =
        (bed.queue(Direction::Rx, 16, MERGE), bed.queue(Direction::Tx, 16, MERGE));
    let mut tagged = bytes(68, 1);
    tagged[0] = 2;
    tagged[12..16].copy_from_slice(&[0x81, 0, 0x20, 5]);
    let plain = [&tagged[..12], &tagged[16..]].concat();
    let (mut rx, mut tx) = (rxq.claim_rx("t").unwrap(), txq.claim_tx("t").unwrap());
    let mut burst = Burst::new(4);
    for on in [false, true] {
        for queue in [&rxq, &txq] {
            queue.close().unwrap();
            queue.move_vlan_tags(on);
            queue.prepare(MERGE).unwrap();
            queue.open();
        }
        let mut sender = MockDevice::new(&bed.memory, &rxq).unwrap();
        let mut receiver = MockDevice::new(&bed.memory, &txq).unwrap();
        assert!(sender.send(&tagged));
        assert_eq!(rx.burst(&mut burst), 1);
        assert_eq!(burst[0].to_vec(), if on { &plain[..] } else { &tagged[..] });
        assert_eq!(tx.burst(&mut burst), 1);
        assert_eq!(receiver.receive().unwrap()[12..], tagged);
    }
    assert_eq!((rxq.stats().bytes, txq.stats().bytes), (68 + 64, 68 + 68));
    assert_eq!((rxq.frames().size_64, rxq.frames().size_65_127), (1, 1));
}
