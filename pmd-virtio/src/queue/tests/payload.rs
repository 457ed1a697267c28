//! Every byte arrives: chains of one to eight segments, rings of 32 to 32768 entries, past every wrap-around.

use super::*;

const FEATURES: [Features; 5] = [
    PLAIN,
    PLAIN.union(Features::INDIRECT_DESC),
    PLAIN.union(Features::IN_ORDER),
    MERGE.union(Features::INDIRECT_DESC),
    MERGE.union(Features::IN_ORDER),
];

/// Segment sizes of one packet.
fn segments() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1usize..=500, 1..=8)
}

fn sent(bed: &Bed, sizes: &[usize], seed: usize) -> Mbuf {
    let mut parts = sizes.iter().enumerate().map(|(i, &size)| bed.mbuf(&bytes(size, seed + i)));
    let mut packet = parts.next().unwrap();
    parts.for_each(|part| packet.chain(part).unwrap());
    packet
}

fn send_and_compare(size: u16, features: Features, packets: &[Vec<usize>]) {
    let bed = bed(1024, 512);
    let (queue, mut device) = bed.queue(Direction::Tx, size, features);
    let (mut tx, mut burst) = (queue.claim_tx("test").unwrap(), Burst::new(8));
    for (round, group) in packets.chunks(8).enumerate() {
        for sizes in group {
            burst.push(sent(&bed, sizes, round)).unwrap();
        }
        let mut expected = group.iter();
        while !burst.is_empty() {
            assert!(tx.burst(&mut burst) > 0, "the ring is stuck");
            while let Some(got) = device.receive() {
                let sizes = expected.next().unwrap();
                assert_eq!(got[12..], sent(&bed, sizes, round).to_vec(), "{size} {features:?}");
            }
        }
        assert!(expected.next().is_none());
    }
    tx.reclaim();
    bed.exact(0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sent_bytes_arrive(
        packets in prop::collection::vec(segments(), 1..60),
        size_bits in 5u32..=15,
        features in prop::sample::select(&FEATURES[..]),
    ) {
        send_and_compare(1 << size_bits, features, &packets);
    }

    #[test]
    fn received_bytes_are_those_of_the_device(
        lengths in prop::collection::vec(0usize..=4000, 1..120),
        size_bits in 5u32..=10,
        features in prop::sample::select(&FEATURES[..]),
        whole_batches in any::<bool>(),
    ) {
        let merge = features.contains(Features::MRG_RXBUF);
        let bed = bed(2048, if merge { 256 } else { 4096 });
        let (queue, mut device) = bed.queue(Direction::Rx, 1 << size_bits, features);
        let (mut rx, mut burst) = (queue.claim_rx("test").unwrap(), Burst::new(4));
        for (round, &len) in lengths.iter().enumerate() {
            let packet = bytes(len, round);
            let as_batch = whole_batches && features.contains(Features::IN_ORDER);
            let sent = if as_batch { device.send_as_batch(&packet) } else { device.send(&packet) };
            prop_assert!(sent);
            prop_assert_eq!(rx.burst(&mut burst), 1);
            prop_assert_eq!(burst[0].to_vec(), packet);
            burst.clear();
        }
        queue.close().unwrap();
        queue.drain();
        bed.exact(0);
    }
}

#[test]
fn indices_wrap_without_a_scratch() {
    for features in FEATURES {
        for size in [32, 1024] {
            let bed = bed(2048, 256);
            let (rxq, mut sender) = bed.queue(Direction::Rx, size, features);
            let (txq, mut receiver) = bed.queue(Direction::Tx, size, features);
            let (mut rx, mut tx) = (rxq.claim_rx("t").unwrap(), txq.claim_tx("t").unwrap());
            let mut burst = Burst::new(32);
            // More than 65,536 through each ring.
            for round in 0..2100 {
                (0..32).for_each(|i| assert!(sender.send(&bytes(60, round + i))));
                assert_eq!(rx.burst(&mut burst), 32);
                assert_eq!(tx.burst(&mut burst), 32);
                for i in 0..32 {
                    assert_eq!(receiver.receive().unwrap()[12..], bytes(60, round + i));
                }
            }
            assert_eq!((rxq.broken(), txq.broken()), (None, None));
        }
    }
}

#[test]
fn the_largest_ring_is_filled_to_its_last_place() {
    let bed = bed(33_000, 64);
    for features in [PLAIN, MERGE.union(Features::IN_ORDER)] {
        let (queue, mut device) = bed.queue(Direction::Tx, 32_768, features);
        let (mut tx, mut burst) = (queue.claim_tx("test").unwrap(), Burst::new(32));
        for round in 0..1024 {
            (0..32).for_each(|i| burst.push(bed.mbuf(&bytes(20, round + i))).unwrap());
            assert_eq!(tx.burst(&mut burst), 32, "{round}");
        }
        burst.push(bed.mbuf(&[0; 20])).unwrap();
        assert_eq!(tx.burst(&mut burst), 0, "the ring is full");
        for round in 0..1024 {
            (0..32).for_each(|i| assert_eq!(device.receive().unwrap()[12..], bytes(20, round + i)));
        }
        assert_eq!(tx.reclaim(), 32_768);
        burst.clear();
        bed.exact(0);
    }
}
