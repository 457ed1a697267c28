//! Options about queues: their number, their rings, bursts.

use super::Options;
use super::spec::{BITS, COUNT, LIST, Spec, Takes, flag, number, unused, value};
use crate::config::{MAX_BURST, parse_list};

pub const OPTIONS: &[Spec] = &[
    value(
        "rxq",
        COUNT,
        |o, v| set_count(&mut o.config.rx_queues, "rxq", v),
        "receive queues of a port",
    ),
    value(
        "txq",
        COUNT,
        |o, v| set_count(&mut o.config.tx_queues, "txq", v),
        "transmit queues of a port",
    ),
    value("rxd", COUNT, rx_descriptors, "descriptors of a receive ring"),
    value("txd", COUNT, tx_descriptors, "descriptors of a transmit ring"),
    value("burst", COUNT, burst, "packets of a burst, 1 to 512"),
    flag(
        "no-flush-rx",
        |o| o.config.flush_rx = false,
        "keep what waits in receive queues at start",
    ),
    value("rxpt", COUNT, |o, v| set(&mut o.config.rx_ring.prefetch, "rxpt", v), SHOWN),
    value("rxht", COUNT, |o, v| set(&mut o.config.rx_ring.host, "rxht", v), SHOWN),
    value("rxwt", COUNT, |o, v| set(&mut o.config.rx_ring.write_back, "rxwt", v), SHOWN),
    value("rxfreet", COUNT, |o, v| set(&mut o.config.rx_ring.free, "rxfreet", v), SHOWN),
    value("txpt", COUNT, |o, v| set(&mut o.config.tx_ring.prefetch, "txpt", v), SHOWN),
    value("txht", COUNT, |o, v| set(&mut o.config.tx_ring.host, "txht", v), SHOWN),
    value("txwt", COUNT, |o, v| set(&mut o.config.tx_ring.write_back, "txwt", v), SHOWN),
    value("txfreet", COUNT, |o, v| set(&mut o.config.tx_ring.free, "txfreet", v), SHOWN),
    value("txrst", COUNT, |o, v| set(&mut o.config.tx_ring.report, "txrst", v), SHOWN),
    value("rxpkts", LIST, |o, v| set_list(&mut o.config.rx_split.lengths, "rxpkts", v), SHOWN),
    value("rxoffs", LIST, |o, v| set_list(&mut o.config.rx_split.offsets, "rxoffs", v), SHOWN),
    value("rxhdrs", LIST, headers, SHOWN),
    unused("enable-drop-en", Takes::Nothing, "no port here blocks a queue that is full"),
    unused("rxq-share", Takes::Maybe("N"), "no port here shares receive queues"),
    unused("disable-rss", Takes::Nothing, "as no port spreads flows over its queues"),
    unused("rss-ip", Takes::Nothing, "as no port spreads flows over its queues"),
    unused("rss-udp", Takes::Nothing, "as no port spreads flows over its queues"),
    unused("rss-level-inner", Takes::Nothing, "as no port spreads flows over its queues"),
    unused("rss-level-outer", Takes::Nothing, "as no port spreads flows over its queues"),
    value("rx-mq-mode", BITS, mq_mode, "as no port spreads flows over its queues"),
];

/// Help of what is kept for `show config`.
const SHOWN: &str = "kept and shown by 'show config'; ports here have no use for it";
/// Headers after which a received packet may be split.
const HEADERS: [&str; 19] = [
    "eth",
    "ipv4",
    "ipv6",
    "ipv4-tcp",
    "ipv4-udp",
    "ipv4-sctp",
    "ipv6-tcp",
    "ipv6-udp",
    "ipv6-sctp",
    "grenat",
    "inner-eth",
    "inner-ipv4",
    "inner-ipv6",
    "inner-ipv4-tcp",
    "inner-ipv4-udp",
    "inner-ipv4-sctp",
    "inner-ipv6-tcp",
    "inner-ipv6-udp",
    "inner-ipv6-sctp",
];

fn set_count(place: &mut u16, name: &str, text: &str) -> Result<(), String> {
    *place =
        text.parse().map_err(|_| format!("{name} {text} invalid - must be a number of queues"))?;
    Ok(())
}

fn set<T: TryFrom<u64> + super::spec::Bounded>(
    place: &mut T,
    name: &str,
    text: &str,
) -> Result<(), String> {
    *place = number(name, text)?;
    Ok(())
}

fn set_list(place: &mut Vec<u32>, name: &str, text: &str) -> Result<(), String> {
    *place = parse_list(text).map_err(|bad| format!("bad {name}: {bad}"))?;
    Ok(())
}

fn headers(o: &mut Options, text: &str) -> Result<(), String> {
    let bad = |unknown| format!("bad rxhdrs: {unknown} - there are {}", HEADERS.join(", "));
    o.config.rx_split.headers = split_headers(text).map_err(bad)?;
    Ok(())
}

/// The names of headers that received packets are to be split after.
///
/// # Errors
///
/// The first that is none.
pub fn split_headers(text: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = text.split(',').map(str::to_owned).collect();
    if let Some(unknown) = names.iter().find(|name| !HEADERS.contains(&name.as_str())) {
        return Err(unknown.clone());
    }
    Ok(names)
}

fn descriptors(name: &str, text: &str) -> Result<u16, String> {
    match text.parse::<u64>() {
        Ok(count @ 1..=65535) => Ok(count as u16),
        Ok(65536..) => Err(format!("{name}({text}) invalid - must be <= 65535")),
        _ => Err(format!("{name}({text}) invalid - must be > 0")),
    }
}

fn rx_descriptors(o: &mut Options, text: &str) -> Result<(), String> {
    let (count, free) = (descriptors("rxd", text)?, o.config.rx_ring.free);
    if free >= count {
        return Err(format!("rxd must be > rx_free_thresh({free})"));
    }
    o.config.rx_descriptors = count;
    Ok(())
}

fn tx_descriptors(o: &mut Options, text: &str) -> Result<(), String> {
    o.config.tx_descriptors = descriptors("txd", text)?;
    Ok(())
}

fn burst(o: &mut Options, text: &str) -> Result<(), String> {
    o.config.settings.burst = match text.parse() {
        Ok(0) => {
            return Err(format!(
                "PMD does not recommend a burst size. Provided value must be between 1 and {MAX_BURST}"
            ));
        }
        Ok(burst) if burst <= MAX_BURST => burst,
        _ => return Err(format!("burst must be between1 and {MAX_BURST}")),
    };
    Ok(())
}

fn mq_mode(o: &mut Options, text: &str) -> Result<(), String> {
    /// All kinds of spreading at once.
    const ALL: u64 = 7;
    match super::spec::bits("rx-mq-mode", text)? {
        0..=ALL => o.no_effect.push("rx-mq-mode"),
        _ => return Err(format!("rx-mq-mode must be >= 0 and <= {ALL}")),
    }
    Ok(())
}
