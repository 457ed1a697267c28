//! The control half of a port.

use crate::{Error, Events, MacAddr, MbufPool, PortStats, QueueStats, RxQueue, TxQueue};

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
}

/// Link state and speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Whether packets can pass.
    pub up: bool,
    /// Megabit a second; `None` when the device does not say.
    pub speed_mbps: Option<u32>,
}

/// How many queues a port is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortConfig {
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
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

/// A port's control half: everything but bursts.
///
/// Order of calls: `configure`, then every queue set up, then `start`; queues may be claimed at any time after their
/// set-up, and a claimed handle stays valid through stop, start, and the peer's comings and goings. `stop` and
/// `close` wait for a burst that is under way (microseconds) and no longer than a deadline.
///
/// All errors leave the port as it was.
pub trait EthDev: Send {
    /// What the device is.
    fn info(&self) -> DevInfo;

    /// Sets the number of queues.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`], [`Error::WrongState`] when started.
    fn configure(&mut self, config: &PortConfig) -> Result<(), Error>;

    /// The number of queues set by `configure`.
    fn config(&self) -> PortConfig;

    /// Prepares receive queue `queue`.
    ///
    /// # Errors
    ///
    /// [`Error::NoQueue`], [`Error::OutOfRange`], [`Error::MbufTooSmall`], [`Error::WrongState`] when started.
    fn setup_rx(&mut self, queue: u16, config: &RxQueueConfig) -> Result<(), Error>;

    /// Prepares transmit queue `queue`.
    ///
    /// # Errors
    ///
    /// As `setup_rx`.
    fn setup_tx(&mut self, queue: u16, config: &TxQueueConfig) -> Result<(), Error>;

    /// Lets packets pass as soon as the link is up.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] when a queue was not set up; what the system answers otherwise.
    fn start(&mut self) -> Result<(), Error>;

    /// Stops all queues. Nothing happens when the port is stopped.
    ///
    /// # Errors
    ///
    /// [`Error::Quarantined`] when a poller did not leave its burst.
    fn stop(&mut self) -> Result<(), Error>;

    /// Releases everything. Handles of queues go on to exist and return 0. Calling it again does nothing.
    ///
    /// # Errors
    ///
    /// As `stop`.
    fn close(&mut self) -> Result<(), Error>;

    /// Whether the port is started.
    fn is_started(&self) -> bool;

    /// The link as it is now. Never blocks.
    fn link(&self) -> Link;

    /// The device's address.
    fn mac(&self) -> MacAddr;

    /// Whether all unicast frames are taken. A device without filter takes all and says so.
    fn promiscuous(&self) -> bool {
        true
    }

    /// Largest payload of a frame, in bytes.
    fn mtu(&self) -> u16;

    /// Sets the MTU.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`].
    fn set_mtu(&mut self, mtu: u16) -> Result<(), Error>;

    /// A snapshot of the port's counters since they were last cleared.
    fn stats(&self) -> PortStats;

    /// A snapshot of one receive (`rx`) or transmit queue's counters.
    fn queue_stats(&self, rx: bool, queue: u16) -> Option<QueueStats>;

    /// Starts counting from zero. Pollers are not disturbed: control keeps the base.
    fn reset_stats(&mut self);

    /// Hands out receive queue `queue` to `holder`, a name for messages.
    ///
    /// # Errors
    ///
    /// [`Error::NoQueue`] when it was not set up, [`Error::Claimed`] when another handle exists.
    fn claim_rx(&mut self, queue: u16, holder: &str) -> Result<RxQueue, Error>;

    /// Hands out transmit queue `queue` to `holder`.
    ///
    /// # Errors
    ///
    /// As `claim_rx`.
    fn claim_tx(&mut self, queue: u16, holder: &str) -> Result<TxQueue, Error>;

    /// The port's events.
    fn events(&self) -> &Events;
}
