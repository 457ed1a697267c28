//! Receiving from a split ring (virtio 1.2, 2.7.14 and 5.1.6.4), driver side.
//!
//! A burst: read used elements into a private array (`gather`); check id, slot and length of each and take its mbuf out of
//! the table (`pass`), joining buffers of one packet (`merge`); store how far; post other mbufs under the same descriptors
//! and publish (`refill`).
#![allow(unsafe_code, reason = "reads the configuration inside the gate")]

mod gather;
mod merge;
mod pass;
mod refill;

use std::sync::atomic::Ordering;

use eal::gate::{Entry, PollerGate};
use pmd_core::{Burst, MbufPool, RxBurst};
use virtio::Features;
use virtio::net_header::HEADER_BYTES;

use super::BATCH;
use super::block::{QueueConfig, Slot, UsedBatch};
use super::claim::Claim;
use super::shared::QueueShared;
use merge::Partial;
use pass::Pass;
pub(crate) use refill::post;

/// Where the virtio header is put in a buffer. 16 bytes before the end of a cache line, so that the first byte of the
/// destination address, which is looked at to count the frame, is on the line of the header, which is read and written anyway.
const HEADER_AT: u16 = 112;

/// Working state of one epoch.
struct State {
    mergeable: bool,
    /// The device uses buffers in order (virtio 1.2, 2.7.9).
    in_order: bool,
    header_bytes: u16,
    port: u16,
    /// VLAN tags are taken out.
    strips_vlan: bool,
    /// Descriptors that are never posted.
    reserved: usize,
    /// Running counts, as in the progress words.
    used: u32,
    avail: u32,
    /// In order: a batch of which the last buffer is known and not yet taken.
    batch: Option<UsedBatch>,
    /// Descriptors without a buffer, in ring order. Never longer than the ring.
    empty: Vec<u16>,
    /// A merged packet whose further buffers are yet to come.
    partial: Option<Partial>,
}

/// The poller of a receive queue.
pub(crate) struct RxPoller {
    gate: PollerGate,
    claim: Claim,
    pool: MbufPool,
    owner: u32,
    iova_bias: u64,
    /// Bytes of a posted buffer behind the virtio header.
    room: u32,
    state: State,
}

impl RxPoller {
    pub fn new(claim: Claim, pool: MbufPool) -> Self {
        let shared = claim.shared();
        let (owner, iova_bias) = (shared.memory.owner().raw(), shared.iova_bias());
        let empty = Vec::with_capacity(shared.rings.size().into());
        let room = pool.data_room();
        let state = State {
            mergeable: false,
            in_order: false,
            header_bytes: HEADER_BYTES as u16,
            port: u16::MAX,
            strips_vlan: false,
            reserved: 0,
            used: 0,
            avail: 0,
            batch: None,
            empty,
            partial: None,
        };
        Self { gate: claim.poller_gate(), claim, pool, owner, iova_bias, room, state }
    }
}

impl State {
    /// Takes over the configuration of a new epoch. What control prepared is in the table and the progress words.
    fn rebuild(&mut self, shared: &QueueShared, config: &QueueConfig) {
        let features = config.features();
        self.mergeable = features.contains(Features::MRG_RXBUF);
        self.in_order = features.contains(Features::IN_ORDER);
        self.header_bytes = features.header_bytes() as u16;
        self.port = config.port;
        self.strips_vlan = config.vlan != 0;
        self.reserved = shared.reserved(config.descriptors).into();
        let progress = &shared.block().progress;
        self.used = progress.used.load(Ordering::Acquire);
        self.avail = progress.posted().heads;
        self.batch = progress.batch();
        self.partial = None;
        self.empty.clear();
        // The place that is posted next comes first: a receive buffer is one descriptor, so that is the index's own.
        let from = self.avail as u16;
        let ids = (0..shared.rings.size()).map(|k| from.wrapping_add(k) & shared.rings.mask());
        self.empty.extend(ids.filter(|&id| shared.table.get(id) == Slot::Free));
    }

    /// How many used elements wait, at most `want`. `None` when the device claims more than it was given.
    #[inline]
    fn waiting(&self, shared: &QueueShared, want: usize) -> Option<usize> {
        // Low 16 bits of a running count are the ring index.
        let waiting = shared.rings.used_index().wrapping_sub(self.used as u16);
        let posted = usize::from(shared.rings.size()) - self.empty.len();
        (usize::from(waiting) <= posted).then_some(usize::from(waiting).min(want))
    }
}

impl RxBurst for RxPoller {
    fn burst(&mut self, into: &mut Burst) -> usize {
        let Self { gate, claim, pool, owner, iova_bias, room, state } = self;
        let shared = claim.shared();
        let _inside = match gate.enter() {
            Entry::Open(inside) => inside,
            Entry::Changed(inside) => {
                // SAFETY: inside the gate.
                let config = unsafe { shared.block().config() };
                state.rebuild(shared, &config);
                inside
            }
            Entry::Closed => return 0,
        };
        if shared.block().progress.broken.load(Ordering::Relaxed) != 0 {
            return 0;
        }
        let mut pass = Pass::new(shared, pool, (*owner, *iova_bias, *room), state);
        let before = into.len();
        // Bounded, so that a device that returns nothing but bad buffers cannot keep the poller here.
        let mut left = usize::from(shared.rings.size());
        while into.room() > 0 {
            // It does not end within a packet: the next poller of the queue would not know.
            let most = if left > 0 { BATCH } else { pass.left_of_packet() };
            match pass.run(into, most) {
                0 => break,
                taken => left = left.saturating_sub(taken),
            }
        }
        pass.count_up();
        into.len() - before
    }
}
