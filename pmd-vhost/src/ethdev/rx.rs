//! Receiving: what the guest sent goes into mbufs.
#![allow(unsafe_code, reason = "fills mbufs from guest memory")]

use std::mem::MaybeUninit;
use std::sync::Arc;

use pmd_core::mbuf::Chain;
use pmd_core::{Burst, Mbuf, MbufPool, RxBurst};

use super::vlan::Vlan;
use crate::split::{Accept, Dequeue, GuestPacket, RxSink};

/// A receive queue of a port.
pub(super) struct PortRx {
    pub(super) dequeue: Dequeue,
    pub(super) pool: MbufPool,
    pub(super) port: u16,
    pub(super) vlan: Arc<Vlan>,
}

impl RxBurst for PortRx {
    #[inline]
    fn burst(&mut self, into: &mut Burst) -> usize {
        let spare = into.spare();
        let most = spare.len();
        let mut sink =
            MbufSink { pool: &self.pool, port: self.port, places: spare, filled: 0, stocked: 0 };
        let taken = self.dequeue.dequeue(&mut sink, most);
        debug_assert_eq!(taken, sink.filled);
        let filled = sink.filled;
        drop(sink);
        // SAFETY: the sink put a packet into each of the first `filled` spare places.
        unsafe { into.grow(filled) };
        let before = into.len() - filled;
        let stripped =
            self.vlan.received(into.as_mut_slice().get_mut(before..).unwrap_or_default());
        if stripped > 0 {
            self.dequeue.vring().counters().stripped_tags.add(stripped);
        }
        filled
    }
}

/// Puts packets into the spare places of a burst: `filled` of them hold packets, those up to `stocked` hold empty mbufs.
struct MbufSink<'a> {
    pool: &'a MbufPool,
    port: u16,
    places: &'a mut [MaybeUninit<Mbuf>],
    filled: usize,
    stocked: usize,
}

impl RxSink for MbufSink<'_> {
    #[inline]
    fn ready(&mut self, want: usize) -> usize {
        let need = (self.filled + want).min(self.places.len());
        if let Some(empty) = self.places.get_mut(self.stocked..need) {
            self.stocked += self.pool.take_into(empty);
        }
        self.stocked - self.filled
    }

    #[inline]
    fn accept(&mut self, mut packet: GuestPacket<'_>) -> Accept {
        if self.filled == self.stocked {
            return Accept::NoBuffer;
        }
        let Some(place) = self.places.get_mut(self.filled) else { return Accept::NoBuffer };
        // SAFETY: places from `filled` to `stocked` hold empty mbufs.
        let mbuf = unsafe { place.assume_init_mut() };
        if packet.len() <= room(mbuf) {
            fill(mbuf, &mut packet);
        } else {
            match chained(self.pool, &mut packet) {
                Ok(chain) => *mbuf = chain,
                Err(why) => return why,
            }
        }
        // SAFETY: only the port is changed.
        unsafe { mbuf.meta_mut() }.port = self.port;
        self.filled += 1;
        Accept::Taken
    }
}

impl Drop for MbufSink<'_> {
    #[inline]
    fn drop(&mut self) {
        while self.stocked > self.filled {
            self.stocked -= 1;
            if let Some(place) = self.places.get_mut(self.stocked) {
                // SAFETY: places from `filled` to the old `stocked` hold empty mbufs; this one is given up.
                unsafe { place.assume_init_drop() };
            }
        }
    }
}

/// Bytes that an empty mbuf can take; lengths of segments are 16 bits.
#[inline]
fn room(mbuf: &Mbuf) -> u32 {
    let meta = mbuf.meta();
    meta.head.buf_len.saturating_sub(meta.data_off.into()).min(u16::MAX.into())
}

/// Copies as much of `packet` as fits into an empty mbuf.
#[inline(always)]
fn fill(mbuf: &mut Mbuf, packet: &mut GuestPacket<'_>) {
    let room = room(mbuf) as usize;
    let to = mbuf.meta().data();
    // SAFETY: an empty mbuf has `room` bytes from its data on, and we own it.
    let bytes = unsafe { packet.read_raw(to, room) };
    // SAFETY: the lengths are set to what was written, at most 65,535.
    let meta = unsafe { mbuf.meta_mut() };
    meta.data_len = bytes as u16;
    meta.pkt_len = bytes as u32;
}

/// A packet that needs several mbufs.
#[cold]
fn chained(pool: &MbufPool, packet: &mut GuestPacket<'_>) -> Result<Mbuf, Accept> {
    let whole_pool = u64::from(pool.records().size()) * u64::from(pool.data_room());
    if u64::from(packet.len()) > whole_pool {
        return Err(Accept::Refused);
    }
    let mut head = pool.take().ok_or(Accept::NoBuffer)?;
    fill(&mut head, packet);
    let mut chain = Chain::new(head);
    while !packet.is_empty() {
        let mut next = pool.take().ok_or(Accept::NoBuffer)?;
        let before = packet.len();
        fill(&mut next, packet);
        let stalled = packet.len() == before;
        if stalled || chain.push(next).is_err() {
            return Err(Accept::Refused);
        }
    }
    Ok(chain.finish())
}
