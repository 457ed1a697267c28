//! Which ports and lcores forward, and who they send to.

use pmd_core::{MacAddr, PortId};

use super::{Command, Section};
use crate::app::App;
use crate::config::parse_list;
use crate::{say, warn_user};

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "set nbcore <count:u16>",
        help: "Forward on this many cores, the first of the list.",
        section: Section::Config,
        run: |app, args| set_nb_core(app, args.number("count")),
    },
    Command {
        syntax: "set nbport <count:u16>",
        help: "Forward between this many ports, the first of the list.",
        section: Section::Config,
        run: |app, args| set_nb_port(app, args.number("count")),
    },
    Command {
        syntax: "set portlist <list:text>",
        help: "Forward between these ports, in this order: x[,y]*.",
        section: Section::Config,
        run: |app, args| set_port_list(app, args.text("list")),
    },
    Command {
        syntax: "set portmask <mask:u64>",
        help: "Set the forwarding ports, a bit each: 0x3 is the first two.",
        section: Section::Config,
        run: |app, args| set_port_mask(app, args.number("mask")),
    },
    Command {
        syntax: "set corelist <list:text>",
        help: "Forward on these lcores: x[,y]*.",
        section: Section::Config,
        run: |app, args| set_core_list(app, args.text("list")),
    },
    Command {
        syntax: "set coremask <mask:u64>",
        help: "Set the forwarding cores, a bit each: 0x3 is the first two.",
        section: Section::Config,
        run: |app, args| choose_cores(app, bits(args.number("mask"))),
    },
    Command {
        syntax: "set eth-peer <port> <peer:text>",
        help: "Set the address of the station that the port sends to.",
        section: Section::Config,
        run: |app, args| set_eth_peer(app, args.port("port"), args.text("peer")),
    },
];

fn set_nb_core(app: &mut App, count: u16) {
    let limit = app.config.lcores.len();
    if app.is_forwarding() {
        warn_user!(app.out, "Please stop forwarding first");
    } else if count == 0 {
        warn_user!(app.out, "nb fwd cores 0 - must be > 0 - ignored");
    } else if usize::from(count) > limit {
        warn_user!(
            app.out,
            "nb fwd cores {count} > {limit} (max. number of configured lcores) - ignored"
        );
    } else {
        app.config.nb_cores = count;
        say!(app.out, "Number of forwarding cores set to {count}");
    }
}

fn set_nb_port(app: &mut App, count: u16) {
    let limit = app.config.configured_ports.len();
    if app.is_forwarding() {
        warn_user!(app.out, "Please stop forwarding first");
    } else if usize::from(count) > limit {
        warn_user!(
            app.out,
            "nb fwd ports {count} > {limit} (number of configured ports) - ignored"
        );
    } else {
        app.config.ports = app.config.configured_ports.iter().copied().take(count.into()).collect();
        say!(app.out, "Number of forwarding ports set to {count}");
        app.tell_odd_ports();
    }
}

/// The positions of the bits that are set.
fn bits(mask: u64) -> Vec<u32> {
    (0..u64::BITS).filter(|bit| mask >> bit & 1 == 1).collect()
}

fn set_port_mask(app: &mut App, mask: u64) {
    // Ports that a mask names beyond those that exist are passed over.
    let all = app.ports.ids();
    let is_there = |id: &u32| all.iter().any(|port| u32::from(port.0) == *id);
    choose_ports(app, bits(mask).into_iter().filter(is_there).collect());
}

fn set_port_list(app: &mut App, list: &str) {
    match parse_list(list) {
        Ok(ids) => choose_ports(app, ids),
        Err(bad) => warn_user!(app.out, "{bad}"),
    }
}

fn choose_ports(app: &mut App, ids: Vec<u32>) {
    if app.is_forwarding() {
        warn_user!(app.out, "Please stop forwarding first");
        return;
    }
    let mut ports = Vec::new();
    for (index, id) in ids.into_iter().enumerate() {
        let port = u16::try_from(id).map(PortId).ok().filter(|&port| app.ports.get(port).is_some());
        match port {
            Some(port) if ports.contains(&port) => {
                let first = ports.iter().position(|&other| other == port).unwrap_or_default();
                return warn_user!(app.out, "duplicated port {id} at index {first} and {index}");
            }
            Some(port) => ports.push(port),
            None => return warn_user!(app.out, "Invalid port {id}"),
        }
    }
    app.set_forwarding_ports(ports);
}

fn set_core_list(app: &mut App, list: &str) {
    match parse_list(list) {
        Ok(lcores) => choose_cores(app, lcores),
        Err(bad) => warn_user!(app.out, "{bad}"),
    }
}

fn choose_cores(app: &mut App, lcores: Vec<u32>) {
    let main = app.eal.main_lcore();
    if app.is_forwarding() {
        warn_user!(app.out, "Please stop forwarding first");
    } else if let Some(lcore) = lcores.iter().find(|lcore| !app.eal.lcores().contains(lcore)) {
        warn_user!(app.out, "lcore {lcore} not enabled");
    } else if lcores.contains(&main) {
        warn_user!(
            app.out,
            "lcore {main} cannot be masked on for running packet forwarding, which is the main lcore \
             and reserved for command line parsing only"
        );
    } else if !lcores.is_empty() {
        let (before, now) = (app.config.nb_cores, lcores.len() as u16);
        (app.config.lcores, app.config.nb_cores) = (lcores, now);
        if before != now {
            say!(
                app.out,
                "previous number of forwarding cores {before} - changed to number of configured cores {now}"
            );
        }
    }
}

fn set_eth_peer(app: &mut App, port: PortId, mac: &str) {
    if app.ports.get(port).is_none() {
        warn_user!(app.out, "Error: Invalid port number {port}");
        return;
    }
    match mac.parse::<MacAddr>() {
        Ok(mac) => {
            app.config.eth_peers.insert(port, mac);
        }
        Err(_) => warn_user!(app.out, "Error: Invalid ethernet address: {mac}"),
    }
}
