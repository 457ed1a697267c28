//! What no port here has: answered in the reference's words, or said to come later.

use super::{Args, Command, Section, Which};
use crate::app::App;
use crate::{say, warn_user};

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "show port <port> rxq|txq <queue:u16> desc <descriptor:u16> status",
        help: "Display the state of a descriptor, on devices that tell.",
        section: Section::Display,
        run: |app, args| {
            if has_port(app, args) {
                let (queue, descriptor) =
                    (args.number::<u16>("queue"), args.number::<u16>("descriptor"));
                warn_user!(app.out, "Invalid input: queue id = {queue}, desc id = {descriptor}");
            }
        },
    },
    Command {
        syntax: "show port <port> rxq <queue:u16> desc used count",
        help: "Display how many descriptors wait to be received, on devices that tell.",
        section: Section::Display,
        run: |app, args| {
            if has_port(app, args) {
                warn_user!(app.out, "Invalid queueid = {}", args.number::<u16>("queue"));
            }
        },
    },
    Command {
        syntax: "show port fdir <port>",
        help: "Display the flow director of a port, on devices that have one.",
        section: Section::Display,
        run: |app, args| {
            if has_port(app, args) {
                say!(app.out, "\n FDIR is not supported on port {} ", args.port("port"));
            }
        },
    },
    Command {
        syntax: "show port <port> eeprom|module_eeprom",
        help: "Display the memory of a port's board, on devices that have one.",
        section: Section::Display,
        run: |app, args| {
            if has_port(app, args) {
                warn_user!(app.out, "operation not supported by device");
            }
        },
    },
    Command {
        syntax: "show port <port> flow_ctrl",
        help: "Display the flow control of a port, on devices that have it.",
        section: Section::Display,
        run: |app, args| {
            if has_port(app, args) {
                warn_user!(app.out, "Failed to get current flow ctrl information: err = -95");
            }
        },
    },
    Command {
        syntax: "set port <port> ptype_mask <mask:u32>",
        help: "Choose the packet types that a port tells, on devices that tell them.",
        section: Section::Config,
        run: |app, args| {
            if has_port(app, args) {
                warn_user!(app.out, "Port {} doesn't support any ptypes.", args.port("port"));
            }
        },
    },
    Command {
        syntax: "set port <port> queue <queue:u16> rate <rate:u32>",
        help: "Limit the rate of a queue, on devices that can.",
        section: Section::Config,
        run: |app, args| {
            if has_port(app, args) {
                let port = args.port("port");
                warn_user!(
                    app.out,
                    "rte_eth_set_queue_rate_limit for port_id={port} failed diag=-95\n\
                     queue_rate_limit_cmd error: (Operation not supported)"
                );
            }
        },
    },
    Command {
        syntax: "rx_vxlan_port add|rm <udp:u16> <port>",
        help: "Choose the UDP port of tunnels, on devices that look into them.",
        section: Section::Config,
        run: |app, args| {
            if has_port(app, args) {
                warn_user!(app.out, "udp tunneling add error: (Operation not supported)");
            }
        },
    },
    Command {
        syntax: "port config <port> udp_tunnel_port add|rm vxlan|geneve|vxlan-gpe|ecpri <udp:u16>",
        help: "Choose the UDP port of tunnels, on devices that look into them.",
        section: Section::Ports,
        run: |app, args| {
            if has_port(app, args) {
                warn_user!(app.out, "udp tunneling port add error: (Operation not supported)");
            }
        },
    },
    Command {
        syntax: "flow list <port> [<groups:text>]",
        help: "Display the flow rules of a port; no port here takes any.",
        section: Section::Display,
        run: |app, args| {
            has_port(app, args);
        },
    },
    Command {
        syntax: "flow create|validate|destroy|flush|query|isolate <rule:rest>",
        help: "Steer flows by rules, on devices that take them.",
        section: Section::Ports,
        run: |app, _| {
            warn_user!(
                app.out,
                "port_flow_complain(): Caught PMD error type 1 (cause unspecified): \
                 Function not implemented: Function not implemented"
            );
        },
    },
    Command {
        syntax: "show port meter|tm cap <port>",
        help: "Display the meters or the traffic management of a port, on devices that have them.",
        section: Section::Display,
        run: |app, args| {
            if has_port(app, args) {
                warn_user!(app.out, "cause unspecified: Function not implemented (error 1)");
            }
        },
    },
    Command {
        syntax: "port cleanup <port> txq <queue:u16> <count:u32>",
        help: "Take back mbufs of packets that were sent, on devices that can.",
        section: Section::Ports,
        run: |app, args| {
            if has_port(app, args) {
                let (port, queue) = (args.port("port"), args.number::<u16>("queue"));
                warn_user!(app.out, "Failed to get port {port} Tx queue {queue} info");
            }
        },
    },
    Command {
        syntax: "show bonding config <port>",
        help: "Display a bond and its members; bonds are not there yet.",
        section: Section::Display,
        run: |app, args| {
            if has_port(app, args) {
                warn_user!(
                    app.out,
                    "\tFailed to get bonding mode for port = {}",
                    args.port("port")
                );
            }
        },
    },
    Command {
        syntax: "create bonded|bonding device <mode:u8> <socket:u8>",
        help: "Make a port of several; not there yet.",
        section: Section::Ports,
        run: |app, _| no_bonds(app),
    },
    Command {
        syntax: "add|remove bonding slave|member <member:port> <port>",
        help: "Add a port to a bond, or take it out; not there yet.",
        section: Section::Ports,
        run: |app, _| no_bonds(app),
    },
    Command {
        syntax: "set bonding <setting:rest>",
        help: "Change a bond; not there yet.",
        section: Section::Config,
        run: |app, _| no_bonds(app),
    },
];

fn has_port(app: &mut App, args: &Args<'_>) -> bool {
    app.select(Which::One(args.port("port").0)).is_some()
}

fn no_bonds(app: &mut App) {
    warn_user!(app.out, "bonding is not supported yet");
}
