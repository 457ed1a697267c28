//! Lines of the report that are there when a mode counts wrong checksums, and when bursts or cycles are measured.

use std::fmt::Write;

use crate::engine::{BadChecksums, Mode};

/// What follows a stream's counters in `csum` mode.
pub fn checksums_of_stream(text: &mut String, bad: BadChecksums) {
    let _ = write!(
        text,
        "  RX- bad IP checksum: {:<14}  Rx- bad L4 checksum: {:<14} Rx- bad outer L4 checksum: {:<14}\n \
         RX- bad outer IP checksum: {:<14}\n",
        bad.ip, bad.transport, bad.outer_transport, bad.outer_ip
    );
}

/// A port's lines in `csum` mode.
pub fn checksums_of_port(text: &mut String, bad: BadChecksums) {
    let _ = writeln!(
        text,
        "  Bad-ipcsum: {:<14} Bad-l4csum: {:<14}Bad-outer-l4csum: {:<14}",
        bad.ip, bad.transport, bad.outer_transport
    );
    let _ = writeln!(text, "  Bad-outer-ipcsum: {:<14}", bad.outer_ip);
}

/// How large bursts were: empty ones, the two sizes that came most often, and the rest, in percent. `counts` begins with the
/// number of empty bursts. Nothing when there were none.
pub fn bursts(text: &mut String, direction: &str, counts: &[u64]) {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return;
    }
    let _ = write!(text, "  {direction}-bursts : {total} [");
    let (mut shown, mut percent_shown) = (0, 0);
    for (size, count) in most_frequent(counts) {
        shown += count;
        if shown == total {
            let _ = writeln!(text, "{}% of {size} pkts]", 100 - percent_shown);
            return;
        }
        let percent = (count as f64 / total as f64 * 100.0) as u64;
        percent_shown += percent;
        let _ = write!(text, "{percent}% of {size} pkts + ");
    }
    let _ = writeln!(text, "{}% of other]", 100 - percent_shown);
}

/// Size and number of the empty bursts and of the two sizes that came most often, the smaller first where they came as often.
fn most_frequent(counts: &[u64]) -> [(usize, u64); 3] {
    let mut top = [(0, counts.first().copied().unwrap_or(0)), (0, 0), (0, 0)];
    for (size, &count) in counts.iter().enumerate().skip(1) {
        if count > top[1].1 {
            top[2] = top[1];
            top[1] = (size, count);
        } else if count > top[2].1 {
            top[2] = (size, count);
        }
    }
    top
}

/// What a packet cost. Modes that make packets count those that were sent, others those that were received; nothing is said
/// when there were none.
pub fn cycles(text: &mut String, mode: Mode, cycles: u64, received: u64, sent: u64) {
    let packets = if mode.makes_packets() { sent } else { received };
    if packets > 0 {
        let _ = writeln!(
            text,
            "\n  CPU cycles/packet={:.2} (total cycles={cycles} / total {} packets={packets}) at {} MHz Clock",
            cycles as f64 / packets as f64,
            mode.name(),
            eal::clock::hz() / 1_000_000
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(counts: &[(usize, u64)]) -> String {
        let mut all = vec![0; 513];
        counts.iter().for_each(|&(size, count)| all[size] = count);
        let mut text = String::new();
        bursts(&mut text, "RX", &all);
        text
    }

    #[test]
    fn burst_sizes() {
        for (counts, expected) in [
            (&[][..], ""),
            (&[(0, 7)], "  RX-bursts : 7 [100% of 0 pkts]\n"),
            (&[(32, 7)], "  RX-bursts : 7 [0% of 0 pkts + 100% of 32 pkts]\n"),
            (&[(0, 1), (32, 2)], "  RX-bursts : 3 [33% of 0 pkts + 67% of 32 pkts]\n"),
            (
                &[(0, 50), (1, 10), (4, 30), (512, 10)],
                "  RX-bursts : 100 [50% of 0 pkts + 30% of 4 pkts + 10% of 1 pkts + 10% of other]\n",
            ),
        ] {
            assert_eq!(line(counts), expected);
        }
    }

    #[test]
    fn cycles_of_a_packet() {
        let mut text = String::new();
        cycles(&mut text, Mode::TxOnly, 1000, 0, 8);
        let mhz = eal::clock::hz() / 1_000_000;
        let expected = format!(
            "\n  CPU cycles/packet=125.00 (total cycles=1000 / total txonly packets=8) at {mhz} MHz Clock\n"
        );
        assert_eq!(text, expected);
        text.clear();
        cycles(&mut text, Mode::Io, 1000, 0, 8);
        assert_eq!(text, "");
    }

    #[test]
    fn wrong_checksums() {
        let bad = BadChecksums { ip: 1, transport: 2, outer_transport: 3, outer_ip: 4 };
        let mut text = String::new();
        checksums_of_port(&mut text, bad);
        let expected = "  Bad-ipcsum: 1              Bad-l4csum: 2             Bad-outer-l4csum: 3             \n  \
                        Bad-outer-ipcsum: 4             \n";
        assert_eq!(text, expected);
        text.clear();
        checksums_of_stream(&mut text, bad);
        let expected = "  RX- bad IP checksum: 1               Rx- bad L4 checksum: 2              \
                        Rx- bad outer L4 checksum: 3             \n RX- bad outer IP checksum: 4             \n";
        assert_eq!(text, expected);
    }
}
