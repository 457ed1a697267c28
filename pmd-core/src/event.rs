//! Events of a port: a queue with a file descriptor to sleep on, instead of callbacks.

use crate::Error;

/// Something that happened to a port and that its app may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The link went up (`true`) or down.
    Link(bool),
    /// The peer enabled or disabled a ring.
    QueueState {
        /// Receive (`true`) or transmit queue.
        rx: bool,
        /// Its number.
        queue: u16,
        /// Whether it is enabled now.
        enabled: bool,
    },
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

/// The app's end: readable (its descriptor) while events wait.
pub type Events = eal::events::Events<Event>;

/// The driver's end. Cheap to clone; usable from any thread.
pub type EventSender = eal::events::EventSender<Event>;

/// A new pair of ends.
///
/// # Errors
///
/// [`Error::Io`] when the process has no file descriptor left.
pub fn channel() -> Result<(EventSender, Events), Error> {
    eal::events::channel().map_err(|e| Error::io("making the event descriptor of a port", e))
}
