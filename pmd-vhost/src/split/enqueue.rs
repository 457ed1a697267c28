//! Giving packets to the driver.
#![allow(unsafe_code, reason = "writes guest memory inside the gate")]

use std::fmt;
use std::sync::Arc;

use eal::gate::{Entry, PollerGate};
use eal::prefetch;
use virtio::net_header::{HEADER_BYTES, NetHeader};

use super::BATCH;
use super::chain::{ChainKind, Cursor, Pieces, Walk};
use super::copy::copy;
use super::poller::Ring;
use crate::guest_memory::{Piece, Translator};
use crate::vring::{BreakReason, Claim, VringShared};

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
/// up to what `len_bytes` says.
pub unsafe trait TxSource {
    /// How many packets there are.
    fn count(&self) -> usize;

    /// Bytes of packet `index`, which is below `count`.
    fn len_bytes(&self, index: usize) -> u32;

    /// The segments of packet `index`, first to last.
    fn segments(&self, index: usize) -> impl Iterator<Item = Segment>;
}

/// One chain of the driver's that the gather stage took.
#[derive(Clone, Copy, Default)]
struct Chain {
    head: u16,
    /// Bytes that are written to it: the used length.
    written: u32,
}

/// One packet with room found for it.
#[derive(Clone, Copy, Default)]
struct Placed {
    index: usize,
    /// Its pieces in the list.
    from: u16,
    to: u16,
    /// How many chains they are of.
    chains: u16,
}

/// What a pass found; kept between bursts so that it need not be cleared.
struct Batch {
    pieces: Pieces,
    chains: [Chain; Batch::MAX_CHAINS],
    chain_count: usize,
    placed: [Placed; BATCH],
    placed_count: usize,
    bad: u64,
    too_large: u64,
    /// Packets of the source that are dealt with, the dropped ones included.
    consumed: usize,
    bytes: u64,
}

impl Batch {
    /// Enough for 64 KiB in buffers of 512 bytes.
    const MAX_CHAINS: usize = 160;

    const fn new() -> Self {
        const NONE: Chain = Chain { head: 0, written: 0 };
        const NOWHERE: Placed = Placed { index: 0, from: 0, to: 0, chains: 0 };
        Self {
            pieces: Pieces::new(),
            chains: [NONE; Self::MAX_CHAINS],
            chain_count: 0,
            placed: [NOWHERE; BATCH],
            placed_count: 0,
            bad: 0,
            too_large: 0,
            consumed: 0,
            bytes: 0,
        }
    }

    fn reset(&mut self) {
        self.pieces.truncate(0);
        (self.chain_count, self.placed_count, self.consumed) = (0, 0, 0);
        (self.bad, self.too_large, self.bytes) = (0, 0, 0);
    }
}

/// What a search for room for one packet came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Found,
    /// Not now: the driver offers too little.
    None,
    /// The batch is full; another pass can go on.
    Again,
    /// The packet can never fit.
    TooLarge,
    /// The ring was broken.
    Broken,
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
    for placed in &batch.placed[..batch.placed_count] {
        write_packet(ring, source, &batch.pieces, placed);
    }
    for (at, chain) in batch.chains[..batch.chain_count].iter().enumerate() {
        ring.complete(at, chain.head, chain.written);
    }
    ring.publish(shared, batch.chain_count);
    let counters = &shared.counters;
    counters.packets.add(batch.placed_count as u64);
    counters.bytes.add(batch.bytes);
    if batch.bad + batch.too_large > 0 {
        counters.bad_chains.add(batch.bad);
        counters.too_large.add(batch.too_large);
    }
    if batch.chain_count == 0 {
        ring.confirm_idle(shared);
    }
    // Bad chains end the burst, or a driver that makes nothing else could keep the caller inside.
    (batch.consumed, end == Room::Again && batch.bad == 0)
}

/// Stage 1: finds room for the next packets. Returns why it ended.
#[inline]
fn gather(
    ring: &mut Ring,
    memory: &mut Translator,
    shared: &VringShared,
    source: &impl TxSource,
    first: usize,
    batch: &mut Batch,
) -> Room {
    let last = source.count().min(first + BATCH);
    for index in first..last {
        let need = u64::from(source.len_bytes(index)) + ring.header_bytes as u64;
        let mut search = Search::begin(batch, need);
        let room = loop {
            match search.step(ring, memory, shared, batch) {
                None => {}
                Some(room) => break room,
            }
        };
        match room {
            Room::Found => search.settle(batch, index, ring.header_bytes),
            Room::TooLarge => batch.too_large += 1,
            _ => return room,
        }
        batch.consumed += 1;
    }
    Room::Again
}

/// Finds chains for one packet: one, or with mergeable buffers as many as it takes (virtio 1.2, 5.1.6.4).
struct Search {
    /// Where its pieces begin.
    from: usize,
    /// Its first chain.
    first: usize,
    have: u64,
    need: u64,
    /// Nothing else is in the batch.
    alone: bool,
}

impl Search {
    #[inline(always)]
    fn begin(batch: &Batch, need: u64) -> Self {
        let alone = batch.chain_count == 0;
        Self { from: batch.pieces.len(), first: batch.chain_count, have: 0, need, alone }
    }

    /// Takes one more chain. `None` while the packet needs more.
    #[inline(always)]
    fn step(
        &mut self,
        ring: &mut Ring,
        memory: &mut Translator,
        shared: &VringShared,
        batch: &mut Batch,
    ) -> Option<Room> {
        let at = batch.chain_count;
        if at == Batch::MAX_CHAINS {
            return Some(self.give_up(batch));
        }
        if ring.available(shared, at + 1) <= at {
            let whole_ring = at - self.first == usize::from(ring.rings.size());
            let room = if whole_ring { Room::TooLarge } else { Room::None };
            return Some(self.take_back(batch, room));
        }
        let Some(head) = ring.head(at) else {
            shared.break_ring(BreakReason::HeadOutOfRange);
            return Some(self.take_back(batch, Room::Broken));
        };
        let before = batch.pieces.len();
        let kind = ChainKind { write: true, indirect: ring.indirect };
        let walk = batch.pieces.add_chain(&ring.rings, memory, head, kind);
        if let Some(first) = batch.pieces.range(before, before + 1).first() {
            prefetch(first.host);
        }
        batch.chains[at].head = head;
        match walk {
            Walk::Full if at > self.first || !self.alone => Some(self.give_up(batch)),
            // The header must lie whole in the first chain (5.1.6.3.1).
            Walk::Bytes(bytes)
                if self.have > 0 && bytes > 0 || bytes >= ring.header_bytes as u64 =>
            {
                self.add(batch, bytes, ring.mergeable)
            }
            _ => {
                self.add_bad(batch);
                None
            }
        }
    }

    #[inline(always)]
    fn add(&mut self, batch: &mut Batch, bytes: u64, mergeable: bool) -> Option<Room> {
        let written = bytes.min(self.need - self.have);
        // A packet has at most 4 GiB; its header makes no difference to what a chain can be given.
        batch.chains[batch.chain_count].written = u32::try_from(written).unwrap_or(u32::MAX);
        batch.chain_count += 1;
        self.have += bytes;
        if self.have >= self.need {
            return Some(Room::Found);
        }
        (!mergeable).then(|| self.take_back(batch, Room::TooLarge))
    }

    /// A chain that breaks a rule is completed with nothing in it, and so is what was taken for this packet before it: the
    /// driver finds the buffers of a packet one behind the other.
    #[cold]
    fn add_bad(&mut self, batch: &mut Batch) {
        batch.chain_count += 1;
        for chain in &mut batch.chains[self.first..batch.chain_count] {
            chain.written = 0;
        }
        batch.bad += (batch.chain_count - self.first) as u64;
        batch.pieces.truncate(self.from);
        (self.first, self.have) = (batch.chain_count, 0);
    }

    /// The batch has no place left: the packet is too large if it is alone, else it comes first in the next pass.
    #[cold]
    fn give_up(&self, batch: &mut Batch) -> Room {
        let room = if self.alone && self.first == 0 { Room::TooLarge } else { Room::Again };
        self.take_back(batch, room)
    }

    /// Leaves the chains that were taken for the packet in the ring, to be taken again.
    #[cold]
    fn take_back(&self, batch: &mut Batch, room: Room) -> Room {
        batch.pieces.truncate(self.from);
        batch.chain_count = self.first;
        room
    }

    #[inline(always)]
    fn settle(&self, batch: &mut Batch, index: usize, header_bytes: usize) {
        // All of these are bounded by the capacities of the batch, or by BATCH packets a pass.
        let placed = Placed {
            index,
            from: self.from as u16,
            to: batch.pieces.len() as u16,
            chains: (batch.chain_count - self.first) as u16,
        };
        batch.placed[batch.placed_count] = placed;
        batch.placed_count += 1;
        batch.bytes += self.need - header_bytes as u64;
    }
}

/// Stage 2: header and bytes of one packet.
#[inline]
fn write_packet(ring: &Ring, source: &impl TxSource, pieces: &Pieces, placed: &Placed) {
    let list: &[Piece] = pieces.range(placed.from.into(), placed.to.into());
    let mut to = Cursor::new(list);
    let header = NetHeader { num_buffers: placed.chains, ..NetHeader::PLAIN };
    let bytes = header_bytes(&header);
    write_run(&mut to, bytes.as_ptr(), ring.header_bytes.min(HEADER_BYTES));
    for segment in source.segments(placed.index) {
        write_run(&mut to, segment.data, segment.len);
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
