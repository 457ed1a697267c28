//! Packets whose bytes change on the way.

use pmd_core::Mbuf;

use super::rate::{Rate, Strikes};
use super::rule::{Direction, Kind, Rule, Verdict};

/// Changes bytes of packets: `net_corrupt`. Lengths stay.
#[derive(Clone, Copy, Debug)]
pub struct Corrupting {
    /// How often.
    pub rate: Rate,
    /// Where.
    pub direction: Direction,
    /// How many bytes of a struck packet change, at places made from the rate's seed.
    pub bytes: u32,
    /// Bytes at the beginning of a packet that stay.
    pub spare_bytes: u32,
}

impl Kind for Corrupting {
    type Rule = Damage;

    fn noun(&self) -> &'static str {
        "corrupted"
    }

    fn rule(&mut self, rx: bool, queue: u16) -> Option<Damage> {
        let strikes = self.rate.for_queue(rx, queue);
        self.direction.includes(rx).then_some(Damage { strikes, how: *self })
    }
}

/// The rule of one queue of a [`Corrupting`] port.
#[derive(Debug)]
pub struct Damage {
    strikes: Strikes,
    how: Corrupting,
}

impl Rule for Damage {
    #[inline]
    fn pass(&mut self, packet: &mut Mbuf) -> Verdict {
        let room = packet.len().saturating_sub(self.how.spare_bytes);
        if !self.strikes.next() || room == 0 || self.how.bytes == 0 {
            return Verdict::Pass;
        }
        let random = self.strikes.random();
        // Places in a row, so that none is changed back.
        let first = random.below(room);
        for step in 0..self.how.bytes.min(room) {
            let at = self.how.spare_bytes + (first + step) % room;
            let mut byte = [0];
            packet.read_at(at, &mut byte);
            let [old] = byte;
            packet.write_at(at, &[old ^ (random.below(255) as u8 + 1)]);
        }
        Verdict::Note
    }
}
