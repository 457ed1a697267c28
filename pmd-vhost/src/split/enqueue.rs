//! Giving packets to the driver.
#![allow(unsafe_code, reason = "writes guest memory inside the gate")]

use std::fmt;
use std::sync::Arc;

use eal::gate::{Entry, PollerGate};
use virtio::net_header::{HEADER_BYTES, NetHeader};
use virtio::packet_counts::{BurstCounts, MacClass};

use super::chain::{Cursor, Pieces};
use super::copy::copy;
use super::poller::Ring;
use super::room::{Batch, Placed, Room, gather};
use crate::guest_memory::{Piece, Translator};
use crate::vring::{Claim, VringShared};

/// A run of a packet's bytes in the embedder's own memory.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// The first byte.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

/// Where packets come from: the embedder's side of [`Enqueue::enqueue`].
///
/// # Safety
///
/// Segments must stay valid for reading while [`Enqueue::enqueue`] runs, and the lengths of a packet's segments must sum
/// up to what `len_bytes` says, unless that is `u32::MAX`.
pub unsafe trait TxSource {
    /// How many packets there are.
    fn count(&self) -> usize;

    /// Bytes of packet `index`, which is below `count`. `u32::MAX` stands for that and anything longer: the packet is dropped
    /// as too large, and nobody asks for its segments.
    fn len_bytes(&self, index: usize) -> u32;

    /// The segments of packet `index`, first to last.
    fn segments(&self, index: usize) -> impl Iterator<Item = Segment>;
}

/// The poller of a ring that the driver receives on. `Send`, not `Sync`; holds the claim on the ring.
pub struct Enqueue {
    gate: PollerGate,
    claim: Claim,
    memory: Translator,
    ring: Option<Ring>,
    batch: Box<Batch>,
}

impl Enqueue {
    /// The poller of `vring`, claimed for `holder`.
    ///
    /// # Errors
    ///
    /// The name of the present holder.
    pub fn claim(vring: &Arc<VringShared>, holder: &str) -> Result<Self, String> {
        let claim = vring.claim(holder)?;
        let (gate, batch) = (claim.poller_gate(), Box::new(Batch::new()));
        Ok(Self { gate, claim, memory: Translator::new(), ring: None, batch })
    }

    /// The ring.
    pub fn vring(&self) -> &Arc<VringShared> {
        self.claim.vring()
    }

    /// Copies packets of `source` to the driver's buffers, first to last, and returns how many of them are dealt with: the
    /// caller may reuse those. A packet that can never fit is among them, dropped and counted. 0 while the ring is not in
    /// service.
    #[inline]
    pub fn enqueue(&mut self, source: &impl TxSource) -> usize {
        let Self { gate, claim, memory, ring, batch } = self;
        let inside = match gate.enter() {
            Entry::Open(inside) => inside,
            Entry::Changed(inside) => {
                // SAFETY: inside the gate; the result is used only in this epoch.
                *ring = unsafe { Ring::rebuild(claim, memory) };
                inside
            }
            Entry::Closed => return 0,
        };
        let shared: &VringShared = claim.vring();
        let Some(ring) = ring.as_mut().filter(|_| shared.broken().is_none()) else { return 0 };
        let mut done = 0;
        while done < source.count() {
            let (consumed, progress) = one_pass(ring, memory, shared, batch, source, done);
            done += consumed;
            if !progress {
                break;
            }
        }
        drop(inside);
        done
    }
}

/// Returns the packets dealt with, and whether another pass can do more.
#[inline]
fn one_pass(
    ring: &mut Ring,
    memory: &mut Translator,
    shared: &VringShared,
    batch: &mut Batch,
    source: &impl TxSource,
    first: usize,
) -> (usize, bool) {
    batch.reset();
    let end = gather(ring, memory, shared, source, first, batch);
    let mut counts = BurstCounts::new();
    for placed in batch.placed() {
        let class = write_packet(ring, source, &batch.pieces, placed);
        counts.add(placed.bytes, class);
    }
    for (at, chain) in batch.chains().iter().enumerate() {
        ring.complete(at, chain.head, chain.written);
    }
    ring.publish(shared, batch.chains().len());
    let counters = &shared.counters;
    counters.packets.add(batch.placed().len() as u64);
    counters.bytes.add(batch.bytes);
    counts.flush(&counters.frames);
    if batch.bad + batch.too_large > 0 {
        counters.bad_chains.add(batch.bad);
        counters.too_large.add(batch.too_large);
    }
    if batch.chains().is_empty() {
        ring.confirm_idle(shared);
    }
    // Bad chains end the burst, or a driver that makes nothing else could keep the caller inside.
    (batch.consumed, end == Room::Again && batch.bad == 0)
}

/// Stage 2: header and bytes of one packet. Returns what its destination is, as the embedder's own bytes have it.
#[inline]
fn write_packet(ring: &Ring, source: &impl TxSource, pieces: &Pieces, placed: &Placed) -> MacClass {
    let list: &[Piece] = pieces.range(placed.from.into(), placed.to.into());
    let mut to = Cursor::new(list);
    let header = NetHeader { num_buffers: placed.chains, ..NetHeader::PLAIN };
    let bytes = header_bytes(&header);
    write_run(&mut to, bytes.as_ptr(), ring.header_bytes.min(HEADER_BYTES));
    let mut destination = Destination::default();
    for segment in source.segments(placed.index) {
        destination.see(segment);
        write_run(&mut to, segment.data, segment.len);
    }
    destination.class()
}

/// The destination address of a packet, which may be spread over its first segments.
#[derive(Default)]
struct Destination {
    bytes: [u8; 6],
    seen: usize,
}

impl Destination {
    #[inline(always)]
    fn see(&mut self, segment: Segment) {
        if self.seen == 0 && segment.len >= self.bytes.len() {
            // SAFETY: the source vouches for the segment, which has as many bytes.
            self.bytes = unsafe { segment.data.cast::<[u8; 6]>().read_unaligned() };
            self.seen = self.bytes.len();
        } else if self.seen < self.bytes.len() {
            self.gather(segment);
        }
    }

    #[cold]
    fn gather(&mut self, segment: Segment) {
        let Some(rest) = self.bytes.get_mut(self.seen..) else { return };
        let len = rest.len().min(segment.len);
        // SAFETY: the source vouches for `segment.len` bytes, and `rest` has `len`.
        unsafe { copy(segment.data, rest.as_mut_ptr(), len) };
        self.seen += len;
    }

    #[inline(always)]
    fn class(self) -> MacClass {
        MacClass::of(self.bytes)
    }
}

/// The header as it lies in memory (little endian, 5.1.6).
#[inline(always)]
fn header_bytes(h: &NetHeader) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[0] = h.flags;
    bytes[1] = h.gso_type;
    let words = [h.hdr_len, h.gso_size, h.csum_start, h.csum_offset, h.num_buffers];
    for (to, word) in bytes[2..].chunks_exact_mut(2).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

#[inline(always)]
fn write_run(to: &mut Cursor<'_>, from: *const u8, len: usize) {
    let mut done = 0;
    while done < len {
        let (host, run) = to.run(len - done);
        if run == 0 {
            return;
        }
        // SAFETY: `run` bytes at `host` are in a mapped region (checked when gathered); the source vouches for `len` bytes.
        unsafe { copy(from.wrapping_add(done), host, run) };
        done += run;
    }
}

impl fmt::Debug for Enqueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enqueue").field("ring", &self.ring).finish_non_exhaustive()
    }
}
