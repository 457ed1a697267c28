//! Work that ports do on packets.

use pmd_core::{EthDev, PortId, RxOffloads, TxOffloads};

use super::{Args, Command, Section};
use crate::app::App;
use crate::port_settings::PortSettings;
use crate::{say, warn_user};

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "port config <port> rx_offload <offload:vlan_strip|ipv4_cksum|udp_cksum|tcp_cksum|tcp_lro|qinq_strip|outer_ipv4_cksum|macsec_strip|vlan_filter|vlan_extend|scatter|buffer_split|timestamp|security|keep_crc|sctp_cksum|outer_udp_cksum|rss_hash> on|off",
        help: "Let a stopped port do, or no longer do, some work on received packets.",
        section: Section::Ports,
        run: |app, args| set_offload(app, args, true),
    },
    Command {
        syntax: "port config <port> tx_offload <offload:vlan_insert|ipv4_cksum|udp_cksum|tcp_cksum|sctp_cksum|tcp_tso|udp_tso|outer_ipv4_cksum|qinq_insert|vxlan_tnl_tso|gre_tnl_tso|ipip_tnl_tso|geneve_tnl_tso|macsec_insert|mt_lockfree|multi_segs|mbuf_fast_free|security> on|off",
        help: "Let a stopped port do, or no longer do, some work on packets to be sent.",
        section: Section::Ports,
        run: |app, args| set_offload(app, args, false),
    },
    Command {
        syntax: "port <port> rxq|txq <queue:u16> rx_offload|tx_offload <offload:text> on|off",
        help: "The same for one queue, on devices that can.",
        section: Section::Ports,
        run: set_queue_offload,
    },
    Command {
        syntax: "show port <port> rx_offload|tx_offload capabilities",
        help: "Display the work on packets that a port can do.",
        section: Section::Display,
        run: show_capabilities,
    },
    Command {
        syntax: "show port <port> rx_offload|tx_offload configuration",
        help: "Display the work on packets that a port was asked to do.",
        section: Section::Display,
        run: show_configuration,
    },
];

/// Bits of the reference's names that have none here.
const MORE_RX: [(&str, u64); 4] =
    [("MACSEC_STRIP", 7), ("SECURITY", 15), ("BUFFER_SPLIT", 20), ("RSS_HASH", 19)];
const MORE_TX: [(&str, u64); 7] = [
    ("VXLAN_TNL_TSO", 9),
    ("GRE_TNL_TSO", 10),
    ("IPIP_TNL_TSO", 11),
    ("GENEVE_TNL_TSO", 12),
    ("MACSEC_INSERT", 13),
    ("MT_LOCKFREE", 14),
    ("SECURITY", 17),
];

fn rx_offload(name: &str) -> RxOffloads {
    let name = name.to_ascii_uppercase();
    let more = MORE_RX.iter().find(|(known, _)| *known == name).map_or(0, |(_, bit)| 1 << bit);
    RxOffloads::from_name(&name).unwrap_or(RxOffloads::from_bits_retain(more))
}

fn tx_offload(name: &str) -> TxOffloads {
    let name = name.to_ascii_uppercase();
    let more = MORE_TX.iter().find(|(known, _)| *known == name).map_or(0, |(_, bit)| 1 << bit);
    TxOffloads::from_name(&name).unwrap_or(TxOffloads::from_bits_retain(more))
}

impl App {
    /// Changes what a port is to do with packets; its next start configures it anew.
    pub fn change_offloads(&mut self, port: PortId, change: impl FnOnce(&mut PortSettings)) {
        let settings = self.settings_of(port);
        change(settings);
        settings.to_configure = true;
    }

    /// Whether offloads of `port` may be changed: it is there and stopped. The complaint otherwise.
    fn offloads_may_change(&mut self, port: PortId) -> bool {
        if self.ports.get(port).is_none() {
            no_device(self, port, "info");
            return false;
        }
        let started = self.ports.get(port).is_some_and(EthDev::is_started);
        if started {
            warn_user!(self.out, "Error: Can't config offload when Port {port} is not stopped");
        }
        !started
    }
}

fn set_offload(app: &mut App, args: &Args<'_>, rx: bool) {
    let (port, on, name) = (args.port("port"), args.has("on"), args.text("offload"));
    if !app.offloads_may_change(port) {
        return;
    }
    app.change_offloads(port, |settings| match rx {
        true => settings.rx_offloads.set(rx_offload(name), on),
        false => settings.tx_offloads.set(tx_offload(name), on),
    });
}

fn set_queue_offload(app: &mut App, args: &Args<'_>) {
    let (port, queue, rx) = (args.port("port"), args.number::<u16>("queue"), args.has("rxq"));
    if !app.offloads_may_change(port) {
        return;
    }
    let config = app.ports.get(port).map(EthDev::config).unwrap_or_default();
    let queues = if rx { config.rx_queues } else { config.tx_queues };
    if queue >= queues {
        let last = i32::from(queues) - 1;
        return warn_user!(app.out, "Error: input queue_id should be 0 ... {last}");
    }
    let side = if rx { "rx_offload" } else { "tx_offload" };
    warn_user!(
        app.out,
        "Error: port {port} has no offloads per queue: use 'port config {port} {side} {} {}'",
        args.text("offload"),
        if args.has("on") { "on" } else { "off" }
    );
}

fn names(list: &[&str]) -> String {
    list.iter().map(|name| format!(" {name}")).collect()
}

fn show_capabilities(app: &mut App, args: &Args<'_>) {
    let (port, rx) = (args.port("port"), args.has("rx_offload"));
    let Some(dev) = app.ports.get(port) else { return no_device(app, port, "info") };
    let info = dev.info();
    let (side, list) = match rx {
        true => ("Rx", info.rx_offloads.names()),
        false => ("Tx", info.tx_offloads.names()),
    };
    say!(
        app.out,
        "{side} Offloading Capabilities of port {port} :\n  Per Queue :\n  Per Port  :{}\n",
        names(&list)
    );
}

fn show_configuration(app: &mut App, args: &Args<'_>) {
    let (port, rx) = (args.port("port"), args.has("rx_offload"));
    let Some(dev) = app.ports.get(port) else { return no_device(app, port, "configuration") };
    let now = dev.config();
    let asked = app.settings_of(port).clone();
    let (side, now, asked, queues) = match rx {
        true => ("Rx", now.rx_offloads.names(), asked.rx_offloads.names(), now.rx_queues),
        false => ("Tx", now.tx_offloads.names(), asked.tx_offloads.names(), now.tx_queues),
    };
    say!(app.out, "{side} Offloading Configuration of port {port} :\n  Port :{}", names(&now));
    for queue in 0..queues {
        say!(app.out, "  Queue[{queue:>2}] :{}", names(&asked));
    }
    say!(app.out, "");
}

fn no_device(app: &mut App, port: PortId, what: &str) {
    let what = match what {
        "info" => format!("device (port {port}) info"),
        _ => format!("device {what} (port {port})"),
    };
    warn_user!(app.out, "Invalid port_id={port}\nError during getting {what}: No such device");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::syntax::{Kind, steps};

    #[test]
    fn every_name_that_can_be_typed_is_a_bit() {
        for command in &COMMANDS[..2] {
            let step = steps(command.syntax).find(|step| step.name == "offload").unwrap();
            let Kind::Words(words) = step.kind else { panic!("not words") };
            let mut bits = 0;
            for word in words.split('|') {
                let bit = match command.syntax.contains("rx_offload") {
                    true => rx_offload(word).bits(),
                    false => tx_offload(word).bits(),
                };
                assert_eq!(bit.count_ones(), 1, "{word}");
                assert_eq!(bits & bit, 0, "{word} is a bit of its own");
                bits |= bit;
            }
        }
    }
}
