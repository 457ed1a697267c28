//! Packets that come late.

use pmd_core::Mbuf;

use super::rule::{Direction, Kind, Release, Rule, Verdict};

/// Holds packets back: `net_delay`. None gets lost: what waits when the port is closed goes back to its pool, and a queue in which
/// about 8,000 packets wait takes no more. On transmit a packet that is due leaves with the next call of its queue or of the receive
/// queue of the same number.
#[derive(Clone, Copy, Debug)]
pub struct Delaying {
    /// For how long.
    pub release: Release,
    /// Where.
    pub direction: Direction,
}

impl Kind for Delaying {
    type Rule = Lag;

    fn noun(&self) -> &'static str {
        "delayed"
    }

    fn rule(&mut self, rx: bool, _queue: u16) -> Option<Lag> {
        self.direction.includes(rx).then_some(Lag(self.release))
    }
}

/// The rule of one queue of a [`Delaying`] port.
#[derive(Debug)]
pub struct Lag(Release);

impl Rule for Lag {
    #[inline]
    fn pass(&mut self, _packet: &mut Mbuf) -> Verdict {
        Verdict::Note
    }

    fn release(&self) -> Release {
        self.0
    }
}
