//! What the front-end has set for one ring.
#![allow(unsafe_code, reason = "ring pointers are made from translated addresses")]

use std::os::fd::OwnedFd;
use std::sync::Arc;

use virtio::Features;
use virtio::layout::RingLayout;
use virtio::ring::RingPtrs;
use virtio::vhost_user::VringAddr;

use crate::guest_memory::GuestMemory;
use crate::refusal::Refusal;
use crate::vring::{VringConfig, VringShared};

/// What is done with a ring, from least to most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    /// Nothing: it is stopped, broken, or not described whole.
    #[default]
    None,
    /// It is there and disabled: nothing is given to the guest, and what it sends is dropped.
    Disabled,
    /// Packets can pass, as far as the front-end is concerned.
    Running,
}

/// The state of one ring towards the front-end. *Started* and *enabled* are two bits (vhost-user, "Ring states").
#[derive(Debug, Default)]
pub(crate) struct Ring {
    /// Entries; 0 until they are set.
    pub(crate) size: u16,
    /// Where it lies.
    pub(crate) addr: Option<VringAddr>,
    /// The next available entry to be taken, as of the last time that the gate was closed.
    pub(crate) base: u16,
    /// The front-end's kick event, kept for pollers that sleep.
    pub(crate) kick: Option<OwnedFd>,
    /// How the driver is woken.
    pub(crate) call: Option<Arc<OwnedFd>>,
    /// Where errors are told.
    pub(crate) error: Option<OwnedFd>,
    /// `SET_VRING_ENABLE`.
    pub(crate) enabled: bool,
    /// `SET_VRING_KICK` came, and no `GET_VRING_BASE` since.
    pub(crate) started: bool,
    /// It was started and has not run since.
    pub(crate) fresh: bool,
    /// What is done with it now.
    pub(crate) service: Service,
    /// Its poller has its configuration, and so knows the place.
    pub(crate) polled: bool,
    /// Its driver broke the rules; out of service until it is started again.
    pub(crate) broken: bool,
    /// The breakage was reported.
    pub(crate) told_broken: bool,
    /// The place in the ring for which the driver was woken by the clock.
    pub(crate) told_base: Option<u16>,
}

impl Ring {
    /// Whether packets can pass, as far as the front-end is concerned.
    pub(crate) fn runs(&self) -> bool {
        self.service == Service::Running
    }

    /// Takes over what the poller has left; the gate is closed.
    pub(super) fn note_progress(&mut self, vring: &VringShared) {
        if self.polled {
            self.base = vring.base();
            self.broken |= vring.broken().is_some();
        }
    }

    /// Marks the start of a ring: what broke before is forgotten.
    pub(crate) fn start(&mut self, kick: Option<OwnedFd>) {
        self.kick = kick;
        self.started = true;
        self.fresh = true;
        self.forgive();
    }

    /// Stops the ring and gives its events back (vhost-user, "GET_VRING_BASE").
    pub(crate) fn stop(&mut self) {
        self.started = false;
        self.kick = None;
        self.call = None;
        self.forgive();
    }

    fn forgive(&mut self) {
        self.broken = false;
        self.told_broken = false;
    }

    /// Tells the front-end that the ring is out of service.
    pub(super) fn tell_broken(&mut self) {
        self.told_broken = true;
        if let Some(error) = &self.error {
            eal::eventfd::signal(error);
        }
    }

    /// The configuration with which the ring runs, if it is there.
    pub(super) fn plan(
        &self,
        memory: &Arc<GuestMemory>,
        features: Features,
    ) -> Option<VringConfig> {
        if !self.started || self.broken || self.size == 0 {
            return None;
        }
        Some(VringConfig {
            rings: translate(&self.addr?, self.size, memory).ok()?,
            memory: Arc::clone(memory),
            features,
            call: self.call.clone(),
            base: self.base,
            discard: false,
        })
    }
}

/// Whether the parts are aligned as virtio 1.2, 2.7 demands: 16, 2 and 4 bytes.
pub(crate) fn is_aligned(addr: &VringAddr) -> bool {
    addr.descriptor.is_multiple_of(16)
        && addr.available.is_multiple_of(2)
        && addr.used.is_multiple_of(4)
}

/// The ring at `addr`, each part whole inside one region.
pub(crate) fn translate(
    addr: &VringAddr,
    size: u16,
    memory: &GuestMemory,
) -> Result<RingPtrs, Refusal> {
    let layout = RingLayout::new(size);
    let part = |user, bytes| memory.user_to_host(user, bytes).ok_or(Refusal::Address);
    let desc = part(addr.descriptor, layout.desc_bytes)?;
    let avail = part(addr.available, layout.avail_bytes)?;
    let used = part(addr.used, layout.used_bytes)?;
    // SAFETY: each part lies whole in a mapping of `memory`, and the configuration keeps `memory` beside the pointers.
    unsafe { RingPtrs::new(desc, avail, used, size) }.map_err(|_| Refusal::Address)
}
