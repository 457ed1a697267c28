//! What may be changed while packets are forwarded.

use std::collections::{BTreeMap, BTreeSet};

use pmd_core::PortId;

/// What lcores go by. They take changes over between two rounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most packets of a burst; 0 moves nothing.
    pub burst: u16,
    /// Lengths of the segments of a made packet, in bytes.
    pub segments: Vec<u16>,
    /// How many segments packets get.
    pub split: Split,
    /// Offer a burst that did not fit again instead of dropping the rest at once.
    pub retry: bool,
    /// How it is offered again.
    pub retries: Retries,
    /// Leave the CPU to others after a round in which nothing moved: for two pollers on one CPU.
    pub polite: bool,
    /// Addresses and ports of made packets.
    pub flow: Flow,
    /// Vary the source address of the packets of `txonly`.
    pub multi_flow: bool,
    /// How many flows `flowgen` makes.
    pub flows: u32,
    /// How many copies of a packet `flowgen` sends behind it.
    pub clones: u16,
    /// What is told about packets.
    pub verbose: Verbose,
    /// What is measured.
    pub record: Record,
    /// VLAN tags of packets to each port, put in by modes that make packets or write Ethernet addresses.
    pub vlans: BTreeMap<PortId, u16>,
    /// How `csum` treats the packets to each port.
    pub csum: CsumPorts,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            burst: 32,
            segments: vec![64],
            split: Split::Off,
            retry: false,
            retries: Retries::default(),
            polite: false,
            flow: Flow::default(),
            multi_flow: false,
            flows: 1024,
            clones: 0,
            verbose: Verbose::default(),
            record: Record::default(),
            vlans: BTreeMap::new(),
            csum: CsumPorts::default(),
        }
    }
}

impl Settings {
    /// Bytes of a made packet.
    pub fn packet_bytes(&self) -> u32 {
        self.segments.iter().map(|&len| u32::from(len)).sum()
    }
}

/// How a burst that did not fit is offered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// How often.
    pub times: u32,
    /// How long is waited before each time.
    pub delay_us: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Self { times: 64, delay_us: 1 }
    }
}

/// Over how many segments packets go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// Made packets have all segments; `csum` leaves packets as they are.
    #[default]
    Off,
    /// Made packets have all segments; `csum` copies packets into as many as they need.
    On,
    /// The first segments, a random number of them.
    Random,
}

impl Split {
    /// The choice of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Off, Self::On, Self::Random].into_iter().find(|split| split.name() == name)
    }

    /// Its name at the console.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Random => "rand",
        }
    }
}

/// Addresses and ports of made packets, in the order source, destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// IPv4 addresses.
    pub ip: [u32; 2],
    /// UDP ports.
    pub udp: [u16; 2],
}

impl Default for Flow {
    /// 198.18.0.1 to 198.18.0.2 (RFC 2544's test network), the discard port (RFC 863).
    fn default() -> Self {
        Self { ip: [0xC612_0001, 0xC612_0002], udp: [9, 9] }
    }
}

/// What is told about packets; a level as the console has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verbose(pub u16);

impl Verbose {
    /// Whether received packets are told.
    pub fn received(self) -> bool {
        self.0 == 1 || self.0 > 2
    }

    /// Whether packets to be sent are told.
    pub fn sent(self) -> bool {
        self.0 > 1
    }

    /// Whether modes say what they do.
    pub fn any(self) -> bool {
        self.0 > 0
    }
}

/// What is measured; it costs a little each round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// CPU cycles of rounds in which packets moved.
    pub cycles: bool,
    /// How often a burst had how many packets.
    pub bursts: bool,
}

/// How `csum` treats the packets to each port, where it is not the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CsumPorts {
    /// Ports for which it looks into tunnels.
    pub tunnels: BTreeSet<PortId>,
    /// Ports for which it leaves Ethernet addresses alone.
    pub keep_addresses: BTreeSet<PortId>,
}
