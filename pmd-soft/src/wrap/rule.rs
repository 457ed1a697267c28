//! What a wrapper does to packets.

use std::time::Duration;

use pmd_core::{Burst, Mbuf};

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on; nothing to count.
    Pass,
    /// It goes on, and is counted: it was changed or noted.
    Note,
    /// It goes no further, and is counted.
    Drop,
}

/// When a packet goes on that may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// At once.
    #[default]
    AtOnce,
    /// After a time.
    After(Duration),
    /// When so many later packets of its queue have come.
    Behind(usize),
}

/// What a wrapper does to the packets of one queue in one direction.
pub trait Rule: Send + 'static {
    /// Looks at a packet, once and in order, and may change it.
    fn pass(&mut self, packet: &mut Mbuf) -> Verdict;

    /// Looks at the packets of `burst` from place `from` on, takes out what goes no further, and returns how many are counted.
    #[inline]
    fn pass_burst(&mut self, burst: &mut Burst, from: usize) -> u64 {
        let mut counted = 0;
        burst.retain_from(from, |packet| {
            let verdict = self.pass(packet);
            counted += u64::from(verdict != Verdict::Pass);
            verdict != Verdict::Drop
        });
        counted
    }

    /// The port was stopped.
    fn stopped(&mut self) {}

    /// When packets go on: the same for all of them.
    fn release(&self) -> Release {
        Release::AtOnce
    }
}

/// A kind of wrapper: makes the rules of its queues.
pub trait Kind: Send + 'static {
    /// The rule of one queue.
    type Rule: Rule;

    /// What is counted, in the name of a counter: `dropped` makes `rx_q0_dropped`.
    fn noun(&self) -> &'static str;

    /// The rule of a receive (`rx`) or transmit queue. `None` leaves its packets alone.
    fn rule(&mut self, rx: bool, queue: u16) -> Option<Self::Rule>;
}

/// Directions in which a wrapper works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// What the port receives.
    pub rx: bool,
    /// What the port sends.
    pub tx: bool,
}

impl Direction {
    /// Both ways.
    pub const BOTH: Self = Self { rx: true, tx: true };
    /// Receiving only.
    pub const RX: Self = Self { rx: true, tx: false };
    /// Transmitting only.
    pub const TX: Self = Self { rx: false, tx: true };

    /// Whether receiving (`rx`) or transmitting is meant.
    pub const fn includes(self, rx: bool) -> bool {
        if rx { self.rx } else { self.tx }
    }
}
