//! What is shown and cleared.

use super::{Args, Command, Section, Which};
use crate::app::App;
use crate::{say, show};

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "show port stats <ports>",
        help: "Display the counters and rates of port_id, or all.",
        section: Section::Display,
        run: show_stats,
    },
    Command {
        syntax: "show port info <ports>",
        help: "Display what port_id, or each of all, is and can do.",
        section: Section::Display,
        run: show_info,
    },
    Command {
        syntax: "show port summary <ports>",
        help: "Display a line about port_id, or each of all.",
        section: Section::Display,
        run: show_summary,
    },
    Command {
        syntax: "show config rxtx|cores|fwd|txpkts",
        help: "Display the given configuration.",
        section: Section::Display,
        run: show_config,
    },
    Command {
        syntax: "show fwd stats all",
        help: "Display statistics for all fwd engines.",
        section: Section::Display,
        run: |app, _| app.show_report(),
    },
    Command {
        syntax: "clear port stats <ports>",
        help: "Clear statistics for port_id, or all.",
        section: Section::Display,
        run: |app, args| clear_port(app, args.which("ports")),
    },
    Command {
        syntax: "clear fwd stats all",
        help: "Clear statistics for all fwd engines.",
        section: Section::Display,
        run: |app, _| app.clear_report(),
    },
];

fn show_stats(app: &mut App, args: &Args<'_>) {
    for port in app.select_or_list(args.which("ports")) {
        app.show_port_stats(port);
    }
}

fn show_info(app: &mut App, args: &Args<'_>) {
    for port in app.select_or_list(args.which("ports")) {
        let Some(dev) = app.ports.get(port) else { continue };
        let text = show::info::block(port, dev);
        app.out.say(format_args!("{text}"));
    }
}

fn show_summary(app: &mut App, args: &Args<'_>) {
    let head = show::summary::head(app.ports.len());
    app.out.say(format_args!("{head}"));
    for port in app.select_or_list(args.which("ports")) {
        let Some(dev) = app.ports.get(port) else { continue };
        let text = show::summary::line(port, dev);
        app.out.say(format_args!("{text}"));
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
