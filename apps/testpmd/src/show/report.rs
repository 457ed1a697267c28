//! What `stop` and `show fwd stats` say: what streams and ports counted since `start`.

use std::fmt::Write;

use pmd_core::{PortId, PortStats};

use super::{measured, rule};
use crate::engine::{BadChecksums, CountersSnapshot, Mode, Record, StreamId};

/// How often a burst had how many packets, received and sent; nothing if that is not shown.
pub type BurstSizes = Option<[Vec<u64>; 2]>;

/// The numbers of a report.
pub struct Report {
    /// What streams do.
    pub mode: Mode,
    /// What is measured and shown.
    pub record: Record,
    /// Streams with their counters.
    pub streams: Vec<(StreamId, CountersSnapshot)>,
    /// Sizes of the bursts of each stream.
    pub bursts: Vec<BurstSizes>,
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
        for (position, (id, counters)) in report.streams.iter().enumerate() {
            stream(&mut text, report, position, *id, *counters);
        }
    }
    let mut all = Totals::default();
    for (port, stats) in &report.ports {
        let totals = totals_of(*port, stats, &report.streams);
        port_block(&mut text, report, *port, stats, totals);
        all.rx += totals.rx;
        all.rx_dropped += totals.rx_dropped;
        all.tx += totals.tx;
        all.tx_dropped += totals.tx_dropped;
        all.no_mbuf += totals.no_mbuf;
    }
    let plus = "+".repeat(15);
    let _ = write!(text, "\n  {plus} Accumulated forward statistics for all ports{plus}\n");
    rx_line(&mut text, all);
    tx_line(&mut text, all);
    if all.no_mbuf > 0 {
        let _ = writeln!(text, "  RX-nombufs: {:<14}", all.no_mbuf);
    }
    text.push_str(&rule('+'));
    if report.record.cycles {
        let cycles = report.streams.iter().map(|(_, counters)| counters.cycles).sum();
        measured::cycles(&mut text, report.mode, cycles, all.rx, all.tx);
    }
    text
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

fn stream(text: &mut String, report: &Report, position: usize, id: StreamId, c: CountersSnapshot) {
    if (c.rx, c.tx, c.dropped) == (0, 0, 0) {
        return;
    }
    let _ = write!(
        text,
        "\n  ------- Forward Stats for RX Port={:>2}/Queue={:>2} -> TX Port={:>2}/Queue={:>2} -------\n  \
         RX-packets: {:<14} TX-packets: {:<14} TX-dropped: {:<14}",
        id.rx_port.0, id.rx_queue, id.tx_port.0, id.tx_queue, c.rx, c.tx, c.dropped
    );
    match report.mode {
        Mode::Csum => measured::checksums_of_stream(text, c.bad),
        _ => text.push('\n'),
    }
    let sizes = report.bursts.get(position).into_iter().flatten();
    for (direction, counts) in sizes.flat_map(|sizes| ["RX", "TX"].into_iter().zip(sizes)) {
        measured::bursts(text, direction, counts);
    }
}

/// The sizes of the bursts of the last stream from a port, and of the last to it.
fn bursts_of_port(text: &mut String, report: &Report, port: PortId) {
    let last = |direction: usize, is_of: &dyn Fn(&StreamId) -> bool| {
        let position = report.streams.iter().rposition(|(id, _)| is_of(id))?;
        report.bursts.get(position)?.as_ref().map(|sizes| &sizes[direction])
    };
    if let Some(counts) = last(0, &|id| id.rx_port == port) {
        measured::bursts(text, "RX", counts);
    }
    if let Some(counts) = last(1, &|id| id.tx_port == port) {
        measured::bursts(text, "TX", counts);
    }
}

fn port_block(text: &mut String, report: &Report, port: PortId, stats: &PortStats, totals: Totals) {
    let dashes = "-".repeat(22);
    let _ = write!(text, "\n  {dashes} Forward statistics for port {:<2} {dashes}\n", port.0);
    rx_line(text, totals);
    if report.mode == Mode::Csum {
        let of_port = report.streams.iter().filter(|(id, _)| id.rx_port == port);
        let bad = of_port.fold(BadChecksums::default(), |sum, (_, c)| sum.plus(c.bad));
        measured::checksums_of_port(text, bad);
    }
    if stats.rx_errors + stats.rx_no_mbuf > 0 {
        let _ = writeln!(text, "  RX-error: {}", stats.rx_errors);
        let _ = writeln!(text, "  RX-nombufs: {:<14}", stats.rx_no_mbuf);
    }
    tx_line(text, totals);
    if report.streams.len() <= report.ports.len() {
        bursts_of_port(text, report, port);
    }
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

    fn nothing() -> Report {
        let (streams, bursts, ports) = (Vec::new(), Vec::new(), Vec::new());
        Report { mode: Mode::Io, record: Record::default(), streams, bursts, ports }
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
            ..nothing()
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
            ..nothing()
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
  TX-packets: 1024           TX-dropped: 260           TX-total: 1284
  RX-nombufs: 3             
  ++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++
";
        assert_eq!(text(&report), expected);
    }

    #[test]
    fn wrong_checksums_and_bursts_in_csum_mode() {
        let bad = BadChecksums { ip: 2, transport: 1, ..BadChecksums::default() };
        let counters = CountersSnapshot { bad, cycles: 300, ..counted(3, 3, 0) };
        let stats = PortStats { rx_packets: 3, tx_packets: 3, ..PortStats::default() };
        let mut report = Report {
            mode: Mode::Csum,
            record: Record { cycles: true, bursts: true },
            streams: vec![(id(0), counters)],
            bursts: vec![Some([vec![1, 3], vec![0, 3]])],
            ports: vec![(PortId(0), stats)],
        };
        let shown = text(&report);
        let block = "  RX-packets: 3              RX-dropped: 0             RX-total: 3
  Bad-ipcsum: 2              Bad-l4csum: 1             Bad-outer-l4csum: 0             
  Bad-outer-ipcsum: 0             
  TX-packets: 3              TX-dropped: 0             TX-total: 3
  RX-bursts : 4 [25% of 0 pkts + 75% of 1 pkts]
  TX-bursts : 3 [0% of 0 pkts + 100% of 1 pkts]
  ----";
        assert!(shown.contains(block), "{shown}");
        let last = shown.lines().last().unwrap();
        assert!(last.starts_with(
            "  CPU cycles/packet=100.00 (total cycles=300 / total csum packets=3) at "
        ));
        report.streams.push((id(1), counters));
        let shown = text(&report);
        let stream = "TX-dropped: 0               RX- bad IP checksum: 2               \
                      Rx- bad L4 checksum: 1              Rx- bad outer L4 checksum: 0             \n \
                      RX- bad outer IP checksum: 0             \n  RX-bursts : 4 ";
        assert!(shown.contains(stream), "{shown}");
        assert!(shown.contains("  Bad-ipcsum: 4 "), "a port has those of its streams");
    }

    #[test]
    fn no_port_leaves_the_accumulated_part() {
        let text = text(&nothing());
        assert!(text.starts_with("\n  +++++++++++++++ Accumulated"), "{text}");
    }
}
