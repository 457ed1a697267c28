//! The shape of made packets, and of received ones.

use super::{Args, Command, Section};
use crate::app::App;
use crate::cli::queues::split_headers;
use crate::config::parse_list;
use crate::engine::{Retries, Split};
use crate::warn_user;

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "set txpkts <lengths:text>",
        help: "Set the length in bytes of each segment of made packets: x[,y]*.",
        section: Section::Config,
        run: |app, args| set_txpkts(app, args.text("lengths")),
    },
    Command {
        syntax: "set txsplit <mode:text>",
        help: "Set whether packets have all segments (off), csum copies packets into them too (on), or a random number of them (rand).",
        section: Section::Config,
        run: set_txsplit,
    },
    Command {
        syntax: "set burst tx delay <us:u32> retry <times:u32>",
        help: "Set how long to wait before offering again what did not fit, and how often, for modes with retry.",
        section: Section::Config,
        run: set_retries,
    },
    Command {
        syntax: "set txtimes <intervals:text>",
        help: "Set when made packets are to be sent. No port here can send at a given time.",
        section: Section::Config,
        run: |app, _| {
            warn_user!(app.out, "txtimes is not supported: no port sends at a given time");
        },
    },
    Command {
        syntax: "set rxpkts <lengths:text>",
        help: "Set the lengths in bytes that received packets are to be split into. Kept and shown.",
        section: Section::Config,
        run: |app, args| set_rx_list(app, args, "lengths"),
    },
    Command {
        syntax: "set rxoffs <offsets:text>",
        help: "Set where in its mbuf each part of a received packet is to begin. Kept and shown.",
        section: Section::Config,
        run: |app, args| set_rx_list(app, args, "offsets"),
    },
    Command {
        syntax: "set rxhdrs <headers:text>",
        help: "Set the headers after which received packets are to be split. Kept and shown.",
        section: Section::Config,
        run: |app, args| match split_headers(args.text("headers")) {
            Ok(headers) => app.config.rx_split.headers = headers,
            Err(unknown) => warn_user!(app.out, "Unsupported protocol: {unknown}"),
        },
    },
];

fn set_txpkts(app: &mut App, lengths: &str) {
    match app.config.set_segments(lengths) {
        Ok(()) => app.update_settings(),
        Err(problem) => warn_user!(app.out, "{problem}"),
    }
}

fn set_txsplit(app: &mut App, args: &Args<'_>) {
    let name = args.text("mode");
    match Split::from_name(name) {
        Some(split) => {
            app.config.settings.split = split;
            app.update_settings();
        }
        None => warn_user!(app.out, "unknown value: \"{name}\""),
    }
}

/// Retries of a burst in which an lcore does not look whether it is to stop may take this long.
const LONGEST_RETRY_US: u64 = 10_000_000;

fn set_retries(app: &mut App, args: &Args<'_>) {
    let (delay_us, times): (u32, u32) = (args.number("us"), args.number("times"));
    // Without a delay a time takes about as long as an empty burst.
    if u64::from(delay_us.max(1)) * u64::from(times) > LONGEST_RETRY_US {
        warn_user!(app.out, "{times} times {delay_us} us are more than 10 seconds - ignored");
        return;
    }
    app.config.settings.retries = Retries { times, delay_us };
    app.update_settings();
}

fn set_rx_list(app: &mut App, args: &Args<'_>, name: &str) {
    let split = &mut app.config.rx_split;
    let place = if name == "lengths" { &mut split.lengths } else { &mut split.offsets };
    match parse_list(args.text(name)) {
        Ok(list) => *place = list,
        Err(bad) => warn_user!(app.out, "{bad}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::console::bench::Bench;
    use crate::engine::Split;

    #[test]
    fn the_split_is_shown() {
        let mut bench = Bench::one();
        for name in ["on", "rand", "off"] {
            assert_eq!(bench.out(&format!("set txsplit {name}")), "");
            let shown = bench.out("show config txpkts");
            assert!(shown.ends_with(&format!("\nSplit packet: {name}\n")), "{shown}");
        }
        assert_eq!(bench.err("set txsplit of"), "unknown value: \"of\"\n");
        assert_eq!(bench.app.config.settings.split, Split::Off);
    }

    #[test]
    fn retries_are_shown_at_start_and_bounded() {
        let mut bench = Bench::one();
        bench.type_in("set fwd io retry");
        assert_eq!(bench.out("set burst tx delay 5 retry 9"), "");
        assert!(bench.err("set burst tx delay 1000000 retry 11").contains("more than 10 seconds"));
        let shown = bench.out("show config fwd");
        assert!(shown.contains("TX retry num: 9, delay between TX retries: 5us\n"), "{shown}");
    }

    #[test]
    fn parts_of_received_packets_are_kept() {
        let mut bench = Bench::one();
        bench.type_in("set rxpkts 64,128");
        bench.type_in("set rxoffs 2,4");
        bench.type_in("set rxhdrs eth,ipv4");
        let split = &bench.app.config.rx_split;
        assert_eq!((&split.lengths[..], &split.offsets[..]), (&[64, 128][..], &[2, 4][..]));
        assert_eq!(split.headers, ["eth", "ipv4"]);
        assert!(bench.err("set rxhdrs eth,ip").starts_with("Unsupported protocol: ip\n"));
        assert_eq!(bench.err("set rxpkts x"), "character x is not a decimal digit\n");
        assert!(bench.err("set txtimes 1,2").contains("not supported"));
    }
}
