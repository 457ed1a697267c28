//! What `stop` and `show fwd stats` say: what streams and ports counted since `start`.

use std::fmt::Write;

use pmd_core::{PortId, PortStats};

use super::rule;
use crate::engine::{CountersSnapshot, StreamId};

/// The numbers of a report.
#[derive(Default)]
pub struct Report {
    /// Streams with their counters.
    pub streams: Vec<(StreamId, CountersSnapshot)>,
    /// Forwarding ports with what they counted since the start.
    pub ports: Vec<(PortId, PortStats)>,
}

#[derive(Clone, Copy, Default)]
struct Totals {
    rx: u64,
    rx_dropped: u64,
    tx: u64,
    tx_dropped: u64,
    no_mbuf: u64,
}

/// The text, from the first stream to the rule below the accumulated numbers. Streams are listed when there are more of
/// them than ports, and those in which nothing moved are left out.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    if report.streams.len() > report.ports.len() {
        for (id, counters) in &report.streams {
            stream(&mut text, *id, *counters);
        }
    }
    let mut all = Totals::default();
    for (port, stats) in &report.ports {
        let totals = totals_of(*port, stats, &report.streams);
        port_block(&mut text, *port, stats, totals);
        all.rx += totals.rx;
        all.rx_dropped += totals.rx_dropped;
        all.tx += totals.tx;
        all.tx_dropped += totals.tx_dropped;
        all.no_mbuf += totals.no_mbuf;
    }
    let plus = "+".repeat(15);
    let _ = write!(text, "\n  {plus} Accumulated forward statistics for all ports{plus}\n");
    rx_line(&mut text, all);
    if all.no_mbuf > 0 {
        let _ = writeln!(text, "  RX-nombufs: {:<14}", all.no_mbuf);
    }
    tx_line(&mut text, all);
    text + &rule('+')
}

fn totals_of(port: PortId, stats: &PortStats, streams: &[(StreamId, CountersSnapshot)]) -> Totals {
    let dropped: u64 =
        streams.iter().filter(|(id, _)| id.tx_port == port).map(|(_, c)| c.dropped).sum();
    Totals {
        rx: stats.rx_packets,
        rx_dropped: stats.rx_missed,
        tx: stats.tx_packets,
        tx_dropped: dropped + stats.tx_errors,
        no_mbuf: stats.rx_no_mbuf,
    }
}

fn stream(text: &mut String, id: StreamId, c: CountersSnapshot) {
    if c == CountersSnapshot::default() {
        return;
    }
    let _ = write!(
        text,
        "\n  ------- Forward Stats for RX Port={:>2}/Queue={:>2} -> TX Port={:>2}/Queue={:>2} -------\n  \
         RX-packets: {:<14} TX-packets: {:<14} TX-dropped: {:<14}\n",
        id.rx_port.0, id.rx_queue, id.tx_port.0, id.tx_queue, c.rx, c.tx, c.dropped
    );
}

fn port_block(text: &mut String, port: PortId, stats: &PortStats, totals: Totals) {
    let dashes = "-".repeat(22);
    let _ = write!(text, "\n  {dashes} Forward statistics for port {:<2} {dashes}\n", port.0);
    rx_line(text, totals);
    if stats.rx_errors + stats.rx_no_mbuf > 0 {
        let _ = writeln!(text, "  RX-error: {}", stats.rx_errors);
        let _ = writeln!(text, "  RX-nombufs: {:<14}", stats.rx_no_mbuf);
    }
    tx_line(text, totals);
    text.push_str(&rule('-'));
}

fn rx_line(text: &mut String, t: Totals) {
    let total = t.rx + t.rx_dropped;
    let _ = writeln!(
        text,
        "  RX-packets: {:<14} RX-dropped: {:<14}RX-total: {total}",
        t.rx, t.rx_dropped
    );
}

fn tx_line(text: &mut String, t: Totals) {
    let total = t.tx + t.tx_dropped;
    let _ = writeln!(
        text,
        "  TX-packets: {:<14} TX-dropped: {:<14}TX-total: {total}",
        t.tx, t.tx_dropped
    );
}

/// What was counted between two snapshots of a port.
pub fn since(now: &PortStats, base: &PortStats) -> PortStats {
    PortStats {
        rx_packets: now.rx_packets.saturating_sub(base.rx_packets),
        rx_bytes: now.rx_bytes.saturating_sub(base.rx_bytes),
        rx_missed: now.rx_missed.saturating_sub(base.rx_missed),
        rx_errors: now.rx_errors.saturating_sub(base.rx_errors),
        rx_no_mbuf: now.rx_no_mbuf.saturating_sub(base.rx_no_mbuf),
        tx_packets: now.tx_packets.saturating_sub(base.tx_packets),
        tx_bytes: now.tx_bytes.saturating_sub(base.tx_bytes),
        tx_errors: now.tx_errors.saturating_sub(base.tx_errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(queue: u16) -> StreamId {
        StreamId { rx_port: PortId(0), rx_queue: queue, tx_port: PortId(0), tx_queue: queue }
    }

    fn counted(rx: u64, tx: u64, dropped: u64) -> CountersSnapshot {
        CountersSnapshot { rx, tx, dropped, ..CountersSnapshot::default() }
    }

    #[test]
    fn two_queues_with_their_streams() {
        let counters = counted;
        let stats = PortStats { rx_packets: 7399552, tx_packets: 7399616, ..PortStats::default() };
        let report = Report {
            streams: vec![
                (id(0), counters(3734880, 3734912, 0)),
                (id(1), counters(3664672, 3664704, 0)),
                (id(2), counters(0, 0, 0)),
            ],
            ports: vec![(PortId(0), stats)],
        };
        let expected = "
  ------- Forward Stats for RX Port= 0/Queue= 0 -> TX Port= 0/Queue= 0 -------
  RX-packets: 3734880        TX-packets: 3734912        TX-dropped: 0             

  ------- Forward Stats for RX Port= 0/Queue= 1 -> TX Port= 0/Queue= 1 -------
  RX-packets: 3664672        TX-packets: 3664704        TX-dropped: 0             

  ---------------------- Forward statistics for port 0  ----------------------
  RX-packets: 7399552        RX-dropped: 0             RX-total: 7399552
  TX-packets: 7399616        TX-dropped: 0             TX-total: 7399616
  ----------------------------------------------------------------------------

  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++
  RX-packets: 7399552        RX-dropped: 0             RX-total: 7399552
  TX-packets: 7399616        TX-dropped: 0             TX-total: 7399616
  ++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++
";
        assert_eq!(text(&report), expected);
    }

    #[test]
    fn drops_and_errors_of_one_queue() {
        let stats = PortStats {
            rx_packets: 5,
            rx_missed: 2,
            rx_errors: 1,
            rx_no_mbuf: 3,
            tx_packets: 1024,
            tx_errors: 4,
            ..PortStats::default()
        };
        let report = Report {
            streams: vec![(id(0), counted(0, 1024, 256))],
            ports: vec![(PortId(0), stats)],
        };
        let expected = "
  ---------------------- Forward statistics for port 0  ----------------------
  RX-packets: 5              RX-dropped: 2             RX-total: 7
  RX-error: 1
  RX-nombufs: 3             
  TX-packets: 1024           TX-dropped: 260           TX-total: 1284
  ----------------------------------------------------------------------------

  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++
  RX-packets: 5              RX-dropped: 2             RX-total: 7
  RX-nombufs: 3             
  TX-packets: 1024           TX-dropped: 260           TX-total: 1284
  ++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++
";
        assert_eq!(text(&report), expected);
    }

    #[test]
    fn no_port_leaves_the_accumulated_part() {
        let text = text(&Report::default());
        assert!(text.starts_with("\n  +++++++++++++++ Accumulated"), "{text}");
    }
}
