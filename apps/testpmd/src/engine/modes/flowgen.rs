//! `flowgen`: made packets to many destinations; what is received is counted and dropped.

use pmd_core::MacAddr;

use crate::engine::frame::Frame;
use crate::engine::settings::{Flow, Settings};
use crate::engine::stream::Stream;

/// Bytes of an Ethernet frame's checksum, which the device adds.
const FCS_BYTES: u16 = 4;
const FROM: MacAddr = MacAddr([0, 1, 2, 3, 4, 0]);
const TO: MacAddr = MacAddr([0, 1, 2, 3, 4, 1]);
/// 10.254.0.0 port 1000 to 10.253.0.0 port 1001.
const FLOW: Flow = Flow { ip: [0x0AFE_0000, 0x0AFD_0000], udp: [1000, 1001] };

/// What makes a stream's flows.
pub struct FlowMaker {
    frame: Frame,
    segments: Vec<u16>,
    flows: u32,
    clones: u16,
    next: u32,
}

impl FlowMaker {
    /// Makes packets as the settings have them, the frame's checksum not counted.
    pub fn new(settings: &Settings) -> Self {
        let segments = without_checksum(&settings.segments);
        let bytes = segments.iter().map(|&bytes| u32::from(bytes)).sum();
        Self {
            frame: Frame::new(FROM, TO, bytes, FLOW),
            segments,
            flows: settings.flows.max(1),
            clones: settings.clones,
            next: 0,
        }
    }

    /// Goes on with the flow with which `other` would have gone on.
    pub fn following(self, other: &Self) -> Self {
        Self { next: other.next % self.flows, ..self }
    }

    fn step(&mut self) {
        self.next = if self.next + 1 < self.flows { self.next + 1 } else { 0 };
    }

    /// The last `count` packets were not sent: their flows come again.
    fn take_back(&mut self, count: usize) {
        let back = (count as u64 % u64::from(self.flows)) as u32;
        let next = u64::from(self.next) + u64::from(self.flows - back);
        self.next = (next % u64::from(self.flows)) as u32;
    }
}

/// The lengths, those of the last segments shortened by the checksum's bytes.
fn without_checksum(segments: &[u16]) -> Vec<u16> {
    let mut segments = segments.to_vec();
    let mut rest = FCS_BYTES;
    while let Some(last) = segments.last_mut().filter(|_| rest > 0) {
        let taken = rest.min(*last);
        *last -= taken;
        rest -= taken;
        if *last == 0 {
            segments.pop();
        }
    }
    segments
}

impl Stream {
    /// One round of `flowgen`.
    pub(in crate::engine) fn flow_gen(&mut self, settings: &Settings) -> usize {
        let received = self.receive();
        self.burst.clear();
        if self.tx.is_none() {
            return received;
        }
        self.make_flows();
        let made = self.burst.len();
        if made > 0 {
            self.tag();
            let dropped = self.send(settings);
            self.flows.take_back(dropped);
        }
        received + made
    }

    /// Fills the burst, as far as the pool has buffers.
    fn make_flows(&mut self) {
        let want = self.burst.room();
        self.pool.take_burst(&mut self.burst, want);
        let (flows, pool) = (&mut self.flows, &self.pool);
        let (mut frame, mut copies, mut made) = (flows.frame.clone(), 0, 0);
        for mbuf in self.burst.as_mut_slice() {
            if copies == 0 {
                frame = frame.with_addresses([FLOW.ip[0], FLOW.ip[1].wrapping_add(flows.next)]);
                copies = flows.clones + 1;
            }
            if frame.fill(mbuf, &flows.segments, pool).is_none() {
                break;
            }
            copies -= 1;
            made += 1;
            flows.step();
        }
        while self.burst.len() > made {
            self.burst.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_comes_off_the_end() {
        for (segments, expected) in
            [(&[64][..], vec![60]), (&[64, 2], vec![62]), (&[64, 4], vec![64]), (&[3], vec![])]
        {
            assert_eq!(without_checksum(segments), expected, "{segments:?}");
        }
    }

    #[test]
    fn flows_go_round_and_come_back() {
        let mut maker = FlowMaker::new(&Settings { flows: 3, ..Settings::default() });
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(maker.next);
            maker.step();
        }
        assert_eq!(seen, [0, 1, 2, 0]);
        for (count, next) in [(0, 1), (1, 0), (1, 2), (5, 0), (300, 0)] {
            maker.take_back(count);
            assert_eq!(maker.next, next, "{count} back");
        }
    }
}
