//! Sends numbered packets into a port and finds them again when they come back.

use std::time::{Duration, Instant};

use pmd_core::{Burst, Mbuf};

use crate::Result;
use crate::endpoint::{BURST, Lanes};
use crate::packet::{self, Checker, FRAME_BYTES_MAX};

/// Packets of a queue that may be under way at once. No ring on the way is smaller, so nobody has to drop any.
pub const WINDOW: u64 = 128;

/// Longest time without any packet coming back while some are under way.
const SILENCE: Duration = Duration::from_secs(10);

/// One queue pair's packets.
struct Flow {
    number: u32,
    sent: u64,
    checker: Checker,
    outgoing: Burst,
}

/// Sender and receiver of one port's packets: flow `q` goes out of and comes back to queue `q`.
pub struct Echo {
    flows: Vec<Flow>,
    incoming: Burst,
    scratch: Box<[u8]>,
    frame_bytes: usize,
    window: u64,
    tolerant: bool,
    /// No more packets are made.
    held: bool,
}

impl Echo {
    /// For a port with `queues` queue pairs.
    pub fn new(queues: usize, frame_bytes: usize) -> Self {
        let flow = |number| Flow {
            number,
            sent: 0,
            checker: Checker::new(number),
            outgoing: Burst::new(BURST),
        };
        Self {
            flows: (0..queues as u32).map(flow).collect(),
            incoming: Burst::new(BURST),
            scratch: vec![0; FRAME_BYTES_MAX + 1].into(),
            frame_bytes,
            window: WINDOW,
            tolerant: false,
            held: false,
        }
    }

    /// How many packets may be under way on a queue; [`WINDOW`] if nothing is said.
    pub fn set_window(&mut self, packets: u64) {
        self.window = packets;
    }

    /// Makes the next packets with this length.
    pub fn set_frame_bytes(&mut self, frame_bytes: usize) {
        self.frame_bytes = frame_bytes;
    }

    /// Packets of `queue` that were sent.
    pub fn sent(&self, queue: usize) -> u64 {
        self.flows[queue].sent
    }

    /// The far end of `queue`'s flow.
    pub fn checker(&self, queue: usize) -> &Checker {
        &self.flows[queue].checker
    }

    /// Packets that came back, over all queues.
    pub fn seen(&self) -> u64 {
        self.flows.iter().map(|flow| flow.checker.seen()).sum()
    }

    /// What is under way on `queue` may be missing: something between the ends has died.
    pub fn forgive(&mut self, queue: usize) {
        let flow = &mut self.flows[queue];
        flow.outgoing.clear();
        flow.checker.forgive(flow.sent);
    }

    /// As [`Echo::forgive`], for all queues.
    pub fn forgive_all(&mut self) {
        (0..self.flows.len()).for_each(|queue| self.forgive(queue));
    }

    /// While this is set, whatever was sent may be missing. What was sent when it is unset may be so for ever.
    pub fn tolerate(&mut self, tolerant: bool) {
        self.forgive_all();
        self.tolerant = tolerant;
    }

    /// While this is set, no more packets are made.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Packets that were made and must still come back, over all queues.
    pub fn under_way(&self) -> u64 {
        self.flows.iter().map(|flow| flow.sent.saturating_sub(flow.checker.due())).sum()
    }

    /// Once over all queues: takes what came and sends what may be sent, up to packet `until` of each flow. Returns
    /// how many packets moved.
    ///
    /// # Errors
    ///
    /// The first packet that is not as it should be.
    pub fn turn(&mut self, lanes: &mut Lanes, until: u64) -> Result<usize> {
        let mut moved = 0;
        for queue in 0..self.flows.len().min(lanes.queues()) {
            if self.tolerant {
                let flow = &mut self.flows[queue];
                flow.checker.forgive(flow.sent);
            }
            moved += self.receive(lanes, queue)?;
            moved += self.send(lanes, queue, until)?;
        }
        Ok(moved)
    }

    fn receive(&mut self, lanes: &mut Lanes, queue: usize) -> Result<usize> {
        let got = lanes.receive(queue, &mut self.incoming);
        for mbuf in self.incoming.iter() {
            let len = mbuf.read_at(0, &mut self.scratch);
            self.flows[queue].checker.check(&self.scratch[..len])?;
        }
        self.incoming.clear();
        Ok(got)
    }

    fn send(&mut self, lanes: &mut Lanes, queue: usize, until: u64) -> Result<usize> {
        let flow = &mut self.flows[queue];
        if flow.outgoing.is_empty() && !self.held {
            let room = self.window.saturating_sub(flow.sent - flow.checker.due().min(flow.sent));
            let count = room.min(until.saturating_sub(flow.sent)).min(BURST as u64);
            for _ in 0..count {
                let frame = &mut self.scratch[..self.frame_bytes];
                packet::write(frame, flow.number, flow.sent);
                let Some(mbuf) = fill(lanes, frame)? else { break };
                flow.sent += 1;
                let _ = flow.outgoing.push(mbuf);
            }
        }
        if flow.outgoing.is_empty() {
            return Ok(0);
        }
        Ok(lanes.send(queue, &mut flow.outgoing))
    }

    /// Sends `count` more packets on each queue and waits until all of them are back.
    ///
    /// # Errors
    ///
    /// The first packet that is not as it should be, or how many did not come.
    pub fn run(&mut self, lanes: &mut Lanes, count: u64) -> Result<()> {
        let until = self.flows.iter().map(|flow| flow.sent).max().unwrap_or(0) + count;
        let mut last = Instant::now();
        while self.flows.iter().any(|flow| flow.checker.due() < until) {
            if self.turn(lanes, until)? > 0 {
                last = Instant::now();
            } else if last.elapsed() > SILENCE {
                return Err(format!("nothing moves any more: {}", self.describe()).into());
            } else {
                std::thread::yield_now();
            }
        }
        Ok(())
    }

    /// How far each flow is.
    pub fn describe(&self) -> String {
        let flow = |flow: &Flow| {
            let Flow { number, sent, checker, outgoing } = flow;
            let (seen, due, left) = (checker.seen(), checker.due(), outgoing.len());
            format!("flow {number}: {sent} made, {left} of them not sent, {seen} back, {due} due")
        };
        self.flows.iter().map(flow).collect::<Vec<_>>().join("; ")
    }

    /// Gives back what was made and not sent.
    pub fn clear(&mut self) {
        self.flows.iter_mut().for_each(|flow| flow.outgoing.clear());
    }
}

/// A packet with the bytes of `frame`, in as many segments as it needs; `None` when the pool is empty.
fn fill(lanes: &Lanes, frame: &[u8]) -> Result<Option<Mbuf>> {
    let Some(mut packet) = lanes.pool().take() else { return Ok(None) };
    let room = usize::from(packet.tailroom());
    let (first, rest) = frame.split_at(room.min(frame.len()));
    packet.append(first.len() as u16)?.copy_from_slice(first);
    for part in rest.chunks(room) {
        let Some(mut more) = lanes.pool().take() else { return Ok(None) };
        more.append(part.len() as u16)?.copy_from_slice(part);
        packet.chain(more).map_err(|_| "a packet with too many segments")?;
    }
    Ok(Some(packet))
}

impl std::fmt::Debug for Echo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}
