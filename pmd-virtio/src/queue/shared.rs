//! One virtqueue as a process sees it: its memory and descriptors, kept alive by control and by the claim alike.
#![allow(unsafe_code, reason = "turns offsets of the window into pointers")]

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eal::mempool::Record;
use eal::{Allocation, FileKind, Memory};
use nix::sys::eventfd::{EfdFlags, EventFd};
use pmd_core::mbuf::Meta;
use pmd_core::{Error, QueueStats};
use virtio::layout::{RingLayout, USED_NO_NOTIFY};
use virtio::notify::{Suppression, should_notify};
use virtio::ring::RingPtrs;

use super::block::{Posted, QueueBlock, Table, add};
use super::indirect::IndirectTables;

/// Bytes of the zeroed net header behind each ring.
const HEADER_ROOM_BYTES: u64 = 64;

/// The eventfds of a queue in this process.
#[derive(Debug)]
pub(crate) struct Signals {
    pub kick: EventFd,
    pub call: EventFd,
}

/// A virtqueue's memory. The claim and control each hold it in an `Arc`; the last one frees the extents.
pub(crate) struct QueueShared {
    pub memory: Memory,
    block: NonNull<QueueBlock>,
    pub rings: RingPtrs,
    pub table: Table,
    pub ring_offset: u64,
    pub header_offset: u64,
    /// Tables for packets of several segments, if the queue was made with them.
    pub indirect: Option<IndirectTables>,
    /// `None` in a process that was not given them.
    pub signals: Option<Arc<Signals>>,
    /// What to free; `None` where another process owns it.
    extents: Option<(Allocation, Allocation)>,
    name: Option<String>,
    holder: Mutex<Option<String>>,
}

// SAFETY: the pointers lead into the window, which `memory` keeps mapped; what they lead to is atomics, or guarded by the gate.
unsafe impl Send for QueueShared {}
// SAFETY: as above.
unsafe impl Sync for QueueShared {}

impl QueueShared {
    /// Makes ring (data file), block and table (private file). The block is a zone if it has a `name`.
    pub fn create(
        memory: &Memory,
        name: Option<&str>,
        size: u16,
        indirect: bool,
        signals: Arc<Signals>,
    ) -> Result<Self, Error> {
        let layout = RingLayout::new(size);
        let header_offset = layout.total_bytes();
        let indirect_offset = header_offset + HEADER_ROOM_BYTES;
        let indirect_bytes = if indirect { IndirectTables::bytes(size) } else { 0 };
        let ring = memory.alloc(FileKind::Data, indirect_offset + indirect_bytes, 4096)?;
        let bytes = QueueBlock::bytes(size);
        let block = match name {
            Some(name) => memory.zone_create(name, FileKind::Private, bytes, 64),
            None => memory.alloc(FileKind::Private, bytes, 64),
        };
        let block = match block {
            Ok(block) => block,
            Err(error) => {
                memory.free(ring);
                return Err(error.into());
            }
        };
        let place = memory.pointer(&block).cast::<QueueBlock>();
        // SAFETY: the extent is new, zeroed, aligned and of the right length.
        unsafe { QueueBlock::init(place) };
        // SAFETY: just initialised; the extent stays mapped while `memory` lives.
        let geometry = unsafe { &place.as_ref().geometry };
        geometry.ring_offset.store(ring.offset, Ordering::Relaxed);
        geometry.header_offset.store(ring.offset + header_offset, Ordering::Relaxed);
        let indirect_at = if indirect { ring.offset + indirect_offset } else { 0 };
        geometry.indirect_offset.store(indirect_at, Ordering::Relaxed);
        geometry.size.store(size.into(), Ordering::Release);
        let mut shared = Self::over(memory, place, size)?;
        shared.signals = Some(signals);
        shared.extents = Some((ring, block));
        shared.name = name.map(str::to_owned);
        Ok(shared)
    }

    /// The queue that another process made under `name`. `None` when there is none (yet).
    pub fn attach(memory: &Memory, name: &str) -> Option<Result<Self, Error>> {
        let extent = memory.zone_lookup(name)?;
        if extent.len < size_of::<QueueBlock>() as u64 {
            return None;
        }
        let place = memory.pointer(&extent).cast::<QueueBlock>();
        // SAFETY: the zone is mapped and long enough; the word is an atomic, 0 until the block is complete.
        let size = unsafe { place.as_ref() }.geometry.size.load(Ordering::Acquire);
        let size = u16::try_from(size).ok().filter(|&size| size > 0)?;
        if extent.len < QueueBlock::bytes(size) {
            return None;
        }
        Some(Self::over(memory, place, size))
    }

    fn over(memory: &Memory, block: NonNull<QueueBlock>, size: u16) -> Result<Self, Error> {
        // SAFETY: the block is initialised and stays mapped while `memory` lives.
        let geometry = unsafe { &block.as_ref().geometry };
        let ring_offset = geometry.ring_offset.load(Ordering::Relaxed);
        let header_offset = geometry.header_offset.load(Ordering::Relaxed);
        let layout = RingLayout::new(size);
        let base = memory.data_base().as_ptr();
        let at = |offset: u64| {
            let address = base.wrapping_add((ring_offset + offset) as usize);
            NonNull::new(address).unwrap_or(memory.data_base())
        };
        let (desc, avail, used) = (at(0), at(layout.avail_offset()), at(layout.used_offset()));
        // SAFETY: the ring's extent has the layout's length and stays mapped while `memory` lives.
        let rings = unsafe { RingPtrs::new(desc, avail, used, size) };
        let rings = rings.map_err(|_| Error::NotPowerOfTwo { value: size.into() })?;
        // SAFETY: the block was made for `size` entries and stays mapped while `memory` lives.
        let table = unsafe { Table::of(block, size) };
        let indirect_offset = geometry.indirect_offset.load(Ordering::Relaxed);
        let indirect = (indirect_offset != 0).then(|| {
            // SAFETY: `create` made tables for `size` descriptors there; they stay mapped while `memory` lives.
            unsafe { IndirectTables::at(memory, indirect_offset, size) }
        });
        Ok(Self {
            memory: memory.clone(),
            block,
            rings,
            table,
            ring_offset,
            header_offset,
            indirect,
            signals: None,
            extents: None,
            name: None,
            holder: Mutex::new(None),
        })
    }

    pub fn block(&self) -> &QueueBlock {
        // SAFETY: the block stays mapped while `memory` lives; its mutable parts are atomics or guarded by the gate.
        unsafe { self.block.as_ref() }
    }

    pub fn block_ptr(&self) -> NonNull<QueueBlock> {
        self.block
    }

    /// The metadata record of the mbuf `handle`.
    #[inline(always)]
    pub fn record(&self, handle: u32) -> NonNull<Record> {
        let first = self.memory.private_base().cast::<Record>();
        let at = first.as_ptr().wrapping_add(handle as usize);
        NonNull::new(at).unwrap_or(first)
    }

    /// What to add to an address in the data file to have its IOVA.
    pub fn iova_bias(&self) -> u64 {
        let base = self.memory.data_base().as_ptr().addr() as u64;
        self.memory.iova_base().wrapping_sub(base)
    }

    /// Whether an mbuf's records lie in this window.
    #[inline(always)]
    pub fn owns(&self, meta: &Meta) -> bool {
        std::ptr::eq(meta.neighbour(0), self.memory.private_base().as_ptr().cast())
    }

    pub fn holder(&self) -> MutexGuard<'_, Option<String>> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn kick(&self) -> Option<BorrowedFd<'_>> {
        self.signals.as_ref().map(|s| s.kick.as_fd())
    }

    /// Writes `avail.idx` and wakes the device if it wants to be woken (virtio 1.2, 2.7.10). `old` is how many heads were
    /// available before.
    #[inline]
    pub fn publish(&self, old: u32, posted: Posted) {
        let progress = &self.block().progress;
        let suppressed = self.suppressed();
        if suppressed {
            progress.unconfirmed.store(1, Ordering::Relaxed);
        }
        progress.set_posted(posted);
        // The low 16 bits are the ring index.
        let new = posted.heads as u16;
        self.rings.publish_avail(new);
        if !suppressed {
            fence(Ordering::SeqCst);
            if should_notify(Suppression::Flag(self.suppressed()), old as u16, new) {
                self.wake();
            }
        }
    }

    /// Whether a wake-up has to be left for later: the device wants none, or this process cannot make one and leaves it to
    /// the tick of the one that can.
    fn suppressed(&self) -> bool {
        self.signals.is_none() || self.rings.used_flags() & USED_NO_NOTIFY != 0
    }

    /// Makes sure, when there is nothing else to do, that a device that changed its mind is not left asleep.
    #[inline]
    pub fn confirm_idle(&self) {
        if self.block().progress.unconfirmed.load(Ordering::Relaxed) != 0 {
            self.confirm();
        }
    }

    #[cold]
    fn confirm(&self) {
        if self.signals.is_none() {
            return;
        }
        fence(Ordering::SeqCst);
        let wake = should_notify(Suppression::Flag(self.suppressed()), 0, 1);
        self.block().progress.unconfirmed.store(0, Ordering::Relaxed);
        if wake {
            self.wake();
        }
    }

    /// Kicks the device whatever its flag says.
    #[cold]
    pub fn wake(&self) {
        if let Some(kick) = self.kick() {
            eal::eventfd::signal(kick);
            add(&self.block().counters.kicks, 1);
        }
    }

    /// The part of the poller's descriptors that stays unused: those above the configured number.
    pub fn reserved(&self, descriptors: u16) -> u16 {
        self.rings.size().saturating_sub(descriptors)
    }

    pub fn stats(&self) -> QueueStats {
        let counters = &self.block().counters;
        QueueStats {
            packets: counters.packets.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
            errors: counters.errors.load(Ordering::Relaxed),
            missed: counters.lost.load(Ordering::Relaxed),
            no_mbuf: counters.no_mbuf.load(Ordering::Relaxed),
        }
    }
}

impl Signals {
    /// Two new eventfds.
    pub fn new() -> Result<Self, Error> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let make = || EventFd::from_value_and_flags(0, flags);
        let fds = make().and_then(|kick| Ok(Self { kick, call: make()? }));
        fds.map_err(|e| Error::io("making the eventfds of a queue", e))
    }
}

impl Drop for QueueShared {
    fn drop(&mut self) {
        let Some((ring, block)) = self.extents.take() else { return };
        let claim = self.block().claim.0.load(Ordering::Acquire);
        if claim != 0 {
            // No claim of this process is left, for it would hold this value. Memory under another's feet is not reused.
            let name = self.name.as_deref().unwrap_or("a queue");
            log::warn!(target: "pmd.net.virtio", "{name}: kept, as another process (owner {claim:#x}) still polls it");
            return;
        }
        self.memory.free(ring);
        match &self.name {
            Some(name) => self.memory.zone_free(name, block),
            None => self.memory.free(block),
        }
    }
}

impl fmt::Debug for QueueShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueShared")
            .field("size", &self.rings.size())
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
