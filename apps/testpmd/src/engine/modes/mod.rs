//! What streams do with packets: a file each.

mod csum;
mod five_tuple_swap;
mod flowgen;
mod icmpecho;
mod io;
mod mac;
mod macswap;
mod rxonly;
pub(super) mod txonly;

pub(super) use csum::Csum;
pub(super) use flowgen::FlowMaker;
pub(super) use txonly::PacketMaker;

/// What a stream does with packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sends what it receives, untouched.
    Io,
    /// Sends what it receives with new Ethernet addresses.
    Mac,
    /// Sends what it receives with its Ethernet addresses exchanged.
    MacSwap,
    /// Makes packets of many flows, and drops what it receives.
    FlowGen,
    /// Receives only.
    RxOnly,
    /// Makes packets and sends them.
    TxOnly,
    /// Sends what it receives with right checksums.
    Csum,
    /// Answers ARP and ICMP echo requests.
    IcmpEcho,
    /// Sends what it receives with source and destination exchanged in all headers.
    FiveTupleSwap,
}

impl Mode {
    /// All modes, in the order of the reference's help.
    pub const ALL: [Self; 9] = [
        Self::Io,
        Self::Mac,
        Self::MacSwap,
        Self::FlowGen,
        Self::RxOnly,
        Self::TxOnly,
        Self::Csum,
        Self::IcmpEcho,
        Self::FiveTupleSwap,
    ];

    /// Modes of the reference that are not here.
    pub const LATER: [&str; 2] = ["noisy", "shared_rxq"];

    /// The mode's name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Mac => "mac",
            Self::MacSwap => "macswap",
            Self::FlowGen => "flowgen",
            Self::RxOnly => "rxonly",
            Self::TxOnly => "txonly",
            Self::Csum => "csum",
            Self::IcmpEcho => "icmpecho",
            Self::FiveTupleSwap => "5tswap",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// The names of all modes, for a sentence.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Whether it makes packets, so that their shape matters.
    pub fn makes_packets(self) -> bool {
        matches!(self, Self::TxOnly | Self::FlowGen)
    }
}
