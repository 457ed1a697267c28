//! Sending on a split ring (virtio 1.2, 2.7.13 and 5.1.6.2), driver side.
//!
//! A burst first takes back what the device is done with, then posts one chain a packet. The virtio header goes into the
//! headroom in front of the data, so that a packet of one segment is one descriptor; a packet without headroom borrows the
//! queue's zeroed header for one more.
#![allow(unsafe_code, reason = "hands mbufs to the table and back; writes headers")]

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use eal::gate::{Entry, PollerGate};
use eal::mempool::{Mempool, Record};
use eal::prefetch;
use pmd_core::mbuf::Meta;
use pmd_core::{Burst, Mbuf, TxBurst};
use virtio::layout::{DESC_NEXT, Descriptor};
use virtio::net_header::HEADER_BYTES;

use super::block::{QueueConfig, Slot, add};
use super::claim::Claim;
use super::shared::QueueShared;
use super::{BATCH, BreakReason};

/// Working state of one epoch.
struct State {
    header_bytes: u16,
    header_iova: u64,
    used: u32,
    avail: u32,
    free: FreeIds,
    /// For each descriptor of a posted chain the one behind it, or `NO_LINK`.
    links: Box<[u16]>,
}

/// Behind the last descriptor of a chain. Ids are below 32768.
const NO_LINK: u16 = u16::MAX;

/// Ids of descriptors that the driver has, oldest first, so that descriptors are used in rising order.
struct FreeIds {
    ids: Box<[u16]>,
    mask: u32,
    first: u32,
    end: u32,
}

impl FreeIds {
    fn new(size: u16) -> Self {
        Self { ids: vec![0; size.into()].into(), mask: u32::from(size) - 1, first: 0, end: 0 }
    }

    #[inline(always)]
    fn len(&self) -> u32 {
        self.end.wrapping_sub(self.first)
    }

    #[inline(always)]
    fn push(&mut self, id: u16) {
        self.ids[(self.end & self.mask) as usize] = id;
        self.end = self.end.wrapping_add(1);
    }

    /// The oldest id. Only called when `len` is not 0.
    #[inline(always)]
    fn pop(&mut self) -> u16 {
        let id = self.ids[(self.first & self.mask) as usize];
        self.first = self.first.wrapping_add(1);
        id
    }
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
        let (free, links) = (FreeIds::new(size), vec![NO_LINK; size.into()].into());
        let header_bytes = HEADER_BYTES as u16;
        let state = State { header_bytes, header_iova: 0, used: 0, avail: 0, free, links };
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
        self.header_bytes = config.features().header_bytes() as u16;
        self.header_iova = shared.memory.iova_base() + shared.header_offset;
        let progress = &shared.block().progress;
        self.used = progress.used.load(Ordering::Acquire);
        self.avail = progress.avail.load(Ordering::Acquire);
        (self.free.first, self.free.end) = (0, 0);
        self.links.fill(NO_LINK);
        for id in 0..shared.rings.size() {
            match shared.table.get(id) {
                Slot::Free => self.free.push(id),
                Slot::Head { .. } => {}
                // The order behind the head does not matter for giving ids back.
                Slot::Part { head } => self.link(head, id),
            }
        }
    }

    /// Puts `id` behind `head`.
    fn link(&mut self, head: u16, id: u16) {
        let behind = self.links.get(usize::from(head)).copied().unwrap_or(NO_LINK);
        self.links[usize::from(id)] = behind;
        if let Some(place) = self.links.get_mut(usize::from(head)) {
            *place = id;
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

struct Pass<'a> {
    shared: &'a QueueShared,
    owner: u32,
    iova_bias: u64,
    state: &'a mut State,
}

impl Pass<'_> {
    /// Gives back what the device is done with.
    #[inline]
    fn reclaim(&mut self) -> usize {
        let mut done = 0;
        loop {
            let waiting = self.shared.rings.used_index().wrapping_sub(self.state.used as u16);
            let posted = u32::from(self.shared.rings.size()) - self.state.free.len();
            if u32::from(waiting) > posted {
                return self.broken(BreakReason::UsedIndex);
            }
            let count = usize::from(waiting).min(BATCH);
            if count == 0 {
                return done;
            }
            if self.reclaim_batch(count) < count {
                return self.broken(BreakReason::UsedElement);
            }
            done += count;
        }
    }

    /// Returns how many elements were good.
    #[inline]
    fn reclaim_batch(&mut self, count: usize) -> usize {
        let mut records = [const { MaybeUninit::<NonNull<Record>>::uninit() }; BATCH];
        let mut good = 0;
        for place in &mut records[..count] {
            let at = (self.state.used as u16).wrapping_add(good as u16);
            let element = self.shared.rings.used_element(at);
            let Some((id, handle)) = self.posted(element.id) else { break };
            let record = self.shared.record(handle);
            prefetch(record.as_ptr().cast());
            self.own(record);
            self.release_ids(id);
            place.write(record);
            good += 1;
        }
        self.state.used = self.state.used.wrapping_add(good as u32);
        self.shared.block().progress.used.store(self.state.used, Ordering::Release);
        // SAFETY: the loop initialised the first `good` places.
        let records =
            unsafe { std::slice::from_raw_parts(records.as_ptr().cast::<NonNull<Record>>(), good) };
        give_back(records);
        good
    }

    #[inline(always)]
    fn posted(&self, id: u32) -> Option<(u16, u32)> {
        let id = u16::try_from(id).ok().filter(|&id| id <= self.shared.rings.mask())?;
        match self.shared.table.get(id) {
            Slot::Head { handle, .. } => Some((id, handle)),
            _ => None,
        }
    }

    /// Ours before the slot is cleared (docs/architecture.md, section 3).
    #[inline(always)]
    fn own(&self, record: NonNull<Record>) {
        // SAFETY: the table slot says that the record is this queue's.
        let meta = unsafe { record.cast::<Meta>().as_ref() };
        if meta.nb_segs != 1 {
            self.own_further(meta);
        }
        stamp(meta, self.owner);
    }

    #[cold]
    fn own_further(&self, first: &Meta) {
        let mut next = first.next;
        while next != 0 {
            // SAFETY: further segments are the queue's with the first; links lie in memory that no peer can write.
            let meta = unsafe { &*first.neighbour(next) };
            stamp(meta, self.owner);
            next = meta.next;
        }
    }

    /// Clears the slots of the chain that begins at `head`.
    #[inline(always)]
    fn release_ids(&mut self, head: u16) {
        let mut id = head;
        while id != NO_LINK {
            let place = &mut self.state.links[usize::from(id & self.shared.rings.mask())];
            let next = std::mem::replace(place, NO_LINK);
            self.shared.table.set(id, Slot::Free);
            self.state.free.push(id);
            id = next;
        }
    }

    #[cold]
    fn broken(&self, reason: BreakReason) -> usize {
        self.shared.block().progress.broken.store(reason as u32, Ordering::Release);
        0
    }

    #[inline]
    fn send(&mut self, from: &mut Burst) -> usize {
        let (old, mut taken, mut sent, mut bytes) = (self.state.avail, 0, 0u64, 0u64);
        for mbuf in from.as_mut_slice() {
            match self.post(mbuf) {
                Posted::Yes => {
                    sent += 1;
                    bytes += u64::from(mbuf.len());
                }
                Posted::No => break,
                Posted::Never => self.drop_bad(mbuf),
            }
            taken += 1;
        }
        // SAFETY: the first `taken` packets are in the table now, or were dropped.
        unsafe { from.forget_front(taken) };
        if self.state.avail != old {
            self.shared.publish(old, self.state.avail);
            add(&self.shared.block().counters.packets, sent);
            add(&self.shared.block().counters.bytes, bytes);
        } else {
            self.shared.confirm_idle();
        }
        taken
    }

    #[cold]
    fn drop_bad(&self, mbuf: &mut Mbuf) {
        // SAFETY: the caller forgets the place it is in.
        drop(unsafe { std::ptr::read(mbuf) });
        add(&self.shared.block().counters.errors, 1);
    }

    #[inline(always)]
    fn post(&mut self, mbuf: &Mbuf) -> Posted {
        let meta = mbuf.meta();
        let pushes = meta.data_off >= self.state.header_bytes;
        if meta.nb_segs != 1 || !pushes || !self.shared.owns(meta) {
            return self.post_chain(mbuf);
        }
        if self.state.free.len() == 0 {
            return Posted::No;
        }
        let id = self.state.free.pop();
        let descriptor = self.first_descriptor(meta);
        self.finish(id, mbuf.handle(), descriptor);
        Posted::Yes
    }

    /// Header and data of a first segment with headroom, as one buffer.
    #[inline(always)]
    fn first_descriptor(&self, meta: &Meta) -> Descriptor {
        let header = self.state.header_bytes;
        let start = meta.data().wrapping_sub(header.into());
        // SAFETY: at least `header` (10 or 12) bytes of headroom lie in front of the data.
        unsafe { start.cast::<[u8; 10]>().write_unaligned([0; 10]) };
        if usize::from(header) == HEADER_BYTES {
            // SAFETY: as above, for the last two of 12 bytes.
            unsafe { start.wrapping_add(10).cast::<[u8; 2]>().write_unaligned([0; 2]) };
        }
        let addr = (start.addr() as u64).wrapping_add(self.iova_bias);
        Descriptor { addr, len: u32::from(header) + u32::from(meta.data_len), flags: 0, next: 0 }
    }

    /// Table slot, head descriptor, available entry.
    #[inline(always)]
    fn finish(&mut self, id: u16, handle: u32, descriptor: Descriptor) {
        let position = self.state.avail;
        self.shared.table.set(id, Slot::Head { handle, position });
        self.shared.rings.set_descriptor(id, descriptor);
        self.shared.rings.set_avail_entry(position as u16, id);
        self.state.avail = position.wrapping_add(1);
    }

    #[inline(never)]
    fn post_chain(&mut self, mbuf: &Mbuf) -> Posted {
        let first = mbuf.meta();
        let pushes = first.data_off >= self.state.header_bytes;
        let need = u32::from(first.nb_segs) + u32::from(!pushes);
        if !self.shared.owns(first) || need > u32::from(self.shared.rings.size()) {
            return Posted::Never;
        }
        if self.state.free.len() < need {
            return Posted::No;
        }
        let head = self.state.free.pop();
        let descriptor = self.chain(mbuf, head, pushes);
        self.finish(head, mbuf.handle(), descriptor);
        Posted::Yes
    }

    /// Writes the further descriptors of a chain and returns its head descriptor.
    fn chain(&mut self, mbuf: &Mbuf, head: u16, pushes: bool) -> Descriptor {
        let mut current = if pushes {
            self.first_descriptor(mbuf.meta())
        } else {
            let len = u32::from(self.state.header_bytes);
            Descriptor { addr: self.state.header_iova, len, flags: 0, next: 0 }
        };
        let (mut first, mut behind) = (None, head);
        for segment in mbuf.segments().skip(usize::from(pushes)) {
            let id = self.state.free.pop();
            (current.flags, current.next) = (DESC_NEXT, id);
            if first.is_none() {
                first = Some(current);
            } else {
                self.shared.rings.set_descriptor(behind, current);
            }
            self.state.links[usize::from(behind & self.shared.rings.mask())] = id;
            self.shared.table.set(id, Slot::Part { head });
            let addr = (segment.data().addr() as u64).wrapping_add(self.iova_bias);
            current = Descriptor { addr, len: segment.data_len.into(), flags: 0, next: 0 };
            behind = id;
        }
        match first {
            Some(first) => {
                self.shared.rings.set_descriptor(behind, current);
                first
            }
            None => current,
        }
    }
}

#[inline(always)]
fn stamp(meta: &Meta, owner: u32) {
    if meta.head.owner.load(Ordering::Relaxed) != owner {
        meta.head.owner.store(owner, Ordering::Release);
    }
}

enum Posted {
    Yes,
    /// Not enough descriptors now.
    No,
    /// It can never be sent on this queue.
    Never,
}

/// Gives packets back in bulk; chains one by one.
#[inline]
fn give_back(records: &[NonNull<Record>]) {
    let single = records.iter().all(|record| {
        // SAFETY: the records were just taken out of the table and are ours.
        unsafe { record.cast::<Meta>().as_ref() }.nb_segs == 1
    });
    if single {
        // SAFETY: as above; single segments.
        return unsafe { Mempool::give_mixed(records) };
    }
    for record in records {
        // SAFETY: as above; the mbuf takes its further segments along.
        drop(unsafe { Mbuf::from_record(*record) });
    }
}
