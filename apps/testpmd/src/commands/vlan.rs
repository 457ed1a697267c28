//! VLAN tags: taken out, put in, filtered by.

use nix::errno::Errno;
use pmd_core::{EthDev, PortId, RxOffloads, TxOffloads};

use super::refusal::errno;
use super::{Args, Command, Section, Which};
use crate::app::App;
use crate::warn_user;

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "vlan set strip|filter|qinq_strip|extend on|off <port>",
        help: "Take VLAN tags out of received frames, filter by VLAN, take the outer of two tags out, or treat it as the VLAN.",
        section: Section::Config,
        run: set_offload,
    },
    Command {
        syntax: "vlan set stripq on|off <queue:text>",
        help: "Take VLAN tags out on one queue: port,queue.",
        section: Section::Config,
        run: set_strip_on_queue,
    },
    Command {
        syntax: "vlan set inner|outer tpid <tpid:u16> <port>",
        help: "Set the EtherType that marks a VLAN tag.",
        section: Section::Config,
        run: set_tpid,
    },
    Command {
        syntax: "rx_vlan add|rm all <port>",
        help: "Let frames of every VLAN in, or of none.",
        section: Section::Config,
        run: filter_all,
    },
    Command {
        syntax: "rx_vlan add|rm <vlan:u16> <port>",
        help: "Let frames of a VLAN in, or no longer.",
        section: Section::Config,
        run: |app, args| {
            let (port, vlan) = (args.port("port"), args.number("vlan"));
            filter(app, port, vlan, args.has("add"));
        },
    },
    Command {
        syntax: "tx_vlan set <port> <vlan:u16> [<outer:u16>]",
        help: "Put a VLAN tag, or two, into the frames that are made.",
        section: Section::Config,
        run: insert,
    },
    Command {
        syntax: "tx_vlan set pvid <port> <vlan:u16> on|off",
        help: "Put the port's VLAN tag into frames, on devices that can.",
        section: Section::Config,
        run: |app, args| {
            app.select(Which::One(args.port("port").0));
        },
    },
    Command {
        syntax: "tx_vlan reset <port>",
        help: "Put no VLAN tag in any longer.",
        section: Section::Config,
        run: |app, args| {
            let port = args.port("port");
            if may_change(app, port) {
                tag(app, port, None);
            }
        },
    },
];

/// Number of VLANs (IEEE 802.1Q, 9.6).
const VLANS: u16 = 4096;

/// The name in messages, the bit of the receive offload and the bit of the reference's own mask.
fn offload(word: &str) -> (&'static str, RxOffloads) {
    match word {
        "strip" => ("strip", RxOffloads::VLAN_STRIP),
        "filter" => ("filter", RxOffloads::VLAN_FILTER),
        "extend" => ("extend", RxOffloads::VLAN_EXTEND),
        _ => ("qinq_strip", RxOffloads::QINQ_STRIP),
    }
}

fn set_offload(app: &mut App, args: &Args<'_>) {
    let (port, on, (name, bit)) = (args.port("port"), args.has("on"), offload(args.word(2)));
    if app.select(Which::One(port.0)).is_none() {
        return;
    }
    if let Err(diag) = change_offload(app, port, bit, on) {
        let (on, diag) = (u8::from(on), diag as i32);
        warn_user!(app.out, "rx_vlan_{name}_set(port_pi={port}, on={on}) failed diag=-{diag}");
    }
}

/// Changes what is done to tags. It takes effect when the port is started, so a started one has to be stopped.
fn change_offload(app: &mut App, port: PortId, bit: RxOffloads, on: bool) -> Result<(), Errno> {
    let capable = app.ports.get(port).map_or(RxOffloads::empty(), |dev| dev.info().rx_offloads);
    if app.settings_of(port).rx_offloads.contains(bit) == on {
        return Ok(());
    }
    if on && !capable.contains(bit) {
        warn_user!(
            app.out,
            "Ethdev port_id={port} requested new added VLAN offloads {:#x} must be within Rx offloads \
             capabilities {:#x} in rte_eth_dev_set_vlan_offload()",
            bit.bits(),
            capable.bits()
        );
        return Err(Errno::EINVAL);
    }
    if app.ports.get(port).is_some_and(EthDev::is_started) {
        warn_user!(app.out, "Please stop port {port} first");
        return Err(Errno::EBUSY);
    }
    app.change_offloads(port, |settings| {
        settings.rx_offloads.set(bit, on);
        settings.vlan_filter = settings.rx_offloads.contains(RxOffloads::VLAN_FILTER);
    });
    Ok(())
}

fn set_strip_on_queue(app: &mut App, args: &Args<'_>) {
    let on = u8::from(args.has("on"));
    let parts = args.text("queue").split_once(',');
    let numbers = parts.and_then(|(p, q)| Some((p.parse().ok()?, q.parse::<u16>().ok()?)));
    let Some((port, queue)) = numbers else {
        return warn_user!(app.out, "Unknown parameter: give port,queue");
    };
    if app.select(Which::One(port)).is_none() {
        return;
    }
    let diag = match app.config.rx_queues {
        queues if queue >= queues => {
            warn_user!(app.out, "Invalid rx_queue_id={queue}");
            Errno::EINVAL
        }
        _ => Errno::EOPNOTSUPP,
    };
    warn_user!(
        app.out,
        "rx_vlan_strip_set_on_queue(port_pi={port}, queue_id={queue}, on={on}) failed diag=-{}",
        diag as i32
    );
}

fn set_tpid(app: &mut App, args: &Args<'_>) {
    let (port, tpid) = (args.port("port"), args.number::<u16>("tpid"));
    if app.select(Which::One(port.0)).is_none() {
        return;
    }
    let (kind, diag) = (if args.has("inner") { 1 } else { 2 }, Errno::EOPNOTSUPP as i32);
    warn_user!(
        app.out,
        "tx_vlan_tpid_set(port_pi={port}, vlan_type={kind}, tpid={tpid}) failed diag=-{diag}"
    );
}

fn filter_all(app: &mut App, args: &Args<'_>) {
    let (port, on) = (args.port("port"), args.has("add"));
    for vlan in 0..VLANS {
        if !filter(app, port, vlan, on) {
            return;
        }
    }
}

/// False after the complaint when it cannot be done.
fn filter(app: &mut App, port: PortId, vlan: u16, on: bool) -> bool {
    if app.select(Which::One(port.0)).is_none() || !is_vlan(app, vlan) {
        return false;
    }
    let diag = if app.settings_of(port).vlan_filter {
        let set = app.ports.get_mut(port).map(|dev| dev.set_vlan_filter(vlan, on));
        set.and_then(Result::err).map(|error| errno(&error))
    } else {
        warn_user!(app.out, "Port {port}: VLAN-filtering disabled");
        Some(Errno::ENOSYS)
    };
    if let Some(diag) = diag {
        let (on, diag) = (u8::from(on), diag as i32);
        warn_user!(
            app.out,
            "rte_eth_dev_vlan_filter(port_pi={port}, vlan_id={vlan}, on={on}) failed diag=-{diag}"
        );
    }
    diag.is_none()
}

fn is_vlan(app: &mut App, vlan: u16) -> bool {
    if vlan >= VLANS {
        warn_user!(app.out, "Invalid vlan_id {vlan} (must be < {VLANS})");
    }
    vlan < VLANS
}

/// Whether `port` is there and stopped; the complaint otherwise.
fn may_change(app: &mut App, port: PortId) -> bool {
    if app.select(Which::One(port.0)).is_none() {
        return false;
    }
    let started = app.ports.get(port).is_some_and(EthDev::is_started);
    if started {
        warn_user!(app.out, "Please stop port {port} first");
    }
    !started
}

fn insert(app: &mut App, args: &Args<'_>) {
    let (port, double) = (args.port("port"), args.has("outer"));
    if !may_change(app, port) || !is_vlan(app, args.number("vlan")) {
        return;
    }
    if double && !is_vlan(app, args.number("outer")) {
        return;
    }
    let capable = app
        .ports
        .get(port)
        .is_some_and(|dev| dev.info().tx_offloads.contains(TxOffloads::VLAN_INSERT));
    if double {
        warn_user!(app.out, "Error: qinq insert not supported by port {port}");
    } else if !capable {
        warn_user!(app.out, "Error: vlan insert is not supported by port {port}");
    } else {
        tag(app, port, Some(args.number("vlan")));
    }
}

/// Has modes that make or readdress packets give those to `port` this tag, and the port put it in.
fn tag(app: &mut App, port: PortId, vlan: Option<u16>) {
    let vlans = &mut app.config.settings.vlans;
    match vlan {
        Some(vlan) => vlans.insert(port, vlan),
        None => vlans.remove(&port),
    };
    let settings = app.settings_of(port);
    settings.tx_offloads.set(TxOffloads::VLAN_INSERT, vlan.is_some());
    settings.to_configure = true;
}
