//! `show port stats`: counters, and rates since the last time somebody looked.

use std::collections::BTreeMap;
use std::time::Duration;

use pmd_core::{PortId, PortStats};

use super::rule;

/// What was seen of each port when it was last shown.
#[derive(Default)]
pub struct Rates(BTreeMap<PortId, (Duration, PortStats)>);

/// Packets and bits a second, both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Received packets a second.
    pub rx_pps: u64,
    /// Received bits a second.
    pub rx_bps: u64,
    /// Sent packets a second.
    pub tx_pps: u64,
    /// Sent bits a second.
    pub tx_bps: u64,
}

impl Rates {
    /// The rates of `port` since the last call for it, 0 the first time, where `now` is any clock that only rises.
    /// A counter that fell meanwhile (it was cleared) counts as 0.
    pub fn since_last(&mut self, port: PortId, now: Duration, stats: &PortStats) -> Rate {
        let Some((then, last)) = self.0.insert(port, (now, stats.clone())) else {
            return Rate::default();
        };
        let nanoseconds = now.saturating_sub(then).as_nanos();
        let per_second = |now: u64, last: u64| {
            let difference = u128::from(now.saturating_sub(last)) * 1_000_000_000;
            difference.checked_div(nanoseconds).map_or(0, |rate| rate as u64)
        };
        Rate {
            rx_pps: per_second(stats.rx_packets, last.rx_packets),
            rx_bps: per_second(stats.rx_bytes, last.rx_bytes).saturating_mul(8),
            tx_pps: per_second(stats.tx_packets, last.tx_packets),
            tx_bps: per_second(stats.tx_bytes, last.tx_bytes).saturating_mul(8),
        }
    }

    /// Forgets a port that is gone.
    pub fn forget(&mut self, port: PortId) {
        self.0.remove(&port);
    }
}

/// The block of one port; `more` stands before its last line.
pub fn block(port: PortId, s: &PortStats, rate: Rate, more: &str) -> String {
    let hashes = "#".repeat(24);
    let id = port.0;
    let end = rule('#');
    let Rate { rx_pps, rx_bps, tx_pps, tx_bps } = rate;
    format!(
        "\n  {hashes} NIC statistics for port {id:<2} {hashes}\n  \
           RX-packets: {:<10} RX-missed: {:<10} RX-bytes:  {}\n  \
           RX-errors: {}\n  \
           RX-nombuf:  {:<10}\n  \
           TX-packets: {:<10} TX-errors: {:<10} TX-bytes:  {}\n\n  \
           Throughput (since last show)\n  \
           Rx-pps: {rx_pps:>12}          Rx-bps: {rx_bps:>12}\n  \
           Tx-pps: {tx_pps:>12}          Tx-bps: {tx_bps:>12}\n{more}{end}",
        s.rx_packets,
        s.rx_missed,
        s.rx_bytes,
        s.rx_errors,
        s.rx_no_mbuf,
        s.tx_packets,
        s.tx_errors,
        s.tx_bytes,
    )
}

/// What `clear port stats` says.
pub fn cleared(port: PortId) -> String {
    format!("\n  NIC statistics for port {port} cleared\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(packets: u64) -> PortStats {
        PortStats { rx_packets: packets, rx_bytes: packets * 64, ..PortStats::default() }
    }

    #[test]
    fn the_shape() {
        let stats = PortStats {
            rx_packets: 11481984,
            rx_bytes: 734846976,
            tx_packets: 11481984,
            tx_bytes: 734846976,
            ..PortStats::default()
        };
        let rate =
            Rate { rx_pps: 8776136, rx_bps: 4493382000, tx_pps: 8776136, tx_bps: 4493382000 };
        let expected = "
  ######################## NIC statistics for port 0  ########################
  RX-packets: 11481984   RX-missed: 0          RX-bytes:  734846976
  RX-errors: 0
  RX-nombuf:  0         
  TX-packets: 11481984   TX-errors: 0          TX-bytes:  734846976

  Throughput (since last show)
  Rx-pps:      8776136          Rx-bps:   4493382000
  Tx-pps:      8776136          Tx-bps:   4493382000
  ############################################################################
";
        assert_eq!(block(PortId(0), &stats, rate, ""), expected);
        assert!(block(PortId(12), &stats, rate, "").contains(" port 12 ####"));
        assert_eq!(cleared(PortId(0)), "\n  NIC statistics for port 0 cleared\n");
    }

    #[test]
    fn rates_are_since_the_last_look_at_that_port() {
        let mut rates = Rates::default();
        let (a, b) = (PortId(0), PortId(1));
        let at = Duration::from_millis;
        assert_eq!(rates.since_last(a, at(0), &stats(1000)), Rate::default(), "the first look");
        let rate = rates.since_last(a, at(500), &stats(1500));
        assert_eq!((rate.rx_pps, rate.rx_bps), (1000, 512_000));
        assert_eq!(
            rates.since_last(b, at(600), &stats(9)),
            Rate::default(),
            "the other port's first"
        );
        assert_eq!(rates.since_last(a, at(700), &stats(10)).rx_pps, 0, "cleared meanwhile");
        assert_eq!(rates.since_last(a, at(700), &stats(20)).rx_pps, 0, "no time has passed");
    }

    #[test]
    fn bits_are_whole_bytes_and_numbers_may_be_large() {
        let mut rates = Rates::default();
        rates.since_last(PortId(0), Duration::ZERO, &stats(0));
        let rate = rates.since_last(
            PortId(0),
            Duration::from_nanos(3_000_000_001),
            &stats(u64::MAX / 1024),
        );
        assert_eq!(rate.rx_bps % 8, 0);
        assert!(rate.rx_pps > 1 << 52);
    }
}
