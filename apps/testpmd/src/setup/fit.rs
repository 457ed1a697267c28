//! Options against what there is: lcores, NUMA nodes, queues, ports.

use eal::Eal;
use pmd_core::{EthDev, PortId, Ports};

use crate::cli::Options;
use crate::config::Config;
use crate::output::Output;
use crate::warn_user;

/// The lcores that forward: those of `--coremask`, as many as `--nb-cores` says.
pub fn choose_lcores(
    config: &mut Config,
    eal: &Eal,
    options: &Options,
    out: &mut Output,
) -> Result<(), String> {
    if let Some(mask) = &options.core_mask {
        let lcores = forwarding_mask(mask, eal).map_err(|problem| {
            warn_user!(out, "{problem}");
            "coremask is not valid".to_owned()
        })?;
        (config.nb_cores, config.lcores) = (lcores.len() as u16, lcores);
    }
    if let Some(text) = &options.nb_cores {
        config.nb_cores = up_to(text, config.lcores.len())
            .ok_or_else(|| format!("nb-cores should be > 0 and <= {}", config.lcores.len()))?;
    }
    Ok(())
}

/// The lcores whose bits are set; all of them exist and none is the main one.
fn forwarding_mask(mask: &str, eal: &Eal) -> Result<Vec<u32>, String> {
    let digits = mask.trim_start_matches("0x");
    let bits = u64::from_str_radix(digits, 16).ok().filter(|&bits| bits != 0);
    let bits =
        bits.ok_or_else(|| format!("{mask}: give hexadecimal bits, such as 0x2 for lcore 1"))?;
    let lcores: Vec<u32> = (0..64).filter(|bit| bits >> bit & 1 == 1).collect();
    match lcores.iter().find(|lcore| !eal.lcores().contains(lcore)) {
        Some(lcore) => return Err(format!("lcore {lcore} not enabled")),
        None if lcores.contains(&eal.main_lcore()) => {
            return Err(format!(
                "lcore {} cannot be masked on for running packet forwarding, which is the main lcore \
                 and reserved for command line parsing only",
                eal.main_lcore()
            ));
        }
        None => {}
    }
    Ok(lcores)
}

/// Takes over the NUMA nodes of ports; all that were named have to exist.
pub fn check_sockets(
    config: &mut Config,
    eal: &Eal,
    ports: &Ports,
    options: &Options,
    out: &mut Output,
) -> Result<(), String> {
    let there = eal.sockets();
    let named = options.named_sockets.iter().copied();
    let mut all = named.chain(options.port_sockets.iter().map(|&(_, socket)| socket));
    if all.any(|socket| !there.contains(&socket)) {
        let list: Vec<String> = there.iter().map(ToString::to_string).collect();
        warn_user!(out, "Invalid socket id, options are: {}", list.join(","));
        return Err("Invalid socket id".into());
    }
    for &(port, socket) in &options.port_sockets {
        if ports.get(PortId(port)).is_none() {
            warn_user!(out, "Invalid port {port}");
            out.say(format_args!("{}", crate::show::valid_ports(&ports.ids())));
            return Err("invalid port-numa configuration".into());
        }
        config.port_sockets.insert(PortId(port), socket);
    }
    Ok(())
}

pub fn check_queues(
    ports: &Ports,
    config: &Config,
    options: &Options,
    out: &mut Output,
) -> Result<(), String> {
    if let (asked @ 1.., Some(port)) = (options.hairpin_queues, ports.ids().first()) {
        warn_user!(
            out,
            "Fail: input hairpinq ({asked}) can't be greater than max_hairpin_queues (0) of port {port}"
        );
        return Err(format!("hairpinq {asked} invalid - must be >= 0 && <= 0"));
    }
    let limit = |rx: bool| {
        let of = |dev: &dyn EthDev| {
            let info = dev.info();
            if rx { info.rx.max_queues } else { info.tx.max_queues }
        };
        ports.iter().map(|(id, dev)| (of(dev), id)).min()
    };
    for (name, side, asked, limit) in [
        ("rxq", "rx", config.rx_queues, limit(true)),
        ("txq", "tx", config.tx_queues, limit(false)),
    ] {
        if let Some((max, port)) = limit.filter(|(max, _)| asked > *max) {
            warn_user!(
                out,
                "Fail: input {name} ({asked}) can't be greater than max_{side}_queues ({max}) of port {port}"
            );
            return Err(format!("{name} {asked} invalid - must be >= 0 && <= {max}"));
        }
    }
    if config.rx_queues == 0 && config.tx_queues == 0 {
        return Err("Either rx or tx queues should be non-zero".into());
    }
    Ok(())
}

fn up_to(text: &str, limit: usize) -> Option<u16> {
    text.parse().ok().filter(|&count: &u16| count > 0 && usize::from(count) <= limit)
}

/// Ports that forward: those that were named and exist, or all.
pub fn forwarding_ports(ports: &Ports, options: &Options) -> Result<Vec<PortId>, String> {
    let all = ports.ids();
    if let Some(named) = &options.ports {
        let named = named.iter().map(|&id| PortId(id));
        return Ok(named.filter(|port| all.contains(port)).collect());
    }
    match &options.nb_ports {
        None => Ok(all),
        Some(text) => match up_to(text, all.len()) {
            Some(count) => Ok(all.into_iter().take(count.into()).collect()),
            None => Err(format!("Invalid port {text}")),
        },
    }
}
