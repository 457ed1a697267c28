use proptest::prelude::*;

use super::*;
use crate::samples::{ethernet, ipv4, ipv4_with_options, ipv6, plain, sctp, tagged, tcp, udp};
use crate::tunnel;

#[test]
fn udp_over_ipv4() {
    let layers = Layers::of_frame(&plain(b"hello"));
    assert_eq!((layers.link, layers.link_bytes), (LinkKind::Ethernet, 14));
    let expected = Ip {
        version: IpVersion::V4,
        offset: 14,
        bytes: 20,
        extended: false,
        protocol: PROTOCOL_UDP,
        fragment: false,
        payload_bytes: 13,
    };
    assert_eq!(layers.ip, Some(expected));
    assert_eq!(layers.transport(), Some((PROTOCOL_UDP, 34)));
}

#[test]
fn tags() {
    for (tags, kind, bytes) in [
        (&[(0x8100, 3)][..], LinkKind::Vlan, 18),
        (&[(0x88A8, 3), (0x8100, 4)], LinkKind::Qinq, 22),
        (&[(0x8100, 1), (0x8100, 2), (0x8100, 3)], LinkKind::Vlan, 26),
    ] {
        let frame = [tagged(tags, ETHER_IPV4), ipv4(17, &udp(1, 2, b""))].concat();
        let layers = Layers::of_frame(&frame);
        assert_eq!((layers.link, layers.link_bytes, layers.transport_bytes), (kind, bytes, 8));
    }
}

#[test]
fn more_tags_than_anybody_uses_are_not_looked_behind() {
    let tags = [(0x8100, 1); 9];
    let frame = [tagged(&tags, ETHER_IPV4), ipv4(17, &udp(1, 2, b""))].concat();
    let layers = Layers::of_frame(&frame);
    assert_eq!((layers.link_bytes, layers.ether_type, layers.ip), (30, ETHER_VLAN, None));
}

#[test]
fn options_and_extensions() {
    let frame = ethernet(ETHER_IPV4, &ipv4_with_options(6, &[1; 12], &tcp(1, 2, b"x")));
    let layers = Layers::of_frame(&frame);
    let ip = layers.ip.unwrap();
    assert_eq!((ip.bytes, ip.extended, ip.payload_bytes), (32, true, 21));
    assert_eq!(layers.transport(), Some((PROTOCOL_TCP, 46)));

    // Hop-by-hop of 8 bytes, destination options of 16, then SCTP.
    let mut extended = vec![60, 0, 0, 0, 0, 0, 0, 0, PROTOCOL_SCTP, 1];
    extended.resize(24, 0);
    extended.extend(sctp(b"data"));
    let frame = ethernet(ETHER_IPV6, &ipv6(0, &extended));
    let layers = Layers::of_frame(&frame);
    let ip = layers.ip.unwrap();
    assert_eq!((ip.bytes, ip.extended, ip.payload_bytes), (64, true, 16));
    assert_eq!(layers.transport(), Some((PROTOCOL_SCTP, 78)));
}

#[test]
fn fragments_have_no_transport_header() {
    let mut frame = plain(&[7; 40]);
    for flags in [[0x20, 0], [0, 1], [0x3F, 0xFF]] {
        frame[20..22].copy_from_slice(&flags);
        let layers = Layers::of_frame(&frame);
        assert!(layers.ip.unwrap().fragment && layers.transport().is_none());
    }
    frame[20..22].copy_from_slice(&[0x40, 0]);
    assert!(!Layers::of_frame(&frame).ip.unwrap().fragment, "that only says: do not fragment");
    let mut inside = vec![17, 0, 0, 1, 0, 0, 0, 0];
    inside.extend(udp(1, 2, b"x"));
    let layers = Layers::of_frame(&ethernet(ETHER_IPV6, &ipv6(44, &inside)));
    assert!(layers.ip.unwrap().fragment && layers.transport().is_none());
}

#[test]
fn what_is_cut_off_is_not_there() {
    let frame = plain(b"hello");
    assert_eq!(Layers::of_frame(&frame[..13]).link, LinkKind::None);
    assert_eq!(Layers::of_frame(&frame[..33]).ip, None);
    let cut = Layers::of_frame(&frame[..41]);
    assert!(cut.ip.is_some() && cut.transport().is_none());
}

#[test]
fn a_header_that_contradicts_its_ether_type_is_none() {
    for (ether_type, packet) in [
        (ETHER_IPV4, ipv6(17, &udp(1, 2, b""))),
        (ETHER_IPV6, ipv4(17, &udp(1, 2, &[0; 40]))),
        (ETHER_ARP, ipv4(17, &udp(1, 2, b""))),
    ] {
        assert_eq!(Layers::of_frame(&ethernet(ether_type, &packet)).ip, None);
    }
    let mut short = plain(b"");
    short[14] = 0x44;
    assert_eq!(Layers::of_frame(&short).ip, None);
}

proptest! {
    #[test]
    fn any_bytes_do(bytes in prop::collection::vec(any::<u8>(), 0..300), offset: u16) {
        let layers = Layers::of_frame(&bytes);
        tunnel::tunnel(&bytes, &layers);
        Layers::of_frame_at(&bytes, offset % 400);
    }

    /// Bytes that look like something: headers of a real frame with some changed.
    #[test]
    fn any_damage_does(
        which in 0_usize..4,
        length in 0_usize..200,
        damage in prop::collection::vec((0_usize..120, any::<u8>()), 0..8),
    ) {
        let inner = ethernet(ETHER_IPV4, &ipv4(6, &tcp(1, 2, &[0; 60])));
        let mut frame = match which {
            0 => plain(&inner),
            1 => ethernet(ETHER_IPV4, &ipv4(17, &udp(1, 4789, &[&[0; 8], &inner[..]].concat()))),
            2 => ethernet(ETHER_IPV6, &ipv6(47, &[&[0xB0, 0, 8, 0][..], &[0; 12], &inner[14..]].concat())),
            _ => ethernet(ETHER_IPV6, &ipv6(0, &[&[60, 0, 0, 0, 0, 0, 0, 0, 6, 1][..], &[0; 40]].concat())),
        };
        for (at, value) in damage {
            if let Some(byte) = frame.get_mut(at) {
                *byte = value;
            }
        }
        frame.truncate(length);
        let layers = Layers::of_frame(&frame);
        if let Some(ip) = layers.ip {
            prop_assert!(usize::from(ip.end()) <= frame.len());
        }
        tunnel::tunnel(&frame, &layers);
    }
}
