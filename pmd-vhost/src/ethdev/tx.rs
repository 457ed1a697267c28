//! Transmitting: mbufs go to the guest.
#![allow(unsafe_code, reason = "hands mbuf payload to the data path and records to their pools")]

use std::ptr::NonNull;
use std::sync::Arc;

use eal::mempool::{Mempool, Record};
use pmd_core::{Burst, Mbuf, TxBurst};

use super::vlan::Vlan;
use crate::split::{Enqueue, Segment, TxSource};

/// A transmit queue of a port.
pub(super) struct PortTx {
    pub(super) enqueue: Enqueue,
    pub(super) vlan: Arc<Vlan>,
}

impl TxBurst for PortTx {
    #[inline]
    fn burst(&mut self, from: &mut Burst) -> usize {
        let dropped = self.vlan.send(from);
        if dropped > 0 {
            self.enqueue.vring().counters().too_large.add(dropped as u64);
        }
        let done = self.enqueue.enqueue(&MbufSource(from));
        release(from, done);
        dropped + done
    }
}

/// The packets of a burst.
struct MbufSource<'a>(&'a [Mbuf]);

// SAFETY: the mbufs are borrowed while the source lives, so their segments stay valid; the length of a packet is the sum of
// the lengths of its segments (invariant of the metadata).
unsafe impl TxSource for MbufSource<'_> {
    #[inline]
    fn count(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn len_bytes(&self, index: usize) -> u32 {
        self.0.get(index).map_or(0, Mbuf::len)
    }

    #[inline]
    fn segments(&self, index: usize) -> impl Iterator<Item = Segment> {
        let segments = self.0.get(index).map(Mbuf::segments).into_iter().flatten();
        segments.map(|meta| Segment { data: meta.data(), len: usize::from(meta.data_len) })
    }
}

/// Gives the first `done` packets back to their pools.
#[inline]
fn release(burst: &mut Burst, done: usize) {
    let Some(sent) = burst.get(..done) else { return };
    if sent.iter().all(|mbuf| mbuf.segment_count() == 1) {
        let first = sent.as_ptr().cast::<NonNull<Record>>();
        // SAFETY: Mbuf is a transparent pointer to a record; there are `done` of them.
        let records = unsafe { std::slice::from_raw_parts(first, done) };
        // SAFETY: the burst owns these packets of one segment, and forgets them next.
        unsafe { Mempool::give_mixed(records) };
    } else {
        release_chains(sent);
    }
    // SAFETY: the pools own the first `done` packets now.
    unsafe { burst.forget_front(done) };
}

/// Gives packets of any shape back, one by one.
#[cold]
fn release_chains(sent: &[Mbuf]) {
    for mbuf in sent {
        // SAFETY: the caller forgets the packet after this, so it is dropped once.
        drop(unsafe { std::ptr::read(mbuf) });
    }
}
