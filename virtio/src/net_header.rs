//! The header in front of every packet in a network ring (virtio 1.2, 5.1.6).

/// Bytes of the header with `num_buffers`.
pub const HEADER_BYTES: usize = 12;

/// Bytes of the header of a legacy device without mergeable buffers.
pub const LEGACY_HEADER_BYTES: usize = 10;

/// `gso_type`: the packet is not to be segmented.
pub const GSO_NONE: u8 = 0;

/// A private copy of a packet's header. Fields are in the byte order of the host, which the ring shares on the machines
/// we run on (little endian).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct NetHeader {
    /// What is known or wanted of checksums (5.1.6); 0 without offloads.
    pub flags: u8,
    /// `GSO_*`.
    pub gso_type: u8,
    /// Bytes of headers to be copied to each segment; a hint, not to be relied on.
    pub hdr_len: u16,
    /// Bytes of payload of each segment.
    pub gso_size: u16,
    /// Where checksumming begins, in bytes from the start of the packet.
    pub csum_start: u16,
    /// Where the checksum is stored, in bytes from `csum_start`.
    pub csum_offset: u16,
    /// Buffers that the packet is spread over.
    pub num_buffers: u16,
}

const _: () = assert!(size_of::<NetHeader>() == HEADER_BYTES);
const _: () = assert!(std::mem::offset_of!(NetHeader, csum_start) == 6);
const _: () = assert!(std::mem::offset_of!(NetHeader, num_buffers) == 10);

impl NetHeader {
    /// The header of a plain packet in one buffer.
    pub const PLAIN: Self = Self {
        flags: 0,
        gso_type: GSO_NONE,
        hdr_len: 0,
        gso_size: 0,
        csum_start: 0,
        csum_offset: 0,
        num_buffers: 1,
    };
}
