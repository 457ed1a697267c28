//! One `net_vhost` port: control.

use std::sync::Arc;

use pmd_core::{
    DevInfo, Error, EthDev, EventSender, Events, Link, MacAddr, MbufPool, PortConfig, PortStats,
    Probe, QueueLimits, QueueStats, RxOffloads, RxQueue, RxQueueConfig, TxOffloads, TxQueue,
    TxQueueConfig, Xstat,
};

use super::counts::{Base, ring_xstats, rx_stats, tx_stats};
use super::forward::forward;
use super::rx::PortRx;
use super::tx::PortTx;
use super::vlan::Vlan;
use crate::config::DeviceConfig;
use crate::counters::CounterValues;
use crate::service::{DeviceHandle, Service};
use crate::split::{Dequeue, Enqueue};
use crate::vring::VringShared;

/// What the link claims to be; there is no wire that could be measured.
const SPEED_MBPS: u32 = 10_000;
/// Payload of a frame unless the guest told another.
const MTU: u16 = 1500;
/// What testpmd shows for a ring whose size belongs to the guest.
const DESCRIPTORS: u16 = 512;

/// A vhost-user device as a port. Made by [`VhostDriver`](super::VhostDriver).
pub struct VhostPort {
    info: DevInfo,
    mac: MacAddr,
    port: u16,
    config: DeviceConfig,
    service: Option<Arc<Service>>,
    device: Option<DeviceHandle>,
    queues: PortConfig,
    rx: Vec<Option<MbufPool>>,
    tx: Vec<bool>,
    started: bool,
    vlan: Arc<Vlan>,
    sender: EventSender,
    events: Events,
    stats_base: Base,
    xstats_base: Base,
}

/// A library error in the terms of ports.
pub(super) fn convert(error: crate::Error) -> Error {
    match error {
        crate::Error::Quarantined { ring } => Error::Quarantined { queue: (ring / 2) as u16 },
        crate::Error::Io { what, source } => Error::Io { what, source },
        other => Error::io("vhost", std::io::Error::other(other)),
    }
}

fn limits(queues: u16) -> QueueLimits {
    QueueLimits {
        max_queues: queues,
        min_descriptors: 0,
        max_descriptors: u16::MAX,
        descriptor_align: 1,
        default_descriptors: DESCRIPTORS,
    }
}

impl VhostPort {
    pub(super) fn new(
        probe: &Probe<'_>,
        service: Arc<Service>,
        config: DeviceConfig,
    ) -> Result<Self, Error> {
        let (sender, events) = pmd_core::event::channel()?;
        let [_, port] = probe.port.0.to_be_bytes();
        let info = DevInfo {
            name: probe.args.name().to_owned(),
            driver: "net_vhost",
            devargs: probe.args.arguments(),
            socket: probe.eal.socket_of(probe.eal.main_lcore()),
            rx: limits(config.queue_pairs),
            tx: limits(config.queue_pairs),
            max_mac_addrs: 1,
            min_rx_buffer_bytes: 0,
            max_rx_packet_bytes: u32::MAX,
            max_mtu: u16::MAX,
            max_tx_segments: u16::MAX,
            rx_offloads: RxOffloads::VLAN_STRIP,
            tx_offloads: TxOffloads::MULTI_SEGS | TxOffloads::VLAN_INSERT,
        };
        Ok(Self {
            info,
            mac: MacAddr([0x56, 0x48, 0x4F, 0x53, 0x54, port]),
            port: probe.port.0,
            config,
            service: Some(service),
            device: None,
            queues: PortConfig { rx_queues: 0, tx_queues: 0, ..PortConfig::default() },
            rx: Vec::new(),
            tx: Vec::new(),
            started: false,
            vlan: Arc::default(),
            sender,
            events,
            stats_base: Base::default(),
            xstats_base: Base::default(),
        })
    }

    /// Makes the device if there is none yet.
    fn open(&mut self) -> Result<(), Error> {
        let service = self.service.as_ref().ok_or(CLOSED)?;
        if self.device.is_none() {
            let sink = forward(self.sender.clone());
            self.device = Some(service.add(self.config.clone(), sink).map_err(convert)?);
        }
        Ok(())
    }

    fn stopped(&self, call: &'static str) -> Result<(), Error> {
        if self.started { Err(Error::WrongState { call, first: "stop the port" }) } else { Ok(()) }
    }

    /// The ring that queue `queue` polls; the guest's receive rings are the even ones.
    fn vring(&self, rx: bool, queue: u16) -> Option<&Arc<VringShared>> {
        let count = if rx { self.queues.rx_queues } else { self.queues.tx_queues };
        let index = usize::from(queue) * 2 + usize::from(rx);
        self.device.as_ref().filter(|_| queue < count)?.vring(index)
    }

    /// The ring of a queue that was set up.
    fn prepared(&self, rx: bool, queue: u16) -> Result<&Arc<VringShared>, Error> {
        let (count, ready) = match rx {
            true => (
                self.queues.rx_queues,
                self.rx.get(usize::from(queue)).is_some_and(Option::is_some),
            ),
            false => {
                (self.queues.tx_queues, self.tx.get(usize::from(queue)).is_some_and(|set| *set))
            }
        };
        let missing = Error::NoQueue { queue, queues: count };
        self.vring(rx, queue).filter(|_| ready).ok_or(missing)
    }

    fn all_stats(&self, rx: bool) -> impl Iterator<Item = QueueStats> {
        let count = if rx { self.queues.rx_queues } else { self.queues.tx_queues };
        (0..count).filter_map(move |queue| self.queue_stats(rx, queue))
    }

    /// What the ring of a queue has counted since `base`.
    fn counted(&self, rx: bool, queue: u16, base: &Base) -> Option<CounterValues> {
        let vring = self.vring(rx, queue)?;
        Some(vring.counters().values().since(&base.of(vring)))
    }

    /// The named counters of the rings that one direction's queues poll.
    fn rings_xstats(&self, rx: bool) -> impl Iterator<Item = Xstat> {
        let count = if rx { self.queues.rx_queues } else { self.queues.tx_queues };
        (0..count)
            .filter_map(move |queue| Some((queue, self.counted(rx, queue, &self.xstats_base)?)))
            .flat_map(move |(queue, values)| ring_xstats(rx, queue, &values))
    }

    fn vrings(&self) -> impl Iterator<Item = &Arc<VringShared>> {
        let rings = 0..self.config.rings();
        self.device
            .iter()
            .flat_map(move |device| rings.clone().map_while(|ring| device.vring(ring)))
    }
}

const CLOSED: Error = Error::WrongState { call: "use a closed port", first: "make it again" };

fn check_queues(what: &'static str, asked: u16, max: u16) -> Result<(), Error> {
    if asked <= max {
        return Ok(());
    }
    Err(Error::OutOfRange { what, value: asked.into(), min: 0, max: max.into() })
}

impl EthDev for VhostPort {
    fn info(&self) -> DevInfo {
        self.info.clone()
    }

    fn configure(&mut self, config: &PortConfig) -> Result<(), Error> {
        self.stopped("configure the port")?;
        check_queues("number of receive queues", config.rx_queues, self.config.queue_pairs)?;
        check_queues("number of transmit queues", config.tx_queues, self.config.queue_pairs)?;
        config.check_offloads(&self.info)?;
        self.open()?;
        self.queues = *config;
        self.vlan.set(config);
        self.rx = vec![None; config.rx_queues.into()];
        self.tx = vec![false; config.tx_queues.into()];
        Ok(())
    }

    fn config(&self) -> PortConfig {
        self.queues
    }

    fn setup_rx(&mut self, queue: u16, config: &RxQueueConfig) -> Result<(), Error> {
        self.stopped("set up a queue")?;
        let missing = Error::NoQueue { queue, queues: self.queues.rx_queues };
        let holder = self.vring(true, queue).and_then(|vring| vring.holder());
        let place = self.rx.get_mut(usize::from(queue)).ok_or(missing)?;
        // A claimed queue has its pool already, and its poller may be using it.
        if let Some(holder) = holder.filter(|_| place.is_some()) {
            return Err(Error::Claimed { queue, holder });
        }
        *place = Some(config.pool.clone());
        Ok(())
    }

    fn setup_tx(&mut self, queue: u16, _config: &TxQueueConfig) -> Result<(), Error> {
        self.stopped("set up a queue")?;
        let missing = Error::NoQueue { queue, queues: self.queues.tx_queues };
        *self.tx.get_mut(usize::from(queue)).ok_or(missing)? = true;
        Ok(())
    }

    fn start(&mut self) -> Result<(), Error> {
        let prepared = self.rx.iter().all(Option::is_some) && self.tx.iter().all(|set| *set);
        let device = self.device.as_ref().filter(|_| prepared).ok_or(Error::WrongState {
            call: "start the port",
            first: "configure it and set up its queues",
        })?;
        device.set_active(true).map_err(convert)?;
        self.started = true;
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Error> {
        if let Some(device) = self.device.as_ref().filter(|_| self.started) {
            device.set_active(false).map_err(convert)?;
        }
        self.started = false;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        self.started = false;
        let removed = self.device.take().map_or(Ok(()), DeviceHandle::remove);
        self.service = None;
        removed.map_err(convert)
    }

    fn is_started(&self) -> bool {
        self.started
    }

    fn link(&self) -> Link {
        let up = self.device.as_ref().is_some_and(DeviceHandle::is_up);
        Link { up, speed_mbps: Some(SPEED_MBPS) }
    }

    fn is_connecting(&self) -> bool {
        let waits = |device: &DeviceHandle| device.is_connected() && !device.is_up();
        self.started && self.device.as_ref().is_some_and(waits)
    }

    fn mac(&self) -> MacAddr {
        self.mac
    }

    fn mtu(&self) -> u16 {
        // It is the guest's to say.
        self.device.as_ref().and_then(DeviceHandle::mtu).unwrap_or(MTU)
    }

    fn set_mtu(&mut self, _mtu: u16) -> Result<(), Error> {
        Err(Error::NoOperation("setting the MTU"))
    }

    fn stats(&self) -> PortStats {
        PortStats::sum(self.all_stats(true), self.all_stats(false))
    }

    fn queue_stats(&self, rx: bool, queue: u16) -> Option<QueueStats> {
        let values = self.counted(rx, queue, &self.stats_base)?;
        Some(if rx { rx_stats(&values) } else { tx_stats(&values) })
    }

    fn reset_stats(&mut self) {
        self.stats_base = Base::now(self.vrings());
    }

    fn device_xstats(&self) -> Vec<Xstat> {
        let mut list = pmd_core::xstats::queues(self);
        list.extend(self.rings_xstats(true).chain(self.rings_xstats(false)));
        list
    }

    fn reset_device_xstats(&mut self) {
        self.xstats_base = Base::now(self.vrings());
    }

    fn claim_rx(&mut self, queue: u16, holder: &str) -> Result<RxQueue, Error> {
        let vring = self.prepared(true, queue)?;
        let pool = self.rx.get(usize::from(queue)).cloned().flatten();
        let pool = pool.ok_or(Error::NoQueue { queue, queues: self.queues.rx_queues })?;
        let claimed = |holder| Error::Claimed { queue, holder };
        let dequeue = Dequeue::claim(vring, holder).map_err(claimed)?;
        let vlan = Arc::clone(&self.vlan);
        Ok(RxQueue::new(PortRx { dequeue, pool, port: self.port, vlan }))
    }

    fn claim_tx(&mut self, queue: u16, holder: &str) -> Result<TxQueue, Error> {
        let vring = self.prepared(false, queue)?;
        let claimed = |holder| Error::Claimed { queue, holder };
        let enqueue = Enqueue::claim(vring, holder).map_err(claimed)?;
        Ok(TxQueue::new(PortTx { enqueue, vlan: Arc::clone(&self.vlan) }))
    }

    fn events(&self) -> &Events {
        &self.events
    }
}
