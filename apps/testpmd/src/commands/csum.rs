//! What the `csum` mode does, and what it could leave to a device: checksums, segmentation.

use pmd_core::{EthDev, PortId, TxOffloads};

use super::{Args, Command, Section};
use crate::app::App;
use crate::{say, warn_user};

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "csum set <what:ip|tcp|udp|sctp|outer-ip|outer-udp> hw|sw <port>",
        help: "Have the device or the csum mode compute checksums of packets to a port.",
        section: Section::Config,
        run: set_csum,
    },
    Command {
        syntax: "csum show <port>",
        help: "Display how checksums of packets to a port are computed.",
        section: Section::Config,
        run: |app, args| show_csum_of_stopped(app, args.port("port")),
    },
    Command {
        syntax: "csum parse-tunnel on|off <port>",
        help: "Have the csum mode look into VXLAN, GRE and IP tunnels of packets to a port.",
        section: Section::Config,
        run: parse_tunnel,
    },
    Command {
        syntax: "csum mac-swap on|off <port>",
        help: "Have the csum mode write new Ethernet addresses into packets to a port.",
        section: Section::Config,
        run: mac_swap,
    },
    Command {
        syntax: "tso set <bytes:u16> <port>",
        help: "Have the device cut TCP packets into segments of this many bytes, 0 for not.",
        section: Section::Config,
        run: |app, args| set_segmentation(app, args.port("port"), args.number("bytes")),
    },
    Command {
        syntax: "tso show <port>",
        help: "Display the segment size of TCP packets to a port.",
        section: Section::Config,
        run: |app, args| set_segmentation(app, args.port("port"), 0),
    },
    Command {
        syntax: "tunnel_tso set <bytes:u16> <port>",
        help: "Have the device cut TCP packets inside tunnels into segments, 0 for not.",
        section: Section::Config,
        run: |app, args| set_tunnel_segmentation(app, args.port("port"), args.number("bytes")),
    },
    Command {
        syntax: "tunnel_tso show <port>",
        help: "Display the segment size of TCP packets inside tunnels to a port.",
        section: Section::Config,
        run: |app, args| set_tunnel_segmentation(app, args.port("port"), 0),
    },
    Command {
        syntax: "set port <port> gro on|off",
        help: "Join TCP segments that a port receives. Not supported yet: off can be said.",
        section: Section::Config,
        run: set_gro,
    },
    Command {
        syntax: "show port <port> gro",
        help: "Display whether TCP segments that a port receives are joined.",
        section: Section::Display,
        run: |app, args| match known(app, args.port("port")) {
            Some(port) => say!(app.out, "Port {port} doesn't enable GRO."),
            None => warn_user!(app.out, "Invalid port id {}.", args.port("port")),
        },
    },
    Command {
        syntax: "set gro flush <cycles:u8>",
        help: "Set after how many rounds joined TCP segments go on. Not supported yet.",
        section: Section::Config,
        run: |app, _| warn_user!(app.out, "GRO is not supported yet"),
    },
    Command {
        syntax: "set port <port> gso on|off",
        help: "Cut packets to a port into segments. Not supported yet: off can be said.",
        section: Section::Config,
        run: set_gso,
    },
    Command {
        syntax: "show port <port> gso",
        help: "Display whether packets to a port are cut into segments.",
        section: Section::Display,
        run: |app, args| match known(app, args.port("port")) {
            Some(port) => say!(app.out, "GSO is not enabled on Port {port}"),
            None => warn_user!(app.out, "invalid port id {}", args.port("port")),
        },
    },
    Command {
        syntax: "set gso segsz <bytes:u16>",
        help: "Set the size of the segments that packets are cut into. Not supported yet.",
        section: Section::Config,
        run: |app, args| set_segment_size(app, args.number("bytes")),
    },
];

/// Bytes of Ethernet, IPv4 and TCP headers and one of payload.
const SMALLEST_SEGMENT_BYTES: u16 = 55;

fn known(app: &App, port: PortId) -> Option<PortId> {
    app.ports.get(port).map(|_| port)
}

/// Whether the port exists; says so if not.
fn exists(app: &mut App, port: PortId) -> bool {
    let known = known(app, port).is_some();
    if !known {
        warn_user!(app.out, "Invalid port {port}");
    }
    known
}

/// Whether the port exists and is stopped; says what is in the way.
fn is_stopped(app: &mut App, port: PortId) -> bool {
    let started = app.ports.get(port).is_some_and(EthDev::is_started);
    if started {
        warn_user!(app.out, "Please stop port {port} first");
    }
    !started
}

/// What devices can be asked to compute: the word, the bit, its name in a complaint, its name in the list.
const SUMS: [(&str, TxOffloads, &str, &str); 6] = [
    ("ip", TxOffloads::IPV4_CKSUM, "IP", "IP"),
    ("udp", TxOffloads::UDP_CKSUM, "UDP", "UDP"),
    ("tcp", TxOffloads::TCP_CKSUM, "TCP", "TCP"),
    ("sctp", TxOffloads::SCTP_CKSUM, "SCTP", "SCTP"),
    ("outer-ip", TxOffloads::OUTER_IPV4_CKSUM, "Outer IP", "Outer-Ip"),
    // No device that is known here has the bit for this one.
    ("outer-udp", TxOffloads::empty(), "Outer UDP", "Outer-Udp"),
];

fn set_csum(app: &mut App, args: &Args<'_>) {
    let port = args.port("port");
    if !exists(app, port) {
        warn_user!(app.out, "invalid port {port}");
        return;
    }
    if !is_stopped(app, port) {
        return;
    }
    let chosen = SUMS.into_iter().find(|(word, ..)| *word == args.text("what"));
    if let Some((_, bit, name, _)) = chosen.filter(|_| args.has("hw")) {
        let can = app.ports.get(port).map(|dev| dev.info().tx_offloads).unwrap_or_default();
        if bit.is_empty() || !can.contains(bit) {
            warn_user!(app.out, "{name} checksum offload is not supported by port {port}");
        } else {
            app.settings_of(port).tx_offloads.insert(bit);
        }
    } else if let Some((_, bit, ..)) = chosen {
        app.settings_of(port).tx_offloads.remove(bit);
    }
    show_csum(app, port);
    app.settings_of(port).to_configure = true;
}

fn show_csum_of_stopped(app: &mut App, port: PortId) {
    if !exists(app, port) {
        warn_user!(app.out, "invalid port {port}");
    } else if is_stopped(app, port) {
        show_csum(app, port);
    }
}

fn show_csum(app: &mut App, port: PortId) {
    let tunnels = app.config.settings.csum.tunnels.contains(&port);
    say!(app.out, "Parse tunnel is {}", if tunnels { "on" } else { "off" });
    let asked = app.settings_of(port).tx_offloads;
    for (_, bit, _, name) in SUMS {
        let by_device = !bit.is_empty() && asked.contains(bit);
        say!(app.out, "{name} checksum offload is {}", if by_device { "hw" } else { "sw" });
    }
}

fn parse_tunnel(app: &mut App, args: &Args<'_>) {
    let port = args.port("port");
    if !exists(app, port) {
        return;
    }
    let tunnels = &mut app.config.settings.csum.tunnels;
    if args.has("on") {
        tunnels.insert(port)
    } else {
        tunnels.remove(&port)
    };
    app.update_settings();
    show_csum(app, port);
}

fn mac_swap(app: &mut App, args: &Args<'_>) {
    let port = args.port("port");
    if !exists(app, port) {
        return;
    }
    let keep = &mut app.config.settings.csum.keep_addresses;
    if args.has("on") {
        keep.remove(&port)
    } else {
        keep.insert(port)
    };
    app.update_settings();
}

fn set_segmentation(app: &mut App, port: PortId, bytes: u16) {
    if !exists(app, port) || !is_stopped(app, port) {
        return;
    }
    match bytes {
        0 => say!(app.out, "TSO for non-tunneled packets is disabled"),
        _ => warn_user!(app.out, "Error: TSO is not supported by port {port}"),
    }
}

fn set_tunnel_segmentation(app: &mut App, port: PortId, bytes: u16) {
    if !exists(app, port) || !is_stopped(app, port) {
        return;
    }
    let kinds = ["VXLAN", "GRE", "IPIP", "GENEVE", "IP", "UDP"];
    for kind in kinds.iter().filter(|_| bytes > 0) {
        warn_user!(
            app.out,
            "Warning: {kind} TUNNEL TSO not supported therefore not enabled for port {port}"
        );
    }
    match bytes {
        0 => say!(app.out, "TSO for tunneled packets is disabled"),
        _ => warn_user!(app.out, "Error: tunnel TSO is not supported by port {port}"),
    }
}

fn set_gro(app: &mut App, args: &Args<'_>) {
    let port = args.port("port");
    if known(app, port).is_none() {
        warn_user!(app.out, "invalid port id {port}");
    } else if app.is_forwarding() {
        warn_user!(app.out, "Before enable/disable GRO, please stop forwarding first");
    } else if args.has("on") {
        warn_user!(app.out, "GRO is not supported yet: port {port} goes on without");
    } else {
        warn_user!(app.out, "Port {port} has disabled GRO");
    }
}

fn set_segment_size(app: &mut App, bytes: u16) {
    if app.is_forwarding() {
        warn_user!(app.out, "Before setting GSO segsz, please first stop forwarding");
    } else if bytes < SMALLEST_SEGMENT_BYTES {
        warn_user!(
            app.out,
            "gso_size should be larger than {SMALLEST_SEGMENT_BYTES}. Please input a legal value"
        );
    } else {
        warn_user!(app.out, "GSO is not supported yet");
    }
}

fn set_gso(app: &mut App, args: &Args<'_>) {
    let port = args.port("port");
    if known(app, port).is_none() {
        warn_user!(app.out, "invalid port id {port}");
    } else if app.is_forwarding() {
        let what = if args.has("on") { "enabling" } else { "disabling" };
        warn_user!(app.out, "before {what} GSO, please stop forwarding first");
    } else if args.has("on") {
        warn_user!(app.out, "GSO is not supported yet: port {port} goes on without");
    }
}

#[cfg(test)]
mod tests {
    use crate::console::bench::Bench;

    const SOFTWARE: &str = "IP checksum offload is sw\nUDP checksum offload is sw\n\
        TCP checksum offload is sw\nSCTP checksum offload is sw\n\
        Outer-Ip checksum offload is sw\nOuter-Udp checksum offload is sw\n";

    #[test]
    fn a_device_that_computes_nothing() {
        let mut bench = Bench::one();
        assert_eq!(bench.err("csum set ip hw 0"), "Please stop port 0 first\n");
        bench.type_in("port stop 0");
        let expected = format!("Parse tunnel is off\n{SOFTWARE}");
        for (what, name) in [("ip", "IP"), ("outer-ip", "Outer IP"), ("outer-udp", "Outer UDP")] {
            let (out, err) = bench.type_in(&format!("csum set {what} hw 0"));
            assert_eq!(err, format!("{name} checksum offload is not supported by port 0\n"));
            assert_eq!(out, expected);
        }
        assert_eq!(bench.type_in("csum set sctp sw 0"), (expected.clone(), String::new()));
        assert_eq!(bench.type_in("csum show 0"), (expected, String::new()));
        assert_eq!(bench.err("csum show 9"), "Invalid port 9\ninvalid port 9\n");
    }

    #[test]
    fn tunnels_and_addresses() {
        let mut bench = Bench::one();
        let (out, _) = bench.type_in("csum parse-tunnel on 0");
        assert_eq!(out, format!("Parse tunnel is on\n{SOFTWARE}"));
        assert_eq!(bench.type_in("csum mac-swap off 0"), Default::default());
        let csum = bench.app.config.settings.csum.clone();
        assert_eq!((csum.tunnels.len(), csum.keep_addresses.len()), (1, 1));
        bench.type_in("csum parse-tunnel off 0");
        bench.type_in("csum mac-swap on 0");
        assert_eq!(bench.app.config.settings.csum, Default::default());
        assert_eq!(bench.err("csum parse-tunnel on 7"), "Invalid port 7\n");
    }

    #[test]
    fn segmentation_is_refused() {
        let mut bench = Bench::one();
        assert_eq!(bench.err("tso set 800 0"), "Please stop port 0 first\n");
        bench.type_in("port stop 0");
        assert_eq!(bench.err("tso set 800 0"), "Error: TSO is not supported by port 0\n");
        let disabled = "TSO for non-tunneled packets is disabled\n".to_owned();
        assert_eq!(bench.type_in("tso show 0"), (disabled, String::new()));
        assert!(bench.err("set port 0 gro on").contains("not supported yet"));
        assert!(bench.err("set port 0 gso on").contains("not supported yet"));
        assert_eq!(bench.type_in("show port 0 gro").0, "Port 0 doesn't enable GRO.\n");
        assert_eq!(bench.type_in("show port 0 gso").0, "GSO is not enabled on Port 0\n");
    }
}
