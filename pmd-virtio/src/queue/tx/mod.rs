//! Sending on a split ring (virtio 1.2, 2.7.13 and 5.1.6.2), driver side.
//!
//! A burst first takes back what the device is done with (`reclaim`), then posts each packet (`send`) and publishes once.
//!
//! | packet | places in the ring |
//! |---|---|
//! | one segment with headroom | 1: the virtio header goes in front of the data |
//! | anything else, up to 8 buffers, if tables were negotiated and order was not | 1: a table outside the ring (`chain`) |
//! | anything else | one for the header and one a segment (`chain`) |
//!
//! The last row could do without the place for the header; it is the number of places that DPDK's driver takes, on which
//! counts of its users rest.
#![allow(unsafe_code, reason = "reads the configuration inside the gate")]

mod chain;
mod free;
mod reclaim;
mod send;

pub(super) use reclaim::own;

use std::sync::atomic::Ordering;

use eal::gate::{Entry, PollerGate};
use pmd_core::{Burst, TxBurst};
use virtio::Features;
use virtio::net_header::HEADER_BYTES;

use super::BreakReason;
use super::block::{QueueConfig, Slot};
use super::claim::Claim;
use super::indirect::IndirectTables;
use super::shared::QueueShared;
use free::{FreeIds, Links};

/// Working state of one epoch.
struct State {
    header_bytes: u16,
    header_iova: u64,
    /// The device uses buffers in order (virtio 1.2, 2.7.9).
    in_order: bool,
    /// VLAN tags that were taken out are put in.
    inserts_vlan: bool,
    /// Tables outside the ring, when they may be used.
    tables: Option<IndirectTables>,
    /// Descriptors that a packet may take at most.
    descriptors: u32,
    used: u32,
    avail: u32,
    free: FreeIds,
    links: Links,
}

/// The poller of a transmit queue.
pub(crate) struct TxPoller {
    gate: PollerGate,
    claim: Claim,
    owner: u32,
    iova_bias: u64,
    state: State,
}

impl TxPoller {
    pub fn new(claim: Claim) -> Self {
        let shared = claim.shared();
        let (owner, iova_bias) = (shared.memory.owner().raw(), shared.iova_bias());
        let size = shared.rings.size();
        let state = State {
            header_bytes: HEADER_BYTES as u16,
            header_iova: 0,
            in_order: false,
            inserts_vlan: false,
            tables: None,
            descriptors: size.into(),
            used: 0,
            avail: 0,
            free: FreeIds::new(size),
            links: Links::new(size),
        };
        Self { gate: claim.poller_gate(), claim, owner, iova_bias, state }
    }

    #[inline(always)]
    fn inside(&mut self, work: impl FnOnce(&mut Pass<'_>) -> usize) -> usize {
        let Self { gate, claim, owner, iova_bias, state } = self;
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
        work(&mut Pass { shared, owner: *owner, iova_bias: *iova_bias, state })
    }
}

impl State {
    fn rebuild(&mut self, shared: &QueueShared, config: &QueueConfig) {
        let features = config.features();
        self.header_bytes = features.header_bytes() as u16;
        self.header_iova = shared.memory.iova_base() + shared.header_offset;
        self.in_order = features.contains(Features::IN_ORDER);
        self.inserts_vlan = config.vlan != 0;
        // In order, chains stay in the ring, as with DPDK's driver.
        let outside = features.contains(Features::INDIRECT_DESC) && !self.in_order;
        self.tables = shared.indirect.filter(|_| outside);
        self.descriptors = config.descriptors.into();
        let progress = &shared.block().progress;
        self.used = progress.used.load(Ordering::Acquire);
        let posted = progress.posted();
        self.avail = posted.heads;
        self.links.clear();
        self.take_stock(shared, posted.next_id, shared.reserved(config.descriptors));
    }

    /// Finds out of the table what is free and what belongs together. In order, `from` is the next descriptor: all free ones
    /// follow, then the oldest posted chain.
    fn take_stock(&mut self, shared: &QueueShared, from: u16, reserved: u16) {
        let (size, mask) = (shared.rings.size(), shared.rings.mask());
        let ring_order = (0..size).map(|k| from.wrapping_add(k) & mask);
        let free = ring_order.clone().filter(|&id| shared.table.get(id) == Slot::Free);
        if self.in_order {
            // A ring has at most 32768 entries.
            self.free.restart(from, free.count() as u16, reserved);
        } else {
            self.free.clear(reserved);
            free.for_each(|id| self.free.push(id));
        }
        for id in ring_order.rev() {
            if let Slot::Part { head } = shared.table.get(id) {
                self.links.insert(head, id);
            }
        }
    }
}

impl TxBurst for TxPoller {
    fn burst(&mut self, from: &mut Burst) -> usize {
        self.inside(|pass| {
            pass.reclaim();
            pass.send(from)
        })
    }

    fn reclaim(&mut self) -> usize {
        self.inside(|pass| pass.reclaim())
    }
}

/// One burst's work.
struct Pass<'a> {
    shared: &'a QueueShared,
    owner: u32,
    iova_bias: u64,
    state: &'a mut State,
}

impl Pass<'_> {
    #[cold]
    fn broken(&self, reason: BreakReason) -> usize {
        self.shared.block().progress.broken.store(reason as u32, Ordering::Release);
        0
    }
}
