//! Starting, stopping, and what forwarding does.

use super::{Args, Command, Section};
use crate::app::App;
use crate::config::MAX_BURST;
use crate::engine::Mode;
use crate::{say, warn_user};

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "start",
        help: "Begin to forward on the ports and cores that are set.",
        section: Section::Control,
        run: |app, args| app.start_forwarding(0, || args.interrupted()),
    },
    Command {
        syntax: "start tx_first [<bursts:u32>]",
        help: "Send this many bursts on every stream, one unless told, then begin to forward.",
        section: Section::Control,
        run: |app, args| app.start_forwarding(args.number_or("bursts", 1), || args.interrupted()),
    },
    Command {
        syntax: "stop",
        help: "End forwarding and show what was forwarded and dropped since the start.",
        section: Section::Control,
        run: |app, args| match args.session().json() {
            true => app.stop_forwarding_json(),
            false => app.stop_forwarding(),
        },
    },
    Command {
        syntax: "set fwd <mode:io|mac|macswap|flowgen|rxonly|txonly|csum|icmpecho|noisy|5tswap|shared_rxq> [retry]",
        help: "Choose what is done with packets; retry offers again what the far end had no room for.",
        section: Section::Config,
        run: set_forward,
    },
    Command {
        syntax: "set burst <count:u16>",
        help: "Choose how many packets a burst takes at most: 1 to 512.",
        section: Section::Config,
        run: |app, args| set_burst(app, args.number("count")),
    },
];

fn set_forward(app: &mut App, args: &Args<'_>) {
    let (name, retry) = (args.text("mode"), args.has("retry"));
    let Some(mode) = Mode::from_name(name) else {
        warn_user!(app.out, "{name} packet forwarding is not supported: set fwd {}", Mode::names());
        return;
    };
    app.config.mode = mode;
    app.config.settings.retry = retry;
    let with = if retry { " with retry" } else { "" };
    say!(app.out, "Set {} packet forwarding mode{with}", mode.name());
}

fn set_burst(app: &mut App, count: u16) {
    if count > MAX_BURST {
        warn_user!(
            app.out,
            "nb pkt per burst: {count} > {MAX_BURST} (maximum packet per burst)  ignored"
        );
        return;
    }
    app.config.settings.burst = count;
    app.update_settings();
    say!(app.out, "Number of packets per burst set to {count}");
}
