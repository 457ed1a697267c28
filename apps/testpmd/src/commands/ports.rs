//! Ports as a whole.

use pmd_core::PortId;

use super::{Command, Section, Which};
use crate::app::App;
use crate::show;

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "port start <ports>",
        help: "Let port_id, or every port, pass packets.",
        section: Section::Ports,
        run: |app, args| {
            app.start_ports(args.which("ports"), || args.interrupted());
        },
    },
    Command {
        syntax: "port stop <ports>",
        help: "Stop port_id, or every port; it keeps its settings and its peer.",
        section: Section::Ports,
        run: |app, args| app.stop_ports(args.which("ports")),
    },
    Command {
        syntax: "port close <ports>",
        help: "Give up port_id, or every port with its peer and memory.",
        section: Section::Ports,
        run: |app, args| app.close_ports(args.which("ports")),
    },
];

impl App {
    /// The ports meant; for one that does not exist none, after the complaint and the list of those that do.
    pub fn select_or_list(&mut self, which: Which) -> Vec<PortId> {
        self.select(which).unwrap_or_else(|| {
            let text = show::valid_ports(&self.ports.ids());
            self.out.say(format_args!("{text}"));
            Vec::new()
        })
    }
}
