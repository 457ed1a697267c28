//! Counters of rings in the terms of ports.

use std::sync::Arc;

use pmd_core::{QueueStats, Xstat};

use crate::counters::CounterValues;
use crate::vring::VringShared;

/// What the rings of a port had counted when its counters were last cleared. Pollers are not disturbed by clearing.
#[derive(Debug, Default)]
pub(super) struct Base(Vec<CounterValues>);

impl Base {
    /// The rings' counters now.
    pub(super) fn now<'a>(vrings: impl Iterator<Item = &'a Arc<VringShared>>) -> Self {
        Self(vrings.map(|vring| vring.counters().values()).collect())
    }

    /// What `vring` had counted; nothing if it was never cleared.
    pub(super) fn of(&self, vring: &VringShared) -> CounterValues {
        self.0.get(usize::from(vring.index())).copied().unwrap_or_default()
    }
}

/// Bytes of a VLAN tag.
const TAG_BYTES: u64 = 4;

/// The counters of a ring that the guest sends on. The ring counts packets as they came, the port as the application gets them.
pub(super) fn rx_stats(values: &CounterValues) -> QueueStats {
    QueueStats {
        packets: values.packets,
        bytes: values.bytes.saturating_sub(TAG_BYTES.saturating_mul(values.stripped_tags)),
        errors: values.bad_chains + values.too_large,
        missed: values.discarded,
        no_mbuf: values.no_buffer,
    }
}

/// The counters of a ring that the guest receives from.
pub(super) fn tx_stats(values: &CounterValues) -> QueueStats {
    // A bad chain costs the driver its buffer; our packet goes into the next one.
    QueueStats {
        packets: values.packets,
        bytes: values.bytes,
        errors: values.too_large,
        ..QueueStats::default()
    }
}

/// The named counters of the ring of one queue, in DPDK's names and order. There is no IOTLB and no table of requests in
/// flight, so theirs are 0.
pub(super) fn ring_xstats(
    rx: bool,
    queue: u16,
    values: &CounterValues,
) -> impl Iterator<Item = Xstat> + use<> {
    let side = if rx { "rx" } else { "tx" };
    [("good_packets", values.packets), ("good_bytes", values.bytes)]
        .into_iter()
        .chain(values.frames.named())
        .chain([
            ("guest_notifications", values.notifications),
            ("iotlb_hits", 0),
            ("iotlb_misses", 0),
            ("inflight_submitted", 0),
            ("inflight_completed", 0),
        ])
        .map(move |(name, value)| Xstat::new(format!("{side}_q{queue}_{name}"), value))
}
