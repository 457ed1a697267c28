//! Ports that come and go while the program runs.

use pmd_core::{DevArgs, Error, EthDev, PortId};

use super::{Args, Command, Section};
use crate::app::App;
use crate::{say, show, warn_user};

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "port attach <device:rest>",
        help: "Make a port, as --vdev does: port attach net_vhost1,iface=/tmp/vhost1.sock.",
        section: Section::Devices,
        run: |app, args| attach(app, args.text("device")),
    },
    Command {
        syntax: "port detach <port>",
        help: "Close a stopped port and take it away.",
        section: Section::Devices,
        run: |app, args| detach_port(app, args.port("port")),
    },
    Command {
        syntax: "device detach <device:text>",
        help: "The same for the port of a device, by the device's name.",
        section: Section::Devices,
        run: |app, args| detach_device(app, args.text("device")),
    },
    Command {
        syntax: "port reset <ports>",
        help: "Bring a stopped port back to what it was when it was made, on devices that can.",
        section: Section::Devices,
        run: reset,
    },
    Command {
        syntax: "show device info <device:text>",
        help: "Display a device and its port by the device's name, or all.",
        section: Section::Devices,
        run: |app, args| show_device(app, args.text("device")),
    },
];

fn attach(app: &mut App, text: &str) {
    say!(app.out, "Attaching a new port...");
    let made = DevArgs::parse(text).and_then(|args| {
        let attached = app.ports.attach(&app.eal, &app.drivers, &args);
        attached.map_err(|error| known_drivers(error, &app.drivers.names()))
    });
    match made {
        Ok(port) => {
            if let Err(problem) = give_pool(app, port) {
                warn_user!(app.out, "testpmd: {problem}");
                app.close_port(port, false);
                return warn_user!(app.out, "testpmd: Failed to attach port {text}");
            }
            app.tell_promiscuous_of(port);
            app.config.add_port(port);
            let total = app.ports.len();
            say!(app.out, "Port {port} is attached. Now total ports is {total}\nDone");
        }
        Err(error) => {
            warn_user!(app.out, "EAL: {error}\ntestpmd: Failed to attach port {text}");
        }
    }
}

/// Which drivers there are belongs to the complaint that none takes a name.
fn known_drivers(error: Error, names: &[&str]) -> Error {
    match error {
        Error::NoDriver(name) => Error::BadDevArgs(format!(
            "failed to parse device \"{name}\": known drivers: {}",
            names.join(", ")
        )),
        other => other,
    }
}

fn give_pool(app: &mut App, port: PortId) -> Result<(), String> {
    let App { eal, pool, ports, config, sizing, more_pools, .. } = app;
    more_pools.grow(eal, pool, ports, port, config, *sizing)
}

fn detach_port(app: &mut App, port: PortId) {
    let Some(dev) = app.ports.get(port) else {
        return warn_user!(app.out, "Invalid port_id={port}");
    };
    if dev.is_started() {
        return warn_user!(app.out, "Port not stopped");
    }
    warn_user!(app.out, "Port was not closed");
    say!(app.out, "Removing a device...");
    app.close_port(port, true);
    let total = app.ports.len();
    say!(app.out, "Device is detached\nNow total ports is {total}\nDone");
}

fn detach_device(app: &mut App, text: &str) {
    say!(app.out, "Removing a device...");
    let name = text.split(',').next().unwrap_or_default();
    let Some(port) = app.ports.by_name(name) else {
        if !app.drivers.names().iter().any(|driver| name.starts_with(driver)) {
            return warn_user!(
                app.out,
                "EAL: failed to parse device \"{name}\"\ncannot parse identifier"
            );
        }
        return warn_user!(
            app.out,
            "EAL: Cannot find plugged device ({name})\ntestpmd: Failed to detach device {name}(vdev)"
        );
    };
    if app.ports.get(port).is_some_and(EthDev::is_started) {
        return warn_user!(app.out, "Port {port} not stopped");
    }
    app.close_port(port, true);
    let total = app.ports.len();
    say!(app.out, "Device {text} is detached\nNow total ports is {total}\nDone");
}

fn reset(app: &mut App, args: &Args<'_>) {
    let Some(ports) = app.select(args.which("ports")) else { return };
    if ports.iter().any(|&port| app.ports.get(port).is_some_and(EthDev::is_started)) {
        return warn_user!(app.out, "Can not reset port(s), please stop port(s) first.");
    }
    say!(app.out, "Resetting ports...");
    for port in ports {
        // No device here has such an operation.
        warn_user!(app.out, "Failed to reset port {port}. diag=-95");
    }
    say!(app.out, "Done");
}

fn show_device(app: &mut App, name: &str) {
    let all = name == "all";
    let ports = match app.ports.by_name(name) {
        _ if all => app.ports.ids(),
        Some(port) => vec![port],
        None => {
            return warn_user!(
                app.out,
                "EAL: failed to parse device \"{name}\"\ncannot parse identifier"
            );
        }
    };
    for port in ports {
        let Some(dev) = app.ports.get(port) else { continue };
        let text = show::device::block(port, dev);
        app.out.say(format_args!("{text}"));
    }
}
