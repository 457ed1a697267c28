//! Options about ports: which forward, their links, packets and peers.

use std::path::Path;

use pmd_core::{MacAddr, PortId};

use super::spec::{BITS, COUNT, LIST, Spec, Takes, flag, number, refused, unused, value};
use super::{Options, port_list};
use crate::config::sizes::SHORTEST_FRAME_BYTES;
use crate::engine::Topology;

pub const OPTIONS: &[Spec] = &[
    value("nb-ports", COUNT, nb_ports, "number of forwarding ports"),
    value("portmask", Takes::Value("MASK"), port_mask, "forwarding ports, hexadecimal bits"),
    value(
        "portlist",
        LIST,
        |o, v| port_list(v).map(|p| o.ports = Some(p)),
        "forwarding ports: 0,1",
    ),
    value("port-topology", Takes::Value("paired|chained|loop"), topology, "which port feeds which"),
    value(
        "eth-peer",
        Takes::Value("PORT,MAC"),
        eth_peer,
        "address of the station that a port sends to",
    ),
    value(
        "eth-peers-configfile",
        Takes::Value("FILE"),
        eth_peers_file,
        "such addresses, a line for each port from 0 on",
    ),
    value(
        "max-pkt-len",
        Takes::Value("BYTES"),
        max_pkt_len,
        "longest frame to be received, with its checksum",
    ),
    flag("disable-device-start", |o| o.leave_stopped = true, "leave ports stopped at start-up"),
    flag("disable-link-check", |o| o.config.check_links = false, "do not wait for links"),
    flag("no-lsc-interrupt", |o| o.config.await_link = true, "wait up to 9 s for links"),
    unused("eth-link-speed", Takes::Value("MBPS"), "no port here has a speed to set"),
    refused("flow-isolate-all", Takes::Nothing, "no port here takes flow rules"),
    value("hairpinq", COUNT, hairpin_queues, "no port here has hairpin queues: 0"),
    unused("hairpin-mode", BITS, "as no port has hairpin queues"),
];

fn nb_ports(o: &mut Options, text: &str) -> Result<(), String> {
    o.nb_ports = Some(text.to_owned());
    Ok(())
}

fn port_mask(o: &mut Options, text: &str) -> Result<(), String> {
    let digits = text.trim_start_matches("0x").trim_start_matches("0X");
    let mask = u64::from_str_radix(digits, 16).ok().filter(|&mask| mask != 0);
    let mask = mask.ok_or_else(|| "invalid fwd port mask".to_owned())?;
    o.ports = Some((0..64).filter(|port| mask >> port & 1 == 1).collect());
    Ok(())
}

fn topology(o: &mut Options, text: &str) -> Result<(), String> {
    o.config.topology = Topology::from_name(text).ok_or_else(|| {
        format!("port-topology {text} invalid - must be: paired, chained or loop")
    })?;
    Ok(())
}

fn eth_peer(o: &mut Options, text: &str) -> Result<(), String> {
    let (port, mac) =
        text.split_once(',').ok_or_else(|| format!("Invalid eth-peer: {text} - write PORT,MAC"))?;
    let port: u16 = port.parse().map_err(|_| format!("Invalid eth-peer: {text}"))?;
    let mac: MacAddr = mac.parse().map_err(|_| format!("Invalid ethernet address: {mac}"))?;
    o.config.eth_peers.insert(PortId(port), mac);
    Ok(())
}

fn eth_peers_file(o: &mut Options, path: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(Path::new(path))
        .map_err(|error| format!("eth-peers-configfile {path}: {error}"))?;
    for (line, port) in text.lines().zip(0u16..) {
        let mac = line.trim().parse().map_err(|_| {
            let at = u32::from(port) + 1;
            format!("eth-peers-configfile {path}: Bad MAC address format on line {at}")
        })?;
        o.config.eth_peers.insert(PortId(port), mac);
    }
    Ok(())
}

fn max_pkt_len(o: &mut Options, text: &str) -> Result<(), String> {
    let bytes = text.parse().ok().filter(|&bytes| bytes >= SHORTEST_FRAME_BYTES);
    o.config.max_packet_bytes = Some(bytes.ok_or_else(|| {
        format!("Invalid max-pkt-len={text} - should be > {SHORTEST_FRAME_BYTES}")
    })?);
    Ok(())
}

fn hairpin_queues(o: &mut Options, text: &str) -> Result<(), String> {
    o.hairpin_queues = number("hairpinq", text)?;
    Ok(())
}
