//! One trip of received buffers through the stages, and what is made of each.
#![allow(
    unsafe_code,
    reason = "takes mbufs out of the table as owner; reads what the device wrote"
)]

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use pmd_core::mbuf::{HEADROOM_BYTES, Meta};
use pmd_core::{Burst, Mbuf, MbufPool};
use virtio::packet_counts::BurstCounts;

use super::super::block::{Slot, add};
use super::super::frames::mac_class;
use super::super::shared::QueueShared;
use super::super::{BATCH, BreakReason};
use super::gather::Received;
use super::{HEADER_AT, State};

/// The stages of one burst.
pub(super) struct Pass<'a> {
    pub shared: &'a QueueShared,
    pub pool: &'a MbufPool,
    pub owner: u32,
    pub iova_bias: u64,
    pub room: u32,
    pub state: &'a mut State,
    packets: u64,
    bytes: u64,
    frames: BurstCounts,
}

impl<'a> Pass<'a> {
    pub fn new(
        shared: &'a QueueShared,
        pool: &'a MbufPool,
        (owner, iova_bias, room): (u32, u64, u32),
        state: &'a mut State,
    ) -> Self {
        let frames = BurstCounts::new();
        Self { shared, pool, owner, iova_bias, room, state, packets: 0, bytes: 0, frames }
    }

    /// How many further buffers of a packet are yet to come.
    #[cold]
    pub fn left_of_packet(&self) -> usize {
        self.state.partial.as_ref().map_or(0, |partial| partial.left.into())
    }

    /// Takes at most `most` used buffers. Returns how many, which may be more than the packets they made.
    #[inline]
    pub fn run(&mut self, into: &mut Burst, most: usize) -> usize {
        let want = BATCH.min(into.room()).min(most);
        let Some(count) = self.state.waiting(self.shared, want) else {
            return self.broken(BreakReason::UsedIndex);
        };
        if count == 0 {
            if self.state.empty.len() <= self.state.reserved {
                self.shared.confirm_idle();
            } else {
                self.refill();
            }
            return 0;
        }
        let mut batch = [const { MaybeUninit::<Received>::uninit() }; BATCH];
        let Some(received) = self.gather(&mut batch[..count]) else {
            return self.broken(BreakReason::UsedElement);
        };
        let good = received.iter().take_while(|packet| self.deliver(packet, into)).count();
        // At most BATCH.
        self.state.used = self.state.used.wrapping_add(good as u32);
        self.shared.block().progress.used.store(self.state.used, Ordering::Release);
        self.state.empty.extend(received[..good].iter().map(|r| r.id));
        if good < count {
            return self.broken(BreakReason::UsedElement);
        }
        self.refill();
        good
    }

    #[cold]
    fn broken(&self, reason: BreakReason) -> usize {
        self.shared.block().progress.broken.store(reason as u32, Ordering::Release);
        0
    }

    /// Makes an mbuf of one buffer and puts it where it belongs. `false` when the batch named the buffer before.
    #[inline]
    fn deliver(&mut self, packet: &Received, into: &mut Burst) -> bool {
        if self.shared.table.get(packet.id) == Slot::Free {
            return false;
        }
        // Only the first buffer of a packet has a header.
        let further = self.state.partial.is_some();
        let Some((mbuf, good)) = self.take_out(packet, further) else { return false };
        if further {
            self.add_part(mbuf, good, into);
        } else if !good {
            self.drop_bad(mbuf);
        } else if self.state.mergeable && num_buffers(&mbuf) != 1 {
            self.begin_merged(mbuf);
        } else {
            self.hand_over(mbuf, into);
        }
        true
    }

    /// Takes a buffer's mbuf out of the table, its lengths set, and says whether the device's length can be.
    #[inline(always)]
    fn take_out(&self, packet: &Received, further: bool) -> Option<(Mbuf, bool)> {
        let record = NonNull::new(packet.record)?;
        // SAFETY: the record was posted by this queue and the device is done with it; the table slot says that it is ours.
        let meta = unsafe { &mut *packet.record };
        // Ours before the slot is cleared (docs/architecture.md, section 3).
        if meta.head.owner.load(Ordering::Relaxed) != self.owner {
            meta.head.owner.store(self.owner, Ordering::Release);
        }
        self.shared.table.set(packet.id, Slot::Free);
        let header = self.state.header_bytes;
        let skip = if further { 0 } else { header };
        let posted = posted_bytes(meta, header);
        let good = packet.len >= u32::from(skip) && packet.len <= posted;
        let bytes = if good { packet.len - u32::from(skip) } else { 0 };
        meta.data_off = HEADER_AT + skip;
        // A posted buffer is shorter than 64 KiB.
        meta.data_len = bytes as u16;
        meta.pkt_len = bytes;
        meta.port = self.state.port;
        // SAFETY: the table slot was given up above; the record is a single segment.
        Some((unsafe { Mbuf::from_record(record.cast()) }, good))
    }

    /// Gives a whole packet to the app, and counts it as it is then.
    #[inline(always)]
    pub fn hand_over(&mut self, mut packet: Mbuf, into: &mut Burst) {
        if self.state.strips_vlan {
            packet.strip_vlan();
        }
        self.packets += 1;
        self.bytes += u64::from(packet.len());
        self.frames.add(packet.len(), mac_class(packet.meta()));
        // There is room: no more elements are read than `into` has places.
        let _ = into.push(packet);
    }

    /// Stores what the burst has counted.
    #[inline(always)]
    pub fn count_up(&mut self) {
        if self.packets != 0 {
            let counters = &self.shared.block().counters;
            add(&counters.packets, self.packets);
            add(&counters.bytes, self.bytes);
            self.frames.flush(&counters.frames);
        }
    }

    #[cold]
    pub fn drop_bad(&self, mbuf: Mbuf) {
        drop(mbuf);
        add(&self.shared.block().counters.errors, 1);
    }
}

/// Bytes that were posted with a record, header included, whoever posted it: pools of other processes may have other buffers.
#[inline(always)]
pub(super) fn posted_bytes(meta: &Meta, header_bytes: u16) -> u32 {
    meta.head.buf_len - u32::from(HEADROOM_BYTES - header_bytes)
}

/// `num_buffers` of the header in front of a packet's data, read once.
#[inline(always)]
pub(super) fn num_buffers(mbuf: &Mbuf) -> u16 {
    let at = mbuf.meta().data().wrapping_sub(2).cast::<u16>();
    // SAFETY: the header lies in the headroom, directly in front of the data, and ends with this field; the device may write
    // it at any time, so it is read once by value.
    u16::from_le(unsafe { at.read_volatile() })
}
