//! Indirect tables: descriptors of one chain in a buffer of their own (virtio 1.2, 2.7.5.3).
#![allow(unsafe_code, reason = "reads descriptors out of guest memory inside the gate")]

use virtio::layout::{DESC_INDIRECT, DESC_NEXT, Descriptor, MAX_RING_SIZE};

use crate::guest_memory::Translator;

/// Bytes of one descriptor.
const ENTRY: u32 = size_of::<Descriptor>() as u32;

/// A table whose shape was checked. Where its bytes are is checked when they are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    addr: u64,
    /// Descriptors in it, at least one.
    pub(super) entries: u32,
}

impl Table {
    /// The table that `descriptor`, a private copy, refers to; `None` if it refers to none or breaks a rule. Whether the buffer
    /// is marked as writable is to be ignored (2.7.5.3.2).
    pub(super) fn check(descriptor: &Descriptor) -> Option<Self> {
        let &Descriptor { addr, len, flags, .. } = descriptor;
        // Not both (2.7.5.3.1).
        let marked = flags & (DESC_INDIRECT | DESC_NEXT) == DESC_INDIRECT;
        let entries = len / ENTRY;
        let whole = len % ENTRY == 0 && (1..=u32::from(MAX_RING_SIZE)).contains(&entries);
        (marked && whole && addr.checked_add(len.into()).is_some())
            .then_some(Self { addr, entries })
    }

    /// A copy of descriptor `index`, which is below `entries`, read once. `None` if it is not in guest memory.
    #[inline]
    pub(super) fn read(&self, memory: &mut Translator, index: u16) -> Option<Descriptor> {
        let addr = self.addr + u64::from(index) * u64::from(ENTRY);
        let piece = memory.piece(addr, ENTRY)?;
        if piece.len == ENTRY && piece.host.addr().is_multiple_of(align_of::<Descriptor>()) {
            // SAFETY: all of the descriptor is in one mapped region and aligned; it is read once, into a private copy.
            Some(unsafe { piece.host.cast::<Descriptor>().read_volatile() })
        } else {
            read_bytes(memory, addr)
        }
    }
}

/// A descriptor that is not aligned or lies across two regions, byte by byte.
#[cold]
fn read_bytes(memory: &mut Translator, addr: u64) -> Option<Descriptor> {
    let mut bytes = [0; ENTRY as usize];
    // In this order no address behind the last one is made, which may be none.
    for (byte, at) in bytes.iter_mut().zip(addr..) {
        let piece = memory.piece(at, 1)?;
        // SAFETY: the byte is in a mapped region.
        *byte = unsafe { piece.host.read_volatile() };
    }
    let [a0, a1, a2, a3, a4, a5, a6, a7, l0, l1, l2, l3, f0, f1, n0, n1] = bytes;
    Some(Descriptor {
        addr: u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
        len: u32::from_le_bytes([l0, l1, l2, l3]),
        flags: u16::from_le_bytes([f0, f1]),
        next: u16::from_le_bytes([n0, n1]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest_memory::{GuestMemory, RegionSpec};

    #[test]
    fn shapes_of_tables() {
        let table = |addr, len, flags| {
            Table::check(&Descriptor { addr, len, flags, next: 0 }).map(|table| table.entries)
        };
        assert_eq!(table(0x1000, 16, DESC_INDIRECT), Some(1));
        assert_eq!(table(0x1001, 48, DESC_INDIRECT | virtio::layout::DESC_WRITE), Some(3));
        assert_eq!(table(0x1000, 16 * 32768, DESC_INDIRECT), Some(32768));
        for (addr, len, flags) in [
            (0x1000, 16, 0),
            (0x1000, 16, DESC_INDIRECT | DESC_NEXT),
            (0x1000, 0, DESC_INDIRECT),
            (0x1000, 15, DESC_INDIRECT),
            (0x1000, 17, DESC_INDIRECT),
            (0x1000, 16 * 32769, DESC_INDIRECT),
            (0x1000, u32::MAX, DESC_INDIRECT),
            (u64::MAX - 8, 16, DESC_INDIRECT),
        ] {
            assert_eq!(table(addr, len, flags), None, "{addr:#x} {len} {flags}");
        }
    }

    #[test]
    fn a_descriptor_is_read_up_to_the_last_of_all_addresses() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let size_bytes = 4095;
        let guest_addr = u64::MAX - size_bytes;
        let spec =
            RegionSpec { guest_addr, size_bytes, user_addr: 0, mmap_offset: 0, fd: file.into() };
        let guest = GuestMemory::map(vec![spec]).unwrap();
        let mut memory = Translator::new();
        memory.refill(&guest);
        let addr = u64::MAX - u64::from(ENTRY);
        let at = |addr| Descriptor { addr, len: ENTRY, flags: DESC_INDIRECT, next: 0 };
        let table = Table::check(&at(addr)).unwrap();
        assert_eq!(table.read(&mut memory, 0), Some(Descriptor::default()));
        let beyond = Table::check(&at(guest_addr - 1)).unwrap();
        assert_eq!(beyond.read(&mut memory, 0), None);
    }
}
