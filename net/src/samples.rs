//! Frames for tests, put together from their headers, with right lengths and checksums of 0.

use crate::layers::ETHER_IPV4;

/// An Ethernet frame without tags.
pub fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&tagged(&[], ether_type), payload].concat()
}

/// An Ethernet header with tags, each a type and an identifier.
pub fn tagged(tags: &[(u16, u16)], ether_type: u16) -> Vec<u8> {
    let mut header = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for (kind, id) in tags {
        header.extend(kind.to_be_bytes());
        header.extend(id.to_be_bytes());
    }
    header.extend(ether_type.to_be_bytes());
    header
}

/// An IPv4 packet.
pub fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with_options(protocol, &[], payload)
}

/// An IPv4 packet with options, a multiple of 4 bytes.
pub fn ipv4_with_options(protocol: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = 20 + options.len();
    let mut packet = vec![0x40 | (length / 4) as u8, 0];
    packet.extend(((length + payload.len()) as u16).to_be_bytes());
    packet.extend([0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    [&packet, options, payload].concat()
}

/// An IPv6 packet.
pub fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    [&packet, payload].concat()
}

/// A UDP datagram whose checksum is 1, a wrong one.
pub fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len()) as u16;
    let header = [from, to, length, 1].map(u16::to_be_bytes).concat();
    [&header, payload].concat()
}

/// A TCP segment.
pub fn tcp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let mut segment = [from, to].map(u16::to_be_bytes).concat();
    segment.extend([0, 0, 0, 9, 0, 0, 0, 8, 0x50, 0x10, 0x20, 0, 0, 0, 0, 0]);
    [&segment, payload].concat()
}

/// An SCTP packet.
pub fn sctp(payload: &[u8]) -> Vec<u8> {
    [&[0, 7, 0, 8, 1, 2, 3, 4, 0, 0, 0, 0], payload].concat()
}

/// The most usual frame: UDP over IPv4.
pub fn plain(payload: &[u8]) -> Vec<u8> {
    ethernet(ETHER_IPV4, &ipv4(17, &udp(9, 9, payload)))
}
