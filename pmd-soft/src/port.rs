//! The control half that all soft ports share: queue counts, start and stop, statistics, claims.

use pmd_core::{
    DevInfo, Error, EthDev, EventSender, Events, Link, MacAddr, PortConfig, PortStats, Probe,
    QueueLimits, QueueStats, RxOffloads, RxQueue, RxQueueConfig, TxOffloads, TxQueue,
    TxQueueConfig, Xstat, xstats,
};

use crate::queue::{RxPath, Side, SoftRx, SoftTx, TxPath};

/// What the link claims to be; there is no wire that could be measured.
const SPEED_MBPS: u32 = 10_000;
/// Payload of a frame unless another was set.
const MTU: u16 = 1500;
/// The smallest MTU of IPv4.
const MTU_MIN: u16 = 68;
/// What a ring has when nothing was asked for; no soft port has descriptors.
const DESCRIPTORS: u16 = 512;

/// What makes one kind of soft port different from another.
pub(crate) trait Device: Send + 'static {
    /// Working state of a receive queue.
    type Rx: RxPath;
    /// Working state of a transmit queue.
    type Tx: TxPath;
    /// Settings that this kind takes, as DPDK's port of the same name does.
    const CONTROLS: Controls;

    /// The state of receive queue `queue`.
    fn rx(&mut self, queue: u16, config: &RxQueueConfig) -> Result<Self::Rx, Error>;

    /// The state of transmit queue `queue`.
    fn tx(&mut self, queue: u16) -> Result<Self::Tx, Error>;
}

/// Settings that a soft port takes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Controls {
    /// The address.
    pub mac: bool,
    /// The MTU.
    pub mtu: bool,
    /// Link, promiscuous and all-multicast mode; only what is shown changes.
    pub modes: bool,
    /// Starting and stopping single queues.
    pub queues: bool,
}

/// What a port is made of.
pub(crate) struct Parts<D> {
    pub driver: &'static str,
    pub mac: MacAddr,
    pub rx_queues_max: u16,
    pub tx_queues_max: u16,
    pub rx_offloads: RxOffloads,
    pub tx_offloads: TxOffloads,
    pub device: D,
    pub sender: EventSender,
    pub events: Events,
}

/// A port of any soft kind.
pub(crate) struct SoftPort<D: Device> {
    info: DevInfo,
    mac: MacAddr,
    /// `None` once closed.
    device: Option<D>,
    config: PortConfig,
    rx: Side<D::Rx>,
    tx: Side<D::Tx>,
    started: bool,
    mtu: u16,
    link_wanted: bool,
    promiscuous: bool,
    allmulticast: bool,
    /// Keeps the channel of events open.
    _sender: EventSender,
    events: Events,
}

fn limits(max_queues: u16) -> QueueLimits {
    QueueLimits {
        max_queues,
        min_descriptors: 0,
        max_descriptors: u16::MAX,
        descriptor_align: 1,
        default_descriptors: DESCRIPTORS,
    }
}

fn check_queues(what: &'static str, asked: u16, max: u16) -> Result<(), Error> {
    if asked <= max {
        return Ok(());
    }
    Err(Error::OutOfRange { what, value: asked.into(), min: 0, max: max.into() })
}

impl<D: Device> SoftPort<D> {
    /// A port for the device string of `probe`.
    pub fn new(probe: &Probe<'_>, parts: Parts<D>) -> Self {
        let info = DevInfo {
            name: probe.args.name().to_owned(),
            driver: parts.driver,
            devargs: probe.args.arguments(),
            socket: probe.eal.socket_of(probe.eal.main_lcore()),
            rx: limits(parts.rx_queues_max),
            tx: limits(parts.tx_queues_max),
            max_mac_addrs: 1,
            min_rx_buffer_bytes: 0,
            max_rx_packet_bytes: u32::MAX,
            max_mtu: u16::MAX,
            max_tx_segments: u16::MAX,
            rx_offloads: parts.rx_offloads,
            tx_offloads: parts.tx_offloads,
        };
        Self {
            info,
            mac: parts.mac,
            device: Some(parts.device),
            config: PortConfig::default(),
            rx: Side::new(),
            tx: Side::new(),
            started: false,
            mtu: MTU,
            link_wanted: true,
            promiscuous: true,
            allmulticast: true,
            _sender: parts.sender,
            events: parts.events,
        }
    }

    fn stopped(&mut self, call: &'static str) -> Result<&mut D, Error> {
        if self.started {
            return Err(Error::WrongState { call, first: "stop the port" });
        }
        let closed = Error::WrongState { call: "use a closed port", first: "make it again" };
        self.device.as_mut().ok_or(closed)
    }

    /// Stops what was prepared when something else could not be.
    fn undo_start(&self) {
        // A queue that was just prepared has its gate closed, so nothing can be stuck.
        let _ = self.rx.stop();
        let _ = self.tx.stop();
    }
}

impl<D: Device> Drop for SoftPort<D> {
    fn drop(&mut self) {
        // A poller that is stuck keeps its queue's state, and the gate closed, for itself.
        let _ = self.close();
    }
}

impl<D: Device> EthDev for SoftPort<D> {
    fn info(&self) -> DevInfo {
        self.info.clone()
    }

    fn configure(&mut self, config: &PortConfig) -> Result<(), Error> {
        self.stopped("configure the port")?;
        config.check_offloads(&self.info)?;
        check_queues("number of receive queues", config.rx_queues, self.info.rx.max_queues)?;
        check_queues("number of transmit queues", config.tx_queues, self.info.tx.max_queues)?;
        self.rx.configure(config.rx_queues)?;
        self.tx.configure(config.tx_queues)?;
        self.config = *config;
        Ok(())
    }

    fn config(&self) -> PortConfig {
        self.config
    }

    fn setup_rx(&mut self, queue: u16, config: &RxQueueConfig) -> Result<(), Error> {
        self.stopped("set up a queue")?;
        self.rx.check(queue)?;
        let path = self.stopped("set up a queue")?.rx(queue, config)?;
        self.rx.setup(queue, path)
    }

    fn setup_tx(&mut self, queue: u16, _config: &TxQueueConfig) -> Result<(), Error> {
        self.stopped("set up a queue")?;
        self.tx.check(queue)?;
        let path = self.stopped("set up a queue")?.tx(queue)?;
        self.tx.setup(queue, path)
    }

    fn start(&mut self) -> Result<(), Error> {
        if self.started {
            return Ok(());
        }
        self.stopped("start the port")?;
        let configured = self.rx.count() > 0 || self.tx.count() > 0;
        if !configured || !self.rx.is_ready() || !self.tx.is_ready() {
            let first = "configure it and set up its queues";
            return Err(Error::WrongState { call: "start the port", first });
        }
        let ready = self.rx.prepare().and_then(|()| self.tx.prepare());
        ready
            .and_then(|()| self.rx.open())
            .and_then(|()| self.tx.open())
            .inspect_err(|_| self.undo_start())?;
        self.started = true;
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Error> {
        if self.started {
            self.rx.stop()?;
            self.tx.stop()?;
            self.started = false;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        self.stop()?;
        self.rx.close()?;
        self.tx.close()?;
        self.device = None;
        Ok(())
    }

    fn is_started(&self) -> bool {
        self.started
    }

    fn link(&self) -> Link {
        Link { up: self.started && self.link_wanted, speed_mbps: Some(SPEED_MBPS) }
    }

    fn set_link(&mut self, up: bool) -> Result<(), Error> {
        if !D::CONTROLS.modes {
            return Err(Error::NoOperation("setting the link"));
        }
        self.link_wanted = up;
        Ok(())
    }

    fn mac(&self) -> MacAddr {
        self.mac
    }

    fn set_mac(&mut self, mac: MacAddr) -> Result<(), Error> {
        if !D::CONTROLS.mac {
            return Err(Error::NoOperation("setting the address"));
        }
        if !mac.is_assignable() {
            return Err(Error::BadMac(mac));
        }
        self.mac = mac;
        Ok(())
    }

    fn promiscuous(&self) -> bool {
        self.promiscuous
    }

    fn set_promiscuous(&mut self, on: bool) -> Result<(), Error> {
        if self.promiscuous != on && !D::CONTROLS.modes {
            return Err(Error::NoOperation("promiscuous mode"));
        }
        self.promiscuous = on;
        Ok(())
    }

    fn allmulticast(&self) -> bool {
        self.allmulticast
    }

    fn set_allmulticast(&mut self, on: bool) -> Result<(), Error> {
        if self.allmulticast != on && !D::CONTROLS.modes {
            return Err(Error::NoOperation("all-multicast mode"));
        }
        self.allmulticast = on;
        Ok(())
    }

    fn set_queue_running(&mut self, rx: bool, queue: u16, run: bool) -> Result<(), Error> {
        if !D::CONTROLS.queues {
            return Err(Error::NoOperation("starting or stopping one queue"));
        }
        if !self.started {
            return Err(Error::WrongState {
                call: "start or stop a queue",
                first: "start the port",
            });
        }
        match rx {
            true => self.rx.set_running(queue, run),
            false => self.tx.set_running(queue, run),
        }
    }

    fn mtu(&self) -> u16 {
        self.mtu
    }

    fn set_mtu(&mut self, mtu: u16) -> Result<(), Error> {
        if !D::CONTROLS.mtu {
            return Err(Error::NoOperation("setting the MTU"));
        }
        if mtu < MTU_MIN {
            let (min, max) = (MTU_MIN.into(), u16::MAX.into());
            return Err(Error::OutOfRange { what: "MTU", value: mtu.into(), min, max });
        }
        self.mtu = mtu;
        Ok(())
    }

    fn stats(&self) -> PortStats {
        PortStats::sum(self.rx.all_stats(), self.tx.all_stats())
    }

    fn queue_stats(&self, rx: bool, queue: u16) -> Option<QueueStats> {
        if rx { self.rx.stats(queue) } else { self.tx.stats(queue) }
    }

    fn reset_stats(&mut self) {
        self.rx.reset_stats();
        self.tx.reset_stats();
    }

    fn device_xstats(&self) -> Vec<Xstat> {
        xstats::queues(self)
    }

    fn reset_device_xstats(&mut self) {
        self.reset_stats();
    }

    fn claim_rx(&mut self, queue: u16, holder: &str) -> Result<RxQueue, Error> {
        Ok(RxQueue::new(SoftRx(self.rx.claim(queue, holder)?)))
    }

    fn claim_tx(&mut self, queue: u16, holder: &str) -> Result<TxQueue, Error> {
        Ok(TxQueue::new(SoftTx(self.tx.claim(queue, holder)?)))
    }

    fn events(&self) -> &Events {
        &self.events
    }
}
