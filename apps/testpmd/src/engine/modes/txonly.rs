//! `txonly`, and what `tx_first` sends: made packets.

use pmd_core::{MacAddr, Mbuf, MbufPool};

use crate::engine::frame::Frame;
use crate::engine::random::Random;
use crate::engine::settings::{Settings, Split};
use crate::engine::stream::Stream;

/// What makes a stream's packets.
pub struct PacketMaker {
    /// Headers of packets with all segments, or with 1, 2, ... of them if the number is random.
    frames: Vec<Frame>,
    segments: Vec<u16>,
    /// Added to the destination address to make source addresses.
    flows: Option<Flows>,
    random: Random,
}

/// The source addresses of many flows: a byte of the address goes round.
struct Flows {
    base: u32,
    destination: u32,
    next: u8,
}

impl Flows {
    fn next(&mut self) -> [u32; 2] {
        let varied = self.destination | u32::from(self.next) << 8;
        self.next = self.next.wrapping_add(1);
        [varied.wrapping_add(self.base), self.destination]
    }
}

impl PacketMaker {
    /// Makes packets from `from` to `to` on lcore `lcore`.
    pub fn new(from: MacAddr, to: MacAddr, lcore: u32, settings: &Settings) -> Self {
        let all = settings.segments.len();
        let counts = if settings.split == Split::Random { 1..=all } else { all..=all };
        let frame = |count: usize| {
            let bytes = settings.segments.iter().take(count).map(|&bytes| u32::from(bytes)).sum();
            Frame::new(from, to, bytes, settings.flow)
        };
        let flows = Flows { base: lcore, destination: settings.flow.ip[1], next: 0 };
        Self {
            frames: counts.map(frame).collect(),
            segments: settings.segments.clone(),
            flows: settings.multi_flow.then_some(flows),
            random: Random::new(lcore.into()),
        }
    }

    /// Goes on with the flow with which `other` would have gone on.
    pub fn following(mut self, other: &Self) -> Self {
        if let (Some(mine), Some(others)) = (&mut self.flows, &other.flows) {
            mine.next = others.next;
        }
        self.random = other.random;
        self
    }

    /// Makes an empty mbuf a packet; `None` when there are no buffers for it.
    fn make(&mut self, mbuf: &mut Mbuf, pool: &MbufPool) -> Option<()> {
        let chosen = match self.frames.len() {
            1 => 0,
            count => self.random.below(count),
        };
        let without = self.frames.len().checked_sub(chosen + 1)?;
        let segments = &self.segments[..self.segments.len().saturating_sub(without)];
        let frame = self.frames.get(chosen)?;
        match &mut self.flows {
            None => frame.fill(mbuf, segments, pool),
            Some(flows) => frame.with_addresses(flows.next()).fill(mbuf, segments, pool),
        }
    }

    /// The last `count` packets were not sent: their flows come again.
    fn take_back(&mut self, count: usize) {
        if let Some(flows) = &mut self.flows {
            flows.next = flows.next.wrapping_sub(count as u8);
        }
    }
}

impl Stream {
    /// One round of `txonly`.
    pub(in crate::engine) fn tx_only(&mut self, settings: &Settings) -> usize {
        if self.tx.is_none() {
            return 0;
        }
        self.make_packets();
        let count = self.burst.len();
        if count == 0 {
            return 0;
        }
        self.tag();
        let dropped = self.send(settings);
        if dropped > 0 {
            self.maker.take_back(dropped);
            self.tell_first_drop(count, dropped);
        }
        count
    }

    /// Fills the burst with made packets, as many as the pool has.
    fn make_packets(&mut self) {
        let want = self.burst.room();
        self.pool.take_burst(&mut self.burst, want);
        let packets = self.burst.as_mut_slice();
        let (maker, pool) = (&mut self.maker, &self.pool);
        let refused = packets.iter_mut().position(|mbuf| maker.make(mbuf, pool).is_none());
        let made = refused.unwrap_or(packets.len());
        while self.burst.len() > made {
            self.burst.pop();
        }
    }

    /// Says that packets were dropped, at the first time.
    #[cold]
    fn tell_first_drop(&mut self, offered: usize, dropped: usize) {
        if self.told.modes && self.counters.snapshot().dropped == dropped as u64 {
            let id = self.id();
            self.print(&format!(
                "port {} tx_queue {} - drop (nb_pkt:{offered} - nb_tx:{})={dropped} packets\n",
                id.tx_port,
                id.tx_queue,
                offered - dropped
            ));
        }
    }
}
