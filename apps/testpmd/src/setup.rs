//! From an `Eal` to an app with its ports made and its pool filled, in the order and words of the reference.

use eal::Eal;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pmd_core::{DevArgs, DriverList, EthDev, MbufPool, PortId, Ports};
use std::os::fd::AsFd;

use crate::app::App;
use crate::cli::Options;
use crate::config::Config;
use crate::output::Output;
use crate::signals::Signals;
use crate::{say, warn_user};

/// mbufs that a thread keeps to itself when nothing is said.
const DEFAULT_CACHE: u16 = 250;
/// Descriptors of the longest ring that the pool is made for, receive and transmit.
const RING_DESCRIPTORS: u32 = 2048;
/// The smallest pool that is made when nothing is said.
const SMALLEST_POOL: u32 = 16 << 10;

/// An error that ends the program.
pub struct Fatal {
    /// Where to say so.
    pub out: Output,
    /// Why.
    pub cause: String,
}

/// Makes the devices and the pool. Ports are not configured yet.
///
/// # Errors
///
/// Options that do not fit what there is, or no memory; ports are closed again.
pub fn bring_up(
    eal: Eal,
    drivers: &DriverList,
    options: &Options,
    mut out: Output,
) -> Result<App, Fatal> {
    let ports = match probe(&eal, drivers, &mut out) {
        Ok(ports) => ports,
        Err(cause) => return Err(Fatal { out, cause }),
    };
    let result = forwarding_lcores(&eal)
        .and_then(|lcores| {
            announce(options, &mut out);
            configure(lcores, &ports, options, &mut out)
        })
        .and_then(|config| Ok((make_pool(&eal, &ports, &config, options)?, config)));
    match result {
        Ok((pool, config)) => {
            let mut app = App::new(eal, ports, pool, config, out);
            choose_ports(&mut app, options);
            Ok(app)
        }
        Err(cause) => {
            close_all(ports, &mut out);
            Err(Fatal { out, cause })
        }
    }
}

fn probe(eal: &Eal, drivers: &DriverList, out: &mut Output) -> Result<Ports, String> {
    let mut ports = Ports::new();
    let mut failed = false;
    if !eal.config().allow.is_empty() {
        let named = eal.config().allow.join(", ");
        warn_user!(out, "EAL: there are no PCI devices yet: --allow (-a) {named} changes nothing");
    }
    for vdev in &eal.config().vdevs {
        let made = DevArgs::parse(vdev).and_then(|args| ports.attach(eal, drivers, &args));
        match made {
            Ok(_) => {}
            Err(pmd_core::Error::NoDriver(name)) => {
                warn_user!(out, "EAL: failed to parse device \"{name}\"");
                warn_user!(out, "EAL: known drivers: net_vhost, net_virtio_user");
                close_all(ports, out);
                return Err("Cannot init EAL: No such device".into());
            }
            Err(error) => {
                warn_user!(out, "EAL: cannot make '{vdev}': {error}");
                failed = true;
            }
        }
    }
    if failed {
        warn_user!(out, "EAL: Bus (vdev) probe failed.");
    }
    if ports.is_empty() {
        warn_user!(out, "testpmd: No probed ethernet devices");
        warn_user!(
            out,
            "testpmd: make one with --vdev, such as --vdev net_vhost0,iface=/tmp/vhost.sock, or try 'testpmd --loopback'"
        );
    }
    Ok(ports)
}

fn close_all(mut ports: Ports, out: &mut Output) {
    for port in ports.ids() {
        if let Some(dev) = ports.get_mut(port) {
            let _ = dev.close();
        }
        ports.remove(port);
        say!(out, "Port {port} is closed");
    }
}

fn announce(options: &Options, out: &mut Output) {
    for line in &options.announcements {
        say!(out, "{line}");
    }
    for option in &options.no_effect {
        log::info!(target: "testpmd", "option --{option} changes nothing here");
    }
}

/// All lcores but the main one.
fn forwarding_lcores(eal: &Eal) -> Result<Vec<u32>, String> {
    let lcores: Vec<u32> =
        eal.lcores().iter().copied().filter(|&id| id != eal.main_lcore()).collect();
    if lcores.is_empty() {
        return Err("No cores defined for forwarding\nCheck the core mask argument".into());
    }
    Ok(lcores)
}

/// The configuration, checked against the machine and the ports.
fn configure(
    lcores: Vec<u32>,
    ports: &Ports,
    options: &Options,
    out: &mut Output,
) -> Result<Config, String> {
    let mut config = Config { lcores, ..options.config.clone() };
    if let Some(text) = &options.nb_cores {
        config.nb_cores = up_to(text, config.lcores.len())
            .ok_or_else(|| format!("nb-cores should be > 0 and <= {}", config.lcores.len()))?;
    }
    if let Some(mode) = &options.unknown_mode {
        warn_user!(out, "Invalid {mode} packet forwarding mode");
    }
    if options.interactive && options.tx_first {
        return Err("--tx-first cannot be used on interactive mode.".into());
    }
    if options.tx_first {
        warn_user!(out, "Warning: lsc_interrupt needs to be off when using tx_first. Disabling.");
    }
    check_queues(ports, &config, out)?;
    if let Some(list) = &options.txpkts
        && let Err(problem) = config.set_segments(list)
    {
        warn_user!(out, "{problem}");
        if matches!(problem, crate::config::BadSegments::List(_)) {
            return Err("bad txpkts".into());
        }
    }
    config.set_ports(forwarding_ports(ports, options)?);
    Ok(config)
}

fn check_queues(ports: &Ports, config: &Config, out: &mut Output) -> Result<(), String> {
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
fn forwarding_ports(ports: &Ports, options: &Options) -> Result<Vec<PortId>, String> {
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

/// Says when fewer ports forward than there are, and when an odd one pairs with itself.
fn choose_ports(app: &mut App, options: &Options) {
    let (all, chosen) = (app.ports.len(), app.config.ports.len());
    if options.ports.is_some() && all != chosen {
        say!(
            app.out,
            "previous number of forwarding ports {all} - changed to number of configured ports {chosen}"
        );
    }
    app.tell_odd_ports();
}

fn make_pool(
    eal: &Eal,
    ports: &Ports,
    config: &Config,
    options: &Options,
) -> Result<MbufPool, String> {
    let cache = options.mbuf_cache.unwrap_or(DEFAULT_CACHE);
    let default = || {
        let lcores = config.lcores.len() as u32 + 1;
        let each = 2 * RING_DESCRIPTORS
            + u32::from(crate::config::MAX_BURST)
            + lcores.saturating_mul(cache.into());
        let queues = u32::from(config.rx_queues.max(config.tx_queues));
        each.saturating_mul((ports.len() as u32).saturating_mul(queues).max(1)).max(SMALLEST_POOL)
    };
    let (count, bytes) = (options.total_mbufs.unwrap_or_else(default), config.mbuf_bytes);
    log::info!(target: "testpmd", "create a new mbuf pool <mb_pool_0>: n={count}, size={bytes}, socket=0");
    MbufPool::with_buffers(eal.memory(), "mb_pool_0", count, bytes, cache)
        .map_err(|error| format!("Creation of mbuf pool for socket 0 failed: {error}"))
}

/// Waits for a signal, no longer than `ms`.
pub fn sleep_until_signal(signals: &Signals, ms: u16) {
    let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    let _ = poll(&mut fds, PollTimeout::from(ms));
}

impl App {
    /// Makes these the forwarding ports and says so when their number changes.
    pub fn set_forwarding_ports(&mut self, ports: Vec<PortId>) {
        let (before, now) = (self.config.ports.len(), ports.len());
        self.config.set_ports(ports);
        if before != now {
            say!(
                self.out,
                "previous number of forwarding ports {before} - changed to number of configured ports {now}"
            );
        }
        self.tell_odd_ports();
    }

    /// Says which ports cannot be made promiscuous.
    pub fn tell_promiscuous(&mut self) {
        for port in self.ports.ids() {
            if !self.ports.get(port).is_some_and(EthDev::promiscuous) {
                warn_user!(
                    self.out,
                    "Error during enabling promiscuous mode for port {port}: Operation not supported - ignore"
                );
            }
        }
    }
}
