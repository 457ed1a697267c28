//! Virtqueues of the driver side: control and pollers.
//!
//! [`VirtQueue`] is control's handle. What it shares with pollers, of this process or another, is the queue block in the
//! private file; see `docs/architecture.md`, sections 5 and 8.
//!
//! | state | gate | device | table |
//! |---|---|---|---|
//! | idle | closed | does not run the ring | empty |
//! | prepared | closed | does not run the ring | receive: a buffer under every descriptor |
//! | running | open | runs it | what is posted |
//! | stopped | closed | does not run it any more | what was posted, until drained |
//!
//! Threading: control calls on one queue wait for each other; what needs a closed gate is refused unless `close` has
//! succeeded since the last `open`. Pollers need not be told. Only the process that made a queue controls it.
#![allow(unsafe_code, reason = "works on the queue block with the gate closed")]

mod block;
mod claim;
mod frames;
mod indirect;
mod recover;
mod rx;
mod shared;
#[cfg(test)]
mod tests;
mod tx;

pub use claim::{attach_rx, attach_tx};

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eal::Memory;
use eal::gate::ControlGate;
use pmd_core::mbuf::Meta;
use pmd_core::{Error, Mbuf, MbufPool, QueueStats};
use virtio::Features;
use virtio::layout::{AVAIL_NO_INTERRUPT, RingLayout, USED_NO_NOTIFY};
use virtio::packet_counts::PacketCountsSnapshot;

use block::{Posted, QueueConfig, Slot};
use shared::{QueueShared, Signals};

/// Packets of one pass through the stages.
const BATCH: usize = 32;

/// How long control waits for a poller to leave its burst.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// Which way packets go, seen from the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the device.
    Rx,
    /// To the device.
    Tx,
}

/// Where the parts of a ring are, as the device is told: IOVAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingAddresses {
    /// The descriptor table.
    pub desc: u64,
    /// The available ring.
    pub avail: u64,
    /// The used ring.
    pub used: u64,
}

/// Why a queue was taken out of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum BreakReason {
    UsedIndex = 1,
    UsedElement = 2,
}

impl BreakReason {
    const fn text(raw: u32) -> Option<&'static str> {
        match raw {
            0 => None,
            1 => Some("the device's used.idx counts more buffers than it was given"),
            _ => Some("a used element names a buffer that the device does not have"),
        }
    }
}

/// Control's handle on one virtqueue.
#[derive(Debug)]
pub struct VirtQueue {
    shared: Arc<QueueShared>,
    signals: Arc<Signals>,
    direction: Direction,
    queue: u16,
    port: u16,
    pool: Option<MbufPool>,
    /// Descriptors to be used from the next `prepare` on.
    descriptors: AtomicU16,
    /// Whether VLAN tags are moved from the next `prepare` on.
    vlan: AtomicBool,
    /// Whether the gate is closed and known to be empty. Held during control calls.
    empty: Mutex<bool>,
}

/// What a queue is made from.
#[derive(Clone, Debug)]
pub struct QueueSetup {
    /// Which way packets go.
    pub direction: Direction,
    /// Entries of the ring: a power of two up to 32768.
    pub size: u16,
    /// The queue's number on its port, for messages.
    pub queue: u16,
    /// The port, for received packets.
    pub port: u16,
    /// Receive: where mbufs come from.
    pub pool: Option<MbufPool>,
    /// Transmit: make tables outside the ring, so that packets of several segments take one place each where the device
    /// offers `INDIRECT_DESC` and not `IN_ORDER`.
    pub indirect: bool,
    /// A name under which other processes find the queue.
    pub name: Option<String>,
}

impl VirtQueue {
    /// Makes a queue: ring, block, table and eventfds. Its gate is closed.
    ///
    /// # Errors
    ///
    /// [`Error::NotPowerOfTwo`]; [`Error::Eal`] when there is no memory; [`Error::Io`] when there are no descriptors.
    pub fn with_setup(memory: &Memory, setup: QueueSetup) -> Result<Self, Error> {
        let QueueSetup { direction, size, queue, port, pool, indirect, name } = setup;
        let indirect = indirect && direction == Direction::Tx;
        if !size.is_power_of_two() || size > virtio::layout::MAX_RING_SIZE {
            return Err(Error::NotPowerOfTwo { value: size.into() });
        }
        match &pool {
            None if direction == Direction::Rx => {
                return Err(Error::WrongState {
                    call: "make a receive queue",
                    first: "make a pool",
                });
            }
            Some(pool) if !same_window(memory, pool) => return Err(OTHER_WINDOW),
            _ => {}
        }
        let signals = Arc::new(Signals::new()?);
        let shared =
            QueueShared::create(memory, name.as_deref(), size, indirect, Arc::clone(&signals))?;
        let (shared, empty) = (Arc::new(shared), Mutex::new(true));
        let (descriptors, vlan) = (AtomicU16::new(size), AtomicBool::new(false));
        let queue =
            Self { shared, signals, direction, queue, port, pool, descriptors, vlan, empty };
        queue.configure(Features::VERSION_1);
        Ok(queue)
    }

    /// Makes a queue without a name, number 0 of port 0.
    ///
    /// # Errors
    ///
    /// As [`VirtQueue::with_setup`].
    pub fn create(
        memory: &Memory,
        direction: Direction,
        size: u16,
        pool: Option<MbufPool>,
    ) -> Result<Self, Error> {
        let (queue, port, name) = (0, 0, None);
        let setup = QueueSetup { direction, size, queue, port, pool, indirect: true, name };
        Self::with_setup(memory, setup)
    }

    /// Entries of the ring.
    pub fn size(&self) -> u16 {
        self.shared.rings.size()
    }

    /// Lets the queue use no more than `descriptors` of the ring, at least 1, from the next [`VirtQueue::prepare`] on.
    pub fn limit_descriptors(&self, descriptors: u16) {
        self.descriptors.store(descriptors.clamp(1, self.size()), Ordering::Relaxed);
    }

    /// From the next [`VirtQueue::prepare`] on, takes VLAN tags out of received packets into their metadata, or puts tags that
    /// were taken out into packets to be sent.
    pub fn move_vlan_tags(&self, on: bool) {
        self.vlan.store(on, Ordering::Relaxed);
    }

    /// How many of the ring's descriptors are used from the next [`VirtQueue::prepare`] on.
    pub fn descriptors(&self) -> u16 {
        self.descriptors.load(Ordering::Relaxed)
    }

    /// Which way packets go.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Where the ring is.
    pub fn addresses(&self) -> RingAddresses {
        let layout = RingLayout::new(self.size());
        let desc = self.shared.memory.iova_base() + self.shared.ring_offset;
        let (avail, used) = (desc + layout.avail_offset(), desc + layout.used_offset());
        RingAddresses { desc, avail, used }
    }

    /// The eventfd by which the driver wakes the device.
    pub fn kick(&self) -> BorrowedFd<'_> {
        self.signals.kick.as_fd()
    }

    /// The eventfd by which the device wakes the driver.
    pub fn call(&self) -> BorrowedFd<'_> {
        self.signals.call.as_fd()
    }

    fn gate(&self) -> ControlGate {
        let fences = self.shared.memory.fences();
        // SAFETY: the gate is the block's first field, initialised at creation, and stays mapped while self lives; control calls
        // hold `empty`.
        unsafe { ControlGate::new(self.shared.block_ptr().cast(), fences) }
    }

    fn control(&self) -> MutexGuard<'_, bool> {
        self.empty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets pollers in.
    pub fn open(&self) {
        let mut empty = self.control();
        *empty = false;
        self.gate().open();
    }

    /// Keeps pollers out and waits for a burst that is under way.
    ///
    /// # Errors
    ///
    /// [`Error::Quarantined`] when the poller does not leave in a second. The gate stays closed; call again.
    pub fn close(&self) -> Result<(), Error> {
        let mut empty = self.control();
        if !*empty {
            let closed = self.gate().close(CLOSE_DEADLINE);
            closed.map_err(|_| Error::Quarantined { queue: self.queue })?;
            *empty = true;
        }
        Ok(())
    }

    /// Holds off other control calls, if the gate is closed and the poller known to be out.
    fn while_empty(&self, call: &'static str) -> Result<MutexGuard<'_, bool>, Error> {
        let empty = self.control();
        if *empty { Ok(empty) } else { Err(Error::WrongState { call, first: "close its gate" }) }
    }

    fn configure(&self, features: Features) {
        let (port, descriptors) = (self.port, self.descriptors());
        let vlan = u16::from(self.vlan.load(Ordering::Relaxed));
        let config = QueueConfig { features: features.bits(), port, descriptors, vlan };
        // SAFETY: the gate is closed and control is serialised (callers).
        unsafe { self.shared.block().set_config(config) };
    }

    /// What was agreed with the device. The gate is closed.
    fn config(&self) -> QueueConfig {
        // SAFETY: the gate is closed and control is serialised (callers).
        unsafe { self.shared.block().config() }
    }

    /// Makes the ring new: gives back every mbuf of the table, zeroes indices, posts receive buffers, takes over `features`.
    /// The gate must be closed and the device must not run the ring. The ring's base is 0.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] when the gate is not closed and empty.
    pub fn prepare(&self, features: Features) -> Result<(), Error> {
        let _empty = self.while_empty("prepare a queue")?;
        self.drain_table();
        let (rings, progress) = (&self.shared.rings, &self.shared.block().progress);
        progress.reset();
        rings.publish_avail(0);
        rings.publish_used(0);
        rings.set_used_flags(0);
        rings.set_avail_flags(AVAIL_NO_INTERRUPT);
        self.configure(features);
        if self.direction == Direction::Rx {
            self.fill(&self.config());
        }
        Ok(())
    }

    /// Posts a buffer under every free descriptor that is to have one, as far as the pool has them. The gate is closed.
    fn fill(&self, config: &QueueConfig) -> usize {
        let Some(pool) = &self.pool else { return 0 };
        let (shared, progress) = (&*self.shared, &self.shared.block().progress);
        let (bias, room) = (shared.iova_bias(), pool.data_room());
        let header_bytes = config.features().header_bytes() as u16;
        let old = progress.posted().heads;
        let mut heads = old;
        let free = usize::from(config.descriptors).saturating_sub(shared.table.heads().count());
        // The place of the ring that comes next is also the descriptor that comes next, for devices that use them in order.
        let ids = (0..self.size()).map(|k| (old as u16).wrapping_add(k) & shared.rings.mask());
        for id in ids.filter(|&id| shared.table.get(id) == Slot::Free).take(free) {
            let Some(mbuf) = pool.take() else { break };
            rx::post(shared, bias, room, header_bytes, (id, heads), mbuf);
            heads = heads.wrapping_add(1);
        }
        shared.publish(old, Posted { heads, next_id: 0 });
        heads.wrapping_sub(old) as usize
    }

    /// Gives back every mbuf of the table and returns how many. The device must not run the ring any more, or it writes
    /// into buffers that are not its own. Nothing is done unless the gate is closed and empty.
    pub fn drain(&self) -> usize {
        self.while_empty("drain a queue").map_or(0, |_empty| self.drain_table())
    }

    fn drain_table(&self) -> usize {
        let mut drained = 0;
        for id in 0..self.size() {
            match self.shared.table.get(id) {
                Slot::Free => continue,
                Slot::Head { handle, .. } => {
                    self.give_back(id, handle);
                    drained += 1;
                }
                Slot::Part { .. } => self.shared.table.set(id, Slot::Free),
            }
        }
        drained
    }

    /// Takes one mbuf out of the table and gives it to its pool: ours, then out of the table, then free.
    fn give_back(&self, id: u16, handle: u32) {
        let record = self.shared.record(handle);
        // SAFETY: the table says that the record is this queue's, whose gate is closed.
        let meta = unsafe { record.cast::<Meta>().as_ref() };
        tx::own(meta, self.shared.memory.owner().raw());
        self.shared.table.set(id, Slot::Free);
        // SAFETY: the record and its further segments were the queue's, and the slot is cleared.
        drop(unsafe { Mbuf::from_record(record) });
    }

    /// The queue's counters.
    pub fn stats(&self) -> QueueStats {
        self.shared.stats()
    }

    /// The queue's packets by size and destination.
    pub fn frames(&self) -> PacketCountsSnapshot {
        self.shared.block().counters.frames.snapshot()
    }

    /// Why the queue is out of service, if the device broke a rule since it was last prepared.
    pub fn broken(&self) -> Option<&'static str> {
        BreakReason::text(self.shared.block().progress.broken.load(Ordering::Acquire))
    }

    /// Control's tick, for a poller that never calls again: wakes a device that asked for wake-ups just when buffers were
    /// posted. `told` is the place up to which an earlier tick has done so; the poller's own word stays as it is, as only the
    /// poller knows what it has published since.
    pub fn wake_unconfirmed(&self, told: &mut Option<u32>) {
        let progress = &self.shared.block().progress;
        let avail = progress.posted().heads;
        if progress.unconfirmed.load(Ordering::Relaxed) == 0 || *told == Some(avail) {
            return;
        }
        // What was published before `avail` is ordered before the load of the flag.
        fence(Ordering::SeqCst);
        if self.shared.rings.used_flags() & USED_NO_NOTIFY == 0 {
            *told = Some(avail);
            eal::eventfd::signal(&self.signals.kick);
        }
    }
}

/// Handles of mbufs mean something only in the window they are of.
fn same_window(memory: &Memory, pool: &MbufPool) -> bool {
    pool.records().memory().private_base() == memory.private_base()
}

const OTHER_WINDOW: Error = Error::WrongState {
    call: "receive into a pool of another Eal",
    first: "make or attach the pool in the queue's own",
};

impl Drop for VirtQueue {
    /// A poller's handle may outlive this: it finds the gate closed. A quarantined queue keeps its mbufs.
    fn drop(&mut self) {
        if self.close().is_ok() {
            self.drain();
        }
    }
}
