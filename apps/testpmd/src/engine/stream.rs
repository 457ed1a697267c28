//! One stream at work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pmd_core::{Burst, MacAddr, MbufPool, RxBurst, RxQueue, TxBurst, TxQueue};

use super::control::{Counters, Settings};
use super::frame::Frame;
use super::plan::StreamId;

/// How often a burst that did not fit is offered again with `retry`, and how long is waited in between.
pub const RETRIES: u32 = 64;
/// See [`RETRIES`].
pub const RETRY_DELAY_US: u64 = 1;

/// Two queues and what moves packets from one to the other. Belongs to one thread at a time.
pub struct Stream {
    id: StreamId,
    rx: Option<RxQueue>,
    tx: Option<TxQueue>,
    burst: Burst,
    counters: Arc<Counters>,
    /// Source and destination that `mac` writes.
    addresses: [u8; 12],
    frame: Frame,
    pool: MbufPool,
}

/// What a stream is made of.
pub struct Parts {
    /// Which queues.
    pub id: StreamId,
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
        let mut addresses = [0; 12];
        addresses[..6].copy_from_slice(&parts.peer.0);
        addresses[6..].copy_from_slice(&parts.source.0);
        Self {
            id: parts.id,
            rx: parts.rx,
            tx: parts.tx,
            burst: Burst::new(usize::from(settings.burst)),
            counters: Arc::default(),
            addresses,
            frame: Frame::new(parts.source, parts.peer, settings.packet_bytes()),
            pool: parts.pool,
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

    /// Takes changed settings over.
    pub(super) fn adopt(&mut self, settings: &Settings) {
        if self.burst.capacity() != usize::from(settings.burst) {
            self.burst = Burst::new(usize::from(settings.burst));
        }
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

    /// One round of `io`. All rounds return how many packets were in hand.
    #[inline]
    pub(super) fn io(&mut self, settings: &Settings) -> usize {
        match self.receive() {
            0 => 0,
            count => {
                self.send(settings);
                count
            }
        }
    }

    /// One round of `mac`.
    pub(super) fn mac(&mut self, settings: &Settings) -> usize {
        let count = self.receive();
        if count == 0 {
            return 0;
        }
        for mbuf in self.burst.as_mut_slice() {
            if let Some(header) = mbuf.data_mut().first_chunk_mut::<12>() {
                *header = self.addresses;
            }
        }
        self.send(settings);
        count
    }

    /// One round of `rxonly`.
    pub(super) fn rx_only(&mut self, _settings: &Settings) -> usize {
        let count = self.receive();
        if count > 0 {
            self.burst.clear();
        }
        count
    }

    /// One round of `txonly`.
    pub(super) fn tx_only(&mut self, settings: &Settings) -> usize {
        if self.tx.is_none() {
            return 0;
        }
        self.make(&settings.segments);
        match self.burst.len() {
            0 => 0,
            count => {
                self.send(settings);
                count
            }
        }
    }

    #[inline]
    fn receive(&mut self) -> usize {
        let Some(rx) = &mut self.rx else { return 0 };
        let count = rx.burst(&mut self.burst);
        if count > 0 {
            self.counters.add_rx(count);
        }
        count
    }

    /// Fills the burst with made packets, as many as the pool has.
    fn make(&mut self, segments: &[u16]) {
        let want = self.burst.room();
        self.pool.take_burst(&mut self.burst, want);
        let fill = |mbuf: &mut _| self.frame.fill(mbuf, segments, &self.pool).is_some();
        let packets = self.burst.as_mut_slice();
        let made = packets.iter_mut().position(|mbuf| !fill(mbuf)).unwrap_or(packets.len());
        while self.burst.len() > made {
            self.burst.pop();
        }
    }

    /// Offers the burst to the transmit queue and drops what it does not take.
    #[inline]
    fn send(&mut self, settings: &Settings) {
        let offered = self.burst.len();
        let Some(tx) = &mut self.tx else {
            self.burst.clear();
            return;
        };
        let mut sent = tx.burst(&mut self.burst);
        if sent < offered {
            if settings.retry {
                sent += resend(tx, &mut self.burst);
            }
            self.counters.add_dropped(offered - sent);
            self.burst.clear();
        }
        self.counters.add_tx(sent);
    }
}

/// Offers the rest of a burst again and again; returns how many packets that got out.
#[cold]
fn resend(tx: &mut TxQueue, burst: &mut Burst) -> usize {
    let mut sent = 0;
    for _ in 0..RETRIES {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(RETRY_DELAY_US) {
            std::hint::spin_loop();
        }
        sent += tx.burst(burst);
        if burst.is_empty() {
            break;
        }
    }
    sent
}
