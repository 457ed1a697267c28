//! Options about work that ports do on packets. A port that lacks what was asked for is not configured.

use pmd_core::{RxOffloads, TxOffloads};

use super::spec::{BITS, COUNT, Spec, Takes, bits, flag, unused, value};

pub const OPTIONS: &[Spec] = &[
    value(
        "rx-offloads",
        BITS,
        |o, v| {
            bits("rx-offloads", v).map(|b| o.config.rx_offloads = RxOffloads::from_bits_retain(b))
        },
        "work on receive, such as 0x1 (take VLAN tags out) or 0x2000 (several mbufs)",
    ),
    value(
        "tx-offloads",
        BITS,
        |o, v| {
            bits("tx-offloads", v).map(|b| o.config.tx_offloads = TxOffloads::from_bits_retain(b))
        },
        "work on transmit, such as 0x8000 (several mbufs)",
    ),
    flag("enable-scatter", |o| o.config.rx_offloads |= RxOffloads::SCATTER, "0x2000 on receive"),
    flag(
        "enable-hw-vlan-strip",
        |o| o.config.rx_offloads |= RxOffloads::VLAN_STRIP,
        "0x1 on receive: take VLAN tags out",
    ),
    flag(
        "enable-hw-vlan-filter",
        |o| o.config.rx_offloads |= RxOffloads::VLAN_FILTER,
        "0x200 on receive: filter by VLAN",
    ),
    flag(
        "enable-hw-vlan-extend",
        |o| o.config.rx_offloads |= RxOffloads::VLAN_EXTEND,
        "0x400 on receive: two VLAN tags",
    ),
    flag(
        "enable-hw-vlan",
        |o| o.config.rx_offloads |= ALL_VLAN,
        "all four: strip, filter, extend, QinQ",
    ),
    flag(
        "enable-hw-qinq-strip",
        |o| o.config.rx_offloads |= RxOffloads::QINQ_STRIP,
        "0x20 on receive: take the outer tag out",
    ),
    flag(
        "enable-rx-cksum",
        |o| o.config.rx_offloads |= CHECKSUMS,
        "0xe on receive: check IPv4, UDP and TCP checksums",
    ),
    flag(
        "enable-rx-timestamp",
        |o| o.config.rx_offloads |= RxOffloads::TIMESTAMP,
        "0x4000 on receive: note the time of arrival",
    ),
    flag(
        "enable-lro",
        |o| o.config.rx_offloads |= RxOffloads::TCP_LRO,
        "0x10 on receive: join TCP segments",
    ),
    unused("max-lro-pkt-size", COUNT, "as no port joins TCP segments"),
    flag(
        "disable-crc-strip",
        |o| o.config.rx_offloads |= RxOffloads::KEEP_CRC,
        "0x10000 on receive: keep the frame's checksum",
    ),
    unused("vxlan-gpe-port", Takes::Value("PORT"), "UDP port of a tunnel that is not parsed"),
    unused("geneve-parsed-port", Takes::Value("PORT"), "UDP port of a tunnel that is not parsed"),
];

/// What `--enable-hw-vlan` asks for.
const ALL_VLAN: RxOffloads = RxOffloads::VLAN_STRIP
    .union(RxOffloads::VLAN_FILTER)
    .union(RxOffloads::VLAN_EXTEND)
    .union(RxOffloads::QINQ_STRIP);
/// What `--enable-rx-cksum` asks for.
const CHECKSUMS: RxOffloads =
    RxOffloads::IPV4_CKSUM.union(RxOffloads::UDP_CKSUM).union(RxOffloads::TCP_CKSUM);
