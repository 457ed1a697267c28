//! Spreading of flows over receive queues. No port here does it: what is asked for is answered as the reference answers for
//! such ports.

use super::{Args, Command, Section, Which};
use crate::app::App;
use crate::{say, warn_user};

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "port config all rss <kinds:text>",
        help: "Choose what is hashed to spread flows over receive queues, on devices that can.",
        section: Section::Ports,
        run: |app, args| set_kinds(app, args.text("kinds")),
    },
    Command {
        syntax: "port config <port> rss reta <entries:text>",
        help: "Choose the receive queue of each hash: (hash,queue)[,..].",
        section: Section::Ports,
        run: |app, args| {
            if app.select(Which::One(args.port("port").0)).is_some() {
                warn_user!(app.out, "Redirection table size is 0 which is invalid for RSS");
            }
        },
    },
    Command {
        syntax: "show port <port> rss reta <size:u16> <masks:text>",
        help: "Display the receive queue of each hash.",
        section: Section::Display,
        run: |app, args| {
            if app.select(Which::One(args.port("port").0)).is_some() {
                let size = args.number::<u16>("size");
                warn_user!(app.out, "Invalid redirection table size: {size} (1-0)");
            }
        },
    },
    Command {
        syntax: "show port <port> rss-hash [key]",
        help: "Display what is hashed to spread flows, and the key.",
        section: Section::Display,
        run: |app, args| {
            if app.select(Which::One(args.port("port").0)).is_some() {
                warn_user!(app.out, "dev_info did not provide a valid hash key size");
            }
        },
    },
    Command {
        syntax: "show port dcb_tc <ports>",
        help: "Display the traffic classes of ports.",
        section: Section::Display,
        run: show_classes,
    },
];

/// What can be hashed, from bit 2 of the reference's mask on; `?` where a bit has no name.
const KINDS: [&str; 35] = [
    "ipv4",
    "ipv4-frag",
    "ipv4-tcp",
    "ipv4-udp",
    "ipv4-sctp",
    "ipv4-other",
    "ipv6",
    "ipv6-frag",
    "ipv6-tcp",
    "ipv6-udp",
    "ipv6-sctp",
    "ipv6-other",
    "l2-payload",
    "ipv6-ex",
    "ipv6-tcp-ex",
    "ipv6-udp-ex",
    "port",
    "vxlan",
    "geneve",
    "nvgre",
    "?",
    "gtpu",
    "eth",
    "s-vlan",
    "c-vlan",
    "esp",
    "ah",
    "l2tpv3",
    "pfcp",
    "pppoe",
    "ecpri",
    "mpls",
    "ipv4-chksum",
    "l4-chksum",
    "l2tpv2",
];
/// Parts of addresses that alone are hashed, from bit 63 down.
const PARTS: [&str; 12] = [
    "l3-src-only",
    "l3-dst-only",
    "l4-src-only",
    "l4-dst-only",
    "l2-src-only",
    "l2-dst-only",
    "l3-pre32",
    "l3-pre40",
    "l3-pre48",
    "l3-pre56",
    "l3-pre64",
    "l3-pre96",
];
/// Names of several at once.
const GROUPS: [(&str, u64); 8] = [
    ("all", 0x13_7f83_fffc),
    ("none", 0),
    ("ip", 0xa38c),
    ("udp", 0x2_0820),
    ("tcp", 0x1_0410),
    ("sctp", 0x1040),
    ("tunnel", 0x38_0000),
    ("vlan", 0x600_0000),
];

fn kinds(text: &str) -> Result<u64, &'static str> {
    if let Ok(bit) = text.parse::<u64>() {
        return match bit {
            1..64 => Ok(1 << bit),
            _ => Err("flowtype_id should be greater than 0 and less than 64."),
        };
    }
    let group = GROUPS.iter().find(|(name, _)| *name == text).map(|(_, bits)| *bits);
    let kind = || KINDS.iter().position(|name| *name == text).map(|at| 1 << (at + 2));
    let part = || PARTS.iter().position(|name| *name == text).map(|at| 1 << (63 - at));
    match text {
        "default" | "level-default" => Ok(0),
        "level-outer" => Ok(1 << 50),
        "level-inner" => Ok(2 << 50),
        _ => group.or_else(kind).or_else(part).ok_or("Unknown parameter"),
    }
}

fn set_kinds(app: &mut App, text: &str) {
    let asked = match kinds(text) {
        Ok(asked) => asked,
        Err(problem) => return warn_user!(app.out, "{problem}"),
    };
    for port in app.ports.ids() {
        if asked != 0 {
            say!(
                app.out,
                "Port {port} modified RSS hash function based on hardware support,\
                 requested:{asked:#x} configured:0"
            );
        }
        warn_user!(
            app.out,
            "Multi-queue RSS mode isn't enabled.\nConfiguration of RSS hash at ethernet port {port} \
             failed with error (95): Operation not supported."
        );
    }
}

fn show_classes(app: &mut App, args: &Args<'_>) {
    for port in app.select(args.which("ports")).unwrap_or_default() {
        warn_user!(app.out, "\n Failed to get dcb infos on port {port} ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_s_bits() {
        for (text, bits) in
            [("ipv4-tcp", 0x10), ("1", 2), ("l2tpv2", 1 << 36), ("l3-pre96", 1 << 52), ("none", 0)]
        {
            assert_eq!(kinds(text), Ok(bits), "{text}");
        }
        let named = |names: &[&str]| names.iter().map(|name| kinds(name).unwrap()).sum::<u64>();
        assert_eq!(kinds("udp"), Ok(named(&["ipv4-udp", "ipv6-udp", "ipv6-udp-ex"])));
        assert_eq!(kinds("tcp"), Ok(named(&["ipv4-tcp", "ipv6-tcp", "ipv6-tcp-ex"])));
        assert_eq!(kinds("sctp"), Ok(named(&["ipv4-sctp", "ipv6-sctp"])));
        assert_eq!(kinds("tunnel"), Ok(named(&["vxlan", "geneve", "nvgre"])));
        assert_eq!(kinds("vlan"), Ok(named(&["s-vlan", "c-vlan"])));
        assert!(kinds("bogus").is_err() && kinds("64").is_err());
    }
}
