//! The table of options: names, values, effects, help.

use std::fmt::Write;

use pmd_core::{MacAddr, PortId};

use super::{Options, port_list};
use crate::config::MAX_BURST;
use crate::engine::{Mode, Topology};

/// What follows an option.
#[derive(Clone, Copy)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A value; the word stands for it in the help.
    Value(&'static str),
    /// A value after `=` or nothing.
    Maybe(&'static str),
}

/// What an option does.
#[derive(Clone, Copy)]
pub enum Effect {
    /// Changes the options.
    Flag(fn(&mut Options)),
    /// Changes the options by its value.
    Set(fn(&mut Options, &str) -> Result<(), String>),
    /// As `Set`, with or without a value.
    Maybe(fn(&mut Options, Option<&str>) -> Result<(), String>),
    /// Is accepted because it asks for what is so anyway.
    None,
    /// Is known and not here yet.
    Later,
}

/// One option.
pub struct Spec {
    pub name: &'static str,
    pub takes: Takes,
    pub effect: Effect,
    pub help: &'static str,
}

const fn flag(name: &'static str, set: fn(&mut Options), help: &'static str) -> Spec {
    Spec { name, takes: Takes::Nothing, effect: Effect::Flag(set), help }
}

const fn value(
    name: &'static str,
    value: &'static str,
    set: fn(&mut Options, &str) -> Result<(), String>,
    help: &'static str,
) -> Spec {
    Spec { name, takes: Takes::Value(value), effect: Effect::Set(set), help }
}

const fn same(name: &'static str, takes: Takes) -> Spec {
    Spec { name, takes, effect: Effect::None, help: "accepted, changes nothing here" }
}

const fn later(name: &'static str, takes: Takes) -> Spec {
    Spec { name, takes, effect: Effect::Later, help: "" }
}

const N: Takes = Takes::Value("N");
const NO: Takes = Takes::Nothing;

/// All options, in the order of the help.
pub const OPTIONS: &[Spec] = &[
    flag("interactive", interactive, "(-i) start a console"),
    flag("auto-start", auto_start, "(-a) forward at once, also with a console"),
    flag("tx-first", tx_first, "send a burst first (not with a console)"),
    value(
        "stats-period",
        "SECONDS",
        stats_period,
        "show statistics every so often (not with a console)",
    ),
    value("nb-cores", "N", |o, v| set(&mut o.nb_cores, v), "number of forwarding cores"),
    value("nb-ports", "N", |o, v| set(&mut o.nb_ports, v), "number of forwarding ports"),
    value("portmask", "MASK", port_mask, "forwarding ports, hexadecimal bits"),
    value(
        "portlist",
        "LIST",
        |o, v| port_list(v).map(|p| o.ports = Some(p)),
        "forwarding ports: 0,1",
    ),
    value(
        "rxq",
        "N",
        |o, v| count("rxq", v).map(|n| o.config.rx_queues = n),
        "receive queues of a port",
    ),
    value(
        "txq",
        "N",
        |o, v| count("txq", v).map(|n| o.config.tx_queues = n),
        "transmit queues of a port",
    ),
    value(
        "rxd",
        "N",
        |o, v| descriptors("rxd", v).map(|n| o.config.rx_descriptors = n),
        "descriptors of a receive ring",
    ),
    value(
        "txd",
        "N",
        |o, v| descriptors("txd", v).map(|n| o.config.tx_descriptors = n),
        "descriptors of a transmit ring",
    ),
    value("burst", "N", burst, "packets of a burst, 1 to 512"),
    value("total-num-mbufs", "N", total_mbufs, "mbufs of the pool"),
    value("mbuf-size", "BYTES", mbuf_size, "bytes of an mbuf, with 128 of headroom"),
    value("mbcache", "N", mbcache, "mbufs that a thread may keep to itself"),
    value("forward-mode", "MODE", forward_mode, "io, mac, rxonly or txonly"),
    value("port-topology", "paired|chained|loop", topology, "which port feeds which"),
    value(
        "txpkts",
        "LIST",
        |o, v| set(&mut o.txpkts, v),
        "bytes of the segments of made packets: 64 or 64,128",
    ),
    value("eth-peer", "PORT,MAC", eth_peer, "address of the station that a port sends to"),
    flag(
        "no-flush-rx",
        |o| o.config.flush_rx = false,
        "keep what waits in receive queues at start",
    ),
    flag(
        "no-lsc-interrupt",
        |o| o.config.await_link = true,
        "wait up to 9 s for links at start-up",
    ),
    flag("no-numa", |o| o.config.numa = false, "report NUMA support as disabled"),
    value("tx-offloads", "BITS", tx_offloads, "0x0 or 0x8000 (several segments)"),
    flag("help", |o| o.help = true, "(-h) print this text"),
    Spec {
        name: "loopback",
        takes: Takes::Maybe("SECONDS"),
        effect: Effect::Maybe(loopback),
        help: "pass packets between a vhost-user and a virtio-user port of this process",
    },
    value("size", "BYTES", size, "with --loopback: packet length, 42 to 2048; 64 if not given"),
    value("queues", "N", queues, "with --loopback: queue pairs, each with two lcores"),
    flag("json", |o| o.json = true, "with --loopback: the result as a JSON object"),
    same("numa", NO),
    same("socket-num", N),
    same("no-rmv-interrupt", NO),
    same("disable-rss", NO),
    same("rss-ip", NO),
    same("rss-udp", NO),
    same("no-mlockall", NO),
    same("disable-crc-strip", NO),
    later("cmdline-file", Takes::Value("FILE")),
    later("coremask", N),
    later("csum", NO),
    later("disable-device-start", NO),
    later("disable-link-check", NO),
    later("display-xstats", N),
    later("enable-hw-vlan", NO),
    later("enable-hw-vlan-extend", NO),
    later("enable-hw-vlan-filter", NO),
    later("enable-hw-vlan-strip", NO),
    later("enable-lro", NO),
    later("enable-rx-cksum", NO),
    later("enable-scatter", NO),
    later("hot-plug", NO),
    later("max-pkt-len", N),
    later("mlockall", NO),
    later("mp-alloc", N),
    later("num-procs", N),
    later("proc-id", N),
    later("record-burst-stats", NO),
    later("record-core-cycles", NO),
    later("rx-offloads", N),
    later("rxfreet", N),
    later("rxpkts", N),
    later("txfreet", N),
    later("txonly-multi-flow", NO),
    later("txrst", N),
    later("tx-ip", N),
    later("tx-udp", N),
];

/// The help, one line an option, without those that are not here yet.
pub fn usage() -> String {
    let mut text = String::new();
    for spec in OPTIONS.iter().filter(|spec| !spec.help.is_empty()) {
        let name = match spec.takes {
            Takes::Nothing => format!("--{}", spec.name),
            Takes::Value(value) => format!("--{}={value}", spec.name),
            Takes::Maybe(value) => format!("--{}[={value}]", spec.name),
        };
        let _ = writeln!(text, "  {name:<26} {}", spec.help);
    }
    text
}

/// `-i`
pub fn interactive(o: &mut Options) {
    o.interactive = true;
    o.announcements.push("Interactive-mode selected".into());
}

/// `-a`
pub fn auto_start(o: &mut Options) {
    o.auto_start = true;
    o.announcements.push("Auto-start selected".into());
}

fn tx_first(o: &mut Options) {
    o.tx_first = true;
    o.config.await_link = true;
    o.announcements.push("Ports to start sending a burst of packets first".into());
}

fn set(place: &mut Option<String>, value: &str) -> Result<(), String> {
    *place = Some(value.to_owned());
    Ok(())
}

fn stats_period(o: &mut Options, text: &str) -> Result<(), String> {
    o.stats_period_s = text.parse().map_err(|_| {
        format!("stats-period {text} invalid - must be a number of seconds, 0 for none")
    })?;
    Ok(())
}

fn port_mask(o: &mut Options, text: &str) -> Result<(), String> {
    let digits = text.trim_start_matches("0x").trim_start_matches("0X");
    let mask = u64::from_str_radix(digits, 16).ok().filter(|&mask| mask != 0);
    let mask = mask.ok_or_else(|| "invalid fwd port mask".to_owned())?;
    o.ports = Some((0..64).filter(|port| mask >> port & 1 == 1).collect());
    Ok(())
}

fn count(name: &str, text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("{name} {text} invalid - must be a number of queues"))
}

fn descriptors(name: &str, text: &str) -> Result<u16, String> {
    match text.parse::<u64>() {
        Ok(count @ 1..=65535) => Ok(count as u16),
        Ok(65536..) => Err(format!("{name}({text}) invalid - must be <= 65535")),
        _ => Err(format!("{name}({text}) invalid - must be > 0")),
    }
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

fn total_mbufs(o: &mut Options, text: &str) -> Result<(), String> {
    let count = text.parse().ok().filter(|&count| count > 1024);
    o.total_mbufs = Some(count.ok_or("total-num-mbufs should be > 1024")?);
    Ok(())
}

fn mbuf_size(o: &mut Options, text: &str) -> Result<(), String> {
    let bytes = text.parse::<u32>().ok().filter(|bytes| (1..65536).contains(bytes));
    o.config.mbuf_bytes = bytes.ok_or("mbuf-size should be > 0 and < 65536")?;
    Ok(())
}

fn mbcache(o: &mut Options, text: &str) -> Result<(), String> {
    let count = text.parse::<u16>().ok().filter(|&count| count <= 512);
    o.mbuf_cache = Some(count.ok_or("mbcache must be >= 0 and <= 512")?);
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
                "{text} packet forwarding is not supported yet - use io, mac, rxonly or txonly"
            ));
        }
        None => o.unknown_mode = Some(text.to_owned()),
    }
    Ok(())
}

fn topology(o: &mut Options, text: &str) -> Result<(), String> {
    o.config.topology = Topology::from_name(text).ok_or_else(|| {
        format!("port-topology {text} invalid - must be: paired, chained or loop")
    })?;
    Ok(())
}

fn eth_peer(o: &mut Options, text: &str) -> Result<(), String> {
    let (port, mac) = text.split_once(',').ok_or("Invalid peer: write PORT,MAC")?;
    let port: u16 = port.parse().map_err(|_| format!("Invalid port number {port}"))?;
    let mac: MacAddr = mac.parse().map_err(|_| format!("Invalid ethernet address: {mac}"))?;
    o.config.eth_peers.insert(PortId(port), mac);
    Ok(())
}

fn tx_offloads(o: &mut Options, text: &str) -> Result<(), String> {
    let bits = u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    o.config.tx_offloads = bits.filter(|&bits| bits & !0x8000 == 0).ok_or_else(|| {
        format!("tx-offloads {text} invalid - only 0x8000 (several segments) is supported yet")
    })?;
    Ok(())
}

fn loopback(o: &mut Options, text: Option<&str>) -> Result<(), String> {
    let seconds = text.map(|text| {
        let seconds = text.parse::<f64>().ok().filter(|s| s.is_finite() && *s > 0.0 && *s <= 1e9);
        seconds.ok_or_else(|| format!("loopback={text} invalid - must be a number of seconds > 0"))
    });
    o.loopback = Some(seconds.transpose()?);
    Ok(())
}

fn size(o: &mut Options, text: &str) -> Result<(), String> {
    let bytes = text.parse::<u16>().ok().filter(|bytes| (42..=2048).contains(bytes));
    o.size = Some(bytes.ok_or_else(|| format!("size {text} invalid - must be 42 to 2048 bytes"))?);
    Ok(())
}

fn queues(o: &mut Options, text: &str) -> Result<(), String> {
    let count = text.parse::<u16>().ok().filter(|count| (1..=16).contains(count));
    o.queues = Some(count.ok_or_else(|| format!("queues {text} invalid - must be 1 to 16"))?);
    Ok(())
}
