//! Addresses that ports take.

use nix::errno::Errno;
use pmd_core::{Error, EthDev, MacAddr, PortId};

use super::refusal::{errno, words};
use super::{Args, Command, Section, Which};
use crate::app::App;
use crate::{say, warn_user};

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "mac_addr add|remove|set <port> <mac>",
        help: "Take frames to a further address, no longer take them, or change the port's own address.",
        section: Section::Config,
        run: mac_addr,
    },
    Command {
        syntax: "mcast_addr add|remove <port> <mac>",
        help: "Take frames to a multicast address, or no longer take them.",
        section: Section::Config,
        run: mcast_addr,
    },
    Command {
        syntax: "show port <port> macs|mcast_macs",
        help: "Display the addresses that a port takes.",
        section: Section::Display,
        run: show_macs,
    },
];

fn mac_addr(app: &mut App, args: &Args<'_>) {
    let (port, mac, action) = (args.port("port"), args.mac("mac"), args.word(1));
    let result = match app.ports.get_mut(port) {
        None => {
            warn_user!(app.out, "Invalid port_id={port}");
            Err(Errno::ENODEV)
        }
        Some(_) if action == "add" && mac == MacAddr::default() => {
            warn_user!(app.out, "Port {port}: Cannot add NULL MAC address");
            Err(Errno::EINVAL)
        }
        Some(dev) => change(dev, action, mac).map_err(|error| errno(&error)),
    };
    if let Err(errno) = result {
        warn_user!(app.out, "mac_addr_cmd error: ({})", words(errno));
    }
}

fn change(dev: &mut (dyn EthDev + 'static), action: &str, mac: MacAddr) -> Result<(), Error> {
    match action {
        "add" => dev.add_mac(mac),
        "remove" => dev.remove_mac(mac),
        _ => dev.set_mac(mac),
    }
}

fn mcast_addr(app: &mut App, args: &Args<'_>) {
    let (port, mac, add) = (args.port("port"), args.mac("mac"), args.has("add"));
    if mac.0[0] & 1 == 0 {
        warn_user!(app.out, "Invalid multicast addr {mac}");
    } else if app.select(Which::One(port.0)).is_some() {
        change_multicast(app, port, mac, add);
    }
}

fn change_multicast(app: &mut App, port: PortId, mac: MacAddr, add: bool) {
    let mut macs = app.settings_of(port).multicast.clone();
    match (macs.iter().position(|&known| known == mac), add) {
        (Some(_), true) => {
            return warn_user!(app.out, "multicast address already filtered by port");
        }
        (None, false) => {
            return warn_user!(app.out, "multicast address not filtered by port {port}");
        }
        (Some(at), false) => {
            macs.remove(at);
        }
        (None, true) => macs.push(mac),
    }
    let Some(dev) = app.ports.get_mut(port) else { return };
    match dev.set_multicast(&macs) {
        Ok(()) => app.settings_of(port).multicast = macs,
        Err(error) => {
            let (count, diag) = (macs.len(), errno(&error) as i32);
            warn_user!(
                app.out,
                "rte_eth_dev_set_mc_addr_list(port={port}, nb={count}) failed. diag=-{diag}"
            );
        }
    }
}

fn show_macs(app: &mut App, args: &Args<'_>) {
    let port = args.port("port");
    if app.select(Which::One(port.0)).is_none() {
        return;
    }
    let (kind, macs) = match args.has("macs") {
        true => ("MAC", app.ports.get(port).map(EthDev::macs).unwrap_or_default()),
        false => ("Multicast MAC", app.settings_of(port).multicast.clone()),
    };
    say!(app.out, "Number of {kind} address added: {}", macs.len());
    for mac in macs {
        say!(app.out, "  {mac}");
    }
}
