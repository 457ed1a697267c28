//! What a device can do with packets beyond moving them. Bit values are those that DPDK's command lines use
//! (`--rx-offloads`, `--tx-offloads`; rte_ethdev.h, RTE_ETH_RX_OFFLOAD_* and RTE_ETH_TX_OFFLOAD_*).

bitflags::bitflags! {
    /// Work on received packets.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct RxOffloads: u64 {
        /// Take the VLAN tag out.
        const VLAN_STRIP = 1;
        /// Check the IPv4 header checksum.
        const IPV4_CKSUM = 1 << 1;
        /// Check UDP checksums.
        const UDP_CKSUM = 1 << 2;
        /// Check TCP checksums.
        const TCP_CKSUM = 1 << 3;
        /// Join TCP segments.
        const TCP_LRO = 1 << 4;
        /// Take the outer of two VLAN tags out.
        const QINQ_STRIP = 1 << 5;
        /// Check the outer IPv4 checksum of a tunnel.
        const OUTER_IPV4_CKSUM = 1 << 6;
        /// Drop frames of other VLANs.
        const VLAN_FILTER = 1 << 9;
        /// Treat the outer of two tags as the VLAN.
        const VLAN_EXTEND = 1 << 10;
        /// Spread a packet over several mbufs.
        const SCATTER = 1 << 13;
        /// Note the time of arrival.
        const TIMESTAMP = 1 << 14;
        /// Keep the frame's checksum.
        const KEEP_CRC = 1 << 16;
        /// Check SCTP checksums.
        const SCTP_CKSUM = 1 << 17;
        /// Check the outer UDP checksum of a tunnel.
        const OUTER_UDP_CKSUM = 1 << 18;
        /// Give the receive hash.
        const RSS_HASH = 1 << 19;
    }
}

bitflags::bitflags! {
    /// Work on packets to be sent.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TxOffloads: u64 {
        /// Put a VLAN tag in.
        const VLAN_INSERT = 1;
        /// Compute the IPv4 header checksum.
        const IPV4_CKSUM = 1 << 1;
        /// Compute UDP checksums.
        const UDP_CKSUM = 1 << 2;
        /// Compute TCP checksums.
        const TCP_CKSUM = 1 << 3;
        /// Compute SCTP checksums.
        const SCTP_CKSUM = 1 << 4;
        /// Cut TCP packets into segments.
        const TCP_TSO = 1 << 5;
        /// Cut UDP packets into segments.
        const UDP_TSO = 1 << 6;
        /// Compute the outer IPv4 checksum of a tunnel.
        const OUTER_IPV4_CKSUM = 1 << 7;
        /// Put the outer of two VLAN tags in.
        const QINQ_INSERT = 1 << 8;
        /// Packets of several segments.
        const MULTI_SEGS = 1 << 15;
        /// All mbufs of a queue come from one pool and are held once.
        const MBUF_FAST_FREE = 1 << 16;
    }
}

impl RxOffloads {
    /// Names in DPDK's spelling, lowest bit first.
    pub fn names(self) -> Vec<&'static str> {
        self.iter_names().map(|(name, _)| name).collect()
    }
}

impl TxOffloads {
    /// Names in DPDK's spelling, lowest bit first.
    pub fn names(self) -> Vec<&'static str> {
        self.iter_names().map(|(name, _)| name).collect()
    }
}
