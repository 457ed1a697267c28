//! The metadata record of an mbuf: one cache line, of which the pool owns the first 24 bytes.
//!
//! Drivers write these fields directly; apps use the methods of [`Mbuf`](super::Mbuf).

use std::mem::{offset_of, size_of};
use std::ptr::NonNull;

use eal::mempool::{Record, RecordHead};

/// Bytes in front of the data of a fresh mbuf, for headers that are prepended. DPDK's default.
pub const HEADROOM_BYTES: u16 = 128;

/// Payload class: the bytes are in the record's own buffer.
pub const CLASS_OWN: u8 = 0;

bitflags::bitflags! {
    /// What is known or wanted of a packet. The meaning is the same on receive and on transmit, so that a
    /// packet can go from one port to another untouched.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Offload: u32 {
        /// The checksum at `csum_start + csum_offset` is yet to be computed (virtio 1.2, 5.1.6.2).
        const NEEDS_CSUM = 1;
        /// The checksums were found good.
        const DATA_VALID = 1 << 1;
        /// The packet is to be segmented (`gso_*` fields).
        const GSO = 1 << 2;
        /// A VLAN tag was taken out and is in `vlan_tci`.
        const VLAN_STRIPPED = 1 << 3;
        /// `hash` is valid.
        const HASH = 1 << 4;
    }
}

/// One segment's metadata. 64 bytes; the layout is shared between processes.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Meta {
    /// The pool's part.
    pub head: RecordHead,
    /// Handle of the next segment, 0 for none.
    pub next: u32,
    /// Where the data begins in the buffer, in bytes.
    pub data_off: u16,
    /// Bytes of data in this segment.
    pub data_len: u16,
    /// Bytes of the whole packet; valid in the first segment.
    pub pkt_len: u32,
    /// Segments of the packet; valid in the first segment.
    pub nb_segs: u16,
    /// The port that received it.
    pub port: u16,
    /// See [`Offload`].
    pub offload: Offload,
    /// Receive hash.
    pub hash: u32,
    /// Where checksumming begins, in bytes from the start of the packet.
    pub csum_start: u16,
    /// Where the checksum is stored, in bytes from `csum_start`.
    pub csum_offset: u16,
    /// Bytes of payload of each segment to be made.
    pub gso_size: u16,
    /// Bytes of headers to be copied to each segment.
    pub hdr_len: u16,
    /// Kind of segmentation (virtio 1.2, 5.1.6: VIRTIO_NET_HDR_GSO_*).
    pub gso_type: u8,
    /// Where the payload is: [`CLASS_OWN`], or a kind of foreign memory.
    pub class: u8,
    /// VLAN tag.
    pub vlan_tci: u16,
    /// What the headers are, in a driver's classification; 0 when unknown.
    pub packet_type: u32,
}

const _: () = {
    assert!(size_of::<Meta>() == 64);
    assert!(size_of::<Meta>() == size_of::<Record>());
    assert!(size_of::<RecordHead>() == 24);
    assert!(offset_of!(Meta, next) == 24);
    assert!(offset_of!(Meta, pkt_len) == 32);
    assert!(offset_of!(Meta, offload) == 40);
    assert!(offset_of!(Meta, gso_type) == 56);
    assert!(offset_of!(Meta, packet_type) == 60);
};

impl Meta {
    /// Makes the packet part of the record `at` that of an empty packet of one segment.
    ///
    /// # Safety
    ///
    /// The caller holds the record exclusively (it was taken from its pool and not given back).
    #[inline]
    pub unsafe fn reset(at: NonNull<Record>) {
        let meta = at.cast::<Meta>().as_ptr();
        // SAFETY: the caller holds the record exclusively, and a record is a Meta (same size and alignment, asserted above).
        let meta = unsafe { &mut *meta };
        meta.next = 0;
        meta.data_off = HEADROOM_BYTES;
        meta.data_len = 0;
        meta.pkt_len = 0;
        meta.nb_segs = 1;
        meta.port = u16::MAX;
        meta.offload = Offload::empty();
        meta.hash = 0;
        meta.csum_start = 0;
        meta.csum_offset = 0;
        meta.gso_size = 0;
        meta.hdr_len = 0;
        meta.gso_type = 0;
        meta.class = CLASS_OWN;
        meta.vlan_tci = 0;
        meta.packet_type = 0;
    }

    /// The first byte of the record's buffer.
    #[inline]
    pub fn buffer(&self) -> *mut u8 {
        std::ptr::from_ref(self)
            .cast_mut()
            .cast::<u8>()
            .wrapping_offset(self.head.buf_distance as isize)
    }

    /// The first byte of the data.
    #[inline]
    pub fn data(&self) -> *mut u8 {
        self.buffer().wrapping_add(usize::from(self.data_off))
    }

    /// The record with handle `handle` of the same window.
    #[inline]
    pub fn neighbour(&self, handle: u32) -> *mut Meta {
        let window = std::ptr::from_ref(self).cast_mut().wrapping_sub(self.head.handle as usize);
        window.wrapping_add(handle as usize)
    }
}
