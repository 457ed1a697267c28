//! Getting one port to run: its configuration, its queues, its start.

use pmd_core::{Error, EthDev, PortConfig, PortId, RxQueueConfig, TxQueueConfig};

use crate::app::App;
use crate::config::sizes;
use crate::{say, warn_user};

impl App {
    /// Starts `port`, configuring it first when something changed. False after the complaint when that cannot be done.
    pub(crate) fn start_port(&mut self, port: PortId) -> bool {
        if self.settings_of(port).to_configure {
            if !self.configure_port(port) {
                return false;
            }
            self.settings_of(port).to_configure = false;
        }
        let Some(dev) = self.ports.get_mut(port) else { return false };
        if let Err(error) = dev.start() {
            warn_user!(self.out, "Fail to start port {port}: {error}");
            return false;
        }
        let mac = dev.mac();
        self.settings_of(port).stopped.clear();
        say!(self.out, "Port {port}: {mac}");
        true
    }

    fn configure_port(&mut self, port: PortId) -> bool {
        let socket = self.socket_of(port);
        say!(self.out, "Configuring Port {port} (socket {socket})");
        if let Err(problem) = self.configure_device(port) {
            warn_user!(self.out, "{problem}\nFail to configure port {port}");
            return false;
        }
        for (rx, side) in [(false, "tx"), (true, "rx")] {
            if let Err(problem) = self.set_up_queues(port, rx) {
                warn_user!(self.out, "{problem}\nFail to configure port {port} {side} queues");
                return false;
            }
        }
        true
    }

    /// The NUMA node that `port` uses.
    pub(crate) fn socket_of(&self, port: PortId) -> u32 {
        let own = || self.ports.get(port).map_or(0, |dev: &dyn EthDev| dev.info().socket);
        self.config.port_sockets.get(&port).copied().unwrap_or_else(own)
    }

    fn configure_device(&mut self, port: PortId) -> Result<(), String> {
        let settings = self.settings_of(port).clone();
        let config = PortConfig {
            rx_queues: self.config.rx_queues,
            tx_queues: self.config.tx_queues,
            rx_offloads: settings.rx_offloads,
            tx_offloads: settings.tx_offloads,
        };
        let longest = self.config.max_packet_bytes;
        let Some(dev) = self.ports.get_mut(port) else { return Ok(()) };
        let info = dev.info();
        let longest = longest.map(|bytes| sizes::mtu_of(bytes, &info)).transpose();
        let mtu = longest.map_err(|problem| format!("{problem} for port_id {port}"))?;
        config.check_offloads(&info).map_err(|error| refusal(port, &error))?;
        dev.configure(&config).map_err(|error| refusal(port, &error))?;
        if let Some(mtu) = settings.mtu.or(mtu) {
            match dev.set_mtu(mtu) {
                // A device without such an operation takes any length.
                Err(Error::NoOperation(_)) => {}
                set => set.map_err(|error| format!("Set MTU failed: {error}"))?,
            }
        }
        Ok(())
    }

    fn set_up_queues(&mut self, port: PortId, rx: bool) -> Result<(), String> {
        let queues = if rx { self.config.rx_queues } else { self.config.tx_queues };
        (0..queues).try_for_each(|queue| self.set_up_queue(port, rx, queue))
    }

    /// Sets up one queue of a port as it was asked for.
    ///
    /// # Errors
    ///
    /// What will not do, for a person.
    pub(crate) fn set_up_queue(
        &mut self,
        port: PortId,
        rx: bool,
        queue: u16,
    ) -> Result<(), String> {
        let settings = self.settings_of(port).clone();
        let descriptors = settings.descriptors(&self.config, (rx, queue));
        let pool = self.more_pools.of(port).unwrap_or(&self.pool).clone();
        let longest = self.config.max_packet_bytes;
        let Some(dev) = self.ports.get_mut(port) else { return Ok(()) };
        let done = if rx {
            if let Some(bytes) = longest {
                let (room, info) = (pool.data_room(), dev.info());
                sizes::check_room(bytes, room, settings.rx_offloads, &info)?;
            }
            dev.setup_rx(queue, &RxQueueConfig { descriptors, pool })
        } else {
            dev.setup_tx(queue, &TxQueueConfig { descriptors })
        };
        done.map_err(|error| error.to_string())
    }
}

/// Why a device cannot be configured, offloads in the reference's words.
fn refusal(port: PortId, error: &Error) -> String {
    match error {
        Error::Offloads { rx, asked, capable } => {
            let side = if *rx { "Rx" } else { "Tx" };
            format!(
                "Ethdev port_id={port} requested {side} offloads {asked:#x} doesn't match {side} offloads \
                 capabilities {capable:#x} in rte_eth_dev_configure()\n{error}"
            )
        }
        _ => error.to_string(),
    }
}
