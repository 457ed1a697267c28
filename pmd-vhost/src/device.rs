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
//! ring is there = started (kick came) and size and addresses known and translated
//!                 and driver ready (DRIVER_OK, if STATUS was negotiated) and not broken
//! ring runs     = it is there and enabled
//! ring discards = it is there and not enabled, and the guest sends on it
//! gate open     = ring runs or discards, and the owner lets packets pass
//! up            = both rings of the first pair have begun to run, and are still there
//! ```

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use log::Level;
use virtio::Features;
use virtio::vhost_user::ProtocolFeatures;

use crate::config::PROTOCOL_FEATURES;
use crate::events::DeviceEvent;
use crate::guest_memory::GuestMemory;
use crate::vring::ClosedVring;

mod chatter;
mod ring;
mod settle;
mod slot;

pub(crate) use ring::{Ring, Service, is_aligned, translate};
pub(crate) use slot::Slot;

/// Device status bit: negotiation of features is complete (virtio 1.2, 2.1).
pub(crate) const STATUS_FEATURES_OK: u8 = 8;
/// Device status bit: the driver is ready (virtio 1.2, 2.1).
const STATUS_DRIVER_OK: u8 = 4;

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
        self.rings.iter().any(Ring::runs)
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
}

/// Rings whose gates are closed, with their indices.
pub(crate) type Closed<'a> = Vec<(usize, ClosedVring<'a>)>;
