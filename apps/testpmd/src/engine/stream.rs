//! One stream at work: its queues, what it has in hand, and what its mode needs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pmd_core::{Burst, MacAddr, MbufPool, RxBurst, RxQueue, TxBurst, TxQueue};

use super::counters::Counters;
use super::modes::{Csum, FlowMaker, PacketMaker};
use super::plan::StreamId;
use super::settings::{Retries, Settings};
use super::tell::{Printer, Told, stdout};

/// Two queues and what moves packets from one to the other. Belongs to one thread at a time.
pub struct Stream {
    id: StreamId,
    pub(super) rx: Option<RxQueue>,
    pub(super) tx: Option<TxQueue>,
    pub(super) burst: Burst,
    /// Packets that a mode picked out of the burst.
    pub(super) picked: Burst,
    pub(super) counters: Arc<Counters>,
    /// Destination and source that `mac` writes.
    pub(super) addresses: [u8; 12],
    /// Source of what this port sends of its own.
    pub(super) source: MacAddr,
    peer: MacAddr,
    lcore: u32,
    pub(super) maker: PacketMaker,
    pub(super) flows: FlowMaker,
    pub(super) csum: Csum,
    /// The VLAN tag of packets to the transmitting port.
    vlan: Option<u16>,
    pub(super) pool: MbufPool,
    pub(super) told: Told,
    printer: Printer,
}

/// What a stream is made of.
pub struct Parts {
    /// Which queues.
    pub id: StreamId,
    /// The lcore that is to poll them.
    pub lcore: u32,
    /// The receive queue, if the mode needs one.
    pub rx: Option<RxQueue>,
    /// The transmit queue, if the mode needs one.
    pub tx: Option<TxQueue>,
    /// Address of the transmitting port.
    pub source: MacAddr,
    /// Address of the station at its other end.
    pub peer: MacAddr,
    /// Where made packets come from.
    pub pool: MbufPool,
}

impl Stream {
    /// A stream with counters at 0.
    pub fn new(parts: Parts, settings: &Settings) -> Self {
        let Parts { id, lcore, rx, tx, source, peer, pool } = parts;
        let mut addresses = [0; 12];
        addresses[..6].copy_from_slice(&peer.0);
        addresses[6..].copy_from_slice(&source.0);
        let room = usize::from(settings.burst);
        Self {
            id,
            rx,
            tx,
            burst: Burst::new(room),
            picked: Burst::new(room),
            counters: Arc::default(),
            addresses,
            source,
            peer,
            lcore,
            maker: PacketMaker::new(source, peer, lcore, settings),
            flows: FlowMaker::new(settings),
            csum: Csum::new(id.tx_port, lcore, settings),
            vlan: settings.vlans.get(&id.tx_port).copied(),
            pool,
            told: Told::new(settings),
            printer: stdout(),
        }
    }

    /// Which queues.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// The counters, to be read from elsewhere.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Has what is told about packets go elsewhere than to standard output.
    #[cfg(test)]
    pub fn print_to(&mut self, printer: Printer) {
        self.printer = printer;
    }

    pub(super) fn print(&self, text: &str) {
        (self.printer)(text);
    }

    /// Takes changed settings over.
    pub(super) fn adopt(&mut self, settings: &Settings) {
        if self.burst.capacity() != usize::from(settings.burst) {
            self.burst = Burst::new(usize::from(settings.burst));
            self.picked = Burst::new(usize::from(settings.burst));
        }
        let maker = PacketMaker::new(self.source, self.peer, self.lcore, settings);
        self.maker = maker.following(&self.maker);
        self.flows = FlowMaker::new(settings).following(&self.flows);
        self.csum = Csum::new(self.id.tx_port, self.lcore, settings);
        self.vlan = settings.vlans.get(&self.id.tx_port).copied();
        self.told = Told::new(settings);
    }

    /// Throws away what waits in the receive queue until it is empty, for a second at most.
    pub(super) fn flush(&mut self) {
        let Some(rx) = &mut self.rx else { return };
        let start = Instant::now();
        let mut burst = Burst::new(64);
        while rx.burst(&mut burst) > 0 && start.elapsed() < Duration::from_secs(1) {
            burst.clear();
        }
    }

    /// Fills the burst from the receive queue; returns how many packets it took.
    #[inline]
    pub(super) fn receive(&mut self) -> usize {
        let Some(rx) = &mut self.rx else { return 0 };
        let count = rx.burst(&mut self.burst);
        if self.told.any {
            self.tell_received(count);
        }
        if count > 0 {
            self.counters.add_rx(count);
        }
        count
    }

    /// Gives the packets in hand the VLAN tag of the transmitting port, if it has one.
    #[inline]
    pub(super) fn tag(&mut self) {
        if let Some(tci) = self.vlan {
            self.burst.as_mut_slice().iter_mut().for_each(|mbuf| mbuf.set_vlan(tci));
        }
    }

    /// Offers the burst to the transmit queue, drops what it does not take, and returns how many packets those were.
    #[inline]
    pub(super) fn send(&mut self, settings: &Settings) -> usize {
        let offered = self.burst.len();
        if self.told.any {
            self.tell_offered();
        }
        let Some(tx) = &mut self.tx else {
            self.burst.clear();
            return 0;
        };
        let mut sent = tx.burst(&mut self.burst);
        if sent < offered {
            if settings.retry {
                sent += resend(tx, &mut self.burst, settings.retries);
            }
            self.counters.add_dropped(offered - sent);
            self.burst.clear();
        }
        self.counters.add_tx(sent);
        if self.told.bursts {
            self.counters.add_tx_burst(sent);
        }
        offered - sent
    }

    /// One round of `work`, with its cycles counted if something moved.
    pub(super) fn timed(&mut self, work: impl FnOnce(&mut Self) -> usize) -> usize {
        let start = eal::clock::now();
        let moved = work(self);
        if moved > 0 {
            self.counters.add_cycles((eal::clock::now() - start).0);
        }
        moved
    }
}

/// Offers the rest of a burst again and again; returns how many packets that got out.
#[cold]
fn resend(tx: &mut TxQueue, burst: &mut Burst, retries: Retries) -> usize {
    let mut sent = 0;
    for _ in 0..retries.times {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(retries.delay_us.into()) {
            std::hint::spin_loop();
        }
        sent += tx.burst(burst);
        if burst.is_empty() {
            break;
        }
    }
    sent
}
