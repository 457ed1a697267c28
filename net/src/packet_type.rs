//! What a packet is, in DPDK's words, for dumps.

use std::fmt;

use crate::layers::{Ip, IpVersion, Layers, LinkKind, PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP};
use crate::tunnel::{Tunnel, TunnelKind, tunnel};

/// A packet's headers as DPDK's software classification sees them: a tunnel over UDP is not looked into, and everything that
/// is not UDP, TCP, SCTP or a fragment has no transport type.
///
/// Displayed, it is a list of names, each followed by a blank: `L2_ETHER L3_IPV4 L4_UDP `.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketType {
    outer: Layers,
    inside: Option<Tunnel>,
}

impl PacketType {
    /// What the packet that begins with `bytes` is.
    pub fn of(bytes: &[u8]) -> Self {
        let outer = Layers::of_frame(bytes);
        let inside = tunnel(bytes, &outer).filter(|found| found.kind != TunnelKind::Vxlan);
        Self { outer, inside }
    }

    /// Each header's length in bytes with its DPDK name, outermost first.
    pub fn lengths(&self) -> Vec<(&'static str, u16)> {
        let mut lengths = Vec::new();
        lengths_of(&mut lengths, &self.outer, ["l2_len", "l3_len", "l4_len"]);
        if let Some(inside) = &self.inside {
            lengths.push(("tunnel_len", inside.bytes));
            let names = ["inner_l2_len", "inner_l3_len", "inner_l4_len"];
            lengths_of(&mut lengths, &inside.inner, names);
        }
        lengths
    }
}

fn lengths_of(
    lengths: &mut Vec<(&'static str, u16)>,
    layers: &Layers,
    [link, ip, transport]: [&'static str; 3],
) {
    if layers.link != LinkKind::None {
        lengths.push((link, layers.link_bytes));
    }
    if let Some(header) = &layers.ip {
        lengths.push((ip, header.bytes));
        if transport_name(layers, header).is_some() {
            lengths.push((transport, layers.transport_bytes));
        }
    }
}

fn link_name(layers: &Layers) -> Option<&'static str> {
    Some(match layers.link {
        LinkKind::None => return None,
        LinkKind::Ethernet => "L2_ETHER",
        LinkKind::Vlan => "L2_ETHER_VLAN",
        LinkKind::Qinq => "L2_ETHER_QINQ",
    })
}

fn ip_name(ip: &Ip) -> &'static str {
    match (ip.version, ip.extended) {
        (IpVersion::V4, false) => "L3_IPV4",
        (IpVersion::V4, true) => "L3_IPV4_EXT",
        (IpVersion::V6, false) => "L3_IPV6",
        (IpVersion::V6, true) => "L3_IPV6_EXT",
    }
}

fn transport_name(layers: &Layers, ip: &Ip) -> Option<&'static str> {
    if ip.fragment {
        return Some("L4_FRAG");
    }
    match layers.transport()?.0 {
        PROTOCOL_UDP => Some("L4_UDP"),
        PROTOCOL_TCP => Some("L4_TCP"),
        PROTOCOL_SCTP => Some("L4_SCTP"),
        _ => None,
    }
}

fn tunnel_name(kind: TunnelKind) -> &'static str {
    match kind {
        TunnelKind::Vxlan => "TUNNEL_VXLAN",
        TunnelKind::Gre => "TUNNEL_GRE",
        TunnelKind::GreBridged => "TUNNEL_NVGRE",
        TunnelKind::IpIp => "TUNNEL_IP",
    }
}

fn write_layers(f: &mut fmt::Formatter<'_>, layers: &Layers, prefix: &str) -> fmt::Result {
    let ip = layers.ip.as_ref();
    let transport = ip.and_then(|ip| transport_name(layers, ip));
    for name in [link_name(layers), ip.map(ip_name), transport].into_iter().flatten() {
        write!(f, "{prefix}{name} ")?;
    }
    Ok(())
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.outer.link == LinkKind::None {
            return f.write_str("UNKNOWN");
        }
        write_layers(f, &self.outer, "")?;
        if let Some(inside) = &self.inside {
            write!(f, "{} ", tunnel_name(inside.kind))?;
            write_layers(f, &inside.inner, "INNER_")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{ETHER_ARP, ETHER_IPV4, ETHER_IPV6};
    use crate::samples::{ethernet, ipv4, ipv4_with_options, ipv6, plain, sctp, tagged, tcp, udp};

    fn name(frame: &[u8]) -> String {
        PacketType::of(frame).to_string()
    }

    #[test]
    fn names() {
        let tag =
            |tags: &[(u16, u16)], packet: Vec<u8>| [tagged(tags, ETHER_IPV4), packet].concat();
        for (frame, expected) in [
            (plain(b""), "L2_ETHER L3_IPV4 L4_UDP "),
            (vec![0; 13], "UNKNOWN"),
            (ethernet(ETHER_ARP, &[0; 28]), "L2_ETHER "),
            (ethernet(ETHER_IPV4, &ipv4(1, &[8, 0, 0, 0])), "L2_ETHER L3_IPV4 "),
            (tag(&[(0x8100, 1)], ipv4(6, &tcp(1, 2, b""))), "L2_ETHER_VLAN L3_IPV4 L4_TCP "),
            (
                tag(&[(0x88A8, 1), (0x8100, 2)], ipv4_with_options(132, &[1; 4], &sctp(b""))),
                "L2_ETHER_QINQ L3_IPV4_EXT L4_SCTP ",
            ),
            (ethernet(ETHER_IPV6, &ipv6(17, &udp(1, 2, b""))), "L2_ETHER L3_IPV6 L4_UDP "),
            (
                ethernet(ETHER_IPV6, &ipv6(44, &[17, 0, 0, 1, 0, 0, 0, 0])),
                "L2_ETHER L3_IPV6_EXT L4_FRAG ",
            ),
            (
                ethernet(ETHER_IPV4, &ipv4(4, &ipv4(17, &udp(1, 2, b"")))),
                "L2_ETHER L3_IPV4 TUNNEL_IP INNER_L3_IPV4 INNER_L4_UDP ",
            ),
            (
                ethernet(ETHER_IPV4, &ipv4(47, &[&[0, 0, 0x65, 0x58][..], &plain(b"")].concat())),
                "L2_ETHER L3_IPV4 TUNNEL_NVGRE INNER_L2_ETHER INNER_L3_IPV4 INNER_L4_UDP ",
            ),
        ] {
            assert_eq!(name(&frame), expected);
        }
    }

    #[test]
    fn lengths() {
        let frame = ethernet(ETHER_IPV4, &ipv4(4, &ipv4(6, &tcp(1, 2, b""))));
        let expected = [
            ("l2_len", 14),
            ("l3_len", 20),
            ("tunnel_len", 0),
            ("inner_l3_len", 20),
            ("inner_l4_len", 20),
        ];
        assert_eq!(PacketType::of(&frame).lengths(), expected);
        let expected = [("l2_len", 14), ("l3_len", 20), ("l4_len", 8)];
        assert_eq!(PacketType::of(&plain(b"")).lengths(), expected);
    }
}
