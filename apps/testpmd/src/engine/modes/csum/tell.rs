//! What `csum` tells about a packet, in the reference's words.

use std::fmt::Write;

use net::{IpVersion, Layers, PROTOCOL_TCP, PROTOCOL_UDP, TunnelKind, UDP_BYTES};
use pmd_core::{Mbuf, PortId};

use super::Headers;
use crate::engine::tell::receive_flags;

/// Appends a packet's block.
pub fn packet(text: &mut String, port: PortId, mbuf: &Mbuf, headers: &Headers) {
    let _ = write!(
        text,
        "-----------------\nport={port}, mbuf={:p}, pkt_len={}, nb_segs={}:\n",
        mbuf.meta(),
        mbuf.len(),
        mbuf.segment_count()
    );
    let layers = headers.inside.as_ref().map_or(&headers.outer, |inside| &inside.inner);
    let (ip_bytes, protocol) = layers.ip.map_or((0, 0), |ip| (ip.bytes, ip.protocol));
    let _ = writeln!(
        text,
        "rx: l2_len={} ethertype={:x} l3_len={ip_bytes} l4_proto={protocol} l4_len={} flags={}",
        link_bytes(headers, layers),
        layers.ether_type,
        transport_bytes(layers),
        receive_flags(mbuf.offload())
    );
    if headers.inside.is_some() {
        let outer = &headers.outer;
        let _ = writeln!(
            text,
            "rx: outer_l2_len={} outer_ethertype={:x} outer_l3_len={}",
            outer.link_bytes,
            outer.ether_type,
            outer.ip.map_or(0, |ip| ip.bytes)
        );
    }
    let _ = writeln!(text, "tx: flags={}", flags(headers, layers));
}

/// What lies in front of the innermost IP header; inside a tunnel, from the outer IP header's end on.
fn link_bytes(headers: &Headers, layers: &Layers) -> u16 {
    let Some(inside) = &headers.inside else { return layers.link_bytes };
    let udp = if inside.kind == TunnelKind::Vxlan { UDP_BYTES } else { 0 };
    udp + inside.bytes + layers.link_bytes
}

/// Bytes of the transport header where the reference gives them.
fn transport_bytes(layers: &Layers) -> u16 {
    match layers.transport() {
        Some((PROTOCOL_UDP | PROTOCOL_TCP, _)) => layers.transport_bytes,
        _ => 0,
    }
}

fn flags(headers: &Headers, layers: &Layers) -> String {
    let mut flags = String::from("RTE_MBUF_F_TX_L4_NO_CKSUM ");
    flags.push_str(version(layers, "RTE_MBUF_F_TX_IPV4 ", "RTE_MBUF_F_TX_IPV6 "));
    if let Some(inside) = &headers.inside {
        let (four, six) = ("RTE_MBUF_F_TX_OUTER_IPV4 ", "RTE_MBUF_F_TX_OUTER_IPV6 ");
        flags.push_str(version(&headers.outer, four, six));
        flags.push_str(match inside.kind {
            TunnelKind::Vxlan => "RTE_MBUF_F_TX_TUNNEL_VXLAN ",
            TunnelKind::Gre | TunnelKind::GreBridged => "RTE_MBUF_F_TX_TUNNEL_GRE ",
            TunnelKind::IpIp => "RTE_MBUF_F_TX_TUNNEL_IPIP ",
        });
    }
    flags
}

fn version(layers: &Layers, four: &'static str, six: &'static str) -> &'static str {
    match layers.ip.map(|ip| ip.version) {
        Some(IpVersion::V4) => four,
        Some(IpVersion::V6) => six,
        None => "",
    }
}
