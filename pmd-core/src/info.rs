//! What is said of a port and asked of it: limits, settings, link.

use crate::{Error, MbufPool, RxOffloads, TxOffloads};

/// Limits of one direction's rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Queues the device can have.
    pub max_queues: u16,
    /// Fewest descriptors of a ring.
    pub min_descriptors: u16,
    /// Most descriptors of a ring.
    pub max_descriptors: u16,
    /// The number of descriptors must be a multiple of this.
    pub descriptor_align: u16,
    /// What a ring has when 0 is asked for.
    pub default_descriptors: u16,
}

/// What a device is and can do. Nothing here changes while it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevInfo {
    /// The device's name, as in its device string: `net_vhost0`.
    pub name: String,
    /// The driver's name: `net_vhost`.
    pub driver: &'static str,
    /// The device string's part after the name.
    pub devargs: String,
    /// NUMA node of its memory.
    pub socket: u32,
    /// Receive limits.
    pub rx: QueueLimits,
    /// Transmit limits.
    pub tx: QueueLimits,
    /// Unicast addresses it can filter for, its own included.
    pub max_mac_addrs: u32,
    /// Smallest buffer a receive queue takes, in bytes.
    pub min_rx_buffer_bytes: u32,
    /// Longest frame it can receive, in bytes.
    pub max_rx_packet_bytes: u32,
    /// Largest MTU, in bytes.
    pub max_mtu: u16,
    /// Longest chain of mbufs it sends.
    pub max_tx_segments: u16,
    /// What it can do with packets on receive.
    pub rx_offloads: RxOffloads,
    /// What it can do with packets on transmit.
    pub tx_offloads: TxOffloads,
}

/// Link state and speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Whether packets can pass.
    pub up: bool,
    /// Megabit a second; `None` when the device does not say.
    pub speed_mbps: Option<u32>,
}

/// How many queues a port is to have, and what it is to do with packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortConfig {
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
    /// Work on receive, of what [`DevInfo::rx_offloads`] names.
    pub rx_offloads: RxOffloads,
    /// Work on transmit, of what [`DevInfo::tx_offloads`] names.
    pub tx_offloads: TxOffloads,
}

impl PortConfig {
    /// Refuses offloads that the device of `info` lacks.
    ///
    /// # Errors
    ///
    /// [`Error::Offloads`].
    pub fn check_offloads(&self, info: &DevInfo) -> Result<(), Error> {
        let refuse = |rx, asked, capable| Err(Error::Offloads { rx, asked, capable });
        if !info.rx_offloads.contains(self.rx_offloads) {
            return refuse(true, self.rx_offloads.bits(), info.rx_offloads.bits());
        }
        if !info.tx_offloads.contains(self.tx_offloads) {
            return refuse(false, self.tx_offloads.bits(), info.tx_offloads.bits());
        }
        Ok(())
    }
}

/// Settings of a receive queue.
#[derive(Clone, Debug)]
pub struct RxQueueConfig {
    /// Descriptors of the ring; 0 for the device's default. A device whose ring belongs to its peer ignores it.
    pub descriptors: u16,
    /// Where received packets get their mbufs.
    pub pool: MbufPool,
}

/// Settings of a transmit queue.
#[derive(Clone, Debug, Default)]
pub struct TxQueueConfig {
    /// Descriptors of the ring; 0 for the device's default.
    pub descriptors: u16,
}

/// A queue that is set up, in the terms of `show rxq info` and `show txq info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueInfo {
    /// The pool of a receive queue; empty for a transmit queue.
    pub pool: String,
    /// Descriptors of the ring.
    pub descriptors: u16,
    /// Bytes of a receive buffer; 0 for a transmit queue.
    pub buffer_bytes: u32,
    /// The data path in use, in words.
    pub burst_mode: &'static str,
    /// Whether the queue runs.
    pub running: bool,
}
