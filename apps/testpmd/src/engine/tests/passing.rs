//! Modes that send what they received, changed.

use std::time::{Duration, Instant};

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeaderSlice};
use pmd_core::mbuf::Offload;

use super::*;
use crate::engine::counters::BadChecksums;
use crate::engine::settings::{CsumPorts, Split};

/// What came out of one stream that was given packets.
pub struct Outcome {
    /// Frames that were sent.
    pub frames: Vec<Vec<u8>>,
    /// How many segments each has.
    pub segments: Vec<u16>,
    /// The VLAN tag that each is to get.
    pub tags: Vec<Option<u16>>,
    /// What the stream counted.
    pub counted: CountersSnapshot,
}

/// Passes packets through a stream. Each is cut into segments of the lengths in `cuts` and the rest.
pub fn through(mode: Mode, settings: &Settings, packets: &[Vec<u8>], cuts: &[usize]) -> Outcome {
    let (eal, pool) = test_port::pool(512);
    let (rx, tx) = (wires(1), wires(1));
    let mut port = TestPort::new("net_vhost0", &rx, &tx);
    for packet in packets {
        rx[0].push(chained(&pool, packet, cuts));
    }
    let jobs = job(&mut port, &pool, settings);
    let counters = Arc::clone(jobs[0].streams[0].counters());
    let forwarding = Forwarding::launch(&eal, mode, jobs, settings, 0).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while counters.snapshot().rx < packets.len() as u64 && Instant::now() < deadline {
        std::thread::yield_now();
    }
    let (jobs, errors) = forwarding.stop(&eal);
    assert!(errors.is_empty(), "{errors:?}");
    let (frames, counted) = (tx[0].seen(), totals(&jobs));
    drop(jobs);
    let sent = tx[0].take();
    let segments = sent.iter().map(pmd_core::Mbuf::segment_count).collect();
    let tag = |mbuf: &pmd_core::Mbuf| {
        mbuf.offload().contains(Offload::VLAN_STRIPPED).then_some(mbuf.meta().vlan_tci)
    };
    let tags = sent.iter().map(tag).collect();
    drop(sent);
    assert_eq!(pool.audit().in_use, 0, "every mbuf went back");
    Outcome { frames, segments, tags, counted }
}

fn chained(pool: &MbufPool, packet: &[u8], cuts: &[usize]) -> pmd_core::Mbuf {
    let mut head: Option<pmd_core::Mbuf> = None;
    let mut rest = packet;
    for &length in cuts.iter().chain(&[usize::MAX]) {
        let (now, later) = rest.split_at(length.min(rest.len()));
        let mut next = pool.take().unwrap();
        next.append(now.len() as u16).unwrap().copy_from_slice(now);
        rest = later;
        match &mut head {
            None => head = Some(next),
            Some(head) => head.chain(next).unwrap(),
        }
    }
    head.unwrap()
}

const FROM: [u8; 6] = [2, 0, 0, 0, 0, 0xA];
const TO: [u8; 6] = [2, 0, 0, 0, 0, 0xB];

fn ethernet() -> PacketBuilderStep<etherparse::Ethernet2Header> {
    PacketBuilder::ethernet2(FROM, TO)
}

fn udp4(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = ethernet().ipv4([192, 0, 2, 1], [192, 0, 2, 2], 20).udp(1000, 2000);
    builder.write(&mut frame, payload).unwrap();
    frame
}

fn tcp6(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = ethernet().ipv6([0x20; 16], [0x30; 16], 20).tcp(1000, 2000, 7, 8);
    builder.write(&mut frame, payload).unwrap();
    frame
}

fn tcp4_tagged(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let vlan = ethernet().single_vlan(5.try_into().unwrap());
    let builder = vlan.ipv4([192, 0, 2, 1], [192, 0, 2, 2], 20).tcp(1000, 2000, 7, 8);
    builder.write(&mut frame, payload).unwrap();
    frame
}

/// VXLAN with a UDP packet inside.
fn vxlan(inner: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = ethernet().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 20).udp(4000, 4789);
    let payload = [&[8, 0, 0, 0, 0, 0, 7, 0], inner].concat();
    builder.write(&mut frame, &payload).unwrap();
    frame
}

/// The same with these bytes turned over.
fn damaged(frame: &[u8], places: &[usize]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    for &place in places {
        frame[place] ^= 0xA5;
    }
    frame
}

/// The same between the addresses that this port writes.
fn readdressed(frame: &[u8]) -> Vec<u8> {
    [&PEER.0, &ME.0, &frame[12..]].concat()
}

#[test]
fn macswap_exchanges_addresses_and_nothing_else() {
    let frames = [udp4(b"one"), tcp6(b"two"), vec![9; 11]];
    let outcome = through(Mode::MacSwap, &settings(8), &frames, &[]);
    let swapped = |frame: &[u8]| [&frame[6..12], &frame[..6], &frame[12..]].concat();
    assert_eq!(outcome.frames, [swapped(&frames[0]), swapped(&frames[1]), vec![9; 11]]);
    assert_eq!(outcome.counted, counted(3, 3, 0));
}

#[test]
fn csum_mends_every_checksum_wherever_segments_begin() {
    let right = [udp4(b"odd"), tcp6(&[3; 700]), tcp4_tagged(&[7; 300]), vec![1; 30]];
    let packets = [
        damaged(&right[0], &[24, 40]),
        damaged(&right[1], &[70]),
        damaged(&right[2], &[29, 54]),
        right[3].clone(),
    ];
    for cuts in [&[][..], &[41, 1, 0, 5], &[1, 13, 11, 1, 17, 400], &[200]] {
        let outcome = through(Mode::Csum, &settings(8), &packets, cuts);
        assert_eq!(outcome.frames, right.each_ref().map(|frame| readdressed(frame)), "{cuts:?}");
        let bad = BadChecksums { ip: 2, transport: 3, ..BadChecksums::default() };
        assert_eq!(outcome.counted, CountersSnapshot { bad, ..counted(4, 4, 0) });
    }
}

#[test]
fn csum_finds_nothing_wrong_with_right_packets() {
    let right = [udp4(b""), tcp6(b"x"), vxlan(&udp4(b"y"))];
    let port = PortId(0);
    let csum = CsumPorts { tunnels: [port].into(), keep_addresses: [port].into() };
    let outcome = through(Mode::Csum, &Settings { csum, ..settings(8) }, &right, &[]);
    assert_eq!(outcome.frames, right);
    assert_eq!(outcome.counted, counted(3, 3, 0));
}

#[test]
fn csum_looks_into_tunnels_of_ports_that_were_told_to() {
    let inner = udp4(b"inside");
    let right = vxlan(&inner);
    // Inner headers begin behind Ethernet, IPv4, UDP and VXLAN.
    let inside = 14 + 20 + 8 + 8;
    let packet = damaged(&right, &[24, 40, inside + 24, inside + 40]);
    let csum = CsumPorts { tunnels: [PortId(0)].into(), ..CsumPorts::default() };
    let told = Settings { csum, ..settings(8) };
    let outcome = through(Mode::Csum, &told, std::slice::from_ref(&packet), &[60, 30]);
    assert_eq!(outcome.frames, [readdressed(&right)]);
    let bad = BadChecksums { ip: 1, transport: 1, outer_transport: 1, outer_ip: 1 };
    assert_eq!(outcome.counted.bad, bad);

    let outcome = through(Mode::Csum, &settings(8), std::slice::from_ref(&packet), &[]);
    let sent = &outcome.frames[0];
    assert_eq!(sent[inside..], packet[inside..], "what is inside stays as it is");
    assert_eq!(outcome.counted.bad, BadChecksums { ip: 1, transport: 1, ..Default::default() });
    assert_eq!(sent[24..26], right[24..26]);
}

#[test]
fn csum_copies_packets_into_segments() {
    let packets = [udp4(&[5; 300]), udp4(&[6; 20])];
    let shape = Settings { split: Split::On, segments: vec![50, 100, 10], ..settings(8) };
    let outcome = through(Mode::Csum, &shape, &packets, &[33]);
    assert_eq!(outcome.frames, packets.each_ref().map(|frame| readdressed(frame)));
    assert_eq!(outcome.segments, [3, 2], "the last takes what is left, and none is empty");
}

#[test]
fn five_tuple_swap_turns_every_header_round() {
    let frames = [udp4(b"a"), tcp6(b"b"), tcp4_tagged(b"c"), vec![9; 60]];
    for cuts in [&[][..], &[20, 20]] {
        let once = through(Mode::FiveTupleSwap, &settings(8), &frames, cuts);
        let sent = etherparse::SlicedPacket::from_ethernet(&once.frames[1]).unwrap();
        let Some(etherparse::NetSlice::Ipv6(ip)) = &sent.net else { panic!("IPv6") };
        assert_eq!((ip.header().source(), ip.header().destination()), ([0x30; 16], [0x20; 16]));
        let tcp = TcpHeaderSlice::from_slice(&once.frames[1][54..]).unwrap();
        assert_eq!((tcp.source_port(), tcp.destination_port()), (2000, 1000));
        assert_eq!(once.frames[0][26..38], [192, 0, 2, 2, 192, 0, 2, 1, 7, 208, 3, 232]);
        let twice = through(Mode::FiveTupleSwap, &settings(8), &once.frames, cuts);
        assert_eq!(twice.frames, frames);
        // What went through has right checksums still.
        let mended = through(Mode::Csum, &settings(8), &once.frames, &[]);
        assert_eq!(mended.counted.bad, BadChecksums::default());
    }
}

fn echo(to: [u8; 4]) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = ethernet().ipv4([192, 0, 2, 1], to, 20).icmpv4_echo_request(77, 3);
    builder.write(&mut frame, b"are you there").unwrap();
    frame
}

fn echo_reply(from: [u8; 4]) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2(TO, FROM).ipv4(from, [192, 0, 2, 1], 20);
    builder.icmpv4_echo_reply(77, 3).write(&mut frame, b"are you there").unwrap();
    frame
}

#[test]
fn icmpecho_answers_in_order_and_drops_the_rest() {
    let mut arp = [&[0xFF; 6][..], &FROM, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], &FROM].concat();
    arp.extend([192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 192, 0, 2, 9]);
    let mut arp_reply = [&FROM[..], &ME.0, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2], &ME.0].concat();
    arp_reply.extend([192, 0, 2, 9]);
    arp_reply.extend(FROM);
    arp_reply.extend([192, 0, 2, 1]);
    let packets = [
        udp4(b"no"),
        echo([192, 0, 2, 2]),
        arp,
        arp_reply.clone(),
        echo([224, 0, 0, 1]),
        vec![0; 5],
    ];
    for cuts in [&[][..], &[15, 20, 3]] {
        let outcome = through(Mode::IcmpEcho, &settings(8), &packets, cuts);
        let mut group = echo_reply([192, 0, 2, 2]);
        assert_eq!(outcome.frames[0], group);
        assert_eq!(outcome.frames[1], arp_reply);
        // Nobody can be asked in the name of a group: the answer comes from beside the asker. It goes to its Ethernet address.
        group[..12].copy_from_slice(&[FROM, TO].concat());
        assert_eq!(outcome.frames[2], group);
        assert_eq!(outcome.counted, counted(6, 3, 0));
    }
}

#[test]
fn modes_that_write_addresses_note_the_tag_of_the_port() {
    let vlans = std::collections::BTreeMap::from([(PortId(0), 7)]);
    let tagged = Settings { vlans, ..settings(8) };
    for (mode, tag) in [
        (Mode::Mac, Some(7)),
        (Mode::MacSwap, Some(7)),
        (Mode::FiveTupleSwap, Some(7)),
        (Mode::Io, None),
        (Mode::Csum, None),
    ] {
        let outcome = through(mode, &tagged, &[udp4(b"x")], &[]);
        assert_eq!(outcome.tags, [tag], "{mode:?}");
    }
}
