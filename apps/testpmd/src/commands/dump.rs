//! What the program is made of: pools, devices, log levels.

use pmd_core::MbufPool;

use super::{Args, Command, Section};
use crate::app::App;
use crate::{say, warn_user};

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "dump_mempool [<pool:text>]",
        help: "Display the pools of mbufs, or one, with how many are free and in use; counts are exact when nothing forwards.",
        section: Section::Display,
        run: dump_pools,
    },
    Command {
        syntax: "dump_devargs",
        help: "Display the devices that were asked for.",
        section: Section::Display,
        run: |app, _| dump_devices(app),
    },
    Command {
        syntax: "set log <component:text> <level:u32>",
        help: "Set the level of log lines, 1 to 8, of a component such as pmd.net.vhost, or global.",
        section: Section::Config,
        run: set_log_level,
    },
    Command {
        syntax: "show config rxpkts|rxoffs|rxhdrs",
        help: "Display where received packets were to be split; no port here splits them.",
        section: Section::Display,
        run: show_split,
    },
];

fn dump_pools(app: &mut App, args: &Args<'_>) {
    let name = args.text("pool");
    let pools = app.more_pools.named(&app.pool);
    let mut found = false;
    for (pool_name, pool) in pools.iter().filter(|(known, _)| name.is_empty() || known == name) {
        app.out.say(format_args!("{}", pool_block(pool_name, pool)));
        found = true;
    }
    if !found {
        let names: Vec<String> = pools.into_iter().map(|(name, _)| name).collect();
        warn_user!(app.out, "Cannot find mempool {name}: there are {}", names.join(", "));
    }
}

fn pool_block(name: &str, pool: &MbufPool) -> String {
    let audit = pool.audit();
    format!(
        "mempool <{name}>\n  socket_id=0\n  size={}\n  elt_size={}\n  common_pool_count={}\n  in_use={}\n  \
         lost={}\n  duplicates={}\n",
        audit.size,
        pool.records().buf_len(),
        audit.free,
        audit.in_use,
        audit.lost,
        audit.duplicates,
    )
}

fn dump_devices(app: &mut App) {
    say!(app.out, "User device list:");
    for (_, dev) in app.ports.iter() {
        let info = dev.info();
        app.out.say(format_args!("  [vdev]: {} {}\n", info.name, info.devargs));
    }
}

fn set_log_level(app: &mut App, args: &Args<'_>) {
    /// The levels (see the EAL's log page).
    const MOST: u32 = eal::logging::MAX_LEVEL as u32;
    let (component, level) = (args.text("component"), args.number::<u32>("level"));
    let pattern = if component == "global" { "*" } else { component };
    if !(1..=MOST).contains(&level) {
        warn_user!(app.out, "log level {level} is out of range: give 1 to {MOST}");
    } else {
        eal::logging::set_level(pattern, level as u8);
    }
}

fn show_split(app: &mut App, args: &Args<'_>) {
    let split = &app.config.rx_split;
    let numbers = |list: &[u32]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (counted, listed, list) = match args.word(2) {
        "rxpkts" => ("segments", "Segment sizes", numbers(&split.lengths)),
        "rxoffs" => ("offsets", "Segment offsets", numbers(&split.offsets)),
        _ => ("segments", "Packet segs", split.headers.clone()),
    };
    say!(app.out, "Number of {counted}: {}", list.len());
    if listed == "Packet segs" && !list.is_empty() {
        say!(app.out, "{listed}: {}, payload", list.join(", "));
    } else if !list.is_empty() {
        say!(app.out, "{listed}: {}", list.join(","));
    }
}
