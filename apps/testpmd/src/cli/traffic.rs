//! Options about what is forwarded, and how packets are made.

use std::net::Ipv4Addr;

use super::Options;
use super::spec::{COUNT, LIST, Spec, Takes, flag, number, unused, value};
use crate::engine::Mode;

pub const OPTIONS: &[Spec] = &[
    value(
        "forward-mode",
        Takes::Value("MODE"),
        forward_mode,
        "io, mac, macswap, flowgen, rxonly, txonly, csum, icmpecho or 5tswap",
    ),
    value("txpkts", LIST, txpkts, "bytes of the segments of made packets: 64 or 64,128"),
    flag(
        "txonly-multi-flow",
        |o| o.config.settings.multi_flow = true,
        "vary the source address of made packets",
    ),
    value(
        "tx-ip",
        Takes::Value("SOURCE,DESTINATION"),
        tx_ip,
        "IPv4 addresses of made packets, 198.18.0.1,198.18.0.2 if not given",
    ),
    value(
        "tx-udp",
        Takes::Value("SOURCE[,DESTINATION]"),
        tx_udp,
        "UDP ports of made packets, 9 if not given",
    ),
    value("flowgen-flows", COUNT, flowgen_flows, "flows of the flowgen mode, 1024 if not given"),
    value("flowgen-clones", COUNT, flowgen_clones, "copies of each packet of the flowgen mode"),
    flag(
        "record-core-cycles",
        |o| o.config.settings.record.cycles = true,
        "measure the CPU cycles that a packet takes",
    ),
    flag(
        "record-burst-stats",
        |o| o.config.settings.record.bursts = true,
        "count how often a burst has how many packets",
    ),
    unused("noisy-tx-sw-buffer-size", COUNT, NOISY),
    unused("noisy-tx-sw-buffer-flushtime", COUNT, NOISY),
    unused("noisy-lkup-memory", COUNT, NOISY),
    unused("noisy-lkup-num-writes", COUNT, NOISY),
    unused("noisy-lkup-num-reads", COUNT, NOISY),
    unused("noisy-lkup-num-reads-writes", COUNT, NOISY),
];

const NOISY: &str = "as there is no mode 'noisy'";

fn txpkts(o: &mut Options, text: &str) -> Result<(), String> {
    o.txpkts = Some(text.to_owned());
    Ok(())
}

fn forward_mode(o: &mut Options, text: &str) -> Result<(), String> {
    match Mode::from_name(text) {
        Some(mode) => {
            o.config.mode = mode;
            o.announcements.push(format!("Set {text} packet forwarding mode"));
        }
        None if Mode::LATER.contains(&text) => {
            return Err(format!(
                "{text} packet forwarding is not supported - use {}",
                Mode::names()
            ));
        }
        None => o.unknown_mode = Some(text.to_owned()),
    }
    Ok(())
}

fn tx_ip(o: &mut Options, text: &str) -> Result<(), String> {
    let both = text.split_once(',').filter(|(source, _)| !source.is_empty());
    let (source, destination) = both.ok_or_else(|| {
        format!("Invalid tx-ip: {text} - write SOURCE,DESTINATION, such as 10.0.0.1,10.0.0.2")
    })?;
    let address = |which: &str, text: &str| {
        let parsed = text.parse::<Ipv4Addr>().map(Ipv4Addr::to_bits);
        parsed.map_err(|_| format!("Invalid {which} IP address: {text}"))
    };
    o.config.settings.flow.ip = [address("source", source)?, address("destination", destination)?];
    Ok(())
}

fn tx_udp(o: &mut Options, text: &str) -> Result<(), String> {
    let (source, destination) = text.split_once(',').unwrap_or((text, text));
    let source: u16 = source.parse().map_err(|_| format!("Invalid UDP port: {text}"))?;
    let destination =
        destination.parse().map_err(|_| format!("Invalid destination UDP port: {destination}"))?;
    o.config.settings.flow.udp = [source, destination];
    Ok(())
}

fn flowgen_flows(o: &mut Options, text: &str) -> Result<(), String> {
    let flows = text.parse().ok().filter(|flows| (1..=i32::MAX as u32).contains(flows));
    o.config.settings.flows = flows.ok_or("flows must be >= 1")?;
    Ok(())
}

fn flowgen_clones(o: &mut Options, text: &str) -> Result<(), String> {
    let clones: Result<u16, _> = number("clones", text);
    o.config.settings.clones =
        clones.map_err(|_| "clones must be >= 0 and <= current burst".to_owned())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::settings::Flow;

    #[test]
    fn addresses_and_ports() {
        let mut options = Options::default();
        tx_ip(&mut options, "10.0.0.1,10.0.0.2").unwrap();
        tx_udp(&mut options, "7").unwrap();
        let flow = |options: &Options| options.config.settings.flow;
        assert_eq!(flow(&options), Flow { ip: [0x0A00_0001, 0x0A00_0002], udp: [7, 7] });
        tx_udp(&mut options, "7,65535").unwrap();
        assert_eq!(flow(&options).udp, [7, 65535]);
    }

    #[test]
    fn refusals() {
        let mut options = Options::default();
        type Set = fn(&mut Options, &str) -> Result<(), String>;
        for (set, text, problem) in [
            (tx_ip as Set, "10.0.0.1", "Invalid tx-ip: 10.0.0.1"),
            (tx_ip, ",10.0.0.1", "Invalid tx-ip: ,10.0.0.1"),
            (tx_ip, "10.0.0,10.0.0.1", "Invalid source IP address: 10.0.0"),
            (tx_ip, "10.0.0.1,x", "Invalid destination IP address: x"),
            (tx_udp, "65536", "Invalid UDP port: 65536"),
            (tx_udp, "1,", "Invalid destination UDP port: "),
            (flowgen_flows, "0", "flows must be >= 1"),
            (flowgen_flows, "2147483648", "flows must be >= 1"),
            (flowgen_clones, "-1", "clones must be >= 0 and <= current burst"),
        ] {
            let error = set(&mut options, text).unwrap_err();
            assert!(error.starts_with(problem), "{text}: {error}");
        }
        assert_eq!(options.config.settings, crate::engine::Settings::default());
    }
}
