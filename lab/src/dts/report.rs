//! What testpmd prints, read as a script would.

use std::collections::BTreeMap;

/// The number after `key` and any blanks, at its first place.
pub fn number(text: &str, key: &str) -> Option<u64> {
    let rest = &text[text.find(key)? + key.len()..];
    let digits: String =
        rest.trim_start_matches([' ', ':']).chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Whether the first `Link status` says `up`.
pub fn link(text: &str) -> Option<bool> {
    let rest = &text[text.find("Link status:")? + "Link status:".len()..];
    rest.split_whitespace().next().map(|word| word == "up")
}

/// What one stream of the report of `stop` has forwarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Packets received.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
}

/// The streams of the report of `stop` by queue. With one queue there are no stream blocks, and the port's stands for it.
pub fn streams(text: &str) -> BTreeMap<u16, Stream> {
    let mut streams = BTreeMap::new();
    for block in text.split("Forward Stats for RX Port=").skip(1) {
        if let Some(queue) = number(block, "/Queue=").and_then(|queue| queue.try_into().ok()) {
            streams.insert(queue, stream(block));
        }
    }
    if streams.is_empty()
        && let Some((_, block)) = text.split_once("Forward statistics for port 0")
    {
        streams.insert(0, stream(block));
    }
    streams
}

fn stream(block: &str) -> Stream {
    let count = |key| number(block, key).unwrap_or(0);
    Stream { received: count("RX-packets"), sent: count("TX-packets") }
}

/// Every `name: value` line of `show port xstats`.
pub fn xstats(text: &str) -> BTreeMap<String, u64> {
    let pair = |line: &str| {
        let (name, value) = line.trim().split_once(": ")?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP: &str = "\
Telling cores to stop...
  ------- Forward Stats for RX Port= 0/Queue= 0 -> TX Port= 0/Queue= 0 -------
  RX-packets: 1417728        TX-packets: 1417536        TX-dropped: 192
  ------- Forward Stats for RX Port= 0/Queue= 7 -> TX Port= 0/Queue= 7 -------
  RX-packets: 5              TX-packets: 0              TX-dropped: 192
  ---------------------- Forward statistics for port 0  ----------------------
  RX-packets: 2835568        RX-dropped: 0             RX-total: 2835568
  TX-packets: 2835184        TX-dropped: 384           TX-total: 2835568
";

    #[test]
    fn streams_are_read_by_queue() {
        let streams = streams(STOP);
        assert_eq!(streams[&0], Stream { received: 1417728, sent: 1417536 });
        assert_eq!(streams[&7], Stream { received: 5, sent: 0 });
        assert_eq!(streams.len(), 2);
    }

    #[test]
    fn without_streams_the_port_stands_for_queue_0() {
        let (_, port) = STOP.split_once("TX-dropped: 192\n  ----------------------").unwrap();
        let streams = streams(port);
        assert_eq!(streams[&0], Stream { received: 2835568, sent: 2835184 });
    }

    #[test]
    fn numbers_links_and_xstats() {
        let stats = "  RX-packets: 1572312    RX-missed: 0          RX-bytes:  12578496000\n  Rx-pps:       738640          Rx-bps:  4";
        assert_eq!(number(stats, "RX-bytes"), Some(12578496000));
        assert_eq!(number(stats, "Rx-pps"), Some(738640));
        assert_eq!(number(stats, "TX-packets"), None);
        assert_eq!(link("Link status: up\n"), Some(true));
        assert_eq!(link("Link status: down\n"), Some(false));
        assert_eq!(link("nothing"), None);
        let text = "###### NIC extended statistics for port 0 \nrx_good_packets: 5\r\nrx_q0_size_64_packets: 7\n";
        let xstats = xstats(text);
        assert_eq!((xstats["rx_good_packets"], xstats["rx_q0_size_64_packets"]), (5, 7));
    }
}
