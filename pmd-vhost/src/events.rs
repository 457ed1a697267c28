//! What happens to a device, as a queue with a file descriptor to sleep on.

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
    /// A ring of the first queue pair was stopped, or the front-end is going: packets cannot pass any more. Disabling a ring
    /// alone does not bring the device down.
    Down,
    /// A ring began (`true`) or ceased to run: it was started and enabled, or stopped, disabled or broken.
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

/// The embedder's end: its descriptor is readable while events wait.
pub type Events = eal::events::Events<DeviceEvent>;

/// The device's end.
pub type EventSender = eal::events::EventSender<DeviceEvent>;

/// A new pair of ends.
///
/// # Errors
///
/// [`Error::NoDescriptors`] when the process has no file descriptor left.
pub fn channel() -> Result<(EventSender, Events), Error> {
    crate::descriptors::with_more("making the event descriptor of a device", eal::events::channel)
}

impl EventSink for EventSender {
    fn send(&self, event: DeviceEvent) {
        eal::events::EventSender::send(self, event);
    }
}
