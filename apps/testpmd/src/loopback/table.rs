//! The loopback's numbers, for a person and for a program.

use std::fmt::{self, Write};
use std::time::Instant;

use super::Load;

/// One port's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// What the port is called.
    pub name: &'static str,
    /// Packets received since the start.
    pub rx: u64,
    /// Packets sent since the start.
    pub tx: u64,
    /// Packets dropped since the start.
    pub dropped: u64,
}

/// A table that is drawn over itself.
pub struct Table {
    load: Load,
    start: Instant,
    last: (Instant, Vec<Row>),
    lines: usize,
}

impl Table {
    /// A table that counts from `rows`.
    pub fn new(load: Load, rows: Vec<Row>) -> Self {
        let now = Instant::now();
        Self { load, start: now, last: (now, rows), lines: 0 }
    }

    /// The table with rates since the last drawing, and what brings the cursor back over the last one.
    pub fn draw(&mut self, now: Instant, rows: Vec<Row>) -> String {
        let (then, before) = &self.last;
        let seconds = now.saturating_duration_since(*then).as_secs_f64();
        let body = self.body(now, seconds, before, &rows);
        let mut text = String::new();
        if self.lines > 0 {
            let _ = write!(text, "\x1b[{}A", self.lines);
        }
        for line in body.lines() {
            let _ = writeln!(text, "{line}\x1b[K");
        }
        self.lines = body.lines().count();
        self.last = (now, rows);
        text
    }

    fn body(&self, now: Instant, seconds: f64, before: &[Row], rows: &[Row]) -> String {
        let mut text = format!(
            "{:<12} {:>9} {:>9} {:>9} {:>18} {:>8}\n",
            "port", "rx Mpps", "tx Mpps", "Gbit/s", "packets received", "dropped"
        );
        for (row, old) in rows.iter().zip(before) {
            let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / seconds / 1e6;
            let rx = rate(row.rx, old.rx);
            let _ = writeln!(
                text,
                "{:<12} {rx:>9.2} {:>9.2} {:>9.2} {:>18} {:>8}",
                row.name,
                rate(row.tx, old.tx),
                gigabits(rx, self.load.size_bytes),
                grouped(row.rx),
                grouped(row.dropped),
            );
        }
        let ran = now.saturating_duration_since(self.start).as_secs();
        let _ = writeln!(text, "{ran} s; q or ^C ends");
        text
    }
}

/// Gigabit a second of `mpps` million packets of `size_bytes`.
fn gigabits(mpps: f64, size_bytes: u16) -> f64 {
    mpps * f64::from(size_bytes) * 8.0 / 1e3
}

/// A number with its digits by threes.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Packets that made the round.
    pub packets: u64,
    /// How long that took.
    pub seconds: f64,
    /// What was measured.
    pub load: Load,
    /// Packets put into the loop and not found at its end; below 0 when more were found.
    pub lost: i64,
    /// What the pools say when every packet should be back, if they are not whole.
    pub leaked: Vec<String>,
}

impl Outcome {
    fn mpps(&self) -> f64 {
        if self.seconds > 0.0 { self.packets as f64 / self.seconds / 1e6 } else { 0.0 }
    }

    /// The numbers as a JSON object.
    pub fn json(&self) -> String {
        let mpps = self.mpps();
        let Load { size_bytes, burst, queues } = self.load;
        format!(
            "{{\"packets\": {}, \"seconds\": {:.3}, \"mpps\": {mpps:.3}, \"gbit_per_s\": {:.3}, \
             \"lost\": {}, \"size_bytes\": {size_bytes}, \"burst\": {burst}, \"queues\": {queues}}}",
            self.packets,
            self.seconds,
            gigabits(mpps, size_bytes),
            self.lost,
        )
    }

    /// What is wrong with the outcome, for a person.
    pub fn problem(&self) -> Option<String> {
        if !self.leaked.is_empty() {
            return Some(format!("buffers are missing: {}", self.leaked.join("; ")));
        }
        match self.lost {
            // An end right after the beginning leaves no time for one.
            0 if self.packets == 0 && self.seconds >= 1.0 => {
                Some("no packet made the round".into())
            }
            0 => None,
            lost @ 1.. => {
                Some(format!("{lost} packets were put into the loop and not found again"))
            }
            more => Some(format!("{} packets more were found than put into the loop", -more)),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mpps = self.mpps();
        let (packets, lost) = (self.packets, self.lost);
        let gbit = gigabits(mpps, self.load.size_bytes);
        write!(f, "loopback: {packets} packets, {mpps:.2} Mpps, {gbit:.2} Gbit/s, {lost} lost")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const LOAD: Load = Load { size_bytes: 64, burst: 32, queues: 1 };

    fn outcome(packets: u64, lost: i64) -> Outcome {
        Outcome { packets, seconds: 5.0, load: LOAD, lost, leaked: Vec::new() }
    }

    #[test]
    fn the_last_line() {
        let outcome = outcome(71_000_000, 0);
        let line = "loopback: 71000000 packets, 14.20 Mpps, 7.27 Gbit/s, 0 lost";
        assert_eq!(outcome.to_string(), line);
        assert_eq!(outcome.problem(), None);
        let json = "{\"packets\": 71000000, \"seconds\": 5.000, \"mpps\": 14.200, \"gbit_per_s\": 7.270, \
                    \"lost\": 0, \"size_bytes\": 64, \"burst\": 32, \"queues\": 1}";
        assert_eq!(outcome.json(), json);
    }

    #[test]
    fn problems() {
        assert!(outcome(5, 3).problem().unwrap().starts_with("3 packets were put"));
        assert!(outcome(5, -3).problem().unwrap().starts_with("3 packets more"));
        assert!(outcome(0, 0).problem().unwrap().contains("no packet"));
        let leak = Outcome { leaked: vec!["x".into()], ..outcome(5, 0) };
        assert!(leak.problem().unwrap().contains("missing: x"));
    }

    #[test]
    fn the_table() {
        let row = |name, rx, tx| Row { name, rx, tx, dropped: 0 };
        let mut table = Table::new(LOAD, vec![row("vhost-user", 0, 0), row("virtio-user", 0, 0)]);
        let rows =
            vec![row("vhost-user", 28_400_000, 28_400_064), row("virtio-user", 28_400_000, 7)];
        let at = table.start + Duration::from_secs(2);
        let text = table.draw(at, rows.clone()).replace("\x1b[K", "");
        let expected = "\
port           rx Mpps   tx Mpps    Gbit/s   packets received  dropped
vhost-user       14.20     14.20      7.27         28,400,000        0
virtio-user      14.20      0.00      7.27         28,400,000        0
2 s; q or ^C ends
";
        assert_eq!(text, expected);
        let again = table.draw(at + Duration::from_secs(1), rows);
        assert!(again.starts_with("\x1b[4A"), "drawn over the last one: {again:?}");
        assert!(again.contains("      0.00"));
    }

    #[test]
    fn digits_by_threes() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1234567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
