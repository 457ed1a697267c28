//! Every counter of a port by name.

use pmd_core::{EthDev, Xstat, xstats};

use super::{Args, Command, Section};
use crate::app::App;
use crate::show;

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "show port xstats <ports> [json]",
        help: "Display every counter of port_id, or of each of all, by name.",
        section: Section::Display,
        run: show_xstats,
    },
    Command {
        syntax: "clear port xstats <ports>",
        help: "Clear the counters that 'show port xstats' displays beyond those of 'show port stats'.",
        section: Section::Display,
        run: clear_xstats,
    },
    Command {
        syntax: "set xstats-hide-zero on|off",
        help: "Leave out, or show, counters that are 0.",
        section: Section::Config,
        run: |app, args| app.config.hide_zero_xstats = args.has("on"),
    },
];

fn show_xstats(app: &mut App, args: &Args<'_>) {
    if args.json() {
        let object = |app: &mut App, port| {
            let dev = app.ports.get(port)?;
            Some(show::json::xstats(port, dev, &counters(app, dev)))
        };
        return super::display::show_json(app, args, "port xstats", object);
    }
    for port in app.select_or_list(args.which("ports")) {
        let Some(dev) = app.ports.get(port) else { continue };
        let text = show::xstats::block(port, &counters(app, dev));
        app.out.say(format_args!("{text}"));
    }
}

/// Every counter of a port, without those that are 0 where that was asked for.
fn counters(app: &App, dev: &dyn EthDev) -> Vec<Xstat> {
    let mut counters = xstats::all(dev);
    counters.retain(|counter| counter.value > 0 || !app.config.hide_zero_xstats);
    counters
}

fn clear_xstats(app: &mut App, args: &Args<'_>) {
    for port in app.select_or_list(args.which("ports")) {
        if let Some(dev) = app.ports.get_mut(port) {
            dev.reset_device_xstats();
        }
        app.rebase(port);
    }
}
