//! The control half of a wrapped port: calls go through to the inner one.

use std::collections::HashMap;
use std::sync::Arc;

use pmd_core::{
    DevInfo, Error, EthDev, Events, Link, MacAddr, PortConfig, PortStats, QueueInfo, QueueStats,
    RxQueue, RxQueueConfig, TxQueue, TxQueueConfig, Xstat,
};

use super::lane::{Lane, WrappedRx, WrappedTx};
use super::late::{BesideLateTx, LateTx, Meeting};
use super::rule::{Kind, Release, Rule};
use crate::queue::Side;

/// What a wrapped port is called.
pub(super) struct Name {
    pub name: String,
    pub driver: &'static str,
    pub devargs: String,
}

/// A port around another one.
pub(super) struct Wrapped<K: Kind> {
    inner: Box<dyn EthDev>,
    kind: K,
    /// `None` for a port that passes for the inner one.
    name: Option<Name>,
    rx: Side<Lane<K::Rule>>,
    tx: Side<Lane<K::Rule>>,
    /// Of transmit queues that hold packets back.
    late: HashMap<u16, Arc<Meeting<K::Rule>>>,
}

impl<K: Kind> Wrapped<K> {
    pub fn new(inner: Box<dyn EthDev>, kind: K, name: Option<Name>) -> Self {
        Self { inner, kind, name, rx: Side::new(), tx: Side::new(), late: HashMap::new() }
    }

    /// Named counters of one direction.
    fn noted(&self, rx: bool) -> impl Iterator<Item = Xstat> {
        let (side, word) = if rx { (&self.rx, "rx") } else { (&self.tx, "tx") };
        let noun = self.kind.noun();
        (0..side.count()).filter(|queue| side.is_set_up(*queue)).map(move |queue| {
            let count = side.stats(queue).map_or(0, |stats| stats.packets);
            Xstat::new(format!("{word}_q{queue}_{noun}"), count)
        })
    }

    fn open(&self) -> Result<(), Error> {
        self.rx.prepare()?;
        self.tx.prepare()?;
        self.rx.open()?;
        self.tx.open()
    }
}

impl<K: Kind> Drop for Wrapped<K> {
    fn drop(&mut self) {
        // A poller that is stuck keeps its queue's state, and the gate closed, for itself.
        let _ = self.close();
    }
}

impl<K: Kind> EthDev for Wrapped<K> {
    fn info(&self) -> DevInfo {
        let mut info = self.inner.info();
        if let Some(own) = &self.name {
            info.name.clone_from(&own.name);
            info.devargs.clone_from(&own.devargs);
            info.driver = own.driver;
        }
        info
    }

    fn configure(&mut self, config: &PortConfig) -> Result<(), Error> {
        self.inner.configure(config)?;
        self.rx.configure(config.rx_queues)?;
        self.tx.configure(config.tx_queues)
    }

    fn config(&self) -> PortConfig {
        self.inner.config()
    }

    fn setup_rx(&mut self, queue: u16, config: &RxQueueConfig) -> Result<(), Error> {
        self.inner.setup_rx(queue, config)?;
        match self.kind.rule(true, queue) {
            Some(rule) => self.rx.setup(queue, Lane::new(rule)),
            None => Ok(()),
        }
    }

    fn setup_tx(&mut self, queue: u16, config: &TxQueueConfig) -> Result<(), Error> {
        self.inner.setup_tx(queue, config)?;
        let Some(rule) = self.kind.rule(false, queue) else { return Ok(()) };
        if rule.release() != Release::AtOnce {
            self.late.entry(queue).or_insert_with(Meeting::new);
        }
        self.tx.setup(queue, Lane::new(rule))
    }

    fn start(&mut self) -> Result<(), Error> {
        if !self.inner.is_started() {
            self.inner.start()?;
            if let Err(error) = self.open() {
                // What went wrong first is reported.
                let _ = self.inner.stop();
                return Err(error);
            }
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Error> {
        self.inner.stop()?;
        self.rx.stop()?;
        self.tx.stop()
    }

    fn close(&mut self) -> Result<(), Error> {
        self.inner.close()?;
        self.rx.close()?;
        self.tx.close()
    }

    fn is_started(&self) -> bool {
        self.inner.is_started()
    }

    fn link(&self) -> Link {
        self.inner.link()
    }

    fn is_connecting(&self) -> bool {
        self.inner.is_connecting()
    }

    fn mac(&self) -> MacAddr {
        self.inner.mac()
    }

    fn set_mac(&mut self, mac: MacAddr) -> Result<(), Error> {
        self.inner.set_mac(mac)
    }

    fn macs(&self) -> Vec<MacAddr> {
        self.inner.macs()
    }

    fn add_mac(&mut self, mac: MacAddr) -> Result<(), Error> {
        self.inner.add_mac(mac)
    }

    fn remove_mac(&mut self, mac: MacAddr) -> Result<(), Error> {
        self.inner.remove_mac(mac)
    }

    fn set_multicast(&mut self, macs: &[MacAddr]) -> Result<(), Error> {
        self.inner.set_multicast(macs)
    }

    fn promiscuous(&self) -> bool {
        self.inner.promiscuous()
    }

    fn set_promiscuous(&mut self, on: bool) -> Result<(), Error> {
        self.inner.set_promiscuous(on)
    }

    fn allmulticast(&self) -> bool {
        self.inner.allmulticast()
    }

    fn set_allmulticast(&mut self, on: bool) -> Result<(), Error> {
        self.inner.set_allmulticast(on)
    }

    fn set_vlan_filter(&mut self, id: u16, on: bool) -> Result<(), Error> {
        self.inner.set_vlan_filter(id, on)
    }

    fn set_link(&mut self, up: bool) -> Result<(), Error> {
        self.inner.set_link(up)
    }

    fn set_queue_running(&mut self, rx: bool, queue: u16, run: bool) -> Result<(), Error> {
        self.inner.set_queue_running(rx, queue, run)
    }

    fn queue_info(&self, rx: bool, queue: u16) -> Option<QueueInfo> {
        self.inner.queue_info(rx, queue)
    }

    fn mtu(&self) -> u16 {
        self.inner.mtu()
    }

    fn set_mtu(&mut self, mtu: u16) -> Result<(), Error> {
        self.inner.set_mtu(mtu)
    }

    fn stats(&self) -> PortStats {
        self.inner.stats()
    }

    fn queue_stats(&self, rx: bool, queue: u16) -> Option<QueueStats> {
        self.inner.queue_stats(rx, queue)
    }

    fn reset_stats(&mut self) {
        self.inner.reset_stats();
    }

    fn device_xstats(&self) -> Vec<Xstat> {
        let mut list = self.inner.device_xstats();
        list.extend(self.noted(true));
        list.extend(self.noted(false));
        list
    }

    fn reset_device_xstats(&mut self) {
        self.inner.reset_device_xstats();
        self.rx.reset_stats();
        self.tx.reset_stats();
    }

    fn claim_rx(&mut self, queue: u16, holder: &str) -> Result<RxQueue, Error> {
        let mut inner = self.inner.claim_rx(queue, holder)?;
        if self.rx.is_set_up(queue) {
            inner = RxQueue::new(WrappedRx { inner, poller: self.rx.claim(queue, holder)? });
        }
        Ok(match self.late.get(&queue) {
            Some(meeting) => RxQueue::new(BesideLateTx { inner, meeting: Arc::clone(meeting) }),
            None => inner,
        })
    }

    fn claim_tx(&mut self, queue: u16, holder: &str) -> Result<TxQueue, Error> {
        let inner = self.inner.claim_tx(queue, holder)?;
        if !self.tx.is_set_up(queue) {
            return Ok(inner);
        }
        let sender = WrappedTx { inner, poller: self.tx.claim(queue, holder)? };
        Ok(match self.late.get(&queue) {
            Some(meeting) => TxQueue::new(LateTx::new(meeting, sender)),
            None => TxQueue::new(sender),
        })
    }

    fn events(&self) -> &Events {
        self.inner.events()
    }
}
