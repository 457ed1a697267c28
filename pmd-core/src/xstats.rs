//! Extended statistics: every counter of a port by name, in the names and the order of DPDK.

use crate::{EthDev, PortStats};

/// One named counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xstat {
    /// Its name: `rx_good_packets`.
    pub name: String,
    /// What it has counted since it was cleared.
    pub value: u64,
}

impl Xstat {
    /// A counter called `name`.
    pub fn new(name: impl Into<String>, value: u64) -> Self {
        Self { name: name.into(), value }
    }
}

/// Every counter of `port`: those of all ports first, then the device's own.
pub fn all(port: &dyn EthDev) -> Vec<Xstat> {
    let mut list = basic(&port.stats());
    list.extend(port.device_xstats());
    list
}

/// The counters that every port has.
pub fn basic(stats: &PortStats) -> Vec<Xstat> {
    [
        ("rx_good_packets", stats.rx_packets),
        ("tx_good_packets", stats.tx_packets),
        ("rx_good_bytes", stats.rx_bytes),
        ("tx_good_bytes", stats.tx_bytes),
        ("rx_missed_errors", stats.rx_missed),
        ("rx_errors", stats.rx_errors),
        ("tx_errors", stats.tx_errors),
        ("rx_mbuf_allocation_errors", stats.rx_no_mbuf),
    ]
    .map(|(name, value)| Xstat::new(name, value))
    .into()
}

/// Packets, bytes and errors of each queue, for devices that list them (`rx_q0_packets`).
pub fn queues(port: &dyn EthDev) -> Vec<Xstat> {
    let config = port.config();
    let mut list = Vec::new();
    for queue in 0..config.rx_queues {
        let q = port.queue_stats(true, queue).unwrap_or_default();
        for (name, value) in [("packets", q.packets), ("bytes", q.bytes), ("errors", q.errors)] {
            list.push(Xstat::new(format!("rx_q{queue}_{name}"), value));
        }
    }
    for queue in 0..config.tx_queues {
        let q = port.queue_stats(false, queue).unwrap_or_default();
        for (name, value) in [("packets", q.packets), ("bytes", q.bytes)] {
            list.push(Xstat::new(format!("tx_q{queue}_{name}"), value));
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_order_of_the_reference() {
        let stats = PortStats { rx_packets: 3, rx_no_mbuf: 7, ..PortStats::default() };
        let list = basic(&stats);
        let names: Vec<&str> = list.iter().map(|x| x.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "rx_good_packets",
                "tx_good_packets",
                "rx_good_bytes",
                "tx_good_bytes",
                "rx_missed_errors",
                "rx_errors",
                "tx_errors",
                "rx_mbuf_allocation_errors"
            ]
        );
        assert_eq!((list[0].value, list[7].value), (3, 7));
    }
}
