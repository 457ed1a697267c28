//! What the checksums of a packet should be, and whether they are.

use crate::bytes::{be16, byte};
use crate::checksum::Sum;
use crate::crc32c::Crc32c;
use crate::layers::{IPV4_BYTES, Ip, IpVersion, Layers, PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP};

/// Bytes of a packet that may lie in several pieces.
pub trait Pieces {
    /// Calls `see` with the `bytes` bytes from `offset` on, in order, in as many pieces as they lie in. Says whether there
    /// were that many.
    fn each(&self, offset: u32, bytes: u32, see: impl FnMut(&[u8])) -> bool;
}

/// A packet in one piece.
impl Pieces for [u8] {
    fn each(&self, offset: u32, bytes: u32, mut see: impl FnMut(&[u8])) -> bool {
        let end = offset as usize + bytes as usize;
        let part = self.get(offset as usize..end);
        part.map(&mut see).is_some()
    }
}

/// A checksum field with its right value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Bytes in front of it, from the start of the packet.
    pub offset: u32,
    /// Whether the packet holds the right value.
    pub is_right: bool,
    bytes: [u8; 4],
    width: usize,
}

impl Field {
    fn of_16(offset: u16, stored: u16, right: u16) -> Self {
        let [high, low] = right.to_be_bytes();
        // Both stand for zero in one's complement.
        let same = stored == right || matches!((stored, right), (0xFFFF, 0) | (0, 0xFFFF));
        Self { offset: offset.into(), is_right: same, bytes: [high, low, 0, 0], width: 2 }
    }

    /// The right bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.width]
    }
}

/// The header checksum of an IPv4 packet whose first bytes are `header`. IPv6 has none.
pub fn ip_field(header: &[u8], ip: &Ip) -> Option<Field> {
    let range = usize::from(ip.offset)..usize::from(ip.end());
    let bytes = header.get(range).filter(|_| ip.version == IpVersion::V4)?;
    let stored = be16(bytes, 0, 10)?;
    let mut sum = Sum::default();
    sum.add(bytes);
    sum.subtract_u16(stored);
    Some(Field::of_16(ip.offset + 10, stored, sum.checksum()))
}

/// The checksum of a UDP, TCP or SCTP packet whose first bytes are `header` and all of whose bytes are in `packet`.
///
/// `None` for other protocols and fragments, UDP without checksum (over IPv4: RFC 768), and lengths that the packet does
/// not have. What lies behind the IP packet, such as Ethernet's padding, does not count.
pub fn transport_field(
    header: &[u8],
    layers: &Layers,
    packet: &(impl Pieces + ?Sized),
) -> Option<Field> {
    let (protocol, at) = layers.transport()?;
    let ip = layers.ip?;
    let length = match protocol {
        PROTOCOL_UDP => udp_bytes(header, at, &ip)?,
        _ => ip.payload_bytes,
    };
    if length < layers.transport_bytes.into() {
        return None;
    }
    match protocol {
        PROTOCOL_UDP => internet(header, &ip, at, 6, length, packet),
        PROTOCOL_TCP => internet(header, &ip, at, 16, length, packet),
        PROTOCOL_SCTP => sctp(header, at, length, packet),
        _ => None,
    }
}

/// The length that a UDP header gives, if the IP packet has as many bytes and the checksum is used.
fn udp_bytes(header: &[u8], at: u16, ip: &Ip) -> Option<u32> {
    let length = u32::from(be16(header, at, 4)?);
    (be16(header, at, 6)? != 0 && length <= ip.payload_bytes).then_some(length)
}

/// The Internet checksum over a pseudo header and `length` bytes from `at` on, which holds it `field` bytes in.
fn internet(
    header: &[u8],
    ip: &Ip,
    at: u16,
    field: u16,
    length: u32,
    packet: &(impl Pieces + ?Sized),
) -> Option<Field> {
    let stored = be16(header, at, field)?;
    let mut sum = pseudo(header, ip, length)?;
    if !packet.each(at.into(), length, |piece| sum.add(piece)) {
        return None;
    }
    sum.subtract_u16(stored);
    let right = match sum.checksum() {
        0 if ip.protocol == PROTOCOL_UDP => 0xFFFF,
        right => right,
    };
    Some(Field::of_16(at + field, stored, right))
}

/// The sum of the pseudo header: addresses, protocol, length (RFC 768; RFC 8200, 8.1).
fn pseudo(header: &[u8], ip: &Ip, length: u32) -> Option<Sum> {
    let (from, bytes) = match ip.version {
        IpVersion::V4 => (12, IPV4_BYTES - 12),
        IpVersion::V6 => (8, 32),
    };
    let start = usize::from(ip.offset) + from;
    let mut sum = Sum::default();
    sum.add(header.get(start..start + usize::from(bytes))?);
    sum.add_u16(ip.protocol.into());
    sum.add_u16((length >> 16) as u16);
    sum.add_u16(length as u16);
    Some(sum)
}

/// The CRC-32C of an SCTP packet, taken with its field as 0 (RFC 9260, 6.8).
fn sctp(header: &[u8], at: u16, length: u32, packet: &(impl Pieces + ?Sized)) -> Option<Field> {
    let mut crc = Crc32c::default();
    let start = u32::from(at);
    let whole = packet.each(start, 8, |piece| crc.add(piece));
    crc.add(&[0; 4]);
    if !whole || !packet.each(start + 12, length - 12, |piece| crc.add(piece)) {
        return None;
    }
    let bytes = crc.value().to_le_bytes();
    let is_right =
        (0..4).all(|index| byte(header, at, 8 + index) == Some(bytes[usize::from(index)]));
    Some(Field { offset: start + 8, is_right, bytes, width: 4 })
}

#[cfg(test)]
mod tests;
