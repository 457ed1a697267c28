//! `port start`, `stop`, `close`: one port or all.

use std::time::Duration;

use pmd_core::{EthDev, PortId};

use crate::app::App;
use crate::console::Which;
use crate::{say, warn_user};

/// Longest wait for links, in steps.
const LINK_STEPS: u32 = 90;
/// One step of that wait.
const LINK_STEP: Duration = Duration::from_millis(100);

impl App {
    /// The ports meant, or nothing after the complaint that there is no such port.
    pub fn select(&mut self, which: Which) -> Option<Vec<PortId>> {
        match which {
            Which::All => Some(self.ports.ids()),
            Which::One(id) if self.ports.get(PortId(id)).is_some() => Some(vec![PortId(id)]),
            Which::One(id) => {
                warn_user!(self.out, "Invalid port {id}");
                None
            }
        }
    }

    /// `port start`. Configures a port that never was. False when a port could not be started.
    /// `interrupted` ends the wait for links.
    pub fn start_ports(&mut self, which: Which, interrupted: impl Fn() -> bool) -> bool {
        let Some(ports) = self.select(which) else { return false };
        let (mut started, mut was_started) = (Vec::new(), false);
        for port in ports {
            if self.ports.get(port).is_some_and(EthDev::is_started) {
                warn_user!(self.out, "Port {port} is now not stopped");
                was_started = true;
            } else if self.start_port(port) {
                started.push(port);
            } else {
                return false;
            }
        }
        if !started.is_empty() {
            if self.config.check_links {
                say!(self.out, "Checking link statuses...");
            }
            self.await_links(&started, interrupted);
        } else if was_started {
            warn_user!(self.out, "Please stop the ports first");
        }
        say!(self.out, "Done");
        true
    }

    /// With link events off: waits until all links are up, for 9 seconds at most, and says how they are.
    fn await_links(&mut self, ports: &[PortId], interrupted: impl Fn() -> bool) {
        if !(self.config.await_link && self.config.check_links) {
            return;
        }
        self.out.flush();
        let is_up = |app: &Self, port| app.ports.get(port).is_some_and(|dev| dev.link().up);
        for _ in 0..LINK_STEPS {
            if ports.iter().all(|&port| is_up(self, port)) || interrupted() {
                break;
            }
            std::thread::sleep(LINK_STEP);
        }
        for &port in ports {
            let Some(link) = self.ports.get(port).map(EthDev::link) else { continue };
            if link.up {
                let speed = crate::show::speed(link);
                let mode = if link.speed_mbps.is_some() { "Fixed" } else { "Autoneg" };
                say!(self.out, "Port {port} Link up at {speed} FDX {mode}");
            } else {
                say!(self.out, "Port {port} Link down");
            }
        }
    }

    /// Refuses what may not be done to a port that forwards.
    pub(crate) fn is_in_use(&mut self, port: PortId) -> bool {
        let used = self.is_forwarding() && self.config.ports.contains(&port);
        if used {
            warn_user!(self.out, "Please remove port {port} from forwarding configuration.");
        }
        used
    }

    /// `port stop`
    pub fn stop_ports(&mut self, which: Which) {
        let Some(ports) = self.select(which) else { return };
        say!(self.out, "Stopping ports...");
        let mut stopped = false;
        for port in ports {
            if self.is_in_use(port) {
                continue;
            }
            let Some(dev) = self.ports.get_mut(port).filter(|dev| dev.is_started()) else {
                continue;
            };
            match dev.stop() {
                Ok(()) => stopped = true,
                Err(error) => warn_user!(self.out, "Error during stopping port {port}: {error}"),
            }
        }
        if stopped && self.config.check_links {
            say!(self.out, "Checking link statuses...");
        }
        say!(self.out, "Done");
    }

    /// `port close`
    pub fn close_ports(&mut self, which: Which) {
        let Some(ports) = self.select(which) else { return };
        say!(self.out, "Closing ports...");
        for port in ports {
            if self.is_in_use(port) {
                continue;
            }
            if self.ports.get(port).is_some_and(EthDev::is_started) {
                warn_user!(self.out, "Cannot close started device (port {port})");
                continue;
            }
            self.close_port(port, true);
        }
        say!(self.out, "Done");
    }

    pub(crate) fn close_port(&mut self, port: PortId, with_events: bool) {
        let Some(dev) = self.ports.get_mut(port) else { return };
        if let Err(error) = dev.close() {
            warn_user!(self.out, "Error during closing port {port}: {error}");
        }
        if with_events {
            self.print_events();
        }
        self.ports.remove(port);
        self.settings.remove(&port);
        self.more_pools.release(port);
        self.rates.forget(port);
        self.xstat_rates.forget(port);
        self.bases.remove(&port);
        self.config.remove_port(port);
        say!(self.out, "Port {port} is closed");
    }

    /// Ends everything: forwarding, ports, and says so.
    pub fn shut_down(&mut self) {
        if self.is_forwarding() {
            self.stop_forwarding();
        }
        self.discard_events();
        say!(self.out, "\nPrimary: Sending 'stop_req' request to secondary...");
        let ports = self.ports.ids();
        for &port in &ports {
            say!(self.out, "\nStopping port {port}...\nStopping ports...");
            let stopped = self.ports.get_mut(port).map(|dev| dev.stop());
            if let Some(Err(error)) = stopped {
                warn_user!(self.out, "Error during stopping port {port}: {error}");
            }
            say!(self.out, "Done");
        }
        for port in ports {
            say!(self.out, "\nShutting down port {port}...\nClosing ports...");
            self.close_port(port, false);
            say!(self.out, "Done");
        }
        say!(self.out, "\nBye...");
        self.out.flush();
    }
}
