//! What streams count. One thread writes; any takes snapshots.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::MAX_BURST;

/// What a stream counts.
#[derive(Default)]
#[repr(align(128))]
pub struct Counters {
    rx: AtomicU64,
    tx: AtomicU64,
    dropped: AtomicU64,
    cycles: AtomicU64,
    bad: [AtomicU64; 4],
    /// Made when bursts are first to be counted.
    bursts: OnceLock<Box<[Bursts; 2]>>,
}

/// The counters at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountersSnapshot {
    /// Packets received.
    pub rx: u64,
    /// Packets that the transmit queue took.
    pub tx: u64,
    /// Packets dropped because it did not.
    pub dropped: u64,
    /// CPU cycles of rounds in which packets moved, if they are measured.
    pub cycles: u64,
    /// Checksums that were wrong when they arrived, if the mode looks at them.
    pub bad: BadChecksums,
}

/// Wrong checksums by place. Outer ones are those around a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BadChecksums {
    /// Of the IPv4 header.
    pub ip: u64,
    /// Of UDP, TCP or SCTP.
    pub transport: u64,
    /// Of the outer UDP header.
    pub outer_transport: u64,
    /// Of the outer IPv4 header.
    pub outer_ip: u64,
}

/// How often a burst had how many packets.
pub struct Bursts([AtomicU64; MAX_BURST as usize + 1]);

impl Default for Bursts {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; MAX_BURST as usize + 1])
    }
}

impl Bursts {
    fn count(&self, packets: usize) {
        if let Some(place) = self.0.get(packets) {
            bump(place, 1);
        }
    }

    /// The numbers: that of empty bursts first.
    pub fn snapshot(&self) -> Vec<u64> {
        self.0.iter().map(|place| place.load(Ordering::Relaxed)).collect()
    }
}

impl Counters {
    #[inline]
    pub(super) fn add_rx(&self, count: usize) {
        bump(&self.rx, count as u64);
    }

    #[inline]
    pub(super) fn add_tx(&self, count: usize) {
        bump(&self.tx, count as u64);
    }

    #[inline]
    pub(super) fn add_dropped(&self, count: usize) {
        bump(&self.dropped, count as u64);
    }

    pub(super) fn add_cycles(&self, cycles: u64) {
        bump(&self.cycles, cycles);
    }

    pub(super) fn add_bad(&self, bad: BadChecksums) {
        let counts = [bad.ip, bad.transport, bad.outer_transport, bad.outer_ip];
        for (counter, count) in self.bad.iter().zip(counts) {
            bump(counter, count);
        }
    }

    pub(super) fn add_rx_burst(&self, packets: usize) {
        self.bursts.get_or_init(Box::default)[0].count(packets);
    }

    pub(super) fn add_tx_burst(&self, packets: usize) {
        self.bursts.get_or_init(Box::default)[1].count(packets);
    }

    /// Bursts received and sent by their number of packets, if they were counted.
    pub fn bursts(&self) -> Option<[Vec<u64>; 2]> {
        self.bursts.get().map(|bursts| [bursts[0].snapshot(), bursts[1].snapshot()])
    }

    /// The counters now.
    pub fn snapshot(&self) -> CountersSnapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [ip, transport, outer_transport, outer_ip] = &self.bad;
        CountersSnapshot {
            rx: get(&self.rx),
            tx: get(&self.tx),
            dropped: get(&self.dropped),
            cycles: get(&self.cycles),
            bad: BadChecksums {
                ip: get(ip),
                transport: get(transport),
                outer_transport: get(outer_transport),
                outer_ip: get(outer_ip),
            },
        }
    }
}

impl CountersSnapshot {
    /// What has been counted since `base`.
    pub fn since(self, base: Self) -> Self {
        Self {
            rx: self.rx.wrapping_sub(base.rx),
            tx: self.tx.wrapping_sub(base.tx),
            dropped: self.dropped.wrapping_sub(base.dropped),
            cycles: self.cycles.wrapping_sub(base.cycles),
            bad: self.bad.since(base.bad),
        }
    }
}

impl BadChecksums {
    fn since(self, base: Self) -> Self {
        Self {
            ip: self.ip.wrapping_sub(base.ip),
            transport: self.transport.wrapping_sub(base.transport),
            outer_transport: self.outer_transport.wrapping_sub(base.outer_transport),
            outer_ip: self.outer_ip.wrapping_sub(base.outer_ip),
        }
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            ip: self.ip + other.ip,
            transport: self.transport + other.transport,
            outer_transport: self.outer_transport + other.outer_transport,
            outer_ip: self.outer_ip + other.outer_ip,
        }
    }
}

/// A plain load and store: the polling thread is the only writer.
#[inline]
fn bump(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}
