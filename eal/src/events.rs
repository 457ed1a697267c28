//! Events as a queue with a file descriptor to sleep on, instead of callbacks.
//!
//! Any thread sends, any thread takes. The queue is bounded: when nobody looks, the oldest event goes, so that a
//! careless receiver costs no memory.
//!
//! ```
//! let (sender, events) = eal::events::channel::<&str>()?;
//! sender.send("link up");
//! assert_eq!(events.try_next(), Some("link up"));
//! assert_eq!(events.try_next(), None);
//! # Ok::<(), std::io::Error>(())
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// At most this many events wait.
pub const CAPACITY: usize = 1024;

struct Shared<T> {
    waiting: Mutex<VecDeque<T>>,
    wake: EventFd,
}

impl<T> Shared<T> {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiving end: its descriptor is readable while events wait. Clones take from the same queue.
pub struct Events<T>(Arc<Shared<T>>);

/// The sending end. Cheap to clone; usable from any thread.
pub struct EventSender<T>(Arc<Shared<T>>);

/// A new pair of ends.
///
/// # Errors
///
/// What the system answers when the process has no file descriptor left.
pub fn channel<T>() -> io::Result<(EventSender<T>, Events<T>)> {
    let wake = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
    let shared = Arc::new(Shared { waiting: Mutex::new(VecDeque::new()), wake });
    Ok((EventSender(Arc::clone(&shared)), Events(shared)))
}

impl<T> EventSender<T> {
    /// Queues `event` and makes the descriptor readable. Never blocks for longer than a `try_next` takes.
    pub fn send(&self, event: T) {
        let mut waiting = self.0.waiting();
        if waiting.len() == CAPACITY {
            waiting.pop_front();
        }
        waiting.push_back(event);
        // A full counter means the descriptor is readable already.
        let _ = self.0.wake.write(1);
    }
}

impl<T> Events<T> {
    /// The next event, or `None` when there is none. Never blocks.
    pub fn try_next(&self) -> Option<T> {
        let mut waiting = self.0.waiting();
        let event = waiting.pop_front();
        if waiting.is_empty() {
            let _ = self.0.wake.read();
        }
        event
    }
}

impl<T> Clone for Events<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Clone for EventSender<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> AsFd for Events<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}

impl<T> fmt::Debug for Events<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({} waiting)", self.0.waiting().len())
    }
}

impl<T> fmt::Debug for EventSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventSender({} waiting)", self.0.waiting().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn readable<T>(events: &Events<T>) -> bool {
        poll(&mut [PollFd::new(events.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).unwrap() == 1
    }

    #[test]
    fn readable_exactly_while_events_wait() {
        let (sender, events) = channel().unwrap();
        assert!(!readable(&events));
        sender.send(1);
        sender.send(2);
        assert!(readable(&events));
        assert_eq!(events.try_next(), Some(1));
        assert!(readable(&events));
        assert_eq!(events.try_next(), Some(2));
        assert!(!readable(&events));
        assert_eq!(events.try_next(), None);
    }

    #[test]
    fn when_nobody_looks_the_oldest_is_lost() {
        let (sender, events) = channel().unwrap();
        for number in 0..=CAPACITY {
            sender.send(number);
        }
        let all: Vec<_> = std::iter::from_fn(|| events.try_next()).collect();
        assert_eq!((all.len(), all.first(), all.last()), (CAPACITY, Some(&1), Some(&CAPACITY)));
    }
}
