//! Options about the program's run: console, start, what is told.

use super::Options;
use super::spec::{COUNT, LIST, Spec, Takes, flag, refused, unused, value};

const FILE: Takes = Takes::Value("FILE");
const EVENT: Takes = Takes::Value("EVENT");

pub const OPTIONS: &[Spec] = &[
    flag("interactive", interactive, "(-i) start a console"),
    value("cmdline-file", FILE, command_file, "run the console lines of a file first"),
    flag("auto-start", auto_start, "(-a) forward at once, also with a console"),
    flag("tx-first", tx_first, "send a burst first (not with a console)"),
    value(
        "stats-period",
        Takes::Value("SECONDS"),
        stats_period,
        "show statistics every so often (not with a console)",
    ),
    value("display-xstats", LIST, display_xstats, "show these counters with the statistics"),
    flag(
        "json",
        |o| o.json = true,
        "JSON, an object a line, of show port stats|xstats|info|summary, show fwd stats, stop, --stats-period, --loopback",
    ),
    value("print-event", EVENT, |o, v| o.config.events.set(v, true), "tell events of that name"),
    value("mask-event", EVENT, |o, v| o.config.events.set(v, false), "do not tell them"),
    value("num-procs", COUNT, num_procs, "processes that share the ports: 1"),
    value("proc-id", COUNT, proc_id, "which of them this is: 0"),
    refused("latencystats", COUNT, "no port here notes the time at which packets arrive"),
    refused("bitrate-stats", COUNT, "'show port stats' has the rates"),
    unused("no-rmv-interrupt", Takes::Nothing, "no port here is removed by its bus"),
    unused("hot-plug", Takes::Nothing, "no bus here announces devices; 'port attach' adds them"),
    flag("help", |o| o.help = true, "(-h) print this text"),
];

/// `-i`
pub fn interactive(o: &mut Options) {
    o.interactive = true;
    o.announcements.push("Interactive-mode selected".into());
}

/// `-a`
pub fn auto_start(o: &mut Options) {
    o.auto_start = true;
    o.announcements.push("Auto-start selected".into());
}

fn command_file(o: &mut Options, path: &str) -> Result<(), String> {
    o.announcements.push(format!("CLI commands to be read from {path}"));
    o.command_file = Some(path.into());
    Ok(())
}

fn tx_first(o: &mut Options) {
    o.tx_first = true;
    o.config.await_link = true;
    o.announcements.push("Ports to start sending a burst of packets first".into());
}

fn stats_period(o: &mut Options, text: &str) -> Result<(), String> {
    o.stats_period_s = text.parse().map_err(|_| {
        format!("stats-period {text} invalid - must be a number of seconds, 0 for none")
    })?;
    Ok(())
}

fn display_xstats(o: &mut Options, text: &str) -> Result<(), String> {
    let names: Vec<String> =
        text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() {
        return Err(
            "display-xstats needs names of counters, such as rx_good_packets,tx_good_packets"
                .into(),
        );
    }
    o.config.xstats = names;
    Ok(())
}

fn num_procs(o: &mut Options, text: &str) -> Result<(), String> {
    let count = text.parse().ok().filter(|&count: &u32| count > 0);
    o.processes.count = count.ok_or_else(|| format!("num-procs {text} invalid - must be > 0"))?;
    Ok(())
}

fn proc_id(o: &mut Options, text: &str) -> Result<(), String> {
    o.processes.id =
        text.parse().map_err(|_| format!("proc-id {text} invalid - must be a number"))?;
    Ok(())
}
