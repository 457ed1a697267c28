//! Walking one chain of descriptors.

use virtio::layout::{DESC_INDIRECT, DESC_NEXT, DESC_WRITE, Descriptor};
use virtio::ring::RingPtrs;

use super::MAX_PIECES;
use super::table::Table;
use crate::guest_memory::{Piece, Translator};

/// The pieces gathered by one pass, for all its packets.
pub(crate) struct Pieces {
    list: [Piece; MAX_PIECES],
    len: usize,
}

/// What the chains of a ring may be like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainKind {
    /// Their buffers are there to be written by the device, not read.
    pub write: bool,
    /// They may end in a table of their own: `VIRTIO_F_INDIRECT_DESC` was negotiated.
    pub indirect: bool,
}

impl ChainKind {
    /// The flags, besides `DESC_NEXT`, of each descriptor of a buffer.
    #[inline(always)]
    const fn flags(self) -> u16 {
        if self.write { DESC_WRITE } else { 0 }
    }
}

/// What a walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// So many bytes, in the pieces added.
    Bytes(u64),
    /// The chain breaks a rule; nothing was added.
    Bad,
    /// The list is full; nothing was added. A shorter pass can do it.
    Full,
}

impl Pieces {
    pub(crate) const fn new() -> Self {
        Self { list: [Piece { host: std::ptr::null_mut(), len: 0 }; MAX_PIECES], len: 0 }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn range(&self, from: usize, to: usize) -> &[Piece] {
        self.list.get(from..to).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    #[inline]
    fn push(&mut self, piece: Piece) -> bool {
        match self.list.get_mut(self.len) {
            Some(place) => {
                *place = piece;
                self.len += 1;
                true
            }
            None => false,
        }
    }

    /// Adds the pieces of the chain that begins at `head`, all of whose buffers must be writable for the device (`write`)
    /// or all readable. Each descriptor is read once; a chain has at most as many as the ring, or ends in one table of its own
    /// where those were negotiated (2.7.5.3).
    #[inline(always)]
    pub(crate) fn add_chain(
        &mut self,
        ring: &RingPtrs,
        memory: &mut Translator,
        head: u16,
        kind: ChainKind,
    ) -> Walk {
        let first = ring.descriptor(head);
        // Most chains are one buffer in one region.
        if first.flags & (DESC_NEXT | DESC_WRITE | DESC_INDIRECT) == kind.flags()
            && first.len != 0
            && let Some(piece) = memory.whole_piece(first.addr, first.len)
            && self.push(piece)
        {
            return Walk::Bytes(first.len.into());
        }
        self.add_long_chain(ring, memory, first, kind)
    }

    /// Adds any chain whose first descriptor is `first`, which lies in the table.
    #[inline(never)]
    fn add_long_chain(
        &mut self,
        ring: &RingPtrs,
        memory: &mut Translator,
        first: Descriptor,
        kind: ChainKind,
    ) -> Walk {
        let (before, mut descriptor, mut bytes) = (self.len, first, 0u64);
        for _ in 0..ring.size() {
            if descriptor.flags & (DESC_WRITE | DESC_INDIRECT) != kind.flags() {
                let walk = self.add_table(memory, descriptor, kind);
                return self.end(before, bytes, walk);
            }
            match self.add_buffer(memory, descriptor.addr, descriptor.len) {
                Walk::Bytes(n) => bytes += n,
                end => return self.end(before, bytes, end),
            }
            if descriptor.flags & DESC_NEXT == 0 {
                return Walk::Bytes(bytes);
            }
            if descriptor.next > ring.mask() {
                break;
            }
            descriptor = ring.descriptor(descriptor.next);
        }
        self.end(before, bytes, Walk::Bad)
    }

    /// What a walk comes to whose last part came to `last`, `bytes` before it.
    fn end(&mut self, before: usize, bytes: u64, last: Walk) -> Walk {
        match last {
            Walk::Bytes(more) => Walk::Bytes(bytes + more),
            end => {
                self.truncate(before);
                end
            }
        }
    }

    /// Adds the buffers of an indirect table: the descriptor that does not fit the direction may be one.
    #[inline(never)]
    fn add_table(&mut self, memory: &mut Translator, table: Descriptor, kind: ChainKind) -> Walk {
        let Some(table) = Table::check(&table).filter(|_| kind.indirect) else { return Walk::Bad };
        let (mut index, mut bytes) = (0, 0);
        // No more descriptors than the table has can be passed without passing one twice.
        for _ in 0..table.entries {
            if u32::from(index) >= table.entries {
                return Walk::Bad;
            }
            let Some(descriptor) = table.read(memory, index) else { return Walk::Bad };
            // A table within a table is forbidden (2.7.5.3.1), and has the wrong flags here.
            if descriptor.flags & (DESC_WRITE | DESC_INDIRECT) != kind.flags() {
                return Walk::Bad;
            }
            match self.add_buffer(memory, descriptor.addr, descriptor.len) {
                Walk::Bytes(n) => bytes += n,
                end => return end,
            }
            if descriptor.flags & DESC_NEXT == 0 {
                return Walk::Bytes(bytes);
            }
            index = descriptor.next;
        }
        Walk::Bad
    }

    /// Adds one buffer, which may run from one region into the next.
    #[inline(always)]
    fn add_buffer(&mut self, memory: &mut Translator, addr: u64, len: u32) -> Walk {
        if len == 0 {
            return self.add_empty();
        }
        let (mut at, mut left) = (addr, len);
        while left > 0 {
            let Some(piece) = memory.piece(at, left) else { return Walk::Bad };
            if !self.push(piece) {
                return Walk::Full;
            }
            left -= piece.len;
            if left > 0 {
                let Some(next) = at.checked_add(piece.len.into()) else { return Walk::Bad };
                at = next;
            }
        }
        Walk::Bytes(len.into())
    }

    /// An empty buffer takes a place as well: a chain costs no more reads than there are places.
    #[cold]
    fn add_empty(&mut self) -> Walk {
        let empty = Piece { host: std::ptr::null_mut(), len: 0 };
        if self.push(empty) { Walk::Bytes(0) } else { Walk::Full }
    }
}

/// Reads or writes a packet's pieces in order.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    pieces: &'a [Piece],
    offset: u32,
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn new(pieces: &'a [Piece]) -> Self {
        Self { pieces, offset: 0 }
    }

    /// The next run of bytes in one piece, at most `most`; 0 at the end.
    #[inline]
    pub(crate) fn run(&mut self, most: usize) -> (*mut u8, usize) {
        while let Some((first, rest)) = self.pieces.split_first() {
            let left = (first.len - self.offset) as usize;
            if left > most {
                let host = first.host.wrapping_add(self.offset as usize);
                // `most` is smaller than a u32 length.
                self.offset += most as u32;
                return (host, most);
            }
            let host = first.host.wrapping_add(self.offset as usize);
            (self.pieces, self.offset) = (rest, 0);
            if left > 0 {
                return (host, left);
            }
        }
        (std::ptr::null_mut(), 0)
    }

    /// Passes over `count` bytes.
    #[inline]
    pub(crate) fn skip(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            match self.run(left) {
                (_, 0) => return,
                (_, n) => left -= n,
            }
        }
    }
}
