//! What the control thread does by the clock.
//!
//! Looking at every endpoint costs time in proportion to their number, so it is not done after each event but at most once
//! every [`LOOK`], and when something is due.

use std::time::{Duration, Instant};

use log::Level;
use nix::sys::epoll::{EpollEvent, EpollFlags, EpollTimeout};
use virtio::vhost_user::WireError;

use super::connection::Work;
use super::control::{Control, token};
use super::endpoint::{Door, Endpoint, RETRY, Seat};
use super::socket::connect_to;
use crate::config::LOG_TARGET;
use crate::session::End;

/// How often running rings are asked whether they broke.
const WATCH: Duration = Duration::from_millis(100);
/// How long after an event the endpoints are looked at. Nothing that an event makes due is due sooner.
const LOOK: Duration = Duration::from_millis(5);

impl Control {
    /// How long to wait for events.
    pub(super) fn timeout(&self) -> EpollTimeout {
        let Some(next) = self.look_at else { return EpollTimeout::NONE };
        let left = next.saturating_duration_since(Instant::now());
        // Rounded up, so that the last fraction of a millisecond does not spin.
        EpollTimeout::try_from(left.as_millis().saturating_add(1)).unwrap_or(EpollTimeout::MAX)
    }

    /// Events may have changed what is due when.
    pub(super) fn look_soon(&mut self, events: bool) {
        if events {
            let soon = Instant::now() + LOOK;
            self.look_at = Some(self.look_at.map_or(soon, |at| at.min(soon)));
        }
    }

    /// Does what is due, if it is time to look.
    pub(super) fn on_time(&mut self) {
        let now = Instant::now();
        if self.look_at.is_none_or(|at| now < at) {
            return;
        }
        let watch = now >= self.watch_at;
        if watch {
            self.watch_at = now + WATCH;
            self.workers.rescue();
        }
        let ids: Vec<u32> = self.endpoints.keys().copied().collect();
        for id in ids {
            self.on_time_of(id, now, watch);
        }
        let busy = self.anyone_connected() || self.workers.is_stranded();
        let deadlines = self.endpoints.values().filter_map(Endpoint::deadline);
        self.look_at = deadlines.chain(busy.then_some(self.watch_at)).min();
    }

    fn anyone_connected(&self) -> bool {
        self.endpoints.values().any(|endpoint| matches!(endpoint.seat, Seat::Here(_)))
    }

    fn on_time_of(&mut self, id: u32, now: Instant, watch: bool) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else { return };
        if endpoint.next.as_ref().is_some_and(|(_, until)| now >= *until) {
            endpoint.slot.log(Level::Warn, "a second front-end was refused: one is connected");
            endpoint.next = None;
        }
        if let Seat::Here(connection) = &mut endpoint.seat {
            if connection.session.deadline().is_some_and(|until| now >= until) {
                return self.perform(id, Work::HangUp(End::Wire(WireError::TimedOut)));
            }
            if watch {
                connection.device.watch();
            }
        }
        match &mut endpoint.door {
            Door::Listener { listener, resume_at } if resume_at.is_some_and(|at| now >= at) => {
                *resume_at = None;
                let event = EpollEvent::new(EpollFlags::EPOLLIN, token(id, 0));
                if self.epoll.add(listener.socket(), event).is_err() {
                    *resume_at = Some(now + RETRY);
                }
            }
            Door::Connector { retry_at, .. } if retry_at.is_some_and(|at| now >= at) => {
                self.connect(id, now)
            }
            Door::Listener { .. } | Door::Connector { .. } => {}
        }
    }

    /// One attempt of a client.
    fn connect(&mut self, id: u32, now: Instant) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else { return };
        let Door::Connector { retry_at, told } = &mut endpoint.door else { return };
        match connect_to(&endpoint.slot.config.path) {
            Ok(stream) => {
                (*retry_at, *told) = (None, false);
                self.seat(id, stream);
            }
            Err(error) => {
                *retry_at = Some(now + RETRY);
                if !std::mem::replace(told, true) {
                    log::info!(target: LOG_TARGET, "{error}; trying again every second");
                }
            }
        }
    }
}
