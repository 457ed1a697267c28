mod counters;
mod in_order;
mod payload;
mod places;

use eal::{Eal, EalConfig};
use pmd_core::{Burst, RxBurst, TxBurst};
use proptest::prelude::*;
use virtio::layout::UsedElement;

use super::*;
use crate::queue::claim::Claim;
use crate::testing::MockDevice;

const PLAIN: Features = Features::VERSION_1;
const MERGE: Features = Features::VERSION_1.union(Features::MRG_RXBUF);

struct Bed {
    _eal: Eal,
    pool: MbufPool,
    memory: Memory,
}

fn bed(count: u32, data_bytes: u16) -> Bed {
    let eal = Eal::new(EalConfig::default()).unwrap();
    let memory = eal.memory().clone();
    let pool = MbufPool::create(&memory, "p", count, data_bytes, 32).unwrap();
    Bed { _eal: eal, pool, memory }
}

impl Bed {
    fn queue(
        &self,
        direction: Direction,
        size: u16,
        features: Features,
    ) -> (VirtQueue, MockDevice) {
        let pool = (direction == Direction::Rx).then(|| self.pool.clone());
        let queue = VirtQueue::create(&self.memory, direction, size, pool).unwrap();
        queue.prepare(features).unwrap();
        queue.open();
        let device = MockDevice::new(&self.memory, &queue).unwrap();
        (queue, device)
    }

    fn mbuf(&self, bytes: &[u8]) -> Mbuf {
        let mut mbuf = self.pool.take().unwrap();
        mbuf.append(bytes.len() as u16).unwrap().copy_from_slice(bytes);
        mbuf
    }

    /// Everything is where it should be, and `held` are in tables or hands.
    fn exact(&self, held: u32) {
        let audit = self.pool.audit();
        assert_eq!((audit.in_use, audit.lost, audit.duplicates), (held, 0, 0));
        assert_eq!(audit.in_use + audit.free, audit.size);
    }
}

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 29 + seed * 13 + (i >> 8)) as u8).collect()
}

#[test]
fn receives_what_the_device_sends_round_and_round() {
    let bed = bed(256, 2048);
    for features in [PLAIN, MERGE] {
        let (queue, mut device) = bed.queue(Direction::Rx, 16, features);
        bed.exact(16);
        let mut rx = queue.claim_rx("test").unwrap();
        let mut burst = Burst::new(64);
        for round in 0..200 {
            for i in 0..16 {
                assert!(device.send(&bytes(60 + i, round)));
            }
            assert!(!device.send(&[0; 60]), "the ring has 16 buffers");
            assert_eq!(rx.burst(&mut burst), 16);
            for (i, mbuf) in burst.iter().enumerate() {
                assert_eq!(mbuf.data(), bytes(60 + i, round));
                assert_eq!(mbuf.port(), Some(0));
            }
            burst.clear();
        }
        assert_eq!(rx.burst(&mut burst), 0);
        assert_eq!(queue.stats().packets, 3200);
        queue.close().unwrap();
        assert_eq!(rx.burst(&mut burst), 0);
        assert_eq!(queue.drain(), 16);
        bed.exact(0);
    }
}

#[test]
fn merged_packets_come_whole_even_in_parts() {
    let bed = bed(256, 256);
    let (queue, mut device) = bed.queue(Direction::Rx, 64, MERGE);
    let (mut rx, mut burst) = (queue.claim_rx("test").unwrap(), Burst::new(8));
    let packet = bytes(9000, 7);
    assert!(device.send(&packet));
    let half = device.rings().used_index() - 20;
    device.rings().publish_used(half);
    assert_eq!(rx.burst(&mut burst), 0, "twenty buffers are yet to come");
    device.rings().publish_used(half + 20);
    assert_eq!(rx.burst(&mut burst), 1);
    assert_eq!(burst[0].to_vec(), packet);
    assert_eq!(burst[0].segment_count(), 34);
    burst.clear();
    queue.close().unwrap();
    queue.drain();
    bed.exact(0);
}

#[test]
fn a_device_whose_packets_never_end_cannot_keep_the_poller() {
    const PARTS: usize = 33;
    let bed = bed(256, 64);
    let (queue, mut device) = bed.queue(Direction::Rx, 64, MERGE);
    let (mut rx, mut burst) = (queue.claim_rx("test").unwrap(), Burst::new(32));
    let used = || queue.shared.block().progress.used.load(Ordering::Acquire);
    std::thread::scope(|scope| {
        // As fast as it gets buffers, packets that turn out bad behind their first buffer.
        let device = scope.spawn(move || {
            let mut given = 0;
            let until = std::time::Instant::now() + Duration::from_secs(5);
            while given < 100 * 64 && std::time::Instant::now() < until {
                let Some(head) = device.take() else { continue };
                let len = if given % PARTS == 0 {
                    let at = device.rings().descriptor(head).addr + 10;
                    device.write(at, &(PARTS as u16).to_le_bytes());
                    12 + 64
                } else {
                    u32::MAX
                };
                device.complete(head.into(), len);
                given += 1;
            }
        });
        while !device.is_finished() {
            let before = used();
            assert_eq!(rx.burst(&mut burst), 0);
            let taken = used().wrapping_sub(before) as usize;
            assert!(taken <= 64 + 32 + PARTS, "{taken} buffers in one burst");
        }
    });
    assert!(queue.broken().is_none());
    drop(rx);
    queue.close().unwrap();
    queue.drain();
    bed.exact(0);
}

#[test]
fn sends_single_chained_and_without_headroom() {
    let bed = bed(256, 2048);
    let (queue, mut device) = bed.queue(Direction::Tx, 16, PLAIN);
    let (mut tx, mut burst) = (queue.claim_tx("test").unwrap(), Burst::new(32));
    for round in 0..100 {
        let single = bytes(60, round);
        burst.push(bed.mbuf(&single)).unwrap();
        let mut chain = bed.mbuf(&single);
        chain.chain(bed.mbuf(&bytes(100, 1))).unwrap();
        chain.chain(bed.mbuf(&bytes(200, 2))).unwrap();
        let chained = chain.to_vec();
        burst.push(chain).unwrap();
        let mut tight = bed.mbuf(&single);
        tight.prepend(120).unwrap().fill(9);
        let full = tight.to_vec();
        burst.push(tight).unwrap();
        assert_eq!(tx.burst(&mut burst), 3);
        for expect in [single, chained, full] {
            let got = device.receive().unwrap();
            assert_eq!(got[..12], [0; 12]);
            assert_eq!(got[12..], expect);
        }
    }
    assert_eq!(tx.reclaim(), 3);
    bed.exact(0);
    assert_eq!(queue.stats().packets, 300);
}

#[test]
fn a_full_ring_leaves_the_rest_with_the_caller() {
    let bed = bed(256, 2048);
    let (queue, mut device) = bed.queue(Direction::Tx, 16, PLAIN);
    let (mut tx, mut burst) = (queue.claim_tx("test").unwrap(), Burst::new(32));
    for i in 0..20 {
        burst.push(bed.mbuf(&bytes(60, i))).unwrap();
    }
    assert_eq!((tx.burst(&mut burst), burst.len()), (16, 4));
    assert_eq!(tx.burst(&mut burst), 0);
    for i in 0..16 {
        assert_eq!(device.receive().unwrap()[12..], bytes(60, i));
    }
    assert_eq!((tx.burst(&mut burst), burst.len()), (4, 0));
    for i in 16..20 {
        assert_eq!(device.receive().unwrap()[12..], bytes(60, i));
    }
    queue.close().unwrap();
    assert_eq!(queue.drain(), 4);
    bed.exact(0);
}

#[test]
fn a_packet_of_another_window_is_dropped_and_counted() {
    let (bed, other) = (bed(64, 2048), bed(64, 2048));
    let (queue, mut device) = bed.queue(Direction::Tx, 16, PLAIN);
    let (mut tx, mut burst) = (queue.claim_tx("test").unwrap(), Burst::new(4));
    burst.push(other.mbuf(&bytes(60, 1))).unwrap();
    burst.push(bed.mbuf(&bytes(60, 2))).unwrap();
    assert_eq!(tx.burst(&mut burst), 2);
    assert_eq!(device.receive().unwrap()[12..], bytes(60, 2));
    assert!(device.receive().is_none());
    assert_eq!((queue.stats().errors, queue.stats().packets), (1, 1));
    other.exact(0);
}

/// What a hostile device does after the driver posted 16 buffers.
type Fault = (&'static str, fn(&mut MockDevice));

const FAULTS: &[Fault] = &[
    ("an index jump", |d| d.rings().publish_used(17)),
    ("an index behind", |d| d.rings().publish_used(u16::MAX)),
    ("an id outside the ring", |d| d.complete(16, 76)),
    ("the largest id", |d| d.complete(u32::MAX, 76)),
    ("an id above 16 bits", |d| d.complete(0x1_0000, 76)),
    ("one id twice", |d| {
        d.complete(3, 76);
        d.complete(3, 76);
    }),
];

#[test]
fn a_hostile_device_costs_its_queue_and_no_mbuf() {
    for (what, fault) in FAULTS {
        let bed = bed(64, 2048);
        let (rxq, mut device) = bed.queue(Direction::Rx, 16, PLAIN);
        let (mut rx, mut burst) = (rxq.claim_rx("test").unwrap(), Burst::new(32));
        fault(&mut device);
        let got = rx.burst(&mut burst);
        assert!(got <= 1, "{what}");
        assert!(rxq.broken().is_some(), "{what}");
        assert_eq!(rx.burst(&mut burst), 0, "{what}");
        burst.clear();
        rxq.close().unwrap();
        rxq.drain();
        bed.exact(0);

        let (txq, mut device) = bed.queue(Direction::Tx, 16, PLAIN);
        let mut tx = txq.claim_tx("test").unwrap();
        for i in 0..16 {
            burst.push(bed.mbuf(&bytes(60, i))).unwrap();
        }
        tx.burst(&mut burst);
        fault(&mut device);
        tx.reclaim();
        assert!(txq.broken().is_some(), "{what}");
        assert_eq!(tx.burst(&mut burst), 0);
        txq.close().unwrap();
        txq.drain();
        txq.prepare(PLAIN).unwrap();
        assert_eq!(txq.broken(), None);
        bed.exact(0);
    }
}

#[test]
fn bad_lengths_and_counts_drop_the_packet_only() {
    let bed = bed(64, 2048);
    let (queue, mut device) = bed.queue(Direction::Rx, 16, MERGE);
    let (mut rx, mut burst) = (queue.claim_rx("test").unwrap(), Burst::new(32));
    for len in [0, 11, 12 + 2049, u32::MAX] {
        let head = device.take().unwrap();
        device.complete(head.into(), len);
    }
    for buffers in [0u16, 17, u16::MAX] {
        let head = device.take().unwrap();
        let mut header = [0; 72];
        header[10..12].copy_from_slice(&buffers.to_le_bytes());
        device.write(device.rings().descriptor(head).addr, &header);
        device.complete(head.into(), 72);
    }
    assert!(device.send(&bytes(60, 1)));
    assert_eq!(rx.burst(&mut burst), 1);
    assert_eq!(burst[0].data(), bytes(60, 1));
    assert_eq!((queue.stats().errors, queue.broken()), (7, None));
    burst.clear();
    queue.close().unwrap();
    queue.drain();
    bed.exact(0);
}

#[test]
fn an_empty_pool_is_made_good_later() {
    let bed = bed(24, 2048);
    let (queue, mut device) = bed.queue(Direction::Rx, 16, PLAIN);
    let (mut rx, mut burst) = (queue.claim_rx("test").unwrap(), Burst::new(64));
    let mut got = 0;
    for i in 0..40 {
        if device.send(&bytes(60, i)) {
            got += rx.burst(&mut burst);
        }
    }
    assert_eq!(got, 24, "all mbufs are in hand");
    assert!(queue.stats().no_mbuf > 0);
    burst.clear();
    rx.burst(&mut burst);
    for i in 0..16 {
        assert!(device.send(&bytes(60, i)), "{i}: the ring is full again");
    }
    assert_eq!(rx.burst(&mut burst), 16);
}

#[test]
fn claims_name_their_holder_and_end() {
    let bed = bed(64, 2048);
    let (queue, _device) = bed.queue(Direction::Rx, 16, PLAIN);
    let rx = queue.claim_rx("lcore 3").unwrap();
    let refused = queue.claim_rx("other").unwrap_err().to_string();
    assert!(refused.contains("lcore 3"), "{refused}");
    assert!(queue.claim_tx("other").is_err());
    drop(rx);
    let mut rx = queue.claim_rx("other").unwrap();
    queue.close().unwrap();
    drop(queue);
    assert_eq!(rx.burst(&mut Burst::new(4)), 0, "a handle outlives its port");
}

/// The state of a receive queue at every point at which its poller can die, and what the rebuild makes of it.
#[test]
fn a_rebuild_posts_every_descriptor_once() {
    let bed = bed(64, 2048);
    let (queue, mut device) = bed.queue(Direction::Rx, 8, PLAIN);
    let dead = bed.memory.owner();
    let shared = Arc::clone(&queue.shared);
    let claim = Claim::take(&shared, 0, "the dead").unwrap();
    std::mem::forget(claim);
    (0..6).for_each(|i| assert!(device.send(&bytes(60, i))));
    // It took descriptor 0 and 1, stored that, posted 0 and published, posted 1 and died; 2 it took and had not stored.
    let in_hand: Vec<_> = [0u16, 1, 2].map(|id| take_out(&queue, id)).into();
    let progress = &shared.block().progress;
    progress.used.store(2, Ordering::Release);
    let again = |id, position| {
        let mbuf = bed.pool.take().unwrap();
        rx::post(&shared, shared.iova_bias(), 2048, 12, (id, position), mbuf);
    };
    again(0, 8);
    progress.set_posted(Posted { heads: 9, next_id: 9 });
    again(1, 9);
    drop(in_hand); // The sweep of the pool.
    queue.evict(dead).unwrap();
    let done = queue.recover(dead).unwrap();
    // 3, 4 and 5 were completed and not seen; 1 was never published; 1, 2, 3, 4 and 5 are posted again.
    assert_eq!((done.lost, done.posted), (3, 5));
    assert_eq!(queue.claimed_by(), None);
    bed.exact(8);
    queue.open();
    let (mut rx, mut burst) = (queue.claim_rx("next").unwrap(), Burst::new(16));
    (0..8).for_each(|i| assert!(device.send(&bytes(70, i)), "{i}"));
    assert!(!device.send(&[0; 60]), "no descriptor is offered twice");
    assert_eq!(rx.burst(&mut burst), 8);
    (0..8).for_each(|i| assert_eq!(burst[i].data(), bytes(70, i)));
    burst.clear();
    queue.close().unwrap();
    queue.drain();
    bed.exact(0);
}

fn take_out(queue: &VirtQueue, id: u16) -> Mbuf {
    let Slot::Head { handle, .. } = queue.shared.table.get(id) else { panic!("{id} is free") };
    queue.shared.table.set(id, Slot::Free);
    // SAFETY: the record was the table's.
    unsafe { Mbuf::from_record(queue.shared.record(handle)) }
}

#[test]
fn a_rebuild_of_a_sender_sends_nothing_twice() {
    let bed = bed(64, 2048);
    let (queue, mut device) = bed.queue(Direction::Tx, 8, PLAIN);
    let dead = bed.memory.owner();
    let mut tx = queue.claim_tx("the dead").unwrap();
    let mut burst = Burst::new(8);
    for i in 0..4 {
        burst.push(bed.mbuf(&bytes(60, i))).unwrap();
    }
    let mut chain = bed.mbuf(&bytes(60, 4));
    chain.chain(bed.mbuf(&bytes(10, 5))).unwrap();
    burst.push(chain).unwrap();
    assert_eq!(tx.burst(&mut burst), 5);
    assert_eq!(device.receive().unwrap()[12..], bytes(60, 0));
    // It put one more into the table and died before publishing.
    let shared = Arc::clone(&queue.shared);
    let late = bed.mbuf(&bytes(60, 9));
    shared.table.set(7, Slot::Head { handle: late.handle(), position: 5 });
    std::mem::forget(late);
    std::mem::forget(tx);
    queue.evict(dead).unwrap();
    let held = queue.held();
    assert_eq!(held.len(), 7, "six heads and one further segment");
    assert_eq!(queue.recover(dead).unwrap().lost, 1);
    bed.exact(5);
    queue.open();
    let mut tx = queue.claim_tx("next").unwrap();
    for i in 1..4 {
        assert_eq!(device.receive().unwrap()[12..], bytes(60, i));
    }
    assert_eq!(device.receive().unwrap().len(), 12 + 70);
    assert!(device.receive().is_none());
    for i in 0..8 {
        burst.push(bed.mbuf(&bytes(64, i))).unwrap();
    }
    assert_eq!(tx.burst(&mut burst), 8, "all eight descriptors are back");
    (0..8).for_each(|i| assert_eq!(device.receive().unwrap()[12..], bytes(64, i)));
    assert_eq!(tx.reclaim(), 8);
    bed.exact(0);
}

proptest! {
    #[test]
    fn any_used_ring_keeps_the_pool_exact(elements in prop::collection::vec((0u32..20, any::<u32>()), 0..24), index in any::<u16>()) {
        let orders = [MERGE, MERGE.union(Features::IN_ORDER)];
        let directions = [Direction::Rx, Direction::Tx];
        for (direction, features) in directions.into_iter().flat_map(|d| orders.map(|f| (d, f))) {
            let bed = bed(64, 512);
            let (queue, device) = bed.queue(direction, 16, features);
            let mut burst = Burst::new(64);
            let mut tx = (direction == Direction::Tx).then(|| queue.claim_tx("t").unwrap());
            if let Some(tx) = &mut tx {
                (0..16).for_each(|i| burst.push(bed.mbuf(&bytes(60, i))).unwrap());
                tx.burst(&mut burst);
            }
            for (at, &(id, len)) in elements.iter().enumerate() {
                device.rings().set_used_element(at as u16, UsedElement { id, len: len % 600 });
            }
            device.rings().publish_used(index % 24);
            match &mut tx {
                Some(tx) => { tx.reclaim(); }
                None => { queue.claim_rx("t").unwrap().burst(&mut burst); }
            }
            queue.close().unwrap();
            drop(tx);
            queue.drain();
            drop(burst);
            bed.exact(0);
        }
    }
}

#[test]
fn a_device_that_wants_to_be_woken_later_is_woken_by_the_tick() {
    let bed = bed(64, 2048);
    let (queue, device) = bed.queue(Direction::Tx, 16, PLAIN);
    let (mut tx, mut burst) = (queue.claim_tx("test").unwrap(), Burst::new(4));
    let kicked = || nix::unistd::read(queue.kick(), &mut [0; 8]).is_ok();
    let mut told = None;
    device.rings().set_used_flags(USED_NO_NOTIFY);
    burst.push(bed.mbuf(&bytes(60, 1))).unwrap();
    tx.burst(&mut burst);
    queue.wake_unconfirmed(&mut told);
    assert!(!kicked(), "it wants none");
    device.rings().set_used_flags(0);
    queue.wake_unconfirmed(&mut told);
    assert!(kicked(), "it wants one now, and the sender never calls again");
    queue.wake_unconfirmed(&mut told);
    assert!(!kicked(), "once is enough");
    burst.push(bed.mbuf(&bytes(60, 2))).unwrap();
    tx.burst(&mut burst);
    assert!(kicked(), "it wants one: at once");
}

#[test]
fn a_packet_longer_than_any_is_swallowed_whole() {
    let bed = bed(256, 1024);
    let (queue, mut device) = bed.queue(Direction::Rx, 128, MERGE);
    let (mut rx, mut burst) = (queue.claim_rx("test").unwrap(), Burst::new(8));
    assert!(device.send(&bytes(65_551, 1)));
    assert!(device.send(&bytes(65_550 - 2048, 2)) || device.send(&bytes(60, 3)));
    let mut got = 0;
    for _ in 0..8 {
        got += rx.burst(&mut burst);
    }
    assert_eq!((got, queue.stats().errors), (1, 1));
    burst.clear();
    queue.close().unwrap();
    queue.drain();
    bed.exact(0);
}

#[test]
fn what_needs_a_closed_gate_is_refused_while_it_is_open() {
    let bed = bed(64, 2048);
    let (queue, _device) = bed.queue(Direction::Rx, 16, PLAIN);
    assert!(queue.prepare(PLAIN).is_err());
    assert_eq!(queue.drain(), 0);
    assert!(queue.recover(bed.memory.owner()).is_err());
    bed.exact(16);
    queue.close().unwrap();
    assert_eq!(queue.drain(), 16);
    assert!(queue.prepare(PLAIN).is_ok());
    drop(queue);
    bed.exact(0);
}

#[test]
fn a_pool_of_another_eal_is_refused() {
    let (bed, other) = (bed(64, 2048), bed(64, 2048));
    let refused = VirtQueue::create(&bed.memory, Direction::Rx, 16, Some(other.pool.clone()));
    assert!(refused.unwrap_err().to_string().contains("another Eal"));
}
