//! Which buffers the device is done with: used elements, read once and checked.
#![allow(
    unsafe_code,
    reason = "gives out the initialised part of an array; looks at posted records"
)]

use std::mem::MaybeUninit;

use eal::prefetch;
use pmd_core::mbuf::Meta;

use super::super::block::{Slot, UsedBatch};
use super::HEADER_AT;
use super::pass::{Pass, posted_bytes};

/// What is known of one used buffer.
#[derive(Clone, Copy)]
pub(super) struct Received {
    pub id: u16,
    /// What the device says that it wrote, or that it filled the buffer.
    pub len: u32,
    pub record: *mut Meta,
}

impl Pass<'_> {
    /// Reads and checks as many used buffers as `batch` has places. `None` when an element names no posted buffer.
    #[inline]
    pub fn gather<'b>(&mut self, batch: &'b mut [MaybeUninit<Received>]) -> Option<&'b [Received]> {
        let received = if self.state.in_order {
            let known = self.state.batch;
            let received = self.gather_with(batch, Self::next_in_order)?;
            if known != self.state.batch {
                self.shared.block().progress.set_batch(self.state.batch);
            }
            received
        } else {
            self.gather_with(batch, |pass, position| pass.element(position))?
        };
        prefetch_headers(received);
        Some(received)
    }

    /// As `gather`; `next` says descriptor and length of the used buffer at a position.
    #[inline(always)]
    fn gather_with<'b>(
        &mut self,
        batch: &'b mut [MaybeUninit<Received>],
        next: impl Fn(&mut Self, u32) -> Option<(u16, u32)>,
    ) -> Option<&'b [Received]> {
        let count = batch.len();
        for (at, place) in batch.iter_mut().enumerate() {
            // At most BATCH.
            let position = self.state.used.wrapping_add(at as u32);
            let (id, len) = next(self, position)?;
            let Slot::Head { handle, .. } = self.shared.table.get(id) else { return None };
            let record = self.shared.record(handle).cast::<Meta>().as_ptr();
            prefetch(record.cast());
            place.write(Received { id, len, record });
        }
        // SAFETY: the loop initialised all `count` places.
        let received =
            unsafe { std::slice::from_raw_parts(batch.as_ptr().cast::<Received>(), count) };
        Some(received)
    }

    /// The element at `position`: a descriptor of the ring, and a length yet to be checked.
    #[inline(always)]
    fn element(&self, position: u32) -> Option<(u16, u32)> {
        let element = self.shared.rings.used_element(position as u16);
        let id = u16::try_from(element.id).ok().filter(|&id| id <= self.shared.rings.mask())?;
        Some((id, element.len))
    }

    /// The buffer at `position`, when buffers are used in order: descriptor and length. An element stands for all buffers up to
    /// the one it names (virtio 1.2, 2.7.9).
    #[inline(always)]
    fn next_in_order(&mut self, position: u32) -> Option<(u16, u32)> {
        let id = position as u16 & self.shared.rings.mask();
        if self.state.batch.is_none() {
            let (named, len) = self.element(position)?;
            if named == id {
                return Some((id, len));
            }
            self.state.batch = Some(self.begin_batch(position, named, len)?);
        }
        self.next_of_batch(position, id).map(|len| (id, len))
    }

    /// Bytes of the buffer `id` at `position` within a batch: those that the device passed over are full.
    #[cold]
    fn next_of_batch(&mut self, position: u32, id: u16) -> Option<u32> {
        let batch = self.state.batch?;
        if batch.end == position {
            self.state.batch = None;
            return Some(batch.len);
        }
        let Slot::Head { handle, .. } = self.shared.table.get(id) else { return None };
        let record = self.shared.record(handle).cast::<Meta>();
        // SAFETY: the table named the record; nobody writes this part of it.
        let meta = unsafe { record.as_ref() };
        Some(posted_bytes(meta, self.state.header_bytes))
    }

    /// A batch that begins at `position` and ends with the buffer `named`. `None` when that was not used yet.
    #[cold]
    fn begin_batch(&self, position: u32, named: u16, len: u32) -> Option<UsedBatch> {
        let Slot::Head { position: end, .. } = self.shared.table.get(named) else { return None };
        // The published index, not more, says what is used; it was checked against what is posted.
        let waiting = self.shared.rings.used_index().wrapping_sub(position as u16);
        let inside = end.wrapping_sub(position) < u32::from(waiting);
        inside.then_some(UsedBatch { end, len: len.min(u32::MAX - 1) })
    }
}

/// The headers and first bytes of all, so that their lines come from the device's core at the same time.
#[inline(always)]
fn prefetch_headers(received: &[Received]) {
    for packet in received {
        // SAFETY: the table named the record; nobody writes this part of it.
        let meta = unsafe { &*packet.record };
        prefetch(meta.buffer().wrapping_add(usize::from(HEADER_AT)).cast_const());
    }
}
