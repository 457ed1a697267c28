//! Posting packets: one descriptor each where that is possible.
#![allow(unsafe_code, reason = "hands mbufs to the table; writes headers")]

use pmd_core::mbuf::{Meta, Offload};
use pmd_core::{Burst, Mbuf};
use virtio::layout::Descriptor;
use virtio::net_header::HEADER_BYTES;
use virtio::packet_counts::BurstCounts;

use super::super::block::{Posted as Progress, Slot, add};
use super::super::frames::mac_class;
use super::Pass;

/// What became of a packet.
pub(super) enum Posted {
    Yes,
    /// Not enough descriptors now.
    No,
    /// It can never be sent on this queue.
    Never,
}

impl Pass<'_> {
    /// Posts packets from the front of `from` while there are descriptors; returns how many were taken.
    #[inline]
    pub fn send(&mut self, from: &mut Burst) -> usize {
        let (old, mut taken, mut sent, mut bytes) = (self.state.avail, 0, 0, 0u64);
        let mut frames = BurstCounts::new();
        for mbuf in from.as_mut_slice() {
            if self.state.inserts_vlan && !insert_vlan(mbuf) {
                self.drop_bad(mbuf);
                taken += 1;
                continue;
            }
            // Looked at before the device can have it.
            let (len, class) = (mbuf.len(), mac_class(mbuf.meta()));
            match self.post(mbuf) {
                Posted::Yes => {
                    sent += 1;
                    bytes += u64::from(len);
                    frames.add(len, class);
                }
                Posted::No => break,
                Posted::Never => self.drop_bad(mbuf),
            }
            taken += 1;
        }
        // SAFETY: the first `taken` packets are in the table now, or were dropped.
        unsafe { from.forget_front(taken) };
        if self.state.avail != old {
            let posted = Progress { heads: self.state.avail, next_id: self.state.free.next() };
            self.shared.publish(old, posted);
            let counters = &self.shared.block().counters;
            add(&counters.packets, sent);
            add(&counters.bytes, bytes);
            frames.flush(&counters.frames);
        } else {
            self.shared.confirm_idle();
        }
        taken
    }

    #[cold]
    fn drop_bad(&self, mbuf: &mut Mbuf) {
        // SAFETY: the caller forgets the place it is in.
        drop(unsafe { std::ptr::read(mbuf) });
        add(&self.shared.block().counters.errors, 1);
    }

    #[inline(always)]
    fn post(&mut self, mbuf: &Mbuf) -> Posted {
        let meta = mbuf.meta();
        let pushes = meta.data_off >= self.state.header_bytes;
        if meta.nb_segs != 1 || !pushes || !self.shared.owns(meta) {
            return self.post_chain(mbuf);
        }
        if self.state.free.available() == 0 {
            return Posted::No;
        }
        let id = self.state.free.pop();
        let descriptor = self.first_descriptor(meta);
        self.finish(id, mbuf.handle(), descriptor);
        Posted::Yes
    }

    /// Header and data of a first segment with headroom, as one buffer.
    #[inline(always)]
    pub fn first_descriptor(&self, meta: &Meta) -> Descriptor {
        let header = self.state.header_bytes;
        let start = meta.data().wrapping_sub(header.into());
        // SAFETY: at least `header` (10 or 12) bytes of headroom lie in front of the data.
        unsafe { start.cast::<[u8; 10]>().write_unaligned([0; 10]) };
        if usize::from(header) == HEADER_BYTES {
            // SAFETY: as above, for the last two of 12 bytes.
            unsafe { start.wrapping_add(10).cast::<[u8; 2]>().write_unaligned([0; 2]) };
        }
        let addr = (start.addr() as u64).wrapping_add(self.iova_bias);
        Descriptor { addr, len: u32::from(header) + u32::from(meta.data_len), flags: 0, next: 0 }
    }

    /// Table slot, head descriptor, available entry.
    #[inline(always)]
    pub fn finish(&mut self, id: u16, handle: u32, descriptor: Descriptor) {
        let position = self.state.avail;
        self.shared.table.set(id, Slot::Head { handle, position });
        self.shared.rings.set_descriptor(id, descriptor);
        self.shared.rings.set_avail_entry(position as u16, id);
        self.state.avail = position.wrapping_add(1);
    }
}

/// Puts the tag in that was taken out, if one was. `false` when there is no room for it. A packet that is not taken by the ring
/// after that stays with its tag.
#[cold]
fn insert_vlan(mbuf: &mut Mbuf) -> bool {
    let meta = mbuf.meta();
    let tci = meta.offload.contains(Offload::VLAN_STRIPPED).then_some(meta.vlan_tci);
    tci.is_none_or(|tci| mbuf.insert_vlan(tci).is_ok())
}
