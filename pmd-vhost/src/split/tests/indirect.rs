//! Chains that end in a table of their own.

use super::*;

const INDIRECT: Features = PLAIN.union(Features::INDIRECT_DESC);
const INDIRECT_MERGE: Features = MERGE.union(Features::INDIRECT_DESC);
/// Where the tables of these tests lie, and buffers behind them.
const TABLES_AT: u64 = BUFFERS_AT;
const PACKETS_AT: u64 = BUFFERS_AT + (1 << 20);

/// The wire form of a descriptor (2.7.5).
fn entry(addr: u64, len: u32, flags: u16, next: u16) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&addr.to_le_bytes());
    bytes[8..12].copy_from_slice(&len.to_le_bytes());
    bytes[12..14].copy_from_slice(&flags.to_le_bytes());
    bytes[14..].copy_from_slice(&next.to_le_bytes());
    bytes
}

/// Writes a table at `at` for consecutive buffers of `lens` from `addr` on, its descriptors chained in the order of `order`.
fn write_table(d: &MockDriver, at: u64, addr: u64, lens: &[u32], flags: u16, order: &[u16]) -> u32 {
    let mut addr = addr;
    for (place, &len) in lens.iter().enumerate() {
        let more = place + 1 < lens.len();
        let next = order.get(place + 1).copied().unwrap_or(0xFFFF);
        let flags = if more { flags | DESC_NEXT } else { flags };
        d.write(at + u64::from(order[place]) * 16, &entry(addr, len, flags, next));
        addr += u64::from(len);
    }
    lens.len() as u32 * 16
}

/// Cuts `total` bytes into pieces of the given lengths, the last taking what is left.
fn cut(total: usize, cuts: &[usize]) -> Vec<u32> {
    let (mut left, mut lens) = (total, Vec::new());
    for &cut in cuts {
        let len = cut.min(left.saturating_sub(1));
        if len > 0 {
            lens.push(len as u32);
            left -= len;
        }
    }
    lens.push(left as u32);
    lens
}

/// Descriptors of a table in another order than their places: the first stays, the rest is turned round.
fn order(count: usize) -> Vec<u16> {
    std::iter::once(0).chain((1..count as u16).rev()).collect()
}

proptest! {
    #[test]
    fn packets_through_tables_are_what_was_offered(
        packets in prop::collection::vec((1usize..4000, prop::collection::vec(1usize..200, 0..63), 0usize..3), 1..24),
        table_shift in prop::sample::select(vec![0u64, 8, 3]),
        seam in prop::sample::select(vec![MEMORY_BYTES, TABLES_AT + 24, TABLES_AT + 16 * 5 + 7]),
        base in prop::sample::select(vec![0u16, 0xFFF0]),
    ) {
        let ends: Vec<u64> = if seam == MEMORY_BYTES { vec![seam] } else { vec![seam, MEMORY_BYTES] };
        let mut d = MockDriver::with_regions(256, INDIRECT, base, &ends).unwrap();
        let (mut index, mut heads, mut expect) = (0, Vec::new(), Vec::new());
        for (i, (len, cuts, direct)) in packets.iter().enumerate() {
            let packet = bytes(*len, i);
            let at = PACKETS_AT + i as u64 * 8192;
            d.write(at, &[0; HEADER]);
            d.write(at + HEADER as u64, &packet);
            let lens = cut(HEADER + len, cuts);
            // So many buffers in the ring itself, the others in the table behind them (2.7.5.3.2).
            let direct = (*direct).min(lens.len() - 1);
            let (head, mut addr) = (index, at);
            for &len in &lens[..direct] {
                d.describe(index, addr, len, DESC_NEXT, index + 1);
                addr += u64::from(len);
                index += 1;
            }
            let table = TABLES_AT + i as u64 * 4096 + table_shift;
            let rest = &lens[direct..];
            let table_bytes = write_table(&d, table, addr, rest, 0, &order(rest.len()));
            d.describe(index, table, table_bytes, DESC_INDIRECT, 0);
            index += 1;
            d.offer(head);
            heads.push(head);
            expect.push(packet);
        }
        let (mut q, mut keep) = (queue(&d), Keep::all());
        prop_assert_eq!(q.dequeue(&mut keep, usize::MAX), packets.len());
        prop_assert_eq!(keep.got, expect);
        let used: Vec<_> = heads.iter().map(|&h| UsedElement { id: h.into(), len: 0 }).collect();
        prop_assert_eq!(d.used(), used, "in order");
    }

    #[test]
    fn no_table_content_panics_or_loops(
        words in prop::collection::vec(any::<(u64, u32, u16, u16)>(), 1..40),
        len in prop::sample::select(vec![16u32, 64, 640, 16 * 32768, 15, u32::MAX - 15]),
        at in prop::sample::select(vec![TABLES_AT, TABLES_AT + 5, MEMORY_BYTES - 40]),
    ) {
        for write in [false, true] {
            let mut d = MockDriver::new(16, INDIRECT_MERGE, 0).unwrap();
            for (i, &(addr, len, flags, next)) in words.iter().enumerate() {
                let entry = entry(addr % (MEMORY_BYTES + 4096), len % 10_000, flags & 7, next % 48);
                d.write(at + i as u64 * 16, &entry);
            }
            for id in 0..16 {
                d.describe(id, at + u64::from(id % 3), len, DESC_INDIRECT, 0);
                d.offer(id);
            }
            if write {
                out_queue(&d).enqueue(&Give(&vec![bytes(1500, 1); 40]));
            } else {
                queue(&d).dequeue(&mut Keep::all(), 64);
            }
            d.used();
        }
    }
}

/// What the driver does wrong with the table that descriptor 0 refers to; a good one has two entries.
type TableFault = (&'static str, fn(&mut MockDriver));

/// Descriptor 0 refers to `len` bytes of table at `at`.
fn refer(d: &MockDriver, at: u64, len: u32, flags: u16) {
    d.describe(0, at, len, DESC_INDIRECT | flags, 1);
}

const TABLE_FAULTS: &[TableFault] = &[
    ("an empty table", |d| refer(d, TABLES_AT, 0, 0)),
    ("half a descriptor", |d| refer(d, TABLES_AT, 24, 0)),
    ("a table that is not mapped", |d| refer(d, MEMORY_BYTES, 32, 0)),
    ("a table that ends outside", |d| refer(d, MEMORY_BYTES - 8, 32, 0)),
    ("a table that wraps around", |d| refer(d, u64::MAX - 7, 32, 0)),
    ("more entries than any ring has", |d| refer(d, TABLES_AT, 32769 * 16, 0)),
    ("another descriptor behind the table", |d| refer(d, TABLES_AT, 32, DESC_NEXT)),
    ("a table in the table", |d| {
        d.write(TABLES_AT, &entry(TABLES_AT + 16, 16, DESC_INDIRECT, 0));
        refer(d, TABLES_AT, 32, 0);
    }),
    ("a loop in the table", |d| {
        d.write(TABLES_AT, &entry(PACKETS_AT, 64, DESC_NEXT, 1));
        d.write(TABLES_AT + 16, &entry(PACKETS_AT, 64, DESC_NEXT, 0));
        refer(d, TABLES_AT, 32, 0);
    }),
    ("a next outside the table", |d| {
        d.write(TABLES_AT, &entry(PACKETS_AT, 64, DESC_NEXT, 2));
        refer(d, TABLES_AT, 32, 0);
    }),
    ("a buffer of the wrong direction", |d| {
        d.write(TABLES_AT, &entry(PACKETS_AT, 64, DESC_WRITE, 0));
        refer(d, TABLES_AT, 32, 0);
    }),
    ("a buffer that is not mapped", |d| {
        d.write(TABLES_AT, &entry(MEMORY_BYTES, 64, 0, 0));
        refer(d, TABLES_AT, 32, 0);
    }),
];

#[test]
fn a_bad_table_costs_one_packet_and_is_completed_in_its_place() {
    for (what, fault) in TABLE_FAULTS {
        let mut d = MockDriver::new(8, INDIRECT, 0).unwrap();
        fault(&mut d);
        d.offer(0);
        let packet = bytes(100, 7);
        offer_packet(&mut d, 4, PACKETS_AT, &packet, &[]);
        let (mut q, mut keep) = (queue(&d), Keep::all());
        assert_eq!(q.dequeue(&mut keep, 32), 1, "{what}");
        assert_eq!(keep.got, [packet], "{what}");
        let used = [UsedElement { id: 0, len: 0 }, UsedElement { id: 4, len: 0 }];
        assert_eq!(d.used(), used, "{what}");
        assert_eq!(q.vring().counters().values().bad_chains, 1, "{what}");
    }
}

#[test]
fn whether_a_table_is_marked_writable_is_ignored() {
    let mut d = MockDriver::new(8, INDIRECT, 0).unwrap();
    let packet = bytes(90, 1);
    d.write(PACKETS_AT + HEADER as u64, &packet);
    let lens = [HEADER as u32, 90];
    let len = write_table(&d, TABLES_AT, PACKETS_AT, &lens, 0, &[0, 1]);
    refer(&d, TABLES_AT, len, DESC_WRITE);
    d.offer(0);
    let mut keep = Keep::all();
    assert_eq!(queue(&d).dequeue(&mut keep, 32), 1);
    assert_eq!(keep.got, [packet]);
}

#[test]
fn buffers_of_the_driver_in_tables_are_filled() {
    let mut d = MockDriver::new(64, INDIRECT_MERGE, 0).unwrap();
    // Each buffer is a table of three pieces of 700 bytes.
    for id in 0..64u16 {
        let (table, buffer) = (TABLES_AT + u64::from(id) * 64, PACKETS_AT + u64::from(id) * 2100);
        let len = write_table(&d, table, buffer, &[700; 3], DESC_WRITE, &order(3));
        d.describe(id, table, len, DESC_INDIRECT, 0);
        d.offer(id);
    }
    let packets: Vec<_> =
        [64, 1500, 2088, 2089, 8000, 20_000].iter().map(|&len| bytes(len, len)).collect();
    let mut q = out_queue(&d);
    assert_eq!(q.enqueue(&Give(&packets)), packets.len());
    let mut used = d.used().into_iter();
    let read = |element: UsedElement| {
        d.read(PACKETS_AT + u64::from(element.id) * 2100, element.len as usize)
    };
    for packet in &packets {
        let mut all = read(used.next().unwrap());
        for _ in 1..u16::from_le_bytes([all[10], all[11]]) {
            all.extend(read(used.next().unwrap()));
        }
        assert_eq!(&all[HEADER..], packet);
    }
    assert!(used.next().is_none());
}

#[test]
fn a_packet_of_sixty_four_segments_and_of_64_kib() {
    for (segments, each) in [(64, 125), (64, 1024), (200, 300)] {
        let mut d = MockDriver::new(32, INDIRECT, 0).unwrap();
        let packet = bytes(segments * each, segments);
        d.write(PACKETS_AT + HEADER as u64, &packet);
        let mut lens = vec![HEADER as u32];
        lens.resize(segments + 1, each as u32);
        let len = write_table(&d, TABLES_AT, PACKETS_AT, &lens, 0, &order(segments + 1));
        // The same packet eight times: more pieces than one pass holds.
        for id in 0..8 {
            d.describe(id, TABLES_AT, len, DESC_INDIRECT, 0);
            d.offer(id);
        }
        let (mut q, mut keep) = (queue(&d), Keep::all());
        let mut taken = 0;
        while taken < 8 {
            let more = q.dequeue(&mut keep, 32);
            assert!(more > 0, "{segments} segments: stuck after {taken} packets");
            taken += more;
        }
        assert!(keep.got.iter().all(|got| *got == packet), "{segments} segments");
    }
}
