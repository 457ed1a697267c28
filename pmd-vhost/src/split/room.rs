//! Finding room for packets in the driver's buffers: stage 1 of enqueueing.

use eal::prefetch;

use super::BATCH;
use super::chain::{ChainKind, Pieces, Walk};
use super::enqueue::TxSource;
use super::poller::Ring;
use crate::guest_memory::Translator;
use crate::vring::{BreakReason, VringShared};

/// One chain of the driver's that the gather stage took.
#[derive(Clone, Copy, Default)]
pub(super) struct Chain {
    pub(super) head: u16,
    /// Bytes that are written to it: the used length.
    pub(super) written: u32,
}

/// One packet with room found for it.
#[derive(Clone, Copy, Default)]
pub(super) struct Placed {
    pub(super) index: usize,
    /// Bytes of the packet.
    pub(super) bytes: u32,
    /// Its pieces in the list.
    pub(super) from: u16,
    pub(super) to: u16,
    /// How many chains they are of.
    pub(super) chains: u16,
}

/// What a pass found; kept between bursts so that it need not be cleared.
pub(super) struct Batch {
    pub(super) pieces: Pieces,
    chains: [Chain; Batch::MAX_CHAINS],
    chain_count: usize,
    placed: [Placed; BATCH],
    placed_count: usize,
    pub(super) bad: u64,
    pub(super) too_large: u64,
    /// Packets of the source that are dealt with, the dropped ones included.
    pub(super) consumed: usize,
    pub(super) bytes: u64,
}

impl Batch {
    /// Enough for 64 KiB in buffers of 512 bytes.
    const MAX_CHAINS: usize = 160;

    pub(super) const fn new() -> Self {
        const NONE: Chain = Chain { head: 0, written: 0 };
        const NOWHERE: Placed = Placed { index: 0, bytes: 0, from: 0, to: 0, chains: 0 };
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

    pub(super) fn reset(&mut self) {
        self.pieces.truncate(0);
        (self.chain_count, self.placed_count, self.consumed) = (0, 0, 0);
        (self.bad, self.too_large, self.bytes) = (0, 0, 0);
    }

    /// The chains that are to be completed, in order.
    #[inline(always)]
    pub(super) fn chains(&self) -> &[Chain] {
        self.chains.get(..self.chain_count).unwrap_or_default()
    }

    /// The packets that are to be written.
    #[inline(always)]
    pub(super) fn placed(&self) -> &[Placed] {
        self.placed.get(..self.placed_count).unwrap_or_default()
    }
}

/// What a search for room for one packet came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
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

/// Stage 1: finds room for the next packets. Returns why it ended.
#[inline]
pub(super) fn gather(
    ring: &mut Ring,
    memory: &mut Translator,
    shared: &VringShared,
    source: &impl TxSource,
    first: usize,
    batch: &mut Batch,
) -> Room {
    let last = source.count().min(first + BATCH);
    for index in first..last {
        let bytes = source.len_bytes(index);
        if bytes == u32::MAX {
            // It stands for any length above.
            (batch.too_large, batch.consumed) = (batch.too_large + 1, batch.consumed + 1);
            continue;
        }
        let need = u64::from(bytes) + ring.header_bytes as u64;
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

/// Adds the pieces of the chain at `head`, and has the first of them fetched.
#[inline(always)]
fn walk(ring: &Ring, memory: &mut Translator, batch: &mut Batch, head: u16) -> Walk {
    let before = batch.pieces.len();
    let kind = ChainKind { write: true, indirect: ring.indirect };
    let walk = batch.pieces.add_chain(&ring.rings, memory, head, kind);
    if let Some(first) = batch.pieces.range(before, before + 1).first() {
        prefetch(first.host);
    }
    walk
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
        batch.chains[at].head = head;
        match walk(ring, memory, batch, head) {
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
            // No longer than `len_bytes` said, which is 32 bits.
            bytes: (self.need - header_bytes as u64) as u32,
            from: self.from as u16,
            to: batch.pieces.len() as u16,
            chains: (batch.chain_count - self.first) as u16,
        };
        batch.placed[batch.placed_count] = placed;
        batch.placed_count += 1;
        batch.bytes += self.need - header_bytes as u64;
    }
}
