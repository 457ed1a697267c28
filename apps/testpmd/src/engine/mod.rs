//! Forwarding: streams, dealt to lcores, each polling a receive queue and feeding a transmit queue.
//!
//! [`plan`] decides which queue feeds which and on what lcore; [`stream`] is one of them at work; [`forwarding`] starts
//! the lcores and stops them. Queues are claimed at start, move to their lcore, and come back at stop.

pub mod control;
pub mod forwarding;
pub mod frame;
pub mod plan;
pub mod stream;

#[cfg(test)]
mod tests;

pub use control::{Counters, CountersSnapshot, Settings};
pub use forwarding::{Forwarding, Job};
pub use plan::{StreamId, Topology};
pub use stream::Stream;

/// What a stream does with packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sends what it receives, untouched.
    Io,
    /// Sends what it receives with new Ethernet addresses.
    Mac,
    /// Receives only.
    RxOnly,
    /// Makes packets and sends them.
    TxOnly,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 4] = [Self::Io, Self::Mac, Self::RxOnly, Self::TxOnly];

    /// Modes of the reference that are not here yet.
    pub const LATER: [&str; 7] =
        ["macswap", "flowgen", "csum", "icmpecho", "noisy", "5tswap", "shared_rxq"];

    /// The mode's name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Mac => "mac",
            Self::RxOnly => "rxonly",
            Self::TxOnly => "txonly",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}
