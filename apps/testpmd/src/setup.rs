//! From an `Eal` to an app with its ports made and its pool filled, in the order and words of the reference.

mod fit;

use eal::Eal;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pmd_core::{DevArgs, DriverList, EthDev, PortId, Ports};
use std::os::fd::AsFd;

use crate::app::App;
use crate::cli::Options;
use crate::config::Config;
use crate::output::Output;
use crate::pools::{self, Sizing};
use crate::signals::Signals;
use crate::{say, warn_user};

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
    drivers: DriverList,
    options: &Options,
    mut out: Output,
) -> Result<App, Fatal> {
    let ports = match probe(&eal, &drivers, &mut out) {
        Ok(ports) => ports,
        Err(cause) => return Err(Fatal { out, cause }),
    };
    let sizing = Sizing::new(options.total_mbufs, options.mbuf_cache);
    let result = forwarding_lcores(&eal, &mut out)
        .and_then(|lcores| {
            announce(options, &mut out);
            configure(lcores, &eal, &ports, options, &mut out)
        })
        .and_then(|config| Ok((pools::first(&eal, &ports, &config, sizing)?, config)));
    match result {
        Ok((pool, config)) => {
            let mut app = App::new(eal, ports, pool, config, out);
            (app.drivers, app.sizing) = (drivers, sizing);
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
                warn_user!(out, "EAL: known drivers: {}", drivers.names().join(", "));
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
    for line in &options.warnings {
        warn_user!(out, "{line}");
    }
    // Log lines follow, which know nothing of this output.
    out.flush();
    if !options.no_effect.is_empty() {
        let named: Vec<String> = options.no_effect.iter().map(|name| format!("--{name}")).collect();
        log::info!(target: "testpmd", "options without effect here: {}", named.join(" "));
    }
    if options.lock_memory {
        lock_memory();
    }
}

/// Keeps the pages of this process in memory once they are used.
fn lock_memory() {
    use nix::sys::mman::{MlockAllFlags, mlockall};
    /// Do not touch what is reserved and not used (mlockall(2), `MCL_ONFAULT`).
    const ON_FAULT: MlockAllFlags = MlockAllFlags::from_bits_retain(4);
    let flags = MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | ON_FAULT;
    if let Err(error) = mlockall(flags) {
        log::warn!(
            target: "testpmd",
            "mlockall() failed with error \"{}\": memory may be swapped out; raise 'ulimit -l'",
            error.desc()
        );
    }
}

/// All lcores but the main one.
fn forwarding_lcores(eal: &Eal, out: &mut Output) -> Result<Vec<u32>, String> {
    let lcores: Vec<u32> =
        eal.lcores().iter().copied().filter(|&id| id != eal.main_lcore()).collect();
    if lcores.is_empty() {
        warn_user!(
            out,
            "lcore {main} is the only one and the console's: \
             '--lcores {main}@0,{more}@0' makes two on one CPU",
            main = eal.main_lcore(),
            more = u32::from(eal.main_lcore() == 0)
        );
        return Err("No cores defined for forwarding\nCheck the core mask argument".into());
    }
    Ok(lcores)
}

/// The configuration, checked against the machine and the ports.
fn configure(
    lcores: Vec<u32>,
    eal: &Eal,
    ports: &Ports,
    options: &Options,
    out: &mut Output,
) -> Result<Config, String> {
    let mut config = Config { lcores, ..options.config.clone() };
    fit::choose_lcores(&mut config, eal, options, out)?;
    fit::check_sockets(&mut config, eal, ports, options, out)?;
    if let Some(mode) = &options.unknown_mode {
        warn_user!(out, "Invalid {mode} packet forwarding mode");
    }
    if options.interactive && options.tx_first {
        return Err("--tx-first cannot be used on interactive mode.".into());
    }
    if options.tx_first {
        warn_user!(out, "Warning: lsc_interrupt needs to be off when using tx_first. Disabling.");
    }
    fit::check_queues(ports, &config, options, out)?;
    if let Some(list) = &options.txpkts
        && let Err(problem) = config.set_segments(list)
    {
        warn_user!(out, "{problem}");
        if matches!(problem, crate::config::BadSegments::List(_)) {
            return Err("bad txpkts".into());
        }
    }
    config.set_ports(fit::forwarding_ports(ports, options)?);
    Ok(config)
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
            self.tell_promiscuous_of(port);
        }
    }

    /// Says so if `port` cannot be made promiscuous.
    pub fn tell_promiscuous_of(&mut self, port: PortId) {
        if !self.ports.get(port).is_some_and(EthDev::promiscuous) {
            warn_user!(
                self.out,
                "Error during enabling promiscuous mode for port {port}: Operation not supported - ignore"
            );
        }
    }
}
