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
        help: "Start packet forwarding with current configuration.",
        section: Section::Control,
        run: |app, args| app.start_forwarding(0, || args.interrupted()),
    },
    Command {
        syntax: "start tx_first [<bursts:u32>]",
        help: "Start packet forwarding after sending this many bursts of packets on every stream, one by default.",
        section: Section::Control,
        run: |app, args| app.start_forwarding(args.number_or("bursts", 1), || args.interrupted()),
    },
    Command {
        syntax: "stop",
        help: "Stop packet forwarding, and display accumulated statistics.",
        section: Section::Control,
        run: |app, _| app.stop_forwarding(),
    },
    Command {
        syntax: "set fwd <mode:io|mac|macswap|flowgen|rxonly|txonly|csum|icmpecho|noisy|5tswap|shared_rxq> [retry]",
        help: "Set packet forwarding mode, offering again what the far end had no room for if retry is given.",
        section: Section::Config,
        run: set_forward,
    },
    Command {
        syntax: "set burst <count:u16>",
        help: "Set the number of packets per burst, 512 at most.",
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
