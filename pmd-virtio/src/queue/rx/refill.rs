//! Posting buffers for the device to fill.
#![allow(unsafe_code, reason = "reads the initialised part of an array")]

use std::mem::MaybeUninit;

use pmd_core::Mbuf;
use virtio::layout::{DESC_WRITE, Descriptor};

use super::super::BATCH;
use super::super::block::{Posted, Slot, add};
use super::super::shared::QueueShared;
use super::HEADER_AT;
use super::pass::Pass;

impl Pass<'_> {
    /// Posts an mbuf under every descriptor that is to have one and has none, as far as the pool has them.
    #[inline]
    pub fn refill(&mut self) {
        let old = self.state.avail;
        while self.state.empty.len() > self.state.reserved {
            let want = (self.state.empty.len() - self.state.reserved).min(BATCH);
            let mut fresh = [const { MaybeUninit::<Mbuf>::uninit() }; BATCH];
            let got = self.pool.take_into(&mut fresh[..want]);
            for (mbuf, &id) in fresh[..got].iter().zip(&self.state.empty) {
                // SAFETY: take_into initialised the first `got` places; each is read once.
                let mbuf = unsafe { mbuf.assume_init_read() };
                let at = (id, self.state.avail);
                post(self.shared, self.iova_bias, self.room, self.state.header_bytes, at, mbuf);
                self.state.avail = self.state.avail.wrapping_add(1);
            }
            self.state.empty.drain(..got);
            if got < want {
                add(&self.shared.block().counters.no_mbuf, 1);
                break;
            }
        }
        if self.state.avail != old {
            self.shared.publish(old, Posted { heads: self.state.avail, next_id: 0 });
        }
    }
}

/// Puts `mbuf` under descriptor `at.0` as number `at.1`: table, descriptor, available entry.
#[inline(always)]
pub(crate) fn post(
    shared: &QueueShared,
    iova_bias: u64,
    room: u32,
    header_bytes: u16,
    at: (u16, u32),
    mbuf: Mbuf,
) {
    let (id, position) = at;
    let start = mbuf.meta().buffer().wrapping_add(usize::from(HEADER_AT));
    let addr = (start.addr() as u64).wrapping_add(iova_bias);
    shared.table.set(id, Slot::Head { handle: mbuf.handle(), position });
    let _ = mbuf.into_record();
    let len = room + u32::from(header_bytes);
    shared.rings.set_descriptor(id, Descriptor { addr, len, flags: DESC_WRITE, next: 0 });
    shared.rings.set_avail_entry(position as u16, id);
}
