//! What `show` says, for programs: an object for a command, on a line of its own.
//!
//! ```json
//! {"show":"port stats","ports":[{"port":0,"name":"net_vhost0","rx_packets":0,"rx_bytes":0}]}
//! ```
//!
//! A port that is not there, and a command that cannot be run, have a field `error` instead of the numbers.
//!
//! Numbers are in the units of the tables: packets, bytes, bits a second, megabit a second.

use pmd_core::{EthDev, PortId, PortStats, QueueLimits, Xstat};

use super::stats::Rate;
use crate::json::Json;

/// The object of a command about ports.
pub fn ports(what: &str, ports: Vec<Json>) -> Json {
    Json::object().with("show", what).with("ports", ports)
}

/// A port that was asked for and is not there.
pub fn missing(port: u16) -> Json {
    Json::object().with("port", port).with("error", "no such port")
}

/// Why there is no report of forwarding.
pub fn no_report(problem: &str) -> Json {
    Json::object().with("show", "fwd stats").with("error", problem)
}

fn head(port: PortId, dev: &dyn EthDev) -> Json {
    Json::object().with("port", port.0).with("name", dev.info().name)
}

fn counters(json: Json, stats: &PortStats) -> Json {
    json.with("rx_packets", stats.rx_packets)
        .with("rx_bytes", stats.rx_bytes)
        .with("rx_missed", stats.rx_missed)
        .with("rx_errors", stats.rx_errors)
        .with("rx_nombuf", stats.rx_no_mbuf)
        .with("tx_packets", stats.tx_packets)
        .with("tx_bytes", stats.tx_bytes)
        .with("tx_errors", stats.tx_errors)
}

/// A port's counters, and its rates since they were last shown.
pub fn stats(port: PortId, dev: &dyn EthDev, stats: &PortStats, rate: Rate) -> Json {
    counters(head(port, dev), stats)
        .with("rx_pps", rate.rx_pps)
        .with("rx_bps", rate.rx_bps)
        .with("tx_pps", rate.tx_pps)
        .with("tx_bps", rate.tx_bps)
}

/// A port's counters by name.
pub fn xstats(port: PortId, dev: &dyn EthDev, list: &[Xstat]) -> Json {
    let values = list.iter().fold(Json::object(), |json, x| json.with(&x.name, x.value));
    head(port, dev).with("xstats", values)
}

/// A line of the summary.
pub fn summary(port: PortId, dev: &dyn EthDev) -> Json {
    let link = dev.link();
    head(port, dev)
        .with("driver", dev.info().driver)
        .with("mac", dev.mac().to_string())
        .with("link_up", link.up)
        .with("speed_mbps", link.speed_mbps)
}

/// What a port is, can do, and is set to.
pub fn info(port: PortId, dev: &dyn EthDev) -> Json {
    let (info, config) = (dev.info(), dev.config());
    summary(port, dev)
        .with("devargs", info.devargs)
        .with("socket", info.socket)
        .with("started", dev.is_started())
        .with("mtu", dev.mtu())
        .with("promiscuous", dev.promiscuous())
        .with("allmulticast", dev.allmulticast())
        .with("max_mac_addrs", info.max_mac_addrs)
        .with("min_rx_buffer_bytes", info.min_rx_buffer_bytes)
        .with("max_rx_packet_bytes", info.max_rx_packet_bytes)
        .with("max_mtu", info.max_mtu)
        .with("max_tx_segments", info.max_tx_segments)
        .with("rx", direction(config.rx_queues, info.rx, config.rx_offloads.bits()))
        .with("tx", direction(config.tx_queues, info.tx, config.tx_offloads.bits()))
}

fn direction(queues: u16, limits: QueueLimits, offloads: u64) -> Json {
    Json::object()
        .with("queues", queues)
        .with("max_queues", limits.max_queues)
        .with("max_descriptors", limits.max_descriptors)
        .with("min_descriptors", limits.min_descriptors)
        .with("descriptor_align", limits.descriptor_align)
        .with("offloads", offloads)
}

/// What forwarding counted since its start.
pub fn report(report: &super::report::Report) -> Json {
    let port = |(port, stats): &(PortId, PortStats)| {
        let dropped = report.streams.iter().filter(|(id, _)| id.tx_port == *port);
        let dropped: u64 = dropped.map(|(_, counted)| counted.dropped).sum();
        counters(Json::object().with("port", port.0), stats)
            .with("tx_dropped", dropped + stats.tx_errors)
    };
    ports("fwd stats", report.ports.iter().map(port).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::console::bench::Bench;

    fn shown(bench: &mut Bench, line: &str) -> Value {
        let out = bench.out(line);
        assert_eq!(out.matches('\n').count(), 1, "one line: {out}");
        serde_json::from_str(&out).unwrap()
    }

    #[test]
    fn a_program_finds_the_numbers() {
        let mut bench = Bench::one();
        let stats = shown(&mut bench, "show port stats all json");
        assert_eq!(stats["show"], "port stats");
        assert_eq!(stats["ports"][0]["port"], 0);
        assert_eq!(stats["ports"][0]["rx_packets"], 0);
        let summary = shown(&mut bench, "show port summary 0 json");
        assert_eq!(summary["ports"][0]["mac"], "56:48:4F:53:54:00");
        assert_eq!(summary["ports"][0]["speed_mbps"], 10_000);
        let info = shown(&mut bench, "show port info all json");
        assert_eq!(info["ports"][0]["rx"]["queues"], 1);
        assert_eq!(info["ports"][0]["started"], true);
        bench.out("start");
        bench.out("stop");
        let report = shown(&mut bench, "show fwd stats all json");
        assert_eq!(report["ports"][0]["tx_dropped"], 0);
    }

    #[test]
    fn stop_is_an_object_where_all_answers_are() {
        let mut bench = Bench::one();
        bench.app.start_forwarding(1, || false);
        bench.out.take();
        bench.app.stop_forwarding_json();
        let report: Value = serde_json::from_str(&bench.out.take()).unwrap();
        assert!(report["ports"][0]["tx_packets"].as_u64() >= Some(32), "{report}");
        bench.app.stop_forwarding_json();
        let none: Value = serde_json::from_str(&bench.out.take()).unwrap();
        assert_eq!(none["error"], "Packet forwarding not started");
    }

    #[test]
    fn a_port_that_is_not_there_leaves_the_line_whole() {
        let mut bench = Bench::one();
        let (out, err) = bench.type_in("show port stats 9 json");
        let missing = "{\"port\":9,\"error\":\"no such port\"}";
        assert_eq!(out, format!("{{\"show\":\"port stats\",\"ports\":[{missing}]}}\n"));
        assert_eq!(err, "Invalid port 9\n");
    }
}
