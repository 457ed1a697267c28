//! Settings of all ports at once, and MTUs.

use nix::errno::Errno;
use pmd_core::{Error, EthDev, PortId};

use super::refusal::errno;
use super::{Args, Command, Section, Which};
use crate::app::App;
use crate::config::{MAX_BURST, sizes};
use crate::warn_user;

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "port config all rxq|txq|rxd|txd <value:u16>",
        help: "Set the number of receive or transmit queues of ports, or of descriptors of their rings; all ports have to be stopped.",
        section: Section::Ports,
        run: set_queues,
    },
    Command {
        syntax: "port config all max-pkt-len <bytes:u32>",
        help: "Set the longest frame that ports receive, with its checksum; all have to be stopped.",
        section: Section::Ports,
        run: set_longest,
    },
    Command {
        syntax: "port config all max-lro-pkt-size <bytes:u32>",
        help: "Set the longest packet made of joined TCP segments, on devices that join them.",
        section: Section::Ports,
        run: |app, _| {
            app.all_stopped();
        },
    },
    Command {
        syntax: "port config all drop-en on|off",
        help: "Drop packets of a full queue rather than block others, on devices that block.",
        section: Section::Ports,
        run: |app, _| {
            app.all_stopped();
        },
    },
    Command {
        syntax: "port config all burst <count:u16>",
        help: "Choose how many packets a burst takes at most: 1 to 512.",
        section: Section::Ports,
        run: set_burst,
    },
    Command {
        syntax: "port config all txpt|txht|txwt|rxpt|rxht|rxwt <value:u8>",
        help: "Set a threshold of rings, shown by 'show config rxtx'.",
        section: Section::Ports,
        run: set_threshold,
    },
    Command {
        syntax: "port config all txfreet|txrst|rxfreet <value:u16>",
        help: "Set a threshold of rings, shown by 'show config rxtx'.",
        section: Section::Ports,
        run: set_free_threshold,
    },
    Command {
        syntax: "port config all speed <speed:10|100|1000|10000|25000|40000|50000|100000|200000|auto> duplex <duplex:half|full|auto>",
        help: "Set the speed of ports, on devices that have one to set.",
        section: Section::Ports,
        run: set_speed,
    },
    Command {
        syntax: "port config <port> speed <speed:10|100|1000|10000|25000|40000|50000|100000|200000|auto> duplex <duplex:half|full|auto>",
        help: "Set the speed of a port, on devices that have one to set.",
        section: Section::Ports,
        run: |app, args| {
            if app.select(Which::One(args.port("port").0)).is_some() {
                set_speed(app, args);
            }
        },
    },
    Command {
        syntax: "port config all loopback <mode:u32>",
        help: "Send packets back within ports, on devices that can.",
        section: Section::Ports,
        run: |app, _| {
            app.all_stopped();
        },
    },
    Command {
        syntax: "port config <port> loopback <mode:u32>",
        help: "Send packets back within a port, on devices that can.",
        section: Section::Ports,
        run: |app, args| {
            if app.select(Which::One(args.port("port").0)).is_some() {
                app.all_stopped();
            }
        },
    },
    Command {
        syntax: "port config mtu <port> <bytes:u16>",
        help: "Set a port's MTU in bytes.",
        section: Section::Ports,
        run: |app, args| set_mtu(app, args.port("port"), args.number("bytes")),
    },
];

impl App {
    /// Whether no port is started; the complaint otherwise.
    pub fn all_stopped(&mut self) -> bool {
        let stopped = !self.ports.iter().any(|(_, dev)| dev.is_started());
        if !stopped {
            warn_user!(self.out, "Please stop all ports first");
        }
        stopped
    }

    /// The next start of each port configures it anew.
    fn reconfigure_all(&mut self) {
        for port in self.ports.ids() {
            self.settings_of(port).to_configure = true;
        }
    }

    /// The fewest queues that any port can have, and the port.
    fn most_queues(&self, rx: bool) -> Option<(u16, PortId)> {
        let of = |dev: &dyn EthDev| {
            let info = dev.info();
            if rx { info.rx.max_queues } else { info.tx.max_queues }
        };
        self.ports.iter().map(|(port, dev)| (of(dev), port)).min()
    }
}

fn set_queues(app: &mut App, args: &Args<'_>) {
    let (name, value) = (args.word(3), args.number("value"));
    if !app.all_stopped() {
        return;
    }
    match name {
        "rxd" | "txd" => set_descriptors(app, name == "rxd", value),
        _ if !queues_fit(app, name == "rxq", value) => return,
        "rxq" => app.config.rx_queues = value,
        _ => app.config.tx_queues = value,
    }
    app.reconfigure_all();
}

fn set_descriptors(app: &mut App, rx: bool, value: u16) {
    match rx {
        true => app.config.rx_descriptors = value,
        false => app.config.tx_descriptors = value,
    }
    for port in app.ports.ids() {
        app.settings_of(port).rings.retain(|(of_rx, _), _| *of_rx != rx);
    }
}

fn queues_fit(app: &mut App, rx: bool, value: u16) -> bool {
    let (name, side, other) = match rx {
        true => ("rxq", "rx", app.config.tx_queues),
        false => ("txq", "tx", app.config.rx_queues),
    };
    if value == 0 && other == 0 {
        warn_user!(app.out, "Warning: Either rx or tx queues should be non zero");
        return false;
    }
    let limit = app.most_queues(rx).filter(|(most, _)| value > *most);
    if let Some((most, port)) = limit {
        warn_user!(
            app.out,
            "Fail: input {name} ({value}) can't be greater than max_{side}_queues ({most}) of port {port}"
        );
    }
    limit.is_none()
}

fn set_longest(app: &mut App, args: &Args<'_>) {
    let bytes = args.number::<u32>("bytes");
    if !app.all_stopped() {
        return;
    }
    let least = sizes::SHORTEST_FRAME_BYTES;
    if bytes < least {
        return warn_user!(app.out, "max-pkt-len can not be less than {least}");
    }
    for port in app.ports.ids() {
        set_longest_of(app, port, bytes);
    }
    app.reconfigure_all();
}

fn set_longest_of(app: &mut App, port: PortId, bytes: u32) {
    let Some(info) = app.ports.get(port).map(EthDev::info) else { return };
    let room = app.more_pools.of(port).unwrap_or(&app.pool).data_room();
    let offloads = app.settings_of(port).rx_offloads;
    let checked = sizes::mtu_of(bytes, &info)
        .map_err(|problem| format!("{problem} for port_id {port}"))
        .and_then(|mtu| sizes::check_room(bytes, room, offloads, &info).map(|()| mtu));
    let done = match &checked {
        Ok(mtu) => change_mtu(app, port, *mtu).is_ok(),
        Err(problem) => {
            warn_user!(app.out, "{problem}");
            false
        }
    };
    if done {
        app.settings_of(port).mtu = checked.ok();
    } else {
        let mtu = bytes.saturating_sub(sizes::overhead_bytes(&info));
        warn_user!(app.out, "Failed to set MTU to {mtu} for port {port}");
    }
}

fn set_burst(app: &mut App, args: &Args<'_>) {
    let count = args.number::<u16>("count");
    if !app.all_stopped() {
        return;
    }
    if count == 0 {
        warn_user!(
            app.out,
            "PMD does not recommend a burst size.\nUser provided value must be between 1 and {MAX_BURST}"
        );
    } else if count > MAX_BURST {
        warn_user!(app.out, "burst must be >= 1 && <= {MAX_BURST}");
    } else {
        app.config.settings.burst = count;
        app.update_settings();
    }
}

fn set_threshold(app: &mut App, args: &Args<'_>) {
    if !app.all_stopped() {
        return;
    }
    let (rx, tx) = (&mut app.config.rx_ring, &mut app.config.tx_ring);
    *match args.word(3) {
        "txpt" => &mut tx.prefetch,
        "txht" => &mut tx.host,
        "txwt" => &mut tx.write_back,
        "rxpt" => &mut rx.prefetch,
        "rxht" => &mut rx.host,
        _ => &mut rx.write_back,
    } = args.number("value");
    app.reconfigure_all();
}

fn set_free_threshold(app: &mut App, args: &Args<'_>) {
    if !app.all_stopped() {
        return;
    }
    *match args.word(3) {
        "txfreet" => &mut app.config.tx_ring.free,
        "txrst" => &mut app.config.tx_ring.report,
        _ => &mut app.config.rx_ring.free,
    } = args.number("value");
    app.reconfigure_all();
}

/// No port here has a speed to set.
fn set_speed(app: &mut App, args: &Args<'_>) {
    let known_half = ["10", "100"].contains(&args.text("speed"));
    if app.all_stopped() && args.text("duplex") == "half" && !known_half {
        warn_user!(app.out, "Invalid speed/duplex parameters");
    }
}

fn set_mtu(app: &mut App, port: PortId, mtu: u16) {
    if app.select(Which::One(port.0)).is_none() {
        return;
    }
    let most = app.ports.get(port).map_or(0, |dev| dev.info().max_mtu);
    if mtu > most {
        return warn_user!(app.out, "MTU ({mtu}) > device max MTU ({most}) for port_id {port}");
    }
    let result =
        if app.settings_of(port).to_configure { Ok(()) } else { change_mtu(app, port, mtu) };
    match result {
        Ok(()) => app.settings_of(port).mtu = Some(mtu),
        Err(errno) => warn_user!(app.out, "Set MTU failed. diag=-{}", errno as i32),
    }
}

/// Sets the MTU at once, and says what would do when it cannot be this.
fn change_mtu(app: &mut App, port: PortId, mtu: u16) -> Result<(), Errno> {
    let Some(dev) = app.ports.get_mut(port) else { return Err(Errno::ENODEV) };
    dev.set_mtu(mtu).map_err(|error| {
        if !matches!(error, Error::NoOperation(_)) {
            warn_user!(app.out, "{error}");
        }
        errno(&error)
    })
}
