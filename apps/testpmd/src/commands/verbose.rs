//! What is told about packets, and what is measured.

use super::{Args, Command, Section};
use crate::app::App;
use crate::engine::Verbose;
use crate::say;

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "set verbose <level:u16>",
        help: "Tell received packets (1), sent ones (2), both (3) or none (0).",
        section: Section::Config,
        run: |app, args| set_verbose(app, Verbose(args.number("level"))),
    },
    Command {
        syntax: "set record-core-cycles on|off",
        help: "Measure the CPU cycles that a packet takes, for 'show fwd stats all' and 'stop'.",
        section: Section::Config,
        run: |app, args| record(app, args, |record, on| record.cycles = on),
    },
    Command {
        syntax: "set record-burst-stats on|off",
        help: "Count how often a burst has how many packets, for 'show fwd stats all' and 'stop'.",
        section: Section::Config,
        run: |app, args| record(app, args, |record, on| record.bursts = on),
    },
];

fn set_verbose(app: &mut App, level: Verbose) {
    let before = std::mem::replace(&mut app.config.settings.verbose, level);
    say!(app.out, "Change verbose level from {} to {}", before.0, level.0);
    // What was said must not come behind what lcores tell.
    app.out.flush();
    app.update_settings();
}

fn record(app: &mut App, args: &Args<'_>, set: fn(&mut crate::engine::Record, bool)) {
    set(&mut app.config.settings.record, args.has("on"));
    app.update_settings();
}

#[cfg(test)]
mod tests {
    use crate::console::bench::Bench;
    use crate::engine::Record;

    #[test]
    fn levels_and_measurements() {
        let mut bench = Bench::one();
        assert_eq!(bench.out("set verbose 3"), "Change verbose level from 0 to 3\n");
        assert_eq!(bench.out("set verbose 0"), "Change verbose level from 3 to 0\n");
        assert_eq!(bench.out("set record-core-cycles on"), "");
        assert_eq!(bench.out("set record-burst-stats on"), "");
        assert_eq!(bench.app.config.settings.record, Record { cycles: true, bursts: true });
        bench.out("set record-core-cycles off");
        assert_eq!(bench.app.config.settings.record, Record { cycles: false, bursts: true });
    }
}
