//! Packet headers and checksums.
//!
//! | concept | where |
//! |---|---|
//! | which headers a frame has: Ethernet, VLAN, IPv4, IPv6, UDP, TCP, SCTP | [`Layers`] |
//! | packets inside packets: VXLAN, GRE, IP in IP | [`tunnel()`] |
//! | the Internet checksum and CRC-32C over bytes in pieces | [`Sum`], [`Crc32c`] |
//! | what checksums should be, and whether they are | [`ip_field`], [`transport_field`] |
//! | DPDK's names for what a packet is | [`PacketType`] |
//!
//! Everything works on bytes and knows neither mbufs nor devices. A packet that others can write is parsed from a private
//! copy of its beginning: what was checked is then what is used. A payload may come in pieces ([`Pieces`]).
//!
//! No function panics, whatever the bytes: a header that is cut off, contradicts itself or is not known is not there.
//!
//! **Threads.** There is no state; call anything from anywhere.
//!
//! ```
//! let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
//! frame.extend([0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
//! frame.extend([0, 9, 0, 9, 0, 10, 0xBA, 0xD0, 1, 2]);
//! let layers = net::Layers::of_frame(&frame);
//! let right = net::transport_field(&frame, &layers, &frame[..]).unwrap();
//! assert!(!right.is_right);
//! let at = right.offset as usize;
//! frame[at..at + 2].copy_from_slice(right.bytes());
//! assert!(net::transport_field(&frame, &layers, &frame[..]).unwrap().is_right);
//! ```

mod bytes;
mod checksum;
mod crc32c;
mod layers;
mod packet_type;
mod right;
#[cfg(test)]
mod samples;
mod tunnel;

pub use checksum::{Sum, checksum};
pub use crc32c::Crc32c;
pub use layers::{
    ETHER_ARP, ETHER_BRIDGED, ETHER_IPV4, ETHER_IPV6, ETHER_QINQ, ETHER_VLAN, ETHERNET_BYTES,
    IPV4_BYTES, IPV6_BYTES, Ip, IpVersion, Layers, LinkKind, PROTOCOL_GRE, PROTOCOL_ICMP,
    PROTOCOL_IPIP, PROTOCOL_IPV6, PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP, UDP_BYTES, VLAN_BYTES,
};
pub use packet_type::PacketType;
pub use right::{Field, Pieces, ip_field, transport_field};
pub use tunnel::{Tunnel, TunnelKind, VXLAN_PORT, tunnel};
