//! What requests do.

use pmd_core::{EthDev, MacAddr, PortId};

use super::help;
use super::request::{ConfigView, PortAction, PortView, Request, Which};
use crate::app::App;
use crate::config::{MAX_BURST, parse_list};
use crate::show;
use crate::{say, warn_user};

/// Does what `request` asks for. `interrupted` says that a signal arrived: what waits ends its wait.
pub fn run(app: &mut App, request: Request, interrupted: &dyn Fn() -> bool) {
    match request {
        Request::Start { tx_first } => app.start_forwarding(tx_first, interrupted),
        Request::Stop => app.stop_forwarding(),
        // The caller ends the console.
        Request::Quit => {}
        Request::Help(section) => app.out.say(format_args!("{}", help::text(section))),
        Request::ShowPort(view, which) => show_port(app, view, which),
        Request::ShowConfig(view) => show_config(app, view),
        Request::ShowForward => app.show_report(),
        Request::ClearPort(which) => clear_port(app, which),
        Request::ClearForward => app.clear_report(),
        Request::Port(PortAction::Start, which) => {
            app.start_ports(which, interrupted);
        }
        Request::Port(PortAction::Stop, which) => app.stop_ports(which),
        Request::Port(PortAction::Close, which) => app.close_ports(which),
        other => set(app, other),
    }
}

fn set(app: &mut App, request: Request) {
    match request {
        Request::SetForward { mode, retry } => {
            app.config.mode = mode;
            app.config.settings.retry = retry;
            let with = if retry { " with retry" } else { "" };
            say!(app.out, "Set {} packet forwarding mode{with}", mode.name());
        }
        Request::ForwardLater(mode) => warn_user!(
            app.out,
            "{mode} packet forwarding is not supported yet: set fwd io, mac, rxonly or txonly"
        ),
        Request::SetTxpkts(list) => match app.config.set_segments(&list) {
            Ok(()) => app.update_settings(),
            Err(problem) => warn_user!(app.out, "{problem}"),
        },
        Request::SetBurst(count) => set_burst(app, count),
        Request::SetVerbose(level) => set_verbose(app, level),
        Request::SetNbCore(count) => set_nb_core(app, count),
        Request::SetNbPort(count) => set_nb_port(app, count),
        Request::SetPortList(list) => set_port_list(app, &list),
        Request::SetPortMask(mask) => set_port_mask(app, &mask),
        Request::SetCoreList(list) => set_core_list(app, &list),
        Request::SetCoreMask(mask) => set_core_mask(app, &mask),
        Request::SetEthPeer(port, mac) => set_eth_peer(app, PortId(port), &mac),
        Request::SetPromisc(which, on) => set_promisc(app, which, on),
        _ => {}
    }
}

/// The ports meant; for one that does not exist, the complaint with the list of those that do.
fn select(app: &mut App, which: Which) -> Vec<PortId> {
    app.select(which).unwrap_or_else(|| {
        let text = show::valid_ports(&app.ports.ids());
        app.out.say(format_args!("{text}"));
        Vec::new()
    })
}

fn show_port(app: &mut App, view: PortView, which: Which) {
    if view == PortView::Summary {
        let head = show::summary::head(app.ports.len());
        app.out.say(format_args!("{head}"));
    }
    for port in select(app, which) {
        if view == PortView::Stats {
            app.show_port_stats(port);
            continue;
        }
        let Some(dev) = app.ports.get(port) else { continue };
        let text = match view {
            PortView::Info => show::info::block(port, dev),
            _ => show::summary::line(port, dev),
        };
        app.out.say(format_args!("{text}"));
    }
}

fn show_config(app: &mut App, view: ConfigView) {
    match view {
        ConfigView::Forward => app.show_streams(),
        ConfigView::RxTx => app.show_queues(),
        ConfigView::Cores => {
            let cores = app.config.lcores.iter().take(app.config.nb_cores.into());
            let list: String = cores.map(|lcore| format!(" {lcore:>2}")).collect();
            say!(app.out, "List of forwarding lcores:{list}");
        }
        ConfigView::TxPackets => {
            let segments = &app.config.settings.segments;
            let sizes: Vec<String> = segments.iter().map(ToString::to_string).collect();
            let (count, sizes) = (segments.len(), sizes.join(","));
            say!(app.out, "Number of segments: {count}\nSegment sizes: {sizes}\nSplit packet: off");
        }
    }
}

fn clear_port(app: &mut App, which: Which) {
    for port in select(app, which) {
        if let Some(dev) = app.ports.get_mut(port) {
            dev.reset_stats();
        }
        app.rebase(port);
        app.out.say(format_args!("{}", show::stats::cleared(port)));
    }
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

fn set_verbose(app: &mut App, level: u16) {
    if level > 0 {
        warn_user!(app.out, "verbose level {level} is not supported yet: it stays 0");
    } else {
        say!(app.out, "Change verbose level from 0 to 0");
    }
}

fn set_nb_core(app: &mut App, count: u16) {
    let limit = app.config.lcores.len();
    if app.is_forwarding() {
        warn_user!(app.out, "Please stop forwarding first");
    } else if count == 0 {
        warn_user!(app.out, "nb fwd cores 0 - must be > 0 - ignored");
    } else if usize::from(count) > limit {
        warn_user!(
            app.out,
            "nb fwd cores {count} > {limit} (max. number of configured lcores) - ignored"
        );
    } else {
        app.config.nb_cores = count;
        say!(app.out, "Number of forwarding cores set to {count}");
    }
}

fn set_nb_port(app: &mut App, count: u16) {
    let limit = app.config.configured_ports.len();
    if app.is_forwarding() {
        warn_user!(app.out, "Please stop forwarding first");
    } else if usize::from(count) > limit {
        warn_user!(
            app.out,
            "nb fwd ports {count} > {limit} (number of configured ports) - ignored"
        );
    } else {
        app.config.ports = app.config.configured_ports.iter().copied().take(count.into()).collect();
        say!(app.out, "Number of forwarding ports set to {count}");
        app.tell_odd_ports();
    }
}

/// The bits of a hexadecimal mask.
fn mask_bits(mask: &str) -> Option<Vec<u32>> {
    let digits = mask.strip_prefix("0x").unwrap_or(mask);
    let bits = u64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?;
    Some((0..64).filter(|bit| bits >> bit & 1 == 1).collect())
}

fn set_port_mask(app: &mut App, mask: &str) {
    match mask_bits(mask) {
        // Ports that a mask names beyond those that exist are passed over.
        Some(bits) => {
            let all = app.ports.ids();
            choose_ports(
                app,
                bits.into_iter().filter(|&id| all.iter().any(|p| u32::from(p.0) == id)).collect(),
            );
        }
        None => warn_user!(app.out, "{mask} is not a hexadecimal mask"),
    }
}

fn set_port_list(app: &mut App, list: &str) {
    match parse_list(list) {
        Ok(ids) => choose_ports(app, ids),
        Err(bad) => warn_user!(app.out, "{bad}"),
    }
}

fn choose_ports(app: &mut App, ids: Vec<u32>) {
    if app.is_forwarding() {
        warn_user!(app.out, "Please stop forwarding first");
        return;
    }
    let mut ports = Vec::new();
    for id in ids {
        let port = u16::try_from(id).map(PortId).ok().filter(|&port| app.ports.get(port).is_some());
        match port {
            Some(port) if ports.contains(&port) => {
                return warn_user!(app.out, "port {id} is given twice in the list");
            }
            Some(port) => ports.push(port),
            None => return warn_user!(app.out, "Invalid port {id}"),
        }
    }
    app.set_forwarding_ports(ports);
}

fn set_core_mask(app: &mut App, mask: &str) {
    match mask_bits(mask) {
        Some(lcores) => choose_cores(app, lcores),
        None => warn_user!(app.out, "{mask} is not a hexadecimal mask"),
    }
}

fn set_core_list(app: &mut App, list: &str) {
    match parse_list(list) {
        Ok(lcores) => choose_cores(app, lcores),
        Err(bad) => warn_user!(app.out, "{bad}"),
    }
}

fn choose_cores(app: &mut App, lcores: Vec<u32>) {
    let main = app.eal.main_lcore();
    if app.is_forwarding() {
        warn_user!(app.out, "Please stop forwarding first");
    } else if let Some(lcore) = lcores.iter().find(|lcore| !app.eal.lcores().contains(lcore)) {
        warn_user!(app.out, "lcore {lcore} not enabled");
    } else if lcores.contains(&main) {
        warn_user!(
            app.out,
            "lcore {main} cannot be masked on for running packet forwarding, which is the main lcore \
             and reserved for command line parsing only"
        );
    } else if !lcores.is_empty() {
        let (before, now) = (app.config.nb_cores, lcores.len() as u16);
        (app.config.lcores, app.config.nb_cores) = (lcores, now);
        if before != now {
            say!(
                app.out,
                "previous number of forwarding cores {before} - changed to number of configured cores {now}"
            );
        }
    }
}

fn set_eth_peer(app: &mut App, port: PortId, mac: &str) {
    if app.ports.get(port).is_none() {
        warn_user!(app.out, "Error: Invalid port number {port}");
        return;
    }
    match mac.parse::<MacAddr>() {
        Ok(mac) => {
            app.config.eth_peers.insert(port, mac);
        }
        Err(_) => warn_user!(app.out, "Error: Invalid ethernet address: {mac}"),
    }
}

fn set_promisc(app: &mut App, which: Which, on: bool) {
    for port in select(app, which) {
        if app.ports.get(port).map(EthDev::promiscuous) != Some(on) {
            let what = if on { "enabling" } else { "disabling" };
            warn_user!(
                app.out,
                "Error during {what} promiscuous mode for port {port}: Operation not supported"
            );
        }
    }
}
