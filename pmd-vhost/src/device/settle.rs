//! Deciding what each ring does after something has changed.

use std::slice;
use std::sync::atomic::Ordering;
use std::time::Duration;

use log::Level;
use virtio::vhost_user::ProtocolFeatures;

use super::{Affected, Closed, Device, Ring, STATUS_DRIVER_OK, Service, Slot, Stuck};
use crate::events::DeviceEvent;
use crate::vring::{VringConfig, VringShared};

impl Device {
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

    /// Decides for each closed ring what it does, and opens its gate if its poller is needed. Then says what changed.
    pub(crate) fn settle(&mut self, closed: Closed<'_>) {
        let active = self.slot.active.load(Ordering::Acquire);
        let mut changes = Vec::new();
        for (index, mut guard) in closed {
            let (service, mut plan) = self.plan(index);
            if let Some(config) = &mut plan {
                self.reconcile(index, config);
            }
            let polled = plan.is_some();
            guard.configure(plan);
            if active {
                guard.open();
            }
            changes.extend(self.note_service(index, service, polled));
        }
        self.announce(&changes);
    }

    /// Sends what changed: a device goes down before its rings do, and comes up after them.
    fn announce(&self, changes: &[DeviceEvent]) {
        let was_up = self.slot.up.load(Ordering::Relaxed);
        let first_pair = self.rings.get(..2).unwrap_or_default();
        // While it is up, the front-end may disable and enable the pair as it likes.
        let needed = if was_up { Service::Disabled } else { Service::Running };
        let up = !first_pair.is_empty() && first_pair.iter().all(|ring| ring.service >= needed);
        if up != was_up {
            self.slot.up.store(up, Ordering::Release);
        }
        if was_up && !up {
            self.slot.sink.send(DeviceEvent::Down);
        }
        changes.iter().for_each(|change| self.slot.sink.send(change.clone()));
        if up && !was_up {
            self.slot.sink.send(DeviceEvent::Up);
        }
    }

    /// Where a ring that has just been started goes on. Every chain is completed in the order it was taken, so the driver's
    /// `used.idx` is the place; a front-end that lost an earlier back-end may not know it and say otherwise.
    fn reconcile(&mut self, index: usize, config: &mut VringConfig) {
        let Some(ring) = self.rings.get_mut(index) else { return };
        let used = config.rings.used_index();
        let fresh = ring.fresh;
        // Until it is enabled the front-end may say again where it begins.
        ring.fresh &= config.discard;
        if fresh && used != config.base {
            let base = std::mem::replace(&mut ring.base, used);
            config.base = used;
            self.complain(&format_args!(
                "ring {index} goes on at {used}, where it was left, not at {base}"
            ));
        }
    }

    /// Notes what the ring does now; the event that tells of it, if it began or ceased to run.
    fn note_service(
        &mut self,
        index: usize,
        service: Service,
        polled: bool,
    ) -> Option<DeviceEvent> {
        let ring = self.rings.get_mut(index)?;
        ring.polled = polled;
        // Whom the clock woke may have been another one.
        ring.told_base = None;
        let (ran, running) = (ring.runs(), service == Service::Running);
        ring.service = service;
        (ran != running).then_some(DeviceEvent::Ring { index, running })
    }

    /// What ring `index` does, and the configuration that its poller needs for it.
    fn plan(&self, index: usize) -> (Service, Option<VringConfig>) {
        let driver_ready = !self.protocol.contains(ProtocolFeatures::STATUS)
            || self.status & STATUS_DRIVER_OK != 0;
        let parts = self.rings.get(index).zip(self.memory.as_ref()).zip(self.features);
        let Some(((ring, memory), features)) = parts.filter(|_| driver_ready) else {
            return (Service::None, None);
        };
        match ring.plan(memory, features) {
            None => (Service::None, None),
            Some(config) if ring.enabled => (Service::Running, Some(config)),
            // Nothing is given to a disabled ring, and what comes from it is dropped (vhost-user, "Ring states").
            Some(config) => {
                let guest_sends = index % 2 == 1;
                let config = guest_sends.then_some(VringConfig { discard: true, ..config });
                (Service::Disabled, config)
            }
        }
    }

    /// Reports rings that their pollers took out of service since the last call.
    pub(super) fn report_broken(&mut self) {
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
        for ring in &mut self.rings {
            *ring = Ring { service: ring.service, ..Ring::default() };
        }
        self.settle(closed);
        self.set_memory(None);
        self.features = None;
        self.slot.features.store(0, Ordering::Relaxed);
        self.slot.mtu.store(0, Ordering::Relaxed);
        self.slot.connected.store(false, Ordering::Relaxed);
        self.slot.sink.send(DeviceEvent::Disconnected);
    }
}
