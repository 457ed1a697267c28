//! Receiving from a split ring (virtio 1.2, 2.7.14 and 5.1.6.4), driver side.
//!
//! A burst: read used elements into a private array; check id, slot and length of each and take its mbuf out of the
//! table; store how far; post other mbufs under the same descriptors; publish.
#![allow(
    unsafe_code,
    reason = "takes mbufs out of the table as owner; reads headers that the device wrote"
)]

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use eal::gate::{Entry, PollerGate};
use eal::prefetch;
use pmd_core::mbuf::{Chain, HEADROOM_BYTES, Meta};
use pmd_core::{Burst, Mbuf, MbufPool, RxBurst};
use virtio::Features;
use virtio::layout::{DESC_WRITE, Descriptor};
use virtio::net_header::HEADER_BYTES;

use super::block::{QueueConfig, Slot, add};
use super::claim::Claim;
use super::shared::QueueShared;
use super::{BATCH, BreakReason};

/// Working state of one epoch.
struct State {
    mergeable: bool,
    header_bytes: u16,
    port: u16,
    /// Running counts, as in the progress words.
    used: u32,
    avail: u32,
    /// Descriptors without a buffer. Never longer than the ring.
    empty: Vec<u16>,
    /// A merged packet whose further buffers are yet to come.
    partial: Option<Partial>,
}

/// A merged packet so far.
struct Partial {
    /// `None` when it is bad and its buffers are only swallowed.
    packet: Option<Chain>,
    /// Buffers yet to come.
    left: u16,
}

/// The longest packet that a device may send (virtio 1.2, 5.1.6.3.1: 65,550 bytes without the header).
const MAX_PACKET_BYTES: u32 = 65_550;

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

/// What one used element says, once it was checked.
#[derive(Clone, Copy)]
struct Received {
    id: u16,
    record: *mut Meta,
    len: u32,
}

impl RxPoller {
    pub fn new(claim: Claim, pool: MbufPool) -> Self {
        let shared = claim.shared();
        let (owner, iova_bias) = (shared.memory.owner().raw(), shared.iova_bias());
        let empty = Vec::with_capacity(shared.rings.size().into());
        let room = pool.data_room();
        let state = State {
            mergeable: false,
            header_bytes: HEADER_BYTES as u16,
            port: u16::MAX,
            used: 0,
            avail: 0,
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
        self.header_bytes = features.header_bytes() as u16;
        self.port = config.port;
        let progress = &shared.block().progress;
        self.used = progress.used.load(Ordering::Acquire);
        self.avail = progress.avail.load(Ordering::Acquire);
        self.partial = None;
        self.empty.clear();
        let size = shared.rings.size();
        self.empty.extend((0..size).filter(|&id| shared.table.get(id) == Slot::Free));
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
        let mut pass =
            Pass { shared, pool, owner: *owner, iova_bias: *iova_bias, room: *room, state };
        let before = into.len();
        // Bounded, so that a device that returns nothing but bad buffers cannot keep the poller here.
        let mut left = usize::from(shared.rings.size());
        // It does not end within a packet: the next poller of the queue would not know.
        while into.room() > 0 && (left > 0 || pass.state.partial.is_some()) {
            match pass.run(into) {
                0 => break,
                taken => left = left.saturating_sub(taken),
            }
        }
        into.len() - before
    }
}

/// One trip through the stages.
struct Pass<'a> {
    shared: &'a QueueShared,
    pool: &'a MbufPool,
    owner: u32,
    iova_bias: u64,
    room: u32,
    state: &'a mut State,
}

impl Pass<'_> {
    /// Returns how many used elements were taken, which may be more than the packets they made.
    #[inline]
    fn run(&mut self, into: &mut Burst) -> usize {
        let want = BATCH.min(into.room());
        let Some(count) = self.state.waiting(self.shared, want) else {
            return self.broken(BreakReason::UsedIndex);
        };
        if count == 0 {
            if self.state.empty.is_empty() {
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

    /// Reads and checks used elements. `None` when one names no posted buffer.
    #[inline]
    fn gather<'b>(&self, batch: &'b mut [MaybeUninit<Received>]) -> Option<&'b [Received]> {
        let count = batch.len();
        for (at, place) in batch.iter_mut().enumerate() {
            let element =
                self.shared.rings.used_element((self.state.used as u16).wrapping_add(at as u16));
            let id = u16::try_from(element.id).ok().filter(|&id| id <= self.shared.rings.mask())?;
            let Slot::Head { handle, .. } = self.shared.table.get(id) else { return None };
            let record = self.shared.record(handle).cast::<Meta>().as_ptr();
            prefetch(record.cast());
            place.write(Received { id, record, len: element.len });
        }
        // SAFETY: the loop initialised all `count` places.
        let received =
            unsafe { std::slice::from_raw_parts(batch.as_ptr().cast::<Received>(), count) };
        Some(received)
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
            self.count(mbuf.len());
            // There is room: no more elements are read than `into` has places.
            let _ = into.push(mbuf);
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
        // What was posted with this record, whoever posted it.
        let posted = meta.head.buf_len - u32::from(HEADROOM_BYTES - header);
        let good = packet.len >= u32::from(skip) && packet.len <= posted;
        let bytes = if good { packet.len - u32::from(skip) } else { 0 };
        meta.data_off = HEADROOM_BYTES - header + skip;
        // A posted buffer is shorter than 64 KiB.
        meta.data_len = bytes as u16;
        meta.pkt_len = bytes;
        meta.port = self.state.port;
        // SAFETY: the table slot was given up above; the record is a single segment.
        Some((unsafe { Mbuf::from_record(record.cast()) }, good))
    }

    #[inline(always)]
    fn count(&self, bytes: u32) {
        let counters = &self.shared.block().counters;
        add(&counters.packets, 1);
        add(&counters.bytes, bytes.into());
    }

    #[cold]
    fn drop_bad(&self, mbuf: Mbuf) {
        drop(mbuf);
        add(&self.shared.block().counters.errors, 1);
    }

    /// The first buffer of a packet that is spread over several (virtio 1.2, 5.1.6.4).
    #[cold]
    fn begin_merged(&mut self, mbuf: Mbuf) {
        match num_buffers(&mbuf) {
            buffers if buffers > 1 && buffers <= self.shared.rings.size() => {
                let packet = Some(Chain::new(mbuf));
                self.state.partial = Some(Partial { packet, left: buffers - 1 });
            }
            _ => self.drop_bad(mbuf),
        }
    }

    /// A further buffer. A packet that turns out bad or too long is swallowed to its end.
    #[cold]
    fn add_part(&mut self, mbuf: Mbuf, good: bool, into: &mut Burst) {
        let Some(mut partial) = self.state.partial.take() else { return };
        let fits =
            partial.packet.as_ref().is_some_and(|p| p.len() + mbuf.len() <= MAX_PACKET_BYTES);
        partial.packet = match partial.packet {
            Some(mut packet) if good && fits => packet.push(mbuf).is_ok().then_some(packet),
            _ => None,
        };
        partial.left -= 1;
        if partial.left > 0 {
            self.state.partial = Some(partial);
            return;
        }
        match partial.packet.map(Chain::finish) {
            Some(packet) => {
                self.count(packet.len());
                let _ = into.push(packet);
            }
            None => add(&self.shared.block().counters.errors, 1),
        }
    }

    /// Posts an mbuf under every descriptor that has none, as far as the pool has them.
    #[inline]
    fn refill(&mut self) {
        let old = self.state.avail;
        while !self.state.empty.is_empty() {
            let want = self.state.empty.len().min(BATCH);
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
            self.shared.publish(old, self.state.avail);
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
    let start = mbuf.meta().buffer().wrapping_add(usize::from(HEADROOM_BYTES - header_bytes));
    let addr = (start.addr() as u64).wrapping_add(iova_bias);
    shared.table.set(id, Slot::Head { handle: mbuf.handle(), position });
    let _ = mbuf.into_record();
    let len = room + u32::from(header_bytes);
    shared.rings.set_descriptor(id, Descriptor { addr, len, flags: DESC_WRITE, next: 0 });
    shared.rings.set_avail_entry(position as u16, id);
}

/// `num_buffers` of the header in front of a packet's data, read once.
#[inline(always)]
fn num_buffers(mbuf: &Mbuf) -> u16 {
    let at = mbuf.meta().data().wrapping_sub(2).cast::<u16>();
    // SAFETY: the header lies in the headroom, directly in front of the data, and ends with this field; the device may write
    // it at any time, so it is read once by value.
    u16::from_le(unsafe { at.read_volatile() })
}
