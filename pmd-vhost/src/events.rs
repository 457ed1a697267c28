//! What happens to a device, as a queue with a file descriptor to sleep on.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::Error;
use crate::vring::BreakReason;

/// Something that happened to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceEvent {
    /// A front-end connected.
    Connected,
    /// The first queue pair runs and the driver is ready: packets can pass.
    Up,
    /// Packets cannot pass any more; the memory of the front-end is not reached from now on.
    Down,
    /// A ring began (`true`) or ceased to run.
    Ring {
        /// Ring index: even ones are what the guest receives from, odd ones what it sends to.
        index: usize,
        /// Whether it runs.
        running: bool,
    },
    /// A ring was taken out of service because the driver broke its rules.
    RingBroken {
        /// Ring index.
        index: usize,
        /// What was wrong.
        reason: BreakReason,
    },
    /// The front-end told the guest's MTU.
    Mtu(u16),
    /// The front-end is gone and all it had given is released.
    Disconnected,
}

/// Where a device's events go.
pub trait EventSink: Send + Sync {
    /// Takes one event. Called on a control thread: must not block.
    fn send(&self, event: DeviceEvent);
}

impl<F: Fn(DeviceEvent) + Send + Sync> EventSink for F {
    fn send(&self, event: DeviceEvent) {
        self(event);
    }
}

/// At most this many events wait; then the oldest goes, for an embedder that never looks must not grow the heap.
const CAPACITY: usize = 1024;

#[derive(Debug)]
struct Shared {
    waiting: Mutex<VecDeque<DeviceEvent>>,
    wake: EventFd,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<DeviceEvent>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiving end: its descriptor is readable while events wait.
#[derive(Debug, Clone)]
pub struct Events(Arc<Shared>);

/// The device's end.
#[derive(Debug, Clone)]
pub struct EventSender(Arc<Shared>);

/// A new pair of ends.
///
/// # Errors
///
/// [`Error::Io`] when the process has no file descriptor left.
pub fn channel() -> Result<(EventSender, Events), Error> {
    let wake = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)
        .map_err(|error| Error::io("making the event descriptor of a device", error))?;
    let shared = Arc::new(Shared { waiting: Mutex::new(VecDeque::new()), wake });
    Ok((EventSender(Arc::clone(&shared)), Events(shared)))
}

impl EventSink for EventSender {
    fn send(&self, event: DeviceEvent) {
        let mut waiting = self.0.waiting();
        if waiting.len() == CAPACITY {
            waiting.pop_front();
        }
        waiting.push_back(event);
        // A full counter means that the descriptor is readable already.
        let _ = self.0.wake.write(1);
    }
}

impl Events {
    /// The next event, or `None` when there is none. Never blocks.
    pub fn try_next(&self) -> Option<DeviceEvent> {
        let mut waiting = self.0.waiting();
        let event = waiting.pop_front();
        if waiting.is_empty() {
            let _ = self.0.wake.read();
        }
        event
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn readable(events: &Events) -> bool {
        poll(&mut [PollFd::new(events.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).unwrap() == 1
    }

    #[test]
    fn readable_exactly_while_events_wait() {
        let (sender, events) = channel().unwrap();
        assert!(!readable(&events));
        sender.send(DeviceEvent::Up);
        sender.send(DeviceEvent::Down);
        assert_eq!(events.try_next(), Some(DeviceEvent::Up));
        assert!(readable(&events));
        assert_eq!(events.try_next(), Some(DeviceEvent::Down));
        assert!(!readable(&events));
        assert_eq!(events.try_next(), None);
    }

    #[test]
    fn the_queue_is_bounded() {
        let (sender, events) = channel().unwrap();
        for _ in 0..CAPACITY {
            sender.send(DeviceEvent::Up);
        }
        sender.send(DeviceEvent::Disconnected);
        let all: Vec<_> = std::iter::from_fn(|| events.try_next()).collect();
        assert_eq!((all.len(), all.last()), (CAPACITY, Some(&DeviceEvent::Disconnected)));
    }
}
