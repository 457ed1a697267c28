//! Events of a port: a queue with a file descriptor to sleep on, instead of callbacks.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::Error;

/// Something that happened to a port and that its app may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The link went up (`true`) or down.
    Link(bool),
    /// A ring was taken out of service because the other side broke its rules.
    QueueBroken {
        /// Receive (`true`) or transmit queue.
        rx: bool,
        /// Its number.
        queue: u16,
        /// What was wrong, for a person.
        reason: &'static str,
    },
    /// The device is gone for good; only `close` is left.
    Removed,
}

/// At most this many events wait; then the oldest goes, for an app that never looks must not grow the heap.
const CAPACITY: usize = 1024;

#[derive(Debug)]
struct Shared {
    waiting: Mutex<VecDeque<Event>>,
    wake: EventFd,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiving end: readable (its descriptor) while events wait.
#[derive(Clone, Debug)]
pub struct Events(Arc<Shared>);

/// The driver's end. Cheap to clone; usable from any thread.
#[derive(Clone, Debug)]
pub struct EventSender(Arc<Shared>);

/// A new pair of ends.
///
/// # Errors
///
/// [`Error::Io`] when the process has no file descriptor left.
pub fn channel() -> Result<(EventSender, Events), Error> {
    let wake = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)
        .map_err(|e| Error::io("making the event descriptor of a port", e))?;
    let shared = Arc::new(Shared { waiting: Mutex::new(VecDeque::new()), wake });
    Ok((EventSender(Arc::clone(&shared)), Events(shared)))
}

impl EventSender {
    /// Queues `event` and makes the descriptor readable.
    pub fn send(&self, event: Event) {
        let mut waiting = self.0.waiting();
        if waiting.len() == CAPACITY {
            waiting.pop_front();
        }
        waiting.push_back(event);
        // A full counter means the descriptor is readable already.
        let _ = self.0.wake.write(1);
    }
}

impl Events {
    /// The next event, or `None` when there is none. Never blocks.
    pub fn try_next(&self) -> Option<Event> {
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
        sender.send(Event::Link(true));
        sender.send(Event::Link(false));
        assert!(readable(&events));
        assert_eq!(events.try_next(), Some(Event::Link(true)));
        assert!(readable(&events));
        assert_eq!(events.try_next(), Some(Event::Link(false)));
        assert!(!readable(&events));
        assert_eq!(events.try_next(), None);
    }

    #[test]
    fn an_app_that_never_looks_loses_the_oldest() {
        let (sender, events) = channel().unwrap();
        for _ in 0..CAPACITY {
            sender.send(Event::Link(true));
        }
        sender.send(Event::Removed);
        let all: Vec<_> = std::iter::from_fn(|| events.try_next()).collect();
        assert_eq!((all.len(), all.last()), (CAPACITY, Some(&Event::Removed)));
    }
}
