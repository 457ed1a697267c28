//! What is shown and cleared.

use pmd_core::PortId;

use super::{Args, Command, Section, Which};
use crate::app::App;
use crate::json::Json;
use crate::{say, show};

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "show port stats <ports> [json]",
        help: "Display the counters and rates of port_id, or all; for programs if json is given.",
        section: Section::Display,
        run: show_stats,
    },
    Command {
        syntax: "show port info <ports> [json]",
        help: "Display what port_id, or each of all, is and can do; for programs if json is given.",
        section: Section::Display,
        run: show_info,
    },
    Command {
        syntax: "show port summary <ports> [json]",
        help: "Display a line about port_id, or each of all; for programs if json is given.",
        section: Section::Display,
        run: show_summary,
    },
    Command {
        syntax: "show config rxtx|cores|fwd|txpkts",
        help: "Show how packets are moved, by which cores, or what is sent.",
        section: Section::Display,
        run: show_config,
    },
    Command {
        syntax: "show fwd stats all [json]",
        help: "Show what was forwarded since the last start, per stream and in total; for programs if json is given.",
        section: Section::Display,
        run: show_report,
    },
    Command {
        syntax: "clear port stats <ports>",
        help: "Set the counters of port_id, or of all, to 0.",
        section: Section::Display,
        run: |app, args| clear_port(app, args.which("ports")),
    },
    Command {
        syntax: "clear fwd stats all",
        help: "Count what is forwarded from 0 again.",
        section: Section::Display,
        run: |app, _| app.clear_report(),
    },
];

/// Shows an object about the ports meant, made of one for each.
pub(super) fn show_json(
    app: &mut App,
    args: &Args<'_>,
    what: &str,
    of: impl Fn(&mut App, PortId) -> Option<Json>,
) {
    let which = args.which("ports");
    let ports = match (app.select(which), which) {
        (None, Which::One(id)) => vec![show::json::missing(id)],
        (ports, _) => {
            ports.unwrap_or_default().into_iter().filter_map(|port| of(app, port)).collect()
        }
    };
    say!(app.out, "{}", show::json::ports(what, ports));
}

fn show_stats(app: &mut App, args: &Args<'_>) {
    if args.json() {
        return show_json(app, args, "port stats", App::port_stats_json);
    }
    for port in app.select_or_list(args.which("ports")) {
        app.show_port_stats(port);
    }
}

fn show_info(app: &mut App, args: &Args<'_>) {
    if args.json() {
        let object = |app: &mut App, port| Some(show::json::info(port, app.ports.get(port)?));
        return show_json(app, args, "port info", object);
    }
    for port in app.select_or_list(args.which("ports")) {
        let Some(dev) = app.ports.get(port) else { continue };
        let text = show::info::block(port, dev);
        app.out.say(format_args!("{text}"));
    }
}

fn show_summary(app: &mut App, args: &Args<'_>) {
    if args.json() {
        let object = |app: &mut App, port| Some(show::json::summary(port, app.ports.get(port)?));
        return show_json(app, args, "port summary", object);
    }
    let head = show::summary::head(app.ports.len());
    app.out.say(format_args!("{head}"));
    for port in app.select_or_list(args.which("ports")) {
        let Some(dev) = app.ports.get(port) else { continue };
        let text = show::summary::line(port, dev);
        app.out.say(format_args!("{text}"));
    }
}

fn show_report(app: &mut App, args: &Args<'_>) {
    if args.json() {
        let object = show::json::report(&app.report());
        say!(app.out, "{object}");
    } else {
        app.show_report();
    }
}

fn show_config(app: &mut App, args: &Args<'_>) {
    match args.word(2) {
        "fwd" => app.show_streams(),
        "rxtx" => app.show_queues(),
        "cores" => show_cores(app),
        _ => show_segments(app),
    }
}

fn show_cores(app: &mut App) {
    let cores = app.config.lcores.iter().take(app.config.nb_cores.into());
    let list: String = cores.map(|lcore| format!(" {lcore:>2}")).collect();
    say!(app.out, "List of forwarding lcores:{list}");
}

fn show_segments(app: &mut App) {
    let segments = &app.config.settings.segments;
    let sizes: Vec<String> = segments.iter().map(ToString::to_string).collect();
    let (count, sizes) = (segments.len(), sizes.join(","));
    let split = app.config.settings.split.name();
    say!(app.out, "Number of segments: {count}\nSegment sizes: {sizes}\nSplit packet: {split}");
}

fn clear_port(app: &mut App, which: Which) {
    for port in app.select_or_list(which) {
        if let Some(dev) = app.ports.get_mut(port) {
            dev.reset_stats();
        }
        app.rebase(port);
        app.out.say(format_args!("{}", show::stats::cleared(port)));
    }
}
