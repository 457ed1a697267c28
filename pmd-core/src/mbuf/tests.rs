use eal::{Eal, EalConfig};
use proptest::prelude::*;

use super::*;
use crate::{Burst, MbufPool};

fn pool(count: u32) -> (Eal, MbufPool) {
    let eal = Eal::new(EalConfig::default()).unwrap();
    let pool = MbufPool::create(eal.memory(), "p", count, 2048, 32).unwrap();
    (eal, pool)
}

#[test]
fn front_and_back() {
    let (_eal, pool) = pool(64);
    let mut m = pool.take().unwrap();
    assert_eq!((m.headroom(), m.tailroom(), m.len()), (128, 2048, 0));
    m.append(4).unwrap().copy_from_slice(b"body");
    m.prepend(3).unwrap().copy_from_slice(b"hea");
    assert_eq!(m.data(), b"heabody");
    m.trim_front(1).unwrap();
    m.trim_back(2).unwrap();
    assert_eq!((m.data(), m.len()), (&b"eabo"[..], 4));
    assert_eq!(m.prepend(127), Err(NoRoom { asked: 127, room: 126 }));
    assert_eq!(m.append(3000).unwrap_err().asked, 3000);
    assert_eq!(m.trim_front(5), Err(NoRoom { asked: 5, room: 4 }));
    assert_eq!(m.trim_back(5), Err(NoRoom { asked: 5, room: 4 }));
    assert_eq!(m.data(), b"eabo");
}

#[test]
fn chains_read_across_segments_and_go_back_whole() {
    let (_eal, pool) = pool(64);
    let mut head = pool.take().unwrap();
    head.append(3).unwrap().copy_from_slice(b"abc");
    for part in [b"def", b"ghi"] {
        let mut tail = pool.take().unwrap();
        tail.append(3).unwrap().copy_from_slice(part);
        assert!(head.chain(tail).is_ok());
    }
    assert_eq!((head.segment_count(), head.len()), (3, 9));
    let mut middle = [0; 5];
    assert_eq!(head.read_at(2, &mut middle), 5);
    assert_eq!(&middle, b"cdefg");
    assert_eq!(head.read_at(7, &mut middle), 2);
    assert_eq!(head.read_at(99, &mut middle), 0);
    head.append(1).unwrap()[0] = b'!';
    assert_eq!(head.to_vec(), b"abcdefghi!");
    assert_eq!(pool.audit().in_use, 3);
    drop(head);
    let audit = pool.audit();
    assert_eq!((audit.in_use, audit.free, audit.size), (0, 64, 64));
}

#[test]
fn a_long_chain_is_built_and_read_back() {
    let (_eal, pool) = pool(512);
    let mut chain = Chain::new(pool.take().unwrap());
    let mut expect = Vec::new();
    for i in 0..400u16 {
        let mut segment = pool.take().unwrap();
        segment.append(3).unwrap().copy_from_slice(&[i as u8, (i >> 8) as u8, 7]);
        expect.extend([i as u8, (i >> 8) as u8, 7]);
        chain.push(segment).unwrap();
    }
    let mut packet = chain.finish();
    packet.append(1).unwrap()[0] = 9;
    expect.push(9);
    assert_eq!((packet.segment_count(), packet.to_vec()), (401, expect));
    drop(packet);
    assert_eq!(pool.audit().free, 512);
}

#[test]
fn another_window_cannot_be_chained() {
    let ((_e1, p1), (_e2, p2)) = (pool(8), pool(8));
    let mut m = p1.take().unwrap();
    let tail = m.chain(p2.take().unwrap()).unwrap_err();
    assert_eq!((m.segment_count(), tail.segment_count()), (1, 1));
}

#[test]
fn a_burst_gives_back_single_and_chained() {
    let (_eal, pool) = pool(64);
    let mut burst = Burst::new(8);
    assert_eq!(pool.take_burst(&mut burst, 100), 8);
    let extra = pool.take().unwrap();
    let extra = burst.push(extra).unwrap_err();
    assert!(burst.as_mut_slice()[3].chain(extra).is_ok());
    let mut other = Burst::new(5);
    assert_eq!(burst.move_to(&mut other), 5);
    assert_eq!((burst.len(), other.len(), other.room()), (3, 5, 0));
    assert_eq!(other[3].segment_count(), 2);
    drop((burst, other));
    assert_eq!(pool.audit().free, 64);
}

#[test]
fn an_empty_pool_says_none() {
    let (_eal, pool) = pool(4);
    let held: Vec<_> = std::iter::from_fn(|| pool.take()).collect();
    assert_eq!(held.len(), 4);
    drop(held);
    assert_eq!(pool.audit().free, 4);
}

proptest! {
    #[test]
    fn any_edits_keep_the_bytes(edits in prop::collection::vec((0u8..4, 0u16..200), 0..40)) {
        let (_eal, pool) = pool(4);
        let mut m = pool.take().unwrap();
        let mut model: Vec<u8> = Vec::new();
        for (i, (kind, len)) in edits.into_iter().enumerate() {
            let fill = i as u8;
            let n = usize::from(len);
            match kind {
                0 => if let Ok(b) = m.append(len) { b.fill(fill); model.extend(vec![fill; n]) },
                1 => if let Ok(b) = m.prepend(len) { b.fill(fill); model.splice(0..0, vec![fill; n]); },
                2 => if m.trim_front(len).is_ok() { model.drain(..n); },
                _ => if m.trim_back(len).is_ok() { model.truncate(model.len() - n) },
            }
            prop_assert_eq!(m.data(), model.as_slice());
            prop_assert_eq!(m.len() as usize, model.len());
            prop_assert_eq!(u32::from(m.headroom()) + m.len() + u32::from(m.tailroom()), 2176);
        }
    }
}

#[test]
fn a_vlan_tag_goes_out_and_in_again() {
    let (_eal, pool) = pool(4);
    let frame: Vec<u8> =
        (0..12).chain([0x81, 0x00, 0x60, 0x2A, 0x08, 0x00]).chain(100..150).collect();
    let mut m = pool.take().unwrap();
    m.append(frame.len() as u16).unwrap().copy_from_slice(&frame);
    assert!(m.strip_vlan());
    assert_eq!(m.meta().vlan_tci, 0x602A);
    assert!(m.offload().contains(Offload::VLAN_STRIPPED));
    let bare: Vec<u8> = (0..12).chain([0x08, 0x00]).chain(100..150).collect();
    assert_eq!(m.to_vec(), bare);
    assert!(!m.strip_vlan(), "an untagged frame stays as it is");
    assert_eq!(m.to_vec(), bare);
    m.insert_vlan(0x602A).unwrap();
    assert_eq!(m.to_vec(), frame);
    assert!(!m.offload().contains(Offload::VLAN_STRIPPED));
    let mut short = pool.take().unwrap();
    short.append(11).unwrap();
    assert!(!short.strip_vlan());
    assert!(short.insert_vlan(1).is_err());
    assert_eq!(short.len(), 11);
}

#[test]
fn a_burst_keeps_what_is_to_be_kept_in_order() {
    let (_eal, pool) = pool(64);
    let mut burst = Burst::new(16);
    pool.take_burst(&mut burst, 10);
    for (i, mbuf) in (0u8..).zip(burst.as_mut_slice()) {
        mbuf.append(1).unwrap()[0] = i;
    }
    let dropped = burst.retain_from(2, |mbuf| mbuf.data()[0] % 3 == 0);
    let left: Vec<u8> = burst.iter().map(|mbuf| mbuf.data()[0]).collect();
    assert_eq!((dropped, left), (5, vec![0, 1, 3, 6, 9]));
    assert_eq!(burst.retain_from(99, |_| false), 0);
    let mut list = Vec::new();
    assert_eq!((burst.move_to_vec(&mut list), burst.len(), list.len()), (5, 0, 5));
    assert_eq!(list[4].data(), [9]);
    assert_eq!(pool.audit().in_use, 5);
    drop(list);
    assert_eq!(pool.audit().free, 64);
}

#[test]
fn writes_reach_across_segments_and_no_further() {
    let (_eal, pool) = pool(64);
    let mut head = pool.take().unwrap();
    head.append(3).unwrap().fill(b'.');
    for length in [1, 0, 4] {
        let mut tail = pool.take().unwrap();
        tail.append(length).unwrap().fill(b'.');
        assert!(head.chain(tail).is_ok());
    }
    assert_eq!(head.write_at(2, b"abcd"), 4);
    assert_eq!(head.to_vec(), b"..abcd..");
    assert_eq!(head.write_at(7, b"xyz"), 1, "the packet ends there");
    assert_eq!(
        (head.write_at(8, b"x"), head.write_at(900, b"x"), head.write_at(0, b"")),
        (0, 0, 0)
    );
    assert_eq!((head.to_vec(), head.len()), (b"..abcd.x".to_vec(), 8));
}
