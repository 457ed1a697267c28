//! Packets that get lost.

use pmd_core::Mbuf;

use super::rate::{Rate, Strikes};
use super::rule::{Direction, Kind, Rule, Verdict};

/// Drops packets: `net_drop`.
#[derive(Clone, Copy, Debug)]
pub struct Dropping {
    /// How often.
    pub rate: Rate,
    /// Where.
    pub direction: Direction,
}

impl Kind for Dropping {
    type Rule = Loss;

    fn noun(&self) -> &'static str {
        "dropped"
    }

    fn rule(&mut self, rx: bool, queue: u16) -> Option<Loss> {
        self.direction.includes(rx).then(|| Loss(self.rate.for_queue(rx, queue)))
    }
}

/// The rule of one queue of a [`Dropping`] port.
#[derive(Debug)]
pub struct Loss(Strikes);

impl Rule for Loss {
    #[inline]
    fn pass(&mut self, _packet: &mut Mbuf) -> Verdict {
        if self.0.next() { Verdict::Drop } else { Verdict::Pass }
    }
}
