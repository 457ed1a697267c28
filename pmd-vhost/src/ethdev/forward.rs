//! Events of a device in the terms of ports.

use std::sync::atomic::{AtomicBool, Ordering};

use pmd_core::{Event, EventSender};

use crate::events::DeviceEvent;

/// Sends on what an app of ports may want to know. As in DPDK, rings of a device that has gone down say nothing of
/// their end.
pub(super) fn forward(sender: EventSender) -> impl Fn(DeviceEvent) + Send + Sync {
    let gone = AtomicBool::new(false);
    move |event| {
        if let Some(event) = translate(event, &gone) {
            sender.send(event);
        }
    }
}

/// A ring's direction and queue: what the guest sends on, we receive from.
fn queue_of(index: usize) -> (bool, u16) {
    // There are at most 256 rings.
    (index % 2 == 1, (index / 2) as u16)
}

fn translate(event: DeviceEvent, gone: &AtomicBool) -> Option<Event> {
    match event {
        DeviceEvent::Up => Some(Event::Link(true)),
        DeviceEvent::Down => {
            gone.store(true, Ordering::Relaxed);
            Some(Event::Link(false))
        }
        DeviceEvent::Ring { index, running: enabled } => {
            let (rx, queue) = queue_of(index);
            let was_gone = gone.fetch_and(!enabled, Ordering::Relaxed);
            (enabled || !was_gone).then_some(Event::QueueState { rx, queue, enabled })
        }
        DeviceEvent::RingBroken { index, reason } => {
            let (rx, queue) = queue_of(index);
            Some(Event::QueueBroken { rx, queue, reason: reason.text() })
        }
        _ => None,
    }
}
