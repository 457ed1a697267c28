//! What a port lets in by address, and its link.

use nix::errno::Errno;
use pmd_core::{EthDev, PortId};

use super::refusal::{errno, words};
use super::{Args, Command, Section, Which};
use crate::app::App;
use crate::warn_user;

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "set promisc <ports> on|off",
        help: "Take all unicast frames, or only those to the port's addresses.",
        section: Section::Config,
        run: set_promiscuous,
    },
    Command {
        syntax: "set allmulti <ports> on|off",
        help: "Take all multicast frames, or only those to the port's multicast addresses.",
        section: Section::Config,
        run: set_allmulticast,
    },
    Command {
        syntax: "set link-up|link-down port <port>",
        help: "Raise or lower a port's link.",
        section: Section::Config,
        run: set_link,
    },
    Command {
        syntax: "set stat_qmap tx|rx <port> <queue:u16> <counter:u8>",
        help: "Choose the statistics register of a queue, on devices that have such.",
        section: Section::Config,
        run: set_queue_counter,
    },
];

/// The ports meant. One that is not there is complained of, with `what` could not be done.
fn chosen(app: &mut App, which: Which, what: &str) -> Vec<PortId> {
    match which {
        Which::One(id) if app.ports.get(PortId(id)).is_none() => {
            warn_user!(
                app.out,
                "Invalid port_id={id}\nError during {what} for port {id}: {}",
                words(Errno::ENODEV)
            );
            Vec::new()
        }
        _ => app.select(which).unwrap_or_default(),
    }
}

fn set_promiscuous(app: &mut App, args: &Args<'_>) {
    set_filter(app, args, "promiscuous mode", |dev, on| dev.set_promiscuous(on));
}

fn set_allmulticast(app: &mut App, args: &Args<'_>) {
    set_filter(app, args, "all-multicast mode", |dev, on| dev.set_allmulticast(on));
}

fn set_filter(
    app: &mut App,
    args: &Args<'_>,
    mode: &str,
    set: fn(&mut (dyn EthDev + 'static), bool) -> Result<(), pmd_core::Error>,
) {
    let on = args.has("on");
    let what = format!("{} {mode}", if on { "enabling" } else { "disabling" });
    for port in chosen(app, args.which("ports"), &what) {
        let Some(Err(error)) = app.ports.get_mut(port).map(|dev| set(dev, on)) else { continue };
        let words = words(errno(&error));
        warn_user!(app.out, "Error during {what} for port {port}: {words}");
    }
}

fn set_link(app: &mut App, args: &Args<'_>) {
    let (port, up) = (args.port("port"), args.has("link-up"));
    let done = match app.ports.get_mut(port) {
        Some(dev) => dev.set_link(up).is_ok(),
        None => {
            warn_user!(app.out, "Invalid port_id={port}");
            false
        }
    };
    if !done {
        warn_user!(app.out, "\nSet link {} fail.", if up { "up" } else { "down" });
    }
}

fn set_queue_counter(app: &mut App, args: &Args<'_>) {
    let (port, queue, rx) = (args.port("port"), args.number::<u16>("queue"), args.has("rx"));
    if app.select(Which::One(port.0)).is_none() || !app.has_queue(rx, queue) {
        return;
    }
    /// Registers of devices that have any.
    const COUNTERS: u8 = 16;
    if args.number::<u8>("counter") >= COUNTERS {
        warn_user!(app.out, "map_value not in required range 0..{}", COUNTERS - 1);
        return;
    }
    let side = if rx { "rx" } else { "tx" };
    warn_user!(app.out, "failed to set {side} queue stats mapping.");
}
