//! Which headers a frame has, and where.

use crate::bytes::{be16, byte};

/// EtherType of IPv4.
pub const ETHER_IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ETHER_ARP: u16 = 0x0806;
/// EtherType of a bridged frame inside GRE.
pub const ETHER_BRIDGED: u16 = 0x6558;
/// EtherType of a VLAN tag.
pub const ETHER_VLAN: u16 = 0x8100;
/// EtherType of IPv6.
pub const ETHER_IPV6: u16 = 0x86DD;
/// EtherType of the outer of two VLAN tags.
pub const ETHER_QINQ: u16 = 0x88A8;

/// IP protocol number of ICMP.
pub const PROTOCOL_ICMP: u8 = 1;
/// IP protocol number of IPv4 in IP.
pub const PROTOCOL_IPIP: u8 = 4;
/// IP protocol number of TCP.
pub const PROTOCOL_TCP: u8 = 6;
/// IP protocol number of UDP.
pub const PROTOCOL_UDP: u8 = 17;
/// IP protocol number of IPv6 in IP.
pub const PROTOCOL_IPV6: u8 = 41;
/// IP protocol number of GRE.
pub const PROTOCOL_GRE: u8 = 47;
/// IP protocol number of SCTP.
pub const PROTOCOL_SCTP: u8 = 132;

/// Bytes of an Ethernet header without tags.
pub const ETHERNET_BYTES: u16 = 14;
/// Bytes of a VLAN tag.
pub const VLAN_BYTES: u16 = 4;
/// Bytes of an IPv4 header without options.
pub const IPV4_BYTES: u16 = 20;
/// Bytes of an IPv6 header without extensions.
pub const IPV6_BYTES: u16 = 40;
/// Bytes of a UDP header.
pub const UDP_BYTES: u16 = 8;

/// VLAN tags that are passed over; a frame with more is not looked into.
const MAX_TAGS: u16 = 4;
/// Extension headers of IPv6 that are passed over.
const MAX_EXTENSIONS: u16 = 5;

/// How a frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// There is no Ethernet header: IP begins at once, inside a tunnel.
    None,
    /// Without tag.
    Ethernet,
    /// With one tag or more, the first of type 0x8100.
    Vlan,
    /// With tags, the first of type 0x88a8.
    Qinq,
}

/// Version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// An IP header with its options or extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Which IP.
    pub version: IpVersion,
    /// Bytes in front of it.
    pub offset: u16,
    /// Its bytes, options and extensions included.
    pub bytes: u16,
    /// Whether it has options or extensions.
    pub extended: bool,
    /// Protocol number of what follows.
    pub protocol: u8,
    /// Whether this is a fragment, so that what follows may be the middle of something.
    pub fragment: bool,
    /// Bytes of what follows as the header's length has it; larger than the packet when the header lies.
    pub payload_bytes: u32,
}

impl Ip {
    /// Bytes in front of what follows.
    pub fn end(&self) -> u16 {
        self.offset.saturating_add(self.bytes)
    }
}

/// The headers of a frame from its start up to the transport protocol. Made from a copy of the packet's beginning, so
/// that nobody can change what was checked. Headers that the copy does not hold whole are not there.
///
/// ```
/// let mut frame = [0; 42];
/// frame[12..14].copy_from_slice(&[8, 0]);
/// frame[14] = 0x45;
/// frame[16..18].copy_from_slice(&[0, 28]);
/// frame[23] = net::PROTOCOL_UDP;
/// let layers = net::Layers::of_frame(&frame);
/// let ip = layers.ip.unwrap();
/// assert_eq!((layers.link_bytes, ip.bytes, layers.transport_bytes), (14, 20, 8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    /// How it begins.
    pub link: LinkKind,
    /// Bytes of the Ethernet header and its tags.
    pub link_bytes: u16,
    /// EtherType behind the tags; 0 when there is none.
    pub ether_type: u16,
    /// The IP header, if there is one.
    pub ip: Option<Ip>,
    /// Bytes of the UDP, TCP or SCTP header; 0 when there is none, or it is not whole.
    pub transport_bytes: u16,
}

impl Layers {
    /// The headers of a frame that begins with Ethernet.
    pub fn of_frame(bytes: &[u8]) -> Self {
        Self::of_frame_at(bytes, 0)
    }

    /// The headers of a frame that begins `offset` bytes into `bytes`.
    pub fn of_frame_at(bytes: &[u8], offset: u16) -> Self {
        let mut layers = Self::nothing(LinkKind::None, 0);
        let Some(mut ether_type) = be16(bytes, offset, 12) else { return layers };
        let mut length = ETHERNET_BYTES;
        layers.link = match ether_type {
            ETHER_VLAN => LinkKind::Vlan,
            ETHER_QINQ => LinkKind::Qinq,
            _ => LinkKind::Ethernet,
        };
        while matches!(ether_type, ETHER_VLAN | ETHER_QINQ)
            && length < ETHERNET_BYTES + MAX_TAGS * VLAN_BYTES
            && let Some(next) = be16(bytes, offset, length + 2)
        {
            ether_type = next;
            length += VLAN_BYTES;
        }
        (layers.link_bytes, layers.ether_type) = (length, ether_type);
        layers.look_into(bytes, offset + length);
        layers
    }

    /// The headers of a packet of type `ether_type` that begins `offset` bytes into `bytes`, without Ethernet.
    pub fn of_packet_at(bytes: &[u8], offset: u16, ether_type: u16) -> Self {
        let mut layers = Self::nothing(LinkKind::None, ether_type);
        layers.look_into(bytes, offset);
        layers
    }

    fn nothing(link: LinkKind, ether_type: u16) -> Self {
        Self { link, link_bytes: 0, ether_type, ip: None, transport_bytes: 0 }
    }

    fn look_into(&mut self, bytes: &[u8], offset: u16) {
        self.ip = match self.ether_type {
            ETHER_IPV4 => ipv4(bytes, offset),
            ETHER_IPV6 => ipv6(bytes, offset),
            _ => None,
        };
        if let Some(ip) = self.ip.filter(|ip| !ip.fragment) {
            self.transport_bytes = transport_bytes(bytes, ip.end(), ip.protocol).unwrap_or(0);
        }
    }

    /// Protocol number and offset of a UDP, TCP or SCTP header that is whole.
    pub fn transport(&self) -> Option<(u8, u16)> {
        let ip = self.ip.filter(|_| self.transport_bytes > 0)?;
        Some((ip.protocol, ip.end()))
    }
}

/// IPv4 (RFC 791).
fn ipv4(bytes: &[u8], offset: u16) -> Option<Ip> {
    let first = byte(bytes, offset, 0)?;
    let length = u16::from(first & 0x0F) * 4;
    if first >> 4 != 4 || length < IPV4_BYTES {
        return None;
    }
    // The last byte says whether the header is here whole.
    byte(bytes, offset, length - 1)?;
    let total = u32::from(be16(bytes, offset, 2)?);
    Some(Ip {
        version: IpVersion::V4,
        offset,
        bytes: length,
        extended: length > IPV4_BYTES,
        protocol: byte(bytes, offset, 9)?,
        fragment: be16(bytes, offset, 6)? & 0x3FFF != 0,
        payload_bytes: total.saturating_sub(length.into()),
    })
}

/// IPv6 (RFC 8200).
fn ipv6(bytes: &[u8], offset: u16) -> Option<Ip> {
    if byte(bytes, offset, 0)? >> 4 != 6 {
        return None;
    }
    byte(bytes, offset, IPV6_BYTES - 1)?;
    let payload = u32::from(be16(bytes, offset, 4)?);
    let first = byte(bytes, offset, 6)?;
    let (mut protocol, mut length, mut fragment) = (first, IPV6_BYTES, false);
    for _ in 0..MAX_EXTENSIONS {
        let Some((next, skipped, is_fragment)) = extension(bytes, offset, length, protocol) else {
            break;
        };
        (protocol, fragment) = (next, is_fragment);
        length += skipped;
        if is_fragment {
            break;
        }
    }
    let skipped = u32::from(length - IPV6_BYTES);
    Some(Ip {
        version: IpVersion::V6,
        offset,
        bytes: length,
        extended: is_extension(first),
        protocol,
        fragment,
        payload_bytes: payload.saturating_sub(skipped),
    })
}

/// Hop-by-hop options, routing, fragment, security, authentication, destination options.
fn is_extension(protocol: u8) -> bool {
    matches!(protocol, 0 | 43 | 44 | 50 | 51 | 60)
}

/// Passes over the extension header `protocol`: what follows, its bytes, and whether it is that of a fragment.
fn extension(bytes: &[u8], offset: u16, at: u16, protocol: u8) -> Option<(u8, u16, bool)> {
    let next = || byte(bytes, offset, at);
    match protocol {
        0 | 43 | 60 => {
            let length = (u16::from(byte(bytes, offset, at + 1)?) + 1) * 8;
            byte(bytes, offset, at + length - 1)?;
            Some((next()?, length, false))
        }
        44 => {
            byte(bytes, offset, at + 7)?;
            Some((next()?, 8, true))
        }
        _ => None,
    }
}

/// Bytes of the transport header at `offset`, if it is here whole.
fn transport_bytes(bytes: &[u8], offset: u16, protocol: u8) -> Option<u16> {
    let length = match protocol {
        PROTOCOL_UDP => UDP_BYTES,
        PROTOCOL_SCTP => 12,
        PROTOCOL_TCP => {
            let length = u16::from(byte(bytes, offset, 12)? >> 4) * 4;
            if length < 20 {
                return None;
            }
            // What decides is in the first 20 bytes; options may lie beyond the copy.
            byte(bytes, offset, 19)?;
            return Some(length);
        }
        _ => return None,
    };
    byte(bytes, offset, length - 1)?;
    Some(length)
}

#[cfg(test)]
mod tests;
