//! One device and what its front-end has set: features, memory, rings.
//!
//! [`Slot`] is what outlives front-ends: the rings that pollers hold, the switch by which the owner of the device lets
//! packets pass, and what can be asked from any thread. [`Device`] is the state of one connection; it is made when a
//! front-end comes and finished when it goes, and belongs to one thread at a time.
//!
//! Everything that pollers use changes in one way only: the gates of the rings in question are closed
//! ([`Device::close_rings`]), the state changes, and [`Device::settle`] decides anew for each of them whether it runs.
//!
//! ```text
//! ring runs = started (kick came) and enabled and size and addresses known and translated
//!             and driver ready (DRIVER_OK, if STATUS was negotiated) and not broken
//! gate open = ring runs and the owner lets packets pass
//! up        = both rings of the first pair run
//! ```

use std::fmt::Display;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use eal::gate::FenceMode;
use log::Level;
use virtio::Features;
use virtio::vhost_user::ProtocolFeatures;

use crate::config::{DeviceConfig, LOG_TARGET, PROTOCOL_FEATURES};
use crate::events::{DeviceEvent, EventSink};
use crate::guest_memory::GuestMemory;
use crate::vring::{ClosedVring, VringConfig, VringShared};

mod chatter;
mod ring;

use chatter::{Chatter, Line};
pub(crate) use ring::{Ring, is_aligned, translate};

/// Device status bit: negotiation of features is complete (virtio 1.2, 2.1).
pub(crate) const STATUS_FEATURES_OK: u8 = 8;
/// Device status bit: the driver is ready (virtio 1.2, 2.1).
const STATUS_DRIVER_OK: u8 = 4;

/// What stays when front-ends come and go.
pub(crate) struct Slot {
    pub(crate) config: DeviceConfig,
    pub(crate) vrings: Box<[Arc<VringShared>]>,
    pub(crate) sink: Box<dyn EventSink>,
    /// The owner lets packets pass.
    pub(crate) active: AtomicBool,
    /// Packets can pass, as far as the front-end is concerned.
    pub(crate) up: AtomicBool,
    pub(crate) connected: AtomicBool,
    /// Negotiated virtio features, 0 while there are none.
    pub(crate) features: AtomicU64,
    /// The guest's MTU, 0 while it was not told.
    pub(crate) mtu: AtomicU16,
    chatter: Chatter,
}

impl Slot {
    /// Logs what a front-end brought about; however many come and whatever they do, they cannot fill the log.
    pub(crate) fn log(&self, level: Level, what: impl Display) {
        let level = match self.chatter.admit(Instant::now()) {
            Line::Free => level,
            Line::Last => {
                let path = self.config.path.display();
                log::log!(target: LOG_TARGET, level, "({path}) {what} (further messages of this minute are logged at debug level)");
                return;
            }
            Line::Beyond => Level::Debug,
        };
        let path = self.config.path.display();
        log::log!(target: LOG_TARGET, level, "({path}) {what}");
    }

    /// A slot without front-end, all gates closed.
    pub(crate) fn new(
        config: DeviceConfig,
        fences: FenceMode,
        sink: Box<dyn EventSink>,
    ) -> Arc<Self> {
        let ring = |index| VringShared::new(index, fences);
        Arc::new(Self {
            vrings: (0..config.queue_pairs * 2).map(ring).collect(),
            config,
            sink,
            active: AtomicBool::new(false),
            up: AtomicBool::new(false),
            connected: AtomicBool::new(false),
            features: AtomicU64::new(0),
            mtu: AtomicU16::new(0),
            chatter: Chatter::default(),
        })
    }
}

/// Which rings a message may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Affected {
    /// None.
    None,
    /// One.
    One(usize),
    /// Every one.
    All,
}

/// A poller did not leave its burst in time; `ring` is quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stuck {
    /// The ring's index.
    pub(crate) ring: usize,
}

/// The state of one connection.
pub(crate) struct Device {
    slot: Arc<Slot>,
    features: Option<Features>,
    protocol: ProtocolFeatures,
    status: u8,
    memory: Option<Arc<GuestMemory>>,
    rings: Vec<Ring>,
    /// Memory that is no longer used, for a thread that may take its time to unmap it.
    retired: Vec<Arc<GuestMemory>>,
    /// It was logged that the front-end could cut its memory short.
    told_unsealed: bool,
}

impl Device {
    /// A device whose front-end has just connected.
    pub(crate) fn new(slot: Arc<Slot>) -> Self {
        slot.connected.store(true, Ordering::Relaxed);
        slot.sink.send(DeviceEvent::Connected);
        Self {
            features: None,
            protocol: ProtocolFeatures::empty(),
            status: 0,
            memory: None,
            rings: slot.vrings.iter().map(|_| Ring::default()).collect(),
            retired: Vec::new(),
            told_unsealed: false,
            slot,
        }
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// The features to offer.
    pub(crate) fn offered(&self) -> Features {
        self.slot.config.features
    }

    /// The protocol features to offer.
    pub(crate) fn offered_protocol(&self) -> ProtocolFeatures {
        PROTOCOL_FEATURES
    }

    pub(crate) fn offers_protocol_features(&self) -> bool {
        self.offered().contains(Features::PROTOCOL_FEATURES)
    }

    /// Unless features were set without bit 30.
    pub(crate) fn may_enable_rings(&self) -> bool {
        self.features.is_none_or(|features| features.contains(Features::PROTOCOL_FEATURES))
    }

    pub(crate) fn queue_pairs(&self) -> u16 {
        self.slot.config.queue_pairs
    }

    /// Negotiated features, none before they are set.
    pub(crate) fn features(&self) -> Features {
        self.features.unwrap_or_default()
    }

    pub(crate) fn features_are_set(&self) -> bool {
        self.features.is_some()
    }

    pub(crate) fn set_features(&mut self, features: Features) {
        self.features = Some(features);
        self.slot.features.store(features.bits(), Ordering::Relaxed);
        if !features.contains(Features::PROTOCOL_FEATURES) {
            // No message can enable a ring then (vhost-user, "Ring states").
            self.rings.iter_mut().for_each(|ring| ring.enabled = true);
        }
    }

    pub(crate) fn protocol(&self) -> ProtocolFeatures {
        self.protocol
    }

    pub(crate) fn set_protocol(&mut self, protocol: ProtocolFeatures) {
        self.protocol = protocol;
    }

    pub(crate) fn status(&self) -> u8 {
        self.status
    }

    pub(crate) fn set_status(&mut self, status: u8) {
        self.status = status;
    }

    pub(crate) fn set_mtu(&mut self, mtu: u16) {
        self.slot.mtu.store(mtu, Ordering::Relaxed);
        self.slot.sink.send(DeviceEvent::Mtu(mtu));
    }

    /// Logs what the front-end did wrong.
    pub(crate) fn complain(&self, what: &dyn Display) {
        self.slot.log(Level::Warn, what);
    }

    pub(crate) fn memory(&self) -> Option<&Arc<GuestMemory>> {
        self.memory.as_ref()
    }

    /// Replaces the memory table; the gates of all rings are closed.
    pub(crate) fn set_memory(&mut self, memory: Option<Arc<GuestMemory>>) {
        let unsealed = memory.as_ref().is_some_and(|memory| !memory.is_sealed());
        if unsealed && !std::mem::replace(&mut self.told_unsealed, true) {
            let text = "the front-end could cut its memory short: its file is not sealed";
            self.slot.log(Level::Info, text);
        }
        self.retired.extend(std::mem::replace(&mut self.memory, memory));
    }

    /// Memory that may be unmapped now.
    pub(crate) fn take_retired(&mut self) -> Vec<Arc<GuestMemory>> {
        std::mem::take(&mut self.retired)
    }

    pub(crate) fn ring(&self, index: usize) -> Option<&Ring> {
        self.rings.get(index)
    }

    pub(crate) fn ring_mut(&mut self, index: usize) -> Option<&mut Ring> {
        self.rings.get_mut(index)
    }

    pub(crate) fn any_ring_runs(&self) -> bool {
        self.rings.iter().any(|ring| ring.running)
    }

    /// Closes the gates of `affected` rings and notes how far their pollers came and which rings broke. Waits at most
    /// `patience` for all together.
    pub(crate) fn close_rings<'s>(
        &mut self,
        slot: &'s Slot,
        affected: Affected,
        patience: Duration,
    ) -> Result<Closed<'s>, Stuck> {
        let (first, vrings) = match affected {
            Affected::None => (0, &[][..]),
            Affected::One(ring) => (ring, slot.vrings.get(ring).map_or(&[][..], slice::from_ref)),
            Affected::All => (0, &slot.vrings[..]),
        };
        let closed = VringShared::close_all(vrings, patience)
            .map_err(|(place, _)| Stuck { ring: first + place })?;
        for (state, vring) in self.rings.iter_mut().skip(first).zip(vrings) {
            state.note_progress(vring);
        }
        // Before a message can start a broken ring again.
        self.report_broken();
        Ok((first..).zip(closed).collect())
    }

    /// Decides for each closed ring whether it runs, and opens its gate if it does. Then sees whether the link changed.
    pub(crate) fn settle(&mut self, closed: Closed<'_>) {
        let was_up = self.slot.up.load(Ordering::Relaxed);
        let active = self.slot.active.load(Ordering::Acquire);
        for (index, mut guard) in closed {
            let mut plan = self.rings.get(index).and_then(|ring| self.plan(ring));
            if let Some(config) = &mut plan {
                self.reconcile(index, config);
            }
            let running = plan.is_some();
            guard.configure(plan);
            if active {
                guard.open();
            }
            self.note_running(index, running);
        }
        let up = self.rings.len() >= 2 && self.rings.iter().take(2).all(|ring| ring.running);
        if up != was_up {
            self.slot.up.store(up, Ordering::Release);
            self.slot.sink.send(if up { DeviceEvent::Up } else { DeviceEvent::Down });
        }
    }

    /// Where a ring that has just been started goes on. Every chain is completed in the order it was taken, so the driver's
    /// `used.idx` is the place; a front-end that lost an earlier back-end may not know it and say otherwise.
    fn reconcile(&mut self, index: usize, config: &mut VringConfig) {
        let Some(ring) = self.rings.get_mut(index) else { return };
        let used = config.rings.used_index();
        if std::mem::take(&mut ring.fresh) && used != config.base {
            let base = std::mem::replace(&mut ring.base, used);
            config.base = used;
            self.complain(&format_args!(
                "ring {index} goes on at {used}, where it was left, not at {base}"
            ));
        }
    }

    fn note_running(&mut self, index: usize, running: bool) {
        let Some(ring) = self.rings.get_mut(index) else { return };
        // Whom the clock woke may have been another one.
        ring.told_base = None;
        if ring.running != running {
            ring.running = running;
            self.slot.sink.send(DeviceEvent::Ring { index, running });
        }
    }

    /// The configuration with which `ring` runs, if it can.
    fn plan(&self, ring: &Ring) -> Option<VringConfig> {
        let features = self.features?;
        let driver_ready = !self.protocol.contains(ProtocolFeatures::STATUS)
            || self.status & STATUS_DRIVER_OK != 0;
        if !driver_ready {
            return None;
        }
        ring.plan(self.memory.as_ref()?, features)
    }

    /// What the clock asks for: wakes drivers that a poller may have left asleep, and reports broken rings. No gate of the
    /// device is held.
    pub(crate) fn watch(&mut self) {
        self.relieve_pollers();
        for (ring, vring) in self.rings.iter_mut().zip(&self.slot.vrings) {
            vring.wake_unconfirmed(&mut ring.told_base);
        }
        self.report_broken();
    }

    /// Lets out pollers that wait because a hostile front-end keeps its call event full.
    pub(crate) fn relieve_pollers(&self) {
        for call in self.rings.iter().filter_map(|ring| ring.call.as_ref()) {
            eal::eventfd::relieve(call);
        }
    }

    /// Reports rings that their pollers took out of service since the last call.
    fn report_broken(&mut self) {
        for (index, (ring, vring)) in self.rings.iter_mut().zip(&self.slot.vrings).enumerate() {
            if let Some(reason) = vring.broken().filter(|_| !ring.told_broken) {
                ring.tell_broken();
                let text = reason.text();
                let text = format_args!("ring {index} is out of service: {text}");
                self.slot.log(Level::Warn, text);
                self.slot.sink.send(DeviceEvent::RingBroken { index, reason });
            }
        }
    }

    /// Forgets everything that the front-end had set; the gates of all rings are closed.
    pub(crate) fn finish(&mut self, closed: Closed<'_>) {
        self.rings
            .iter_mut()
            .for_each(|ring| *ring = Ring { running: ring.running, ..Ring::default() });
        self.settle(closed);
        self.set_memory(None);
        self.features = None;
        self.slot.features.store(0, Ordering::Relaxed);
        self.slot.mtu.store(0, Ordering::Relaxed);
        self.slot.connected.store(false, Ordering::Relaxed);
        self.slot.sink.send(DeviceEvent::Disconnected);
    }
}

/// Rings whose gates are closed, with their indices.
pub(crate) type Closed<'a> = Vec<(usize, ClosedVring<'a>)>;
