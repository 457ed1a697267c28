//! Packets inside packets: VXLAN, GRE, IP in IP.

use crate::bytes::{be16, byte};
use crate::layers::{
    ETHER_BRIDGED, ETHER_IPV4, ETHER_IPV6, Layers, PROTOCOL_GRE, PROTOCOL_IPIP, PROTOCOL_IPV6,
    PROTOCOL_UDP, UDP_BYTES,
};

/// UDP port of VXLAN (RFC 7348).
pub const VXLAN_PORT: u16 = 4789;
const VXLAN_BYTES: u16 = 8;

/// Kind of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelKind {
    /// VXLAN over UDP (RFC 7348).
    Vxlan,
    /// GRE with an IP packet (RFC 2784).
    Gre,
    /// GRE with an Ethernet frame (RFC 7637).
    GreBridged,
    /// IP in IP (RFC 2003, RFC 2473).
    IpIp,
}

/// A packet inside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Which encapsulation.
    pub kind: TunnelKind,
    /// Bytes of the tunnel's own header, behind IP or UDP.
    pub bytes: u16,
    /// Headers of the packet inside; offsets count from the start of the outer frame.
    pub inner: Layers,
}

/// The tunnel that begins where `outer` ends, if there is one.
pub fn tunnel(bytes: &[u8], outer: &Layers) -> Option<Tunnel> {
    let ip = outer.ip.filter(|ip| !ip.fragment)?;
    let at = ip.end();
    match ip.protocol {
        PROTOCOL_UDP => vxlan(bytes, at),
        PROTOCOL_GRE => gre(bytes, at),
        PROTOCOL_IPIP => ip_in_ip(bytes, at, ETHER_IPV4),
        PROTOCOL_IPV6 => ip_in_ip(bytes, at, ETHER_IPV6),
        _ => None,
    }
}

fn vxlan(bytes: &[u8], udp: u16) -> Option<Tunnel> {
    if be16(bytes, udp, 2)? != VXLAN_PORT {
        return None;
    }
    let at = udp + UDP_BYTES;
    byte(bytes, at, VXLAN_BYTES - 1)?;
    let inner = Layers::of_frame_at(bytes, at + VXLAN_BYTES);
    Some(Tunnel { kind: TunnelKind::Vxlan, bytes: VXLAN_BYTES, inner })
}

/// GRE (RFC 2784, RFC 2890): checksum, key and sequence number are 4 bytes each if they are there.
fn gre(bytes: &[u8], at: u16) -> Option<Tunnel> {
    let (flags, inside) = (be16(bytes, at, 0)?, be16(bytes, at, 2)?);
    let options = [0x8000, 0x2000, 0x1000].iter().filter(|&&flag| flags & flag != 0).count() as u16;
    let length = 4 + 4 * options;
    byte(bytes, at, length - 1)?;
    let (kind, inner) = match inside {
        ETHER_IPV4 | ETHER_IPV6 => {
            (TunnelKind::Gre, Layers::of_packet_at(bytes, at + length, inside))
        }
        ETHER_BRIDGED => (TunnelKind::GreBridged, Layers::of_frame_at(bytes, at + length)),
        _ => return None,
    };
    Some(Tunnel { kind, bytes: length, inner })
}

fn ip_in_ip(bytes: &[u8], at: u16, ether_type: u16) -> Option<Tunnel> {
    let inner = Layers::of_packet_at(bytes, at, ether_type);
    inner.ip?;
    Some(Tunnel { kind: TunnelKind::IpIp, bytes: 0, inner })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::IpVersion;
    use crate::samples::{self, ethernet, ipv4, ipv6, udp};

    #[test]
    fn vxlan_with_a_tagged_frame_inside() {
        let mut inside = samples::tagged(&[(0x8100, 5)], ETHER_IPV4);
        inside.extend(ipv4(17, &udp(1, 2, b"hello")));
        let mut payload = vec![8, 0, 0, 0, 0, 0, 7, 0];
        payload.extend(&inside);
        let frame = ethernet(ETHER_IPV4, &ipv4(17, &udp(5000, VXLAN_PORT, &payload)));
        let outer = Layers::of_frame(&frame);
        let found = tunnel(&frame, &outer).unwrap();
        assert_eq!((found.kind, found.bytes), (TunnelKind::Vxlan, 8));
        assert_eq!((found.inner.link_bytes, found.inner.transport_bytes), (18, 8));
        assert_eq!(found.inner.ip.unwrap().offset, 42 + 8 + 18);
    }

    #[test]
    fn gre_with_every_choice_of_options() {
        for (flags, length) in
            [(0_u16, 4), (0x8000, 8), (0x2000, 8), (0xA000, 12), (0x3000, 12), (0xB000, 16)]
        {
            let mut gre = flags.to_be_bytes().to_vec();
            gre.extend(ETHER_IPV6.to_be_bytes());
            gre.resize(length, 0);
            gre.extend(ipv6(6, &samples::tcp(80, 81, b"")));
            let frame = ethernet(ETHER_IPV4, &ipv4(PROTOCOL_GRE, &gre));
            let found = tunnel(&frame, &Layers::of_frame(&frame)).unwrap();
            assert_eq!((found.kind, usize::from(found.bytes)), (TunnelKind::Gre, length));
            let ip = found.inner.ip.unwrap();
            assert_eq!((ip.version, usize::from(ip.offset)), (IpVersion::V6, 34 + length));
            assert_eq!(found.inner.transport_bytes, 20);
        }
    }

    #[test]
    fn bridged_gre_and_ip_in_ip() {
        let mut gre = vec![0, 0, 0x65, 0x58];
        gre.extend(ethernet(ETHER_IPV4, &ipv4(17, &udp(1, 2, b""))));
        let frame = ethernet(ETHER_IPV6, &ipv6(PROTOCOL_GRE, &gre));
        let found = tunnel(&frame, &Layers::of_frame(&frame)).unwrap();
        assert_eq!((found.kind, found.inner.link_bytes), (TunnelKind::GreBridged, 14));
        let frame = ethernet(ETHER_IPV4, &ipv4(PROTOCOL_IPIP, &ipv4(17, &udp(1, 2, b""))));
        let found = tunnel(&frame, &Layers::of_frame(&frame)).unwrap();
        assert_eq!((found.kind, found.bytes), (TunnelKind::IpIp, 0));
    }

    #[test]
    fn what_is_no_tunnel() {
        let plain = ethernet(ETHER_IPV4, &ipv4(17, &udp(1, 2, &[0; 40])));
        let unknown = ethernet(ETHER_IPV4, &ipv4(PROTOCOL_GRE, &[0, 0, 0x12, 0x34, 0, 0]));
        let short = ethernet(ETHER_IPV4, &ipv4(PROTOCOL_IPIP, &[0x45, 0, 0]));
        for frame in [plain, unknown, short] {
            assert_eq!(tunnel(&frame, &Layers::of_frame(&frame)), None);
        }
    }
}
