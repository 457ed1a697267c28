//! VLAN tags, moved between frame and metadata in software.

use std::sync::atomic::{AtomicBool, Ordering};

use pmd_core::mbuf::Offload;
use pmd_core::{Burst, Mbuf, PortConfig, RxOffloads, TxOffloads};

/// What the queues of a port do with tags: set by control, looked at once a burst.
#[derive(Debug, Default)]
pub(super) struct Vlan {
    strip: AtomicBool,
    insert: AtomicBool,
}

impl Vlan {
    /// Takes over what `config` asks for.
    pub(super) fn set(&self, config: &PortConfig) {
        let strip = config.rx_offloads.contains(RxOffloads::VLAN_STRIP);
        let insert = config.tx_offloads.contains(TxOffloads::VLAN_INSERT);
        self.strip.store(strip, Ordering::Relaxed);
        self.insert.store(insert, Ordering::Relaxed);
    }

    /// Takes the tags out of received packets, if that was asked for. Returns how many.
    #[inline]
    pub(super) fn received(&self, packets: &mut [Mbuf]) -> u64 {
        if self.strip.load(Ordering::Relaxed) { strip(packets) } else { 0 }
    }

    /// Puts the tags that were taken out into packets to be sent, if that was asked for. A packet without room for its tag is
    /// dropped: without it, it would come to others than it was meant for. Returns how many were.
    #[inline]
    pub(super) fn send(&self, packets: &mut Burst) -> usize {
        if self.insert.load(Ordering::Relaxed) { insert(packets) } else { 0 }
    }
}

#[inline(never)]
fn strip(packets: &mut [Mbuf]) -> u64 {
    packets.iter_mut().map(|mbuf| u64::from(mbuf.strip_vlan())).sum()
}

#[inline(never)]
fn insert(packets: &mut Burst) -> usize {
    packets.retain_from(0, |mbuf| {
        let tag = mbuf.offload().contains(Offload::VLAN_STRIPPED).then_some(mbuf.meta().vlan_tci);
        tag.is_none_or(|tag| mbuf.insert_vlan(tag).is_ok())
    })
}
