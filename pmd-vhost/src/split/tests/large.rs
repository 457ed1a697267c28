//! Rings of the largest size (2.7).

use virtio::layout::MAX_RING_SIZE;

use super::*;

/// Bytes between two buffers.
const STRIDE: u64 = 128;

fn buffer(id: u16) -> u64 {
    BUFFERS_AT + u64::from(id) * STRIDE
}

/// Packet `number`, which says who it is at both ends.
fn numbered(number: u32) -> Vec<u8> {
    number.to_le_bytes().repeat(15)
}

#[test]
fn a_full_ring_of_32768_both_ways_and_round_the_end_of_the_index() {
    for base in [0, 1, 0x7FFF, 0xFFF0] {
        let mut d = MockDriver::new(MAX_RING_SIZE, PLAIN, base).unwrap();
        for id in 0..MAX_RING_SIZE {
            d.write(buffer(id) + HEADER as u64, &numbered(id.into()));
            d.describe(id, buffer(id), HEADER as u32 + 60, 0, 0);
            d.offer(id);
        }
        let (mut q, mut keep) = (queue(&d), Keep::all());
        assert_eq!(q.dequeue(&mut keep, usize::MAX), MAX_RING_SIZE.into());
        assert!((0..).zip(&keep.got).all(|(number, packet)| *packet == numbered(number)));
        let used = d.used();
        assert!((0..).zip(&used).all(|(id, element)| element.id == id));
        assert_eq!(used.len(), MAX_RING_SIZE.into());

        let mut d = MockDriver::new(MAX_RING_SIZE, MERGE, base).unwrap();
        for id in 0..MAX_RING_SIZE {
            d.describe(id, buffer(id), STRIDE as u32, DESC_WRITE, 0);
            d.offer(id);
        }
        let packets: Vec<_> = (0..40_000).map(numbered).collect();
        assert_eq!(out_queue(&d).enqueue(&Give(&packets)), MAX_RING_SIZE.into());
        let used = d.used();
        assert_eq!(used.len(), MAX_RING_SIZE.into());
        for (id, element) in (0_u16..).zip(&used).step_by(97) {
            assert_eq!((element.id, element.len), (id.into(), HEADER as u32 + 60));
            assert_eq!(d.read(buffer(id) + HEADER as u64, 60), numbered(id.into()));
        }
    }
}
