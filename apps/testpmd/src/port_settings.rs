//! What each port was told, beyond what all ports were.

use std::collections::{BTreeMap, BTreeSet};

use pmd_core::{MacAddr, RxOffloads, TxOffloads};

use crate::config::Config;

/// A queue of a port: receive (`true`) or transmit, and its number.
pub type QueueKey = (bool, u16);

/// One port's own settings.
#[derive(Clone, Debug)]
pub struct PortSettings {
    /// Whether `start` configures the port first: it never was, or something changed since.
    pub to_configure: bool,
    /// Work on receive.
    pub rx_offloads: RxOffloads,
    /// Work on transmit.
    pub tx_offloads: TxOffloads,
    /// Descriptors of rings for which a number of their own was given.
    pub rings: BTreeMap<QueueKey, u16>,
    /// Queues that were stopped one by one.
    pub stopped: BTreeSet<QueueKey>,
    /// The MTU that was set, to be set again when the port is configured.
    pub mtu: Option<u16>,
    /// Multicast addresses that are taken.
    pub multicast: Vec<MacAddr>,
    /// Whether frames are filtered by VLAN.
    pub vlan_filter: bool,
}

impl PortSettings {
    /// Those of a port that was told nothing yet.
    pub fn new(config: &Config) -> Self {
        Self {
            to_configure: true,
            rx_offloads: config.rx_offloads,
            tx_offloads: config.tx_offloads,
            rings: BTreeMap::new(),
            stopped: BTreeSet::new(),
            mtu: None,
            multicast: Vec::new(),
            vlan_filter: config.rx_offloads.contains(RxOffloads::VLAN_FILTER),
        }
    }

    /// Descriptors of a ring, as asked for; 0 for the device's default.
    pub fn descriptors(&self, config: &Config, (rx, queue): QueueKey) -> u16 {
        let all = if rx { config.rx_descriptors } else { config.tx_descriptors };
        self.rings.get(&(rx, queue)).copied().unwrap_or(all)
    }
}
