//! `show port xstats`, and the counters of `--display-xstats`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use pmd_core::{PortId, Xstat};

/// The block of one port.
pub fn block(port: PortId, counters: &[Xstat]) -> String {
    let mut text = format!("###### NIC extended statistics for port {:<2}\n", port.0);
    for Xstat { name, value } in counters {
        let _ = writeln!(text, "{name}: {value}");
    }
    text
}

/// What was seen of the named counters of each port when they were last shown.
#[derive(Default)]
pub struct XstatRates(BTreeMap<PortId, (Duration, Vec<Xstat>)>);

impl XstatRates {
    /// The lines below a port's statistics: the counters that are called `names`, with their rates since the last call for
    /// that port, where `now` is any clock that only rises. Nothing when the port has none of them.
    pub fn lines(
        &mut self,
        port: PortId,
        now: Duration,
        counters: Vec<Xstat>,
        names: &[String],
    ) -> String {
        let find = |name: &String| counters.iter().find(|counter| counter.name == *name).cloned();
        let named: Vec<Xstat> = names.iter().filter_map(find).collect();
        if named.is_empty() {
            return String::new();
        }
        let last = self.0.insert(port, (now, named.clone()));
        let mut text = format!("\n{:<31}{:<17}Rate (since last show)\n", " ", "Value");
        for Xstat { name, value } in &named {
            let rate = last.as_ref().map_or(0, |last| rate(last, now, name, *value));
            let _ = writeln!(text, "  {name:<25}{value:>12} {rate:>15}");
        }
        text
    }

    /// Forgets a port that is gone.
    pub fn forget(&mut self, port: PortId) {
        self.0.remove(&port);
    }
}

fn rate((then, last): &(Duration, Vec<Xstat>), now: Duration, name: &str, value: u64) -> u64 {
    let before = last.iter().find(|counter| counter.name == name).map_or(0, |c| c.value);
    let grown = u128::from(value.saturating_sub(before)) * 1_000_000_000;
    grown.checked_div(now.saturating_sub(*then).as_nanos()).map_or(0, |rate| rate as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters() -> Vec<Xstat> {
        vec![Xstat::new("rx_good_packets", 3), Xstat::new("tx_good_packets", 0)]
    }

    #[test]
    fn the_shapes() {
        let expected = "###### NIC extended statistics for port 0 \n\
                        rx_good_packets: 3\ntx_good_packets: 0\n";
        assert_eq!(block(PortId(0), &counters()), expected);
    }

    #[test]
    fn named_counters_with_their_rates() {
        let mut rates = XstatRates::default();
        let names = ["rx_good_packets".to_owned(), "bogus".to_owned()];
        let at = Duration::from_secs;
        assert_eq!(rates.lines(PortId(0), at(1), counters(), &names[1..]), "");
        let first = rates.lines(PortId(0), at(1), counters(), &names);
        let expected = "
                               Value            Rate (since last show)
  rx_good_packets                     3               0
";
        assert_eq!(first, expected);
        let later = vec![Xstat::new("rx_good_packets", 2003)];
        let second = rates.lines(PortId(0), at(3), later, &names);
        assert!(
            second.ends_with("  rx_good_packets                  2003            1000\n"),
            "{second}"
        );
    }
}
