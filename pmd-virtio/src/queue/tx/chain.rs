//! Packets of several buffers: in a table of their own, or as a chain in the ring.

use pmd_core::Mbuf;
use pmd_core::mbuf::Meta;
use virtio::layout::{DESC_NEXT, Descriptor};

use super::super::block::Slot;
use super::super::indirect::{IndirectTables, TABLE_ENTRIES};
use super::Pass;
use super::send::Posted;

/// Whether the header goes in front of the first segment's data or into a buffer of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    Pushed,
    Apart,
}

impl Pass<'_> {
    /// Posts a packet that needs more than one buffer, or has no room for a header.
    #[inline(never)]
    pub fn post_chain(&mut self, mbuf: &Mbuf) -> Posted {
        let first = mbuf.meta();
        if !self.shared.owns(first) {
            return Posted::Never;
        }
        if let Some(tables) = self.state.tables.filter(|_| first.nb_segs < TABLE_ENTRIES) {
            return self.post_indirect(&tables, mbuf);
        }
        let apart = u32::from(first.nb_segs) + 1;
        let pushes = first.data_off >= self.state.header_bytes;
        let (need, header) = if apart > self.state.descriptors && pushes {
            (apart - 1, Header::Pushed)
        } else {
            (apart, Header::Apart)
        };
        if need > self.state.descriptors {
            return Posted::Never;
        }
        if self.state.free.available() < need {
            return Posted::No;
        }
        let head = self.state.free.pop();
        let descriptor = self.chain(mbuf, head, header);
        self.finish(head, mbuf.handle(), descriptor);
        Posted::Yes
    }

    /// One place of the ring, which refers to a table (virtio 1.2, 2.7.5.3).
    fn post_indirect(&mut self, tables: &IndirectTables, mbuf: &Mbuf) -> Posted {
        if self.state.free.available() == 0 {
            return Posted::No;
        }
        let first = mbuf.meta();
        let pushes = first.data_off >= self.state.header_bytes;
        let header = if pushes { Header::Pushed } else { Header::Apart };
        // Fewer segments than the table has entries, so one more fits.
        let entries = first.nb_segs + u16::from(!pushes);
        let id = self.state.free.pop();
        for (at, mut descriptor) in (0..entries).zip(self.buffers(mbuf, header)) {
            if at + 1 < entries {
                (descriptor.flags, descriptor.next) = (DESC_NEXT, at + 1);
            }
            tables.set(id, at, descriptor);
        }
        self.finish(id, mbuf.handle(), tables.refer(id, entries));
        Posted::Yes
    }

    /// Takes and writes the further descriptors of a chain and returns its head descriptor.
    fn chain(&mut self, mbuf: &Mbuf, head: u16, header: Header) -> Descriptor {
        let rings = &self.shared.rings;
        let mut buffers = self.buffers(mbuf, header);
        let mut current = buffers.next().unwrap_or_default();
        let (mut first, mut behind) = (None, head);
        for buffer in buffers {
            let id = self.state.free.pop();
            (current.flags, current.next) = (DESC_NEXT, id);
            if first.is_none() {
                first = Some(current);
            } else {
                rings.set_descriptor(behind, current);
            }
            self.state.links.append(behind, id);
            self.shared.table.set(id, Slot::Part { head });
            (current, behind) = (buffer, id);
        }
        match first {
            Some(first) => {
                rings.set_descriptor(behind, current);
                first
            }
            None => current,
        }
    }

    /// The buffers of a packet as descriptors that are not linked yet, header first.
    fn buffers<'m>(
        &self,
        mbuf: &'m Mbuf,
        header: Header,
    ) -> impl Iterator<Item = Descriptor> + use<'m> {
        let pushed = header == Header::Pushed;
        let first = if pushed {
            self.first_descriptor(mbuf.meta())
        } else {
            let len = u32::from(self.state.header_bytes);
            Descriptor { addr: self.state.header_iova, len, flags: 0, next: 0 }
        };
        let bias = self.iova_bias;
        let further = mbuf.segments().skip(usize::from(pushed)).map(move |segment: &Meta| {
            let addr = (segment.data().addr() as u64).wrapping_add(bias);
            Descriptor { addr, len: segment.data_len.into(), flags: 0, next: 0 }
        });
        std::iter::once(first).chain(further)
    }
}
