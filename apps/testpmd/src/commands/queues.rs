//! Queues of ports, one by one.

use nix::errno::Errno;
use pmd_core::{Error, EthDev, PortId};

use super::refusal::words;
use super::{Args, Command, Section, Which};
use crate::app::App;
use crate::show::device::{Queue, queue};
use crate::warn_user;

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "port <port> rxq|txq <queue:u16> start|stop",
        help: "Start or stop one queue of a started port.",
        section: Section::Ports,
        run: run_queue,
    },
    Command {
        syntax: "port <port> rxq|txq <queue:u16> setup",
        help: "Prepare one queue of a stopped port anew.",
        section: Section::Ports,
        run: set_up_queue,
    },
    Command {
        syntax: "port config <port> rxq|txq <queue:u16> ring_size <size:u16>",
        help: "Set the descriptors of one queue's ring; its port has to be stopped and started.",
        section: Section::Ports,
        run: set_ring_size,
    },
    Command {
        syntax: "show rxq|txq info <port> <queue:u16>",
        help: "Display how a queue is set up and the data path that it runs.",
        section: Section::Display,
        run: show_queue,
    },
];

impl App {
    /// Whether ports have that queue; the complaint otherwise.
    pub fn has_queue(&mut self, rx: bool, queue: u16) -> bool {
        let (side, name, queues) = match rx {
            true => ("RX", "rxq", self.config.rx_queues),
            false => ("TX", "txq", self.config.tx_queues),
        };
        if queue >= queues {
            warn_user!(self.out, "Invalid {side} queue {queue} (must be < nb_{name}={queues})");
        }
        queue < queues
    }
}

fn run_queue(app: &mut App, args: &Args<'_>) {
    let (port, queue) = (args.port("port"), args.number("queue"));
    let (rx, run) = (args.has("rxq"), args.has("start"));
    if app.select(Which::One(port.0)).is_none() {
        return;
    }
    if !app.ports.get(port).is_some_and(EthDev::is_started) {
        return warn_user!(app.out, "Please start port {port} first");
    }
    if !app.has_queue(rx, queue) {
        return;
    }
    let Some(dev) = app.ports.get_mut(port) else { return };
    match dev.set_queue_running(rx, queue, run) {
        Ok(()) if run => {
            app.settings_of(port).stopped.remove(&(rx, queue));
        }
        Ok(()) => {
            app.settings_of(port).stopped.insert((rx, queue));
        }
        Err(Error::NoOperation(_)) => warn_user!(app.out, "Function not supported in PMD"),
        Err(error) => warn_user!(app.out, "{error}"),
    }
}

fn set_up_queue(app: &mut App, args: &Args<'_>) {
    let (port, queue, rx) = (args.port("port"), args.number("queue"), args.has("rxq"));
    if app.select(Which::One(port.0)).is_none() {
        return;
    }
    let (lower, upper) = if rx { ("rx", "RX") } else { ("tx", "TX") };
    if !app.has_queue(rx, queue) {
        warn_user!(app.out, "Invalid {lower} queue");
    } else if let Err(problem) = app.set_up_queue(port, rx, queue) {
        warn_user!(app.out, "{problem}\nFailed to setup {upper} queue");
    }
}

fn set_ring_size(app: &mut App, args: &Args<'_>) {
    let (port, queue, size) = (args.port("port"), args.number("queue"), args.number("size"));
    let rx = args.has("rxq");
    if app.select(Which::One(port.0)).is_none() || !app.has_queue(rx, queue) {
        return;
    }
    let free = app.config.rx_ring.free;
    if rx && size != 0 && size <= free {
        return warn_user!(app.out, "Invalid rx ring_size, must > rx_free_thresh: {free}");
    }
    let settings = app.settings_of(port);
    settings.rings.insert((rx, queue), size);
    settings.to_configure = true;
}

fn show_queue(app: &mut App, args: &Args<'_>) {
    let (port, number, rx) = (args.port("port"), args.number("queue"), args.has("rxq"));
    let (side, ring) = match rx {
        true => ("Rx", app.config.rx_ring),
        false => ("Tx", app.config.tx_ring),
    };
    let offloads = app.settings_of(port).rx_offloads;
    let problem = match app.ports.get(port) {
        None => (Errno::ENODEV, Some(format!("Invalid port_id={port}"))),
        Some(dev) => match dev.queue_info(rx, number) {
            Some(info) => {
                let shown = Queue { port, rx, queue: number, info: &info, ring, offloads };
                return app.out.say(format_args!("{}", queue(&shown)));
            }
            None if has(dev, rx, number) => (Errno::EOPNOTSUPP, None),
            None => (Errno::EINVAL, Some(format!("Invalid {side} queue_id={number}"))),
        },
    };
    tell(app, port, &side.to_uppercase(), number, problem);
}

fn has(dev: &dyn EthDev, rx: bool, queue: u16) -> bool {
    let config = dev.config();
    queue < if rx { config.rx_queues } else { config.tx_queues }
}

fn tell(
    app: &mut App,
    port: PortId,
    side: &str,
    queue: u16,
    (errno, first): (Errno, Option<String>),
) {
    if let Some(first) = first {
        warn_user!(app.out, "{first}");
    }
    warn_user!(
        app.out,
        "Failed to retrieve information for port: {port}, {side} queue: {queue}\nerror desc: {}(-{})",
        words(errno),
        errno as i32
    );
}
