use proptest::prelude::*;
use virtio::Features;
use virtio::layout::{DESC_INDIRECT, DESC_NEXT, DESC_WRITE, UsedElement};

use super::*;
use crate::testing::{BUFFERS_AT, MEMORY_BYTES, MockDriver};
use crate::vring::BreakReason;

mod counts;
mod indirect;
mod large;

const PLAIN: Features = Features::VERSION_1;
const MERGE: Features = Features::VERSION_1.union(Features::MRG_RXBUF);
const HEADER: usize = 12;

/// Keeps what it gets; `room` packets at most.
struct Keep {
    got: Vec<Vec<u8>>,
    room: usize,
}

impl Keep {
    fn all() -> Self {
        Self { got: Vec::new(), room: usize::MAX }
    }
}

impl RxSink for Keep {
    fn ready(&mut self, want: usize) -> usize {
        want.min(self.room)
    }

    fn accept(&mut self, mut packet: GuestPacket<'_>) -> Accept {
        if self.room == 0 {
            return Accept::NoBuffer;
        }
        self.room -= 1;
        let mut bytes = vec![0; packet.len() as usize];
        assert_eq!(packet.read(&mut bytes), bytes.len());
        self.got.push(bytes);
        Accept::Taken
    }
}

struct Give<'a>(&'a [Vec<u8>]);

// SAFETY: the vectors outlive the source and each packet is one segment of its whole length.
#[expect(unsafe_code, reason = "implements the trait over borrowed vectors")]
unsafe impl TxSource for Give<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn len_bytes(&self, index: usize) -> u32 {
        self.0[index].len() as u32
    }

    fn segments(&self, index: usize) -> impl Iterator<Item = Segment> {
        // Two segments, so that runs cross from one to the next.
        let (a, b) = self.0[index].split_at(self.0[index].len() / 3);
        [a, b].into_iter().map(|s| Segment { data: s.as_ptr(), len: s.len() })
    }
}

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + seed * 17 + (i >> 8)) as u8).collect()
}

fn queue(driver: &MockDriver) -> Dequeue {
    Dequeue::claim(&driver.vring().unwrap(), "test").unwrap()
}

fn out_queue(driver: &MockDriver) -> Enqueue {
    Enqueue::claim(&driver.vring().unwrap(), "test").unwrap()
}

/// Offers `packet` behind a header as a chain of pieces of the given lengths, from descriptor `first` on.
fn offer_packet(d: &mut MockDriver, first: u16, addr: u64, packet: &[u8], cuts: &[usize]) -> u16 {
    let mut all = vec![0u8; HEADER];
    all.extend_from_slice(packet);
    d.write(addr, &all);
    let (mut at, mut index, mut cuts) = (0, first, cuts.iter());
    while at < all.len() {
        let len = cuts.next().map_or(all.len() - at, |&c| c.min(all.len() - at));
        let more = at + len < all.len();
        let flags = if more { DESC_NEXT } else { 0 };
        d.describe(index, addr + at as u64, len as u32, flags, index.wrapping_add(1));
        at += len;
        index += 1;
    }
    d.offer(first);
    index - first
}

proptest! {
    #[test]
    fn dequeued_is_what_was_offered(
        packets in prop::collection::vec((1usize..3000, prop::collection::vec(1usize..700, 0..5)), 1..60),
        base in prop::sample::select(vec![0u16, 1, 0x7FFF, 0xFFF0, 0xFFFF]),
        split_at in prop::sample::select(vec![MEMORY_BYTES, BUFFERS_AT + 5000, BUFFERS_AT + 1]),
    ) {
        let ends: Vec<u64> = if split_at == MEMORY_BYTES { vec![split_at] } else { vec![split_at, MEMORY_BYTES] };
        let mut d = MockDriver::with_regions(512, PLAIN, base, &ends).unwrap();
        let (mut index, mut heads, mut expect) = (0, Vec::new(), Vec::new());
        for (i, (len, cuts)) in packets.iter().enumerate() {
            let packet = bytes(*len, i);
            heads.push(index);
            index += offer_packet(&mut d, index, BUFFERS_AT + i as u64 * 4096, &packet, cuts);
            expect.push(packet);
        }
        let (mut q, mut keep) = (queue(&d), Keep::all());
        prop_assert_eq!(q.dequeue(&mut keep, usize::MAX), packets.len());
        prop_assert_eq!(keep.got, expect);
        let used: Vec<_> = heads.iter().map(|&h| UsedElement { id: h.into(), len: 0 }).collect();
        prop_assert_eq!(d.used(), used);
        prop_assert_eq!(q.vring().base(), base.wrapping_add(packets.len() as u16));
        prop_assert_eq!(q.dequeue(&mut Keep::all(), 32), 0);
    }

    #[test]
    fn enqueued_is_what_was_given(
        lens in prop::collection::vec(1usize..5000, 1..50),
        buffer in prop::sample::select(vec![100u32, 1526, 2048, 8000]),
        base in prop::sample::select(vec![0u16, 0xFFF0]),
    ) {
        let size = 1024u16;
        let mut d = MockDriver::new(size, MERGE, base).unwrap();
        for id in 0..size.min(((4 << 20) / buffer) as u16) {
            d.describe(id, BUFFERS_AT + u64::from(id) * u64::from(buffer), buffer, DESC_WRITE, 0);
            d.offer(id);
        }
        let packets: Vec<_> = lens.iter().enumerate().map(|(i, &l)| bytes(l, i)).collect();
        let mut q = out_queue(&d);
        let done = q.enqueue(&Give(&packets));
        let mut used = d.used().into_iter();
        for packet in &packets[..done] {
            let got = take_merged(&d, &mut used);
            prop_assert_eq!(&got, packet);
        }
        prop_assert!(used.next().is_none());
        let counted = q.vring().counters().values();
        prop_assert_eq!(counted.packets, done as u64);
        prop_assert_eq!(counted.bytes, packets[..done].iter().map(|p| p.len() as u64).sum::<u64>());
        if buffer > 1000 { prop_assert_eq!(done, packets.len()); }
    }

    #[test]
    fn no_ring_content_panics_or_loops(words in prop::collection::vec(any::<(u64, u32, u16, u16)>(), 16), heads in prop::collection::vec(any::<u16>(), 1..16)) {
        for write in [false, true] {
            let mut d = MockDriver::new(16, MERGE, 0).unwrap();
            for (i, &(addr, len, flags, next)) in words.iter().enumerate() {
                d.describe(i as u16, addr % (MEMORY_BYTES + 4096), len % 10000, flags & 7, next % 20);
            }
            heads.iter().for_each(|&h| d.offer(h % 20));
            if write {
                let mut q = out_queue(&d);
                q.enqueue(&Give(&vec![bytes(1500, 1); 40]));
            } else {
                let mut q = queue(&d);
                q.dequeue(&mut Keep::all(), 64);
            }
        }
    }
}

/// Follows `num_buffers` through the used elements as a driver does.
fn take_merged(d: &MockDriver, used: &mut impl Iterator<Item = UsedElement>) -> Vec<u8> {
    let first = used.next().unwrap();
    let mut all = read_used(d, first);
    let buffers = u16::from_le_bytes([all[10], all[11]]);
    assert_eq!(all[..10], [0; 10], "a header of a plain packet");
    for _ in 1..buffers {
        let next = used.next().unwrap();
        all.extend(read_used(d, next));
    }
    all.split_off(HEADER)
}

fn read_used(d: &MockDriver, element: UsedElement) -> Vec<u8> {
    let addr = d.rings().descriptor(element.id as u16).addr;
    d.read(addr, element.len as usize)
}

/// What the driver does wrong with descriptor 0, for a ring of 8.
type Fault = (&'static str, fn(&mut MockDriver));

const READ_FAULTS: &[Fault] = &[
    ("a loop of one", |d| d.describe(0, BUFFERS_AT, 64, DESC_NEXT, 0)),
    ("a loop of two", |d| {
        d.describe(0, BUFFERS_AT, 64, DESC_NEXT, 1);
        d.describe(1, BUFFERS_AT, 64, DESC_NEXT, 0);
    }),
    ("next outside the table", |d| d.describe(0, BUFFERS_AT, 64, DESC_NEXT, 8)),
    ("an unmapped buffer", |d| d.describe(0, MEMORY_BYTES, 64, 0, 0)),
    ("a buffer that ends outside", |d| d.describe(0, MEMORY_BYTES - 10, 64, 0, 0)),
    ("a buffer that wraps", |d| d.describe(0, u64::MAX - 5, 64, 0, 0)),
    ("the largest length", |d| d.describe(0, BUFFERS_AT, u32::MAX, 0, 0)),
    ("only a header", |d| d.describe(0, BUFFERS_AT, HEADER as u32, 0, 0)),
    ("less than a header", |d| d.describe(0, BUFFERS_AT, 3, 0, 0)),
    ("no bytes", |d| d.describe(0, BUFFERS_AT, 0, 0, 0)),
    ("the wrong direction", |d| d.describe(0, BUFFERS_AT, 64, DESC_WRITE, 0)),
    ("indirect, not negotiated", |d| d.describe(0, BUFFERS_AT, 64, DESC_INDIRECT, 0)),
];

#[test]
fn a_bad_chain_is_dropped_counted_and_does_not_stop_others() {
    for (what, fault) in READ_FAULTS {
        let mut d = MockDriver::new(8, PLAIN, 0).unwrap();
        fault(&mut d);
        d.offer(0);
        let good = bytes(60, 5);
        offer_packet(&mut d, 4, BUFFERS_AT + 8192, &good, &[12, 20]);
        let (mut q, mut keep) = (queue(&d), Keep::all());
        assert_eq!(q.dequeue(&mut keep, 32), 1, "{what}");
        assert_eq!(keep.got, [good], "{what}");
        let used = d.used();
        assert_eq!((used.len(), used[0].len), (2, 0), "{what}");
        assert_eq!(q.vring().counters().values().bad_chains, 1, "{what}");
        assert_eq!(q.vring().broken(), None, "{what}");
    }
}

#[test]
fn a_bad_receive_chain_gets_nothing_and_the_packet_goes_to_the_next() {
    let faults: Vec<Fault> = vec![
        ("read only", |d| d.describe(0, BUFFERS_AT, 2048, 0, 0)),
        ("unmapped", |d| d.describe(0, MEMORY_BYTES, 2048, DESC_WRITE, 0)),
        ("a loop", |d| d.describe(0, BUFFERS_AT, 1, DESC_WRITE | DESC_NEXT, 0)),
        ("no room for the header", |d| d.describe(0, BUFFERS_AT, 11, DESC_WRITE, 0)),
        ("no bytes", |d| d.describe(0, BUFFERS_AT, 0, DESC_WRITE, 0)),
    ];
    for features in [PLAIN, MERGE] {
        for (what, fault) in &faults {
            let mut d = MockDriver::new(8, features, 0).unwrap();
            fault(&mut d);
            d.write(BUFFERS_AT, &[0xEE; 2048]);
            d.describe(1, BUFFERS_AT + 4096, 2048, DESC_WRITE, 0);
            (0..2).for_each(|h| d.offer(h));
            let (mut q, packet) = (out_queue(&d), vec![bytes(100, 1)]);
            assert_eq!(q.enqueue(&Give(&packet)), 1, "{what}");
            let used = d.used();
            assert_eq!(used[0], UsedElement { id: 0, len: 0 }, "{what}");
            assert_eq!(used[1], UsedElement { id: 1, len: 112 }, "{what}");
            assert_eq!(d.read(BUFFERS_AT + 4096 + 12, 100), packet[0], "{what}");
            assert_eq!(d.read(BUFFERS_AT, 2048), [0xEE; 2048], "{what}: nothing written");
            assert_eq!(q.vring().counters().values().bad_chains, 1, "{what}");
        }
    }
}

#[test]
fn a_bad_chain_within_a_merged_packet_takes_the_packet_to_the_next_buffers() {
    let mut d = MockDriver::new(8, MERGE, 0).unwrap();
    for id in 0..6 {
        d.describe(id, BUFFERS_AT + u64::from(id) * 4096, 64, DESC_WRITE, 0);
    }
    d.describe(1, MEMORY_BYTES, 64, DESC_WRITE, 0);
    (0..6).for_each(|h| d.offer(h));
    let (mut q, packet) = (out_queue(&d), vec![bytes(150, 2)]);
    assert_eq!(q.enqueue(&Give(&packet)), 1);
    let used = d.used();
    assert_eq!((used[0].len, used[1].len), (0, 0));
    assert_eq!(take_merged(&d, &mut used.into_iter().skip(2)), packet[0]);
}

#[test]
fn what_can_never_fit_is_dropped_and_what_does_not_fit_now_stays() {
    let mut d = MockDriver::new(8, PLAIN, 0).unwrap();
    d.describe(0, BUFFERS_AT, 256, DESC_WRITE, 0);
    d.offer(0);
    let packets = vec![bytes(1000, 0), bytes(100, 1), bytes(100, 2)];
    let mut q = out_queue(&d);
    assert_eq!(q.enqueue(&Give(&packets)), 2, "one dropped, one written, one left");
    let counted = q.vring().counters().values();
    assert_eq!((counted.too_large, counted.packets, counted.bad_chains), (1, 1, 0));
    assert_eq!(d.used(), [UsedElement { id: 0, len: 112 }]);
    assert_eq!(d.read(BUFFERS_AT + 12, 100), packets[1]);

    let mut small = MockDriver::new(8, MERGE, 0).unwrap();
    for id in 0..8 {
        small.describe(id, BUFFERS_AT + u64::from(id) * 4096, 64, DESC_WRITE, 0);
        small.offer(id);
    }
    let mut q = out_queue(&small);
    assert_eq!(q.enqueue(&Give(&[bytes(9000, 3), bytes(500, 4)])), 2);
    assert_eq!(q.vring().counters().values().too_large, 1, "eight buffers of 64 never hold 9000");
}

#[test]
fn a_packet_without_buffer_stays_in_the_ring() {
    let mut d = MockDriver::new(8, PLAIN, 0).unwrap();
    let packets: Vec<_> = (0..4).map(|i| bytes(80 + i, i)).collect();
    for (i, packet) in packets.iter().enumerate() {
        offer_packet(&mut d, i as u16, BUFFERS_AT + i as u64 * 4096, packet, &[]);
    }
    let (mut q, mut keep) = (queue(&d), Keep { got: Vec::new(), room: 3 });
    assert_eq!(q.dequeue(&mut keep, 32), 3);
    assert_eq!(q.dequeue(&mut keep, 32), 0);
    assert_eq!(q.vring().counters().values().no_buffer, 1);
    keep.room = 9;
    assert_eq!(q.dequeue(&mut keep, 32), 1);
    assert_eq!(keep.got, packets);
}

#[test]
fn broken_rings_stop_and_start_again_when_configured() {
    type Fault = (BreakReason, fn(&mut MockDriver));
    let faults: [Fault; 3] = [
        (BreakReason::AvailIndex, |d| d.rings().publish_avail(9)),
        (BreakReason::AvailIndex, |d| d.rings().publish_avail(u16::MAX)),
        (BreakReason::HeadOutOfRange, |d| d.offer(8)),
    ];
    for (reason, fault) in faults {
        let mut d = MockDriver::new(8, PLAIN, 0).unwrap();
        fault(&mut d);
        let mut q = queue(&d);
        assert_eq!(q.dequeue(&mut Keep::all(), 32), 0);
        assert_eq!(q.vring().broken(), Some(reason));
        assert_eq!(q.dequeue(&mut Keep::all(), 32), 0);
        assert!(d.used().is_empty());
        let mut again = MockDriver::new(8, PLAIN, 0).unwrap();
        offer_packet(&mut again, 0, BUFFERS_AT, &bytes(64, 1), &[]);
        again.put_in_service(q.vring()).unwrap();
        assert_eq!(q.vring().broken(), None);
        assert_eq!(q.dequeue(&mut Keep::all(), 32), 1);
    }
}

#[test]
fn one_poller_at_a_time_and_none_while_closed() {
    let mut d = MockDriver::new(8, PLAIN, 0).unwrap();
    offer_packet(&mut d, 0, BUFFERS_AT, &bytes(64, 1), &[]);
    let vring = d.vring().unwrap();
    let mut q = Dequeue::claim(&vring, "first").unwrap();
    assert_eq!(Dequeue::claim(&vring, "second").unwrap_err(), "first");
    let mut closed = vring.close(std::time::Duration::from_secs(1)).unwrap();
    assert_eq!(q.dequeue(&mut Keep::all(), 32), 0);
    closed.configure(None);
    closed.open();
    assert_eq!(q.dequeue(&mut Keep::all(), 32), 0, "no configuration: the gate stays closed");
    drop(q);
    assert!(Dequeue::claim(&vring, "second").is_ok());
}

#[test]
fn a_packet_longer_than_any_network_carries_is_dropped_without_asking_for_room() {
    let mut d = MockDriver::new(8, PLAIN, 0).unwrap();
    let most = MAX_PACKET_BYTES + HEADER as u32;
    for (head, len) in [(0, most), (1, most + 1), (2, 7 << 20)] {
        d.describe(head, BUFFERS_AT, len, 0, 0);
        d.offer(head);
    }
    // One descriptor's memory again and again.
    for index in 3..8 {
        let flags = if index < 7 { DESC_NEXT } else { 0 };
        d.describe(index, BUFFERS_AT, 60_000, flags, index + 1);
    }
    d.offer(3);
    let (mut q, mut keep) = (queue(&d), Keep::all());
    assert_eq!(q.dequeue(&mut keep, 32), 1);
    assert_eq!(keep.got[0].len(), MAX_PACKET_BYTES as usize);
    assert_eq!(d.used().len(), 4);
    assert_eq!(q.vring().counters().values().too_large, 3);
}

/// A sink in whose time the driver makes more available, for as long as it is asked to.
struct Refill {
    rings: virtio::ring::RingPtrs,
    asked: u16,
}

impl RxSink for Refill {
    fn ready(&mut self, want: usize) -> usize {
        self.asked += 1;
        if self.asked < 1000 {
            self.rings.publish_avail(self.rings.used_index().wrapping_add(self.rings.size()));
        }
        want
    }

    fn accept(&mut self, _: GuestPacket<'_>) -> Accept {
        Accept::Refused
    }
}

#[test]
fn a_driver_that_only_sends_rubbish_does_not_keep_the_poller() {
    let mut d = MockDriver::new(64, PLAIN, 0).unwrap();
    d.describe(0, BUFFERS_AT, 64, DESC_WRITE, 0);
    (0..64).for_each(|_| d.offer(0));
    let mut q = queue(&d);
    assert_eq!(q.dequeue(&mut Keep::all(), 32), 0);
    assert_eq!(d.used().len(), 32, "bad chains count towards the burst");
    assert_eq!(q.dequeue(&mut Refill { rings: *d.rings(), asked: 0 }, usize::MAX), 0);
    assert!(d.used().len() <= 64, "one length of the ring at most");
}

#[test]
fn a_driver_that_only_posts_rubbish_does_not_keep_the_poller() {
    let mut d = MockDriver::new(1024, PLAIN, 0).unwrap();
    d.describe(0, BUFFERS_AT, 2048, 0, 0);
    d.describe(1, BUFFERS_AT, 2048, DESC_WRITE, 0);
    (0..1000).for_each(|_| d.offer(0));
    d.offer(1);
    let (mut q, packet) = (out_queue(&d), vec![bytes(100, 1)]);
    assert_eq!(q.enqueue(&Give(&packet)), 0);
    assert!(d.used().len() <= 200, "one pass");
    let calls = (0..10).take_while(|_| q.enqueue(&Give(&packet)) == 0).count();
    assert!(calls < 9, "the good buffer is found in the end");
    assert_eq!(d.read(BUFFERS_AT + HEADER as u64, 100), packet[0]);
}

#[test]
fn empty_buffers_are_passed_over_but_not_for_ever() {
    let mut d = MockDriver::new(512, PLAIN, 0).unwrap();
    let packet = bytes(100, 3);
    d.write(BUFFERS_AT + HEADER as u64, &packet);
    d.describe(0, BUFFERS_AT, HEADER as u32, DESC_NEXT, 1);
    d.describe(1, 0, 0, DESC_NEXT, 2);
    d.describe(2, BUFFERS_AT + HEADER as u64, 100, 0, 0);
    d.offer(0);
    for index in 3..400 {
        d.describe(index, BUFFERS_AT, 0, DESC_NEXT, index + 1);
    }
    d.describe(400, BUFFERS_AT, 112, 0, 0);
    d.offer(3);
    let (mut q, mut keep) = (queue(&d), Keep::all());
    assert_eq!(q.dequeue(&mut keep, 32), 1);
    assert_eq!(q.dequeue(&mut keep, 32), 0);
    assert_eq!(keep.got, [packet]);
    assert_eq!(d.used().len(), 2);
    assert_eq!(q.vring().counters().values().bad_chains, 1);
}
