//! The control half of a port.

use crate::{
    DevInfo, Error, Events, Link, MacAddr, PortConfig, PortStats, QueueInfo, QueueStats, RxQueue,
    RxQueueConfig, TxQueue, TxQueueConfig, Xstat,
};

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

    /// Whether a peer is there, or listened for, and has not brought the link up yet: who wants to send can expect it to come.
    /// Never blocks.
    fn is_connecting(&self) -> bool {
        false
    }

    /// The device's address.
    fn mac(&self) -> MacAddr;

    /// Changes the device's address.
    ///
    /// # Errors
    ///
    /// [`Error::NoOperation`], [`Error::BadMac`].
    fn set_mac(&mut self, _mac: MacAddr) -> Result<(), Error> {
        Err(Error::NoOperation("setting the address"))
    }

    /// The unicast addresses that are taken, the device's own first.
    fn macs(&self) -> Vec<MacAddr> {
        vec![self.mac()]
    }

    /// Takes frames to `mac` as well.
    ///
    /// # Errors
    ///
    /// As `set_mac`, and [`Error::OutOfRange`] when the table is full.
    fn add_mac(&mut self, _mac: MacAddr) -> Result<(), Error> {
        Err(Error::NoOperation("adding an address"))
    }

    /// No longer takes frames to `mac`.
    ///
    /// # Errors
    ///
    /// As `set_mac`.
    fn remove_mac(&mut self, _mac: MacAddr) -> Result<(), Error> {
        Err(Error::NoOperation("removing an address"))
    }

    /// Replaces the list of multicast addresses that are taken.
    ///
    /// # Errors
    ///
    /// [`Error::NoOperation`].
    fn set_multicast(&mut self, _macs: &[MacAddr]) -> Result<(), Error> {
        Err(Error::NoOperation("multicast filtering"))
    }

    /// Whether all unicast frames are taken. A device without filter takes all and says so.
    fn promiscuous(&self) -> bool {
        true
    }

    /// Takes all unicast frames, or only those to its addresses.
    ///
    /// # Errors
    ///
    /// [`Error::NoOperation`] unless `on` is what is so already.
    fn set_promiscuous(&mut self, on: bool) -> Result<(), Error> {
        match self.promiscuous() == on {
            true => Ok(()),
            false => Err(Error::NoOperation("promiscuous mode")),
        }
    }

    /// Whether all multicast frames are taken.
    fn allmulticast(&self) -> bool {
        self.promiscuous()
    }

    /// Takes all multicast frames, or only those of the list.
    ///
    /// # Errors
    ///
    /// As `set_promiscuous`.
    fn set_allmulticast(&mut self, on: bool) -> Result<(), Error> {
        match self.allmulticast() == on {
            true => Ok(()),
            false => Err(Error::NoOperation("all-multicast mode")),
        }
    }

    /// Filters frames by VLAN `id`.
    ///
    /// # Errors
    ///
    /// [`Error::NoOperation`].
    fn set_vlan_filter(&mut self, _id: u16, _on: bool) -> Result<(), Error> {
        Err(Error::NoOperation("VLAN filtering"))
    }

    /// Raises or lowers the link administratively.
    ///
    /// # Errors
    ///
    /// [`Error::NoOperation`].
    fn set_link(&mut self, _up: bool) -> Result<(), Error> {
        Err(Error::NoOperation("setting the link"))
    }

    /// Starts or stops one queue of a started port.
    ///
    /// # Errors
    ///
    /// [`Error::NoOperation`], [`Error::NoQueue`].
    fn set_queue_running(&mut self, _rx: bool, _queue: u16, _run: bool) -> Result<(), Error> {
        Err(Error::NoOperation("starting or stopping one queue"))
    }

    /// A queue as it is set up. `None` when the device does not tell, or there is no such queue.
    fn queue_info(&self, _rx: bool, _queue: u16) -> Option<QueueInfo> {
        None
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

    /// The device's own counters, beyond those that every port has: see [`xstats`](crate::xstats).
    fn device_xstats(&self) -> Vec<Xstat> {
        Vec::new()
    }

    /// Starts the device's own counters from zero.
    fn reset_device_xstats(&mut self) {}

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
