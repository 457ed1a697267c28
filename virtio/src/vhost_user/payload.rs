//! Message bodies.
//!
//! Each body is a plain struct in wire order with `to_bytes` and `from_bytes`. Reading checks the length and
//! nothing else: what the numbers mean is for the receiver to judge.

/// The most regions in a memory table (vhost-user, "Memory regions description").
pub const MEMORY_TABLE_REGIONS_MAX: usize = 8;

/// Defines a fixed-size body: `u32`/`u64` fields in wire order, without gaps except after the last one.
macro_rules! wire_struct {
    ($(#[$meta:meta])* $name:ident[$bytes:literal] { $($(#[$field_meta:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)+
        }

        impl $name {
            /// Bytes on the wire.
            pub const BYTES: usize = $bytes;

            /// The body as it goes over the socket; bytes after the last field are zero.
            pub fn to_bytes(self) -> [u8; $bytes] {
                let mut bytes = [0; $bytes];
                let mut rest = &mut bytes[..];
                $(put(&mut rest, &self.$field.to_ne_bytes());)+
                let _ = rest;
                bytes
            }

            /// Reads the body; `None` unless `bytes` has exactly the right length.
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                if bytes.len() != Self::BYTES {
                    return None;
                }
                let mut rest = bytes;
                $(let $field = <$type>::from_ne_bytes(take(&mut rest)?);)+
                let _ = rest;
                Some(Self { $($field),+ })
            }
        }
    };
}

/// Copies `bytes` to the front of `rest` and moves on. The macro's sizes guarantee the room.
fn put(rest: &mut &mut [u8], bytes: &[u8]) {
    let whole = std::mem::take(rest);
    if let Some((to, after)) = whole.split_at_mut_checked(bytes.len()) {
        to.copy_from_slice(bytes);
        *rest = after;
    }
}

/// Takes `N` bytes from the front of `rest`.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*bytes)
}

wire_struct! {
    /// A single number: features, status, file descriptor word, acknowledgement.
    U64[8] {
        /// The number.
        value: u64,
    }
}

wire_struct! {
    /// A ring's index and a number: size, base, enable (vhost-user, "A vring state description").
    VringState[8] {
        /// Ring index.
        index: u32,
        /// Size in entries, base index, or 0/1, by message.
        num: u32,
    }
}

wire_struct! {
    /// Where a ring lies, in user addresses (vhost-user, "A vring address description").
    VringAddr[40] {
        /// Ring index.
        index: u32,
        /// Bit 0: writes to the used ring are to be logged.
        flags: u32,
        /// User address of the descriptor table.
        descriptor: u64,
        /// User address of the used ring.
        used: u64,
        /// User address of the available ring.
        available: u64,
        /// Guest address for logging writes to the used ring.
        log: u64,
    }
}

wire_struct! {
    /// One region of guest memory (vhost-user, "Memory region description").
    MemoryRegion[32] {
        /// Guest-physical address of the region.
        guest_addr: u64,
        /// Size in bytes.
        size_bytes: u64,
        /// Address of the region in the front-end ("user address").
        user_addr: u64,
        /// Where the region begins in the file that came with it, in bytes.
        mmap_offset: u64,
    }
}

wire_struct! {
    /// A region that is added or removed alone (vhost-user, "Single memory region description").
    SingleRegion[40] {
        /// Unused; keeps the region aligned.
        padding: u64,
        /// Guest-physical address of the region.
        guest_addr: u64,
        /// Size in bytes.
        size_bytes: u64,
        /// Address of the region in the front-end ("user address").
        user_addr: u64,
        /// Where the region begins in the file that came with it, in bytes.
        mmap_offset: u64,
    }
}

wire_struct! {
    /// Where the dirty log lies in its file (vhost-user, "Log description").
    LogBase[16] {
        /// Size in bytes.
        size_bytes: u64,
        /// Offset from the start of the file, in bytes.
        offset: u64,
    }
}

wire_struct! {
    /// An IOTLB miss, update or invalidation (vhost-user, "An IOTLB message").
    ///
    /// 26 bytes of fields in a C struct of 32: the document's diagram shows the fields, the wire carries the struct.
    Iotlb[32] {
        /// I/O virtual address.
        iova: u64,
        /// Size in bytes.
        size_bytes: u64,
        /// User address.
        user_addr: u64,
        /// Bit 0 read, bit 1 write.
        permission: u8,
        /// 1 miss, 2 update, 3 invalidate, 4 access failed.
        kind: u8,
    }
}

wire_struct! {
    /// The shared memory that outlives a back-end (vhost-user, "Inflight description"); 20 bytes in a C struct of 24.
    Inflight[24] {
        /// Size of the mapping in bytes.
        mmap_size_bytes: u64,
        /// Offset from the start of the file, in bytes.
        mmap_offset: u64,
        /// Number of rings.
        queues: u16,
        /// Entries of each ring.
        queue_size: u16,
    }
}

/// The word of `SET_VRING_KICK`, `SET_VRING_CALL` and `SET_VRING_ERR`: ring index in bits 0 to 7, bit 8 = no file descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VringFd {
    /// Ring index.
    pub index: u8,
    /// No file descriptor comes with the message.
    pub no_fd: bool,
}

impl VringFd {
    /// Splits the word; `None` if a bit above 8 is set.
    pub fn from_word(word: u64) -> Option<Self> {
        let index = (word & 0xff) as u8;
        (word >> 9 == 0).then_some(Self { index, no_fd: word & 0x100 != 0 })
    }

    /// The word to send.
    pub fn to_word(self) -> u64 {
        u64::from(self.index) | u64::from(self.no_fd) << 8
    }
}

/// A memory table: up to [`MEMORY_TABLE_REGIONS_MAX`] regions (vhost-user, "Memory regions description").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryTable {
    regions: [MemoryRegion; MEMORY_TABLE_REGIONS_MAX],
    count: usize,
}

impl MemoryTable {
    /// A table of these regions; `None` if there are too many.
    pub fn new(regions: &[MemoryRegion]) -> Option<Self> {
        let mut table = Self { count: regions.len(), ..Self::default() };
        table.regions.get_mut(..regions.len())?.copy_from_slice(regions);
        Some(table)
    }

    /// The regions.
    pub fn regions(&self) -> &[MemoryRegion] {
        self.regions.get(..self.count).unwrap_or_default()
    }

    /// The body: count, padding, regions. Its length is `8 + 32 * regions`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + MemoryRegion::BYTES * self.count);
        bytes.extend_from_slice(&(self.count as u32).to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        for region in self.regions() {
            bytes.extend_from_slice(&region.to_bytes());
        }
        bytes
    }

    /// Reads a table; `None` if it names more than [`MEMORY_TABLE_REGIONS_MAX`] regions or the length does not fit the count.
    ///
    /// A longer body than the count needs is accepted up to a full table: some front-ends send the whole array.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let count = u32::from_ne_bytes(take(&mut rest)?) as usize;
        let _padding: [u8; 4] = take(&mut rest)?;
        let length_fits = rest.len() == count.checked_mul(MemoryRegion::BYTES)?
            || rest.len() == MEMORY_TABLE_REGIONS_MAX * MemoryRegion::BYTES;
        if count > MEMORY_TABLE_REGIONS_MAX || !length_fits {
            return None;
        }
        let mut table = Self { count, ..Self::default() };
        for (region, body) in
            table.regions.iter_mut().zip(rest.chunks_exact(MemoryRegion::BYTES)).take(count)
        {
            *region = MemoryRegion::from_bytes(body)?;
        }
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_those_of_the_wire() {
        assert_eq!(size_of::<U64>(), U64::BYTES);
        assert_eq!(size_of::<VringState>(), VringState::BYTES);
        assert_eq!(size_of::<VringAddr>(), VringAddr::BYTES);
        assert_eq!(size_of::<MemoryRegion>(), MemoryRegion::BYTES);
        assert_eq!(size_of::<SingleRegion>(), SingleRegion::BYTES);
        assert_eq!(size_of::<LogBase>(), LogBase::BYTES);
        assert_eq!(size_of::<Iotlb>(), Iotlb::BYTES);
        assert_eq!(size_of::<Inflight>(), Inflight::BYTES);
    }

    #[test]
    fn vring_addr_fields_lie_where_the_document_says() {
        let addr = VringAddr { index: 1, flags: 2, descriptor: 3, used: 4, available: 5, log: 6 };
        let bytes = addr.to_bytes();
        assert_eq!(bytes[0..4], 1_u32.to_ne_bytes());
        assert_eq!(bytes[4..8], 2_u32.to_ne_bytes());
        for (at, value) in [(8, 3_u64), (16, 4), (24, 5), (32, 6)] {
            assert_eq!(bytes[at..at + 8], value.to_ne_bytes());
        }
    }

    #[test]
    fn a_body_of_another_length_is_refused() {
        for length in [0, 7, 9, 16] {
            assert_eq!(VringState::from_bytes(&vec![0; length]), None, "{length} bytes");
        }
        assert_eq!(Iotlb::from_bytes(&[0; 26]), None);
        assert_eq!(Inflight::from_bytes(&[0; 20]), None);
    }

    #[test]
    fn vring_fd_word() {
        assert_eq!(VringFd::from_word(0x103), Some(VringFd { index: 3, no_fd: true }));
        assert_eq!(VringFd::from_word(0xff), Some(VringFd { index: 255, no_fd: false }));
        assert_eq!(VringFd::from_word(0x200), None);
        assert_eq!(VringFd { index: 7, no_fd: true }.to_word(), 0x107);
    }

    #[test]
    fn memory_table_count_and_length_must_agree() {
        let region = MemoryRegion { guest_addr: 1, size_bytes: 2, user_addr: 3, mmap_offset: 4 };
        assert!(MemoryTable::new(&[region; 9]).is_none());
        let mut nine = MemoryTable::new(&[region; 8]).unwrap().to_bytes();
        nine[0..4].copy_from_slice(&9_u32.to_ne_bytes());
        assert_eq!(MemoryTable::from_bytes(&nine), None);
        nine[0..4].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(MemoryTable::from_bytes(&nine), None);
        let two = MemoryTable::new(&[region; 2]).unwrap().to_bytes();
        assert_eq!(MemoryTable::from_bytes(&two[..two.len() - 1]), None);
        assert_eq!(MemoryTable::from_bytes(&two[..8 + 32]), None);
        assert_eq!(MemoryTable::from_bytes(&two).unwrap().regions(), [region; 2]);
    }

    proptest! {
        #[test]
        fn any_table_comes_back(words in prop::collection::vec(any::<[u64; 4]>(), 0..=8)) {
            let regions: Vec<_> = words.iter().map(|w| MemoryRegion {
                guest_addr: w[0], size_bytes: w[1], user_addr: w[2], mmap_offset: w[3],
            }).collect();
            let table = MemoryTable::new(&regions).unwrap();
            prop_assert_eq!(MemoryTable::from_bytes(&table.to_bytes()), Some(table));
        }

        #[test]
        fn no_body_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = (MemoryTable::from_bytes(&bytes), VringAddr::from_bytes(&bytes), Iotlb::from_bytes(&bytes));
        }

        #[test]
        fn any_iotlb_comes_back(a in any::<[u64; 3]>(), permission in any::<u8>(), kind in any::<u8>()) {
            let message = Iotlb { iova: a[0], size_bytes: a[1], user_addr: a[2], permission, kind };
            prop_assert_eq!(Iotlb::from_bytes(&message.to_bytes()), Some(message));
        }
    }
}
