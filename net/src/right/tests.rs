use etherparse::{IpNumber, Ipv4Header, PacketBuilder};
use proptest::prelude::*;

use super::*;
use crate::layers::{ETHER_IPV4, ETHER_IPV6};
use crate::samples::{ethernet, ipv4, ipv4_with_options, ipv6, plain, sctp, tcp, udp};

/// A packet cut into pieces of these lengths, and the rest.
struct Cut<'a>(&'a [u8], &'a [usize]);

impl Pieces for Cut<'_> {
    fn each(&self, offset: u32, bytes: u32, mut see: impl FnMut(&[u8])) -> bool {
        let end = offset as usize + bytes as usize;
        if end > self.0.len() {
            return false;
        }
        let mut start = 0_usize;
        for &length in self.1.iter().chain(&[usize::MAX]) {
            let stop = start.saturating_add(length).min(self.0.len());
            let (from, to) = (start.max(offset as usize), stop.min(end));
            if from < to {
                see(&self.0[from..to]);
            }
            start = stop;
        }
        true
    }
}

/// Writes the right checksums into a frame, transport last; says how many were wrong.
fn mend(frame: &mut [u8]) -> usize {
    let layers = Layers::of_frame(frame);
    let header = frame.to_vec();
    let ip = layers.ip.and_then(|ip| ip_field(&header, &ip));
    let transport = transport_field(&header, &layers, &header[..]);
    let mut wrong = 0;
    for field in [ip, transport].into_iter().flatten() {
        wrong += usize::from(!field.is_right);
        let at = field.offset as usize;
        frame[at..at + field.bytes().len()].copy_from_slice(field.bytes());
    }
    wrong
}

#[test]
fn every_protocol_and_every_wrong_field() {
    for (frame, wrong) in [
        (plain(b"odd"), 2),
        (ethernet(ETHER_IPV4, &ipv4_with_options(6, &[1; 8], &tcp(1, 2, b"even"))), 2),
        (ethernet(ETHER_IPV4, &ipv4(132, &sctp(b"chunk"))), 2),
        (ethernet(ETHER_IPV6, &ipv6(17, &udp(1, 2, b"abc"))), 1),
        (ethernet(ETHER_IPV6, &ipv6(6, &tcp(1, 2, b"abc"))), 1),
        (ethernet(ETHER_IPV4, &ipv4(1, &[8, 0, 1, 2])), 1),
    ] {
        let mut mended = frame.clone();
        assert_eq!(mend(&mut mended), wrong);
        assert_ne!(mended, frame);
        assert_eq!(mend(&mut mended.clone()), 0, "what was mended is right");
    }
}

#[test]
fn what_is_not_to_be_touched() {
    let mut unused = plain(b"payload");
    unused[40..42].copy_from_slice(&[0, 0]);
    let mut lying = plain(b"payload");
    lying[16..18].copy_from_slice(&1000_u16.to_be_bytes());
    lying[38..40].copy_from_slice(&900_u16.to_be_bytes());
    let mut short = plain(b"payload");
    short[38..40].copy_from_slice(&7_u16.to_be_bytes());
    let mut fragment = plain(b"payload");
    fragment[20] = 0x20;
    for frame in [unused, lying, short, fragment] {
        assert_eq!(transport_field(&frame, &Layers::of_frame(&frame), &frame[..]), None);
    }
}

#[test]
fn padding_behind_the_packet_does_not_count() {
    let mut frame = plain(b"x");
    mend(&mut frame);
    frame.extend([0xAA; 17]);
    assert_eq!(mend(&mut frame), 0);
}

#[test]
fn a_udp_checksum_of_zero_is_written_as_all_ones() {
    let mut frame = plain(&[0, 0]);
    // The payload that brings the sum to all ones.
    mend(&mut frame);
    let stored = [frame[40], frame[41]];
    frame[42..44].copy_from_slice(&stored);
    frame[40..42].copy_from_slice(&[1, 1]);
    mend(&mut frame);
    assert_eq!(frame[40..42], [0xFF, 0xFF]);
    assert_eq!(mend(&mut frame), 0);
}

fn oracle_udp(v6: bool, from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let mut frame = Vec::new();
    let built = if v6 {
        link.ipv6([1; 16], [2; 16], 9)
    } else {
        link.ipv4([10, 1, 2, 3], [10, 3, 2, 1], 9)
    };
    built.udp(from, to).write(&mut frame, payload).unwrap();
    frame
}

fn oracle_tcp(v6: bool, from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .single_vlan(0.try_into().unwrap());
    let mut frame = Vec::new();
    let built = if v6 {
        link.ipv6([1; 16], [2; 16], 9)
    } else {
        link.ipv4([10, 1, 2, 3], [10, 3, 2, 1], 9)
    };
    built.tcp(from, to, 77, 88).ack(5).write(&mut frame, payload).unwrap();
    frame
}

/// Where the checksums of a frame of the oracle are.
fn fields(frame: &[u8]) -> (Option<usize>, usize) {
    let layers = Layers::of_frame(frame);
    let ip = layers.ip.unwrap();
    let at = usize::from(ip.end());
    let transport = at + if ip.protocol == PROTOCOL_UDP { 6 } else { 16 };
    ((ip.version == IpVersion::V4).then_some(usize::from(ip.offset) + 10), transport)
}

proptest! {
    #[test]
    fn as_the_oracle_has_them(
        v6: bool,
        is_tcp: bool,
        ports in (1_u16.., 1_u16..),
        payload in prop::collection::vec(any::<u8>(), 0..200),
        damage in (1_u8.., 1_u8..),
        cuts in prop::collection::vec(0_usize..60, 0..6),
    ) {
        let make = if is_tcp { oracle_tcp } else { oracle_udp };
        let right = make(v6, ports.0, ports.1, &payload);
        let mut frame = right.clone();
        let (ip, transport) = fields(&frame);
        prop_assert_eq!(mend(&mut frame), 0, "the oracle's are right");
        prop_assert_eq!(&frame, &right);
        // A UDP checksum that the damage makes 0 would be one that is not used.
        let before = (frame[transport], frame[transport + 1]);
        frame[transport] ^= damage.0;
        prop_assume!(is_tcp || frame[transport..transport + 2] != [0, 0]);
        if let Some(ip) = ip {
            frame[ip] ^= damage.1;
        }
        let layers = Layers::of_frame(&frame);
        let in_pieces = transport_field(&frame, &layers, &Cut(&frame, &cuts)).unwrap();
        let zeros = |field: (u8, u8)| matches!(field, (0, 0) | (0xFF, 0xFF));
        let still_zero = zeros(before) && zeros((frame[transport], frame[transport + 1]));
        prop_assert!(still_zero || !in_pieces.is_right);
        prop_assert_eq!(in_pieces.bytes(), &right[transport..transport + 2]);
        mend(&mut frame);
        prop_assert_eq!(&frame, &right);
    }

    #[test]
    fn any_bytes_do(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut frame = bytes;
        if frame.len() > 14 {
            frame[12..14].copy_from_slice(&[8, 0]);
            frame[14] = 0x45;
        }
        mend(&mut frame);
        prop_assert_eq!(mend(&mut frame), 0);
    }
}

#[test]
fn the_oracle_agrees_about_headers_alone() {
    let header = Ipv4Header::new(8, 3, IpNumber::UDP, [1, 2, 3, 4], [5, 6, 7, 8]).unwrap();
    let mut frame = plain(b"");
    frame[14..34].copy_from_slice(&header.to_bytes());
    let layers = Layers::of_frame(&frame);
    let right = ip_field(&frame, &layers.ip.unwrap()).unwrap();
    assert_eq!(right.bytes(), header.calc_header_checksum().to_be_bytes());
}
