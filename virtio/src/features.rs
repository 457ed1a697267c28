//! Feature bits (virtio 1.2, section 6 and 5.1.3; vhost-user document, "Feature negotiation").

bitflags::bitflags! {
    /// Device and ring features, by bit number.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct Features: u64 {
        /// The device handles packets with a partial checksum (5.1.3, bit 0).
        const CSUM = 1 << 0;
        /// The driver handles packets with a partial checksum (bit 1).
        const GUEST_CSUM = 1 << 1;
        /// The device reports its largest MTU (bit 3).
        const MTU = 1 << 3;
        /// The device has an address (bit 5).
        const MAC = 1 << 5;
        /// The driver can merge receive buffers (bit 15).
        const MRG_RXBUF = 1 << 15;
        /// The configuration status field is there (bit 16).
        const STATUS = 1 << 16;
        /// There is a control queue (bit 17).
        const CTRL_VQ = 1 << 17;
        /// There is more than one queue pair (bit 22).
        const MQ = 1 << 22;
        /// All writes are to be logged (vhost-user document, "Migration").
        const LOG_ALL = 1 << 26;
        /// Buffers can be described by a table of their own (2.7.5.3, bit 28).
        const INDIRECT_DESC = 1 << 28;
        /// `used_event` and `avail_event` are used (2.7.7, bit 29).
        const EVENT_IDX = 1 << 29;
        /// Protocol features can be negotiated (vhost-user document, bit 30).
        const PROTOCOL_FEATURES = 1 << 30;
        /// Not a legacy device (6.1, bit 32).
        const VERSION_1 = 1 << 32;
        /// Addresses go through an IOMMU (bit 33).
        const ACCESS_PLATFORM = 1 << 33;
        /// Packed rings (2.8, bit 34).
        const RING_PACKED = 1 << 34;
        /// Buffers are used in the order they were made available (bit 35).
        const IN_ORDER = 1 << 35;
    }
}

impl Features {
    /// Bytes of the header in front of every packet (5.1.6: `num_buffers` is there with mergeable buffers, and always
    /// on a device that is not legacy).
    pub const fn header_bytes(self) -> usize {
        if self.intersects(Self::VERSION_1.union(Self::MRG_RXBUF)) {
            crate::net_header::HEADER_BYTES
        } else {
            crate::net_header::LEGACY_HEADER_BYTES
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_length_follows_features() {
        assert_eq!(Features::empty().header_bytes(), 10);
        assert_eq!(Features::MRG_RXBUF.header_bytes(), 12);
        assert_eq!(Features::VERSION_1.header_bytes(), 12);
    }
}
