//! What rings count: sizes and destinations.

use std::collections::BTreeMap;

use super::*;
use crate::counters::CounterValues;

const GROUP: [u8; 6] = [0x01, 0x00, 0x5E, 1, 2, 3];
const ALL: [u8; 6] = [0xFF; 6];
const STATION: [u8; 6] = [0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

/// A frame of `len` bytes to `destination`, whose other bytes could be taken for any kind of address.
fn frame(len: usize, destination: [u8; 6]) -> Vec<u8> {
    let mut frame = vec![0xFF; len];
    frame[..6].copy_from_slice(&destination);
    frame
}

/// Lengths at the edges of all bins, each to each kind of destination.
fn frames() -> Vec<Vec<u8>> {
    let lens = [14, 60, 63, 64, 65, 127, 128, 255, 256, 511, 512, 1023, 1024, 1518, 1519, 3000];
    lens.iter().flat_map(|&len| [STATION, GROUP, ALL].map(|to| frame(len, to))).collect()
}

#[track_caller]
fn assert_counted(counted: &CounterValues) {
    let named: BTreeMap<_, _> = counted.frames.named().collect();
    assert_eq!(named["multicast_packets"], 16);
    assert_eq!(named["broadcast_packets"], 16);
    let bins = [3 * 3, 3, 2 * 3, 2 * 3, 2 * 3, 2 * 3, 2 * 3, 2 * 3];
    assert_eq!(counted.frames.values()[2..], bins);
    assert_eq!((counted.packets, bins.iter().sum()), (48, 48_u64));
}

#[test]
fn what_the_guest_sends_is_counted_by_size_and_destination() {
    let mut d = MockDriver::new(256, PLAIN, 0).unwrap();
    let mut index = 0;
    for (i, frame) in frames().iter().enumerate() {
        // The address lies in one descriptor or is cut in the middle.
        let cuts: &[usize] = if i % 2 == 0 { &[HEADER + 3, 2] } else { &[] };
        index += offer_packet(&mut d, index, BUFFERS_AT + i as u64 * 4096, frame, cuts);
    }
    let mut q = queue(&d);
    assert_eq!(q.dequeue(&mut Keep::all(), 64), 48);
    assert_counted(&q.vring().counters().values());
}

#[test]
fn what_the_guest_gets_is_counted_by_size_and_destination() {
    let mut d = MockDriver::new(256, MERGE, 0).unwrap();
    for id in 0..256 {
        d.describe(id, BUFFERS_AT + u64::from(id) * 2048, 2048, DESC_WRITE, 0);
        d.offer(id);
    }
    let mut q = out_queue(&d);
    // `Give` cuts short frames in the middle of the address.
    assert_eq!(q.enqueue(&Give(&frames())), 48);
    let before = q.vring().counters().values();
    assert_counted(&before);
    q.enqueue(&Give(&[frame(64, ALL)]));
    let grown = q.vring().counters().values().since(&before);
    assert_eq!((grown.packets, grown.bytes, grown.frames.broadcast), (1, 64, 1));
}

#[test]
fn what_is_dropped_is_not_counted_as_a_frame() {
    let mut d = MockDriver::new(8, PLAIN, 0).unwrap();
    d.describe(0, BUFFERS_AT, 80, DESC_WRITE, 0);
    d.offer(0);
    d.describe(1, BUFFERS_AT, MAX_PACKET_BYTES + 100, 0, 0);
    d.offer(1);
    let mut q = queue(&d);
    assert_eq!(q.dequeue(&mut Keep::all(), 32), 0);
    let values = q.vring().counters().values();
    assert_eq!(values.frames, Default::default());
    assert_eq!((values.bad_chains, values.too_large), (1, 1));
}

/// Reads a packet, after which the guest writes another address over it.
struct ChangeMind<'a>(&'a MockDriver);

impl RxSink for ChangeMind<'_> {
    fn ready(&mut self, want: usize) -> usize {
        want
    }

    fn accept(&mut self, mut packet: GuestPacket<'_>) -> Accept {
        let mut bytes = [0; 64];
        packet.read(&mut bytes);
        assert_eq!(bytes[..6], STATION);
        self.0.write(BUFFERS_AT + HEADER as u64, &ALL);
        Accept::Taken
    }
}

#[test]
fn what_was_copied_is_what_is_counted() {
    let mut d = MockDriver::new(8, PLAIN, 0).unwrap();
    offer_packet(&mut d, 0, BUFFERS_AT, &frame(64, STATION), &[]);
    let mut q = queue(&d);
    assert_eq!(q.dequeue(&mut ChangeMind(&d), 32), 1);
    let frames = q.vring().counters().values().frames;
    assert_eq!((frames.broadcast, frames.multicast, frames.size_64), (0, 0, 1));
}

/// A packet longer than its length can say.
struct Endless;

// SAFETY: no segment is handed out; `u32::MAX` allows for any.
#[expect(unsafe_code, reason = "implements the trait without any bytes")]
unsafe impl TxSource for Endless {
    fn count(&self) -> usize {
        1
    }

    fn len_bytes(&self, _: usize) -> u32 {
        u32::MAX
    }

    fn segments(&self, _: usize) -> impl Iterator<Item = Segment> {
        std::iter::empty()
    }
}

#[test]
fn a_packet_longer_than_its_length_can_say_is_dropped_and_costs_no_buffer() {
    let mut d = MockDriver::new(256, MERGE, 0).unwrap();
    for id in 0..8 {
        d.describe(id, BUFFERS_AT + u64::from(id) * 2048, 2048, DESC_WRITE, 0);
        d.offer(id);
    }
    let mut q = out_queue(&d);
    assert_eq!(q.enqueue(&Endless), 1);
    assert!(d.used().is_empty());
    let counted = q.vring().counters().values();
    assert_eq!((counted.too_large, counted.packets), (1, 0));
}
