//! What is forwarded and how: set by the command line, changed at the console.

use std::collections::BTreeMap;

use pmd_core::{MacAddr, PortId};

use crate::engine::frame::HEADERS_BYTES;
use crate::engine::{Mode, Settings, Topology};

/// Most packets of a burst.
pub const MAX_BURST: u16 = 512;
/// Most segments of a made packet.
const MAX_SEGMENTS: usize = 255;
/// Bytes of an mbuf's buffer in front of the data.
const HEADROOM_BYTES: u32 = pmd_core::mbuf::HEADROOM_BYTES as u32;

/// The whole configuration of forwarding.
#[derive(Clone, Debug)]
pub struct Config {
    /// What streams do.
    pub mode: Mode,
    /// What may change while they do it.
    pub settings: Settings,
    /// Which port feeds which.
    pub topology: Topology,
    /// Ports that may take part, in order.
    pub configured_ports: Vec<PortId>,
    /// Those that do: all of them, or the first so many.
    pub ports: Vec<PortId>,
    /// Lcores that may forward.
    pub lcores: Vec<u32>,
    /// How many of them do, if there are as many streams.
    pub nb_cores: u16,
    /// Receive queues of a port.
    pub rx_queues: u16,
    /// Transmit queues of a port.
    pub tx_queues: u16,
    /// Descriptors of a receive ring; 0 for the device's default.
    pub rx_descriptors: u16,
    /// Descriptors of a transmit ring; 0 for the device's default.
    pub tx_descriptors: u16,
    /// Bytes of an mbuf's buffer, headroom included.
    pub mbuf_bytes: u32,
    /// Throw away at start what waits in the receive queues.
    pub flush_rx: bool,
    /// What to say about NUMA.
    pub numa: bool,
    /// Transmit offloads asked for, DPDK's bits; for reports.
    pub tx_offloads: u64,
    /// Wait at start of a port until its link is up.
    pub await_link: bool,
    /// Addresses of the stations that ports send to, where they are not the default.
    pub eth_peers: BTreeMap<PortId, MacAddr>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Io,
            settings: Settings { burst: 32, segments: vec![64], retry: false, polite: false },
            topology: Topology::Paired,
            configured_ports: Vec::new(),
            ports: Vec::new(),
            lcores: Vec::new(),
            nb_cores: 1,
            rx_queues: 1,
            tx_queues: 1,
            rx_descriptors: 0,
            tx_descriptors: 0,
            mbuf_bytes: 2048 + HEADROOM_BYTES,
            flush_rx: true,
            numa: true,
            tx_offloads: 0,
            await_link: false,
            eth_peers: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Makes these the ports that take part.
    pub fn set_ports(&mut self, ports: Vec<PortId>) {
        self.configured_ports.clone_from(&ports);
        self.ports = ports;
    }

    /// Takes a port that is gone out of the lists.
    pub fn remove_port(&mut self, port: PortId) {
        self.configured_ports.retain(|&other| other != port);
        self.ports.retain(|&other| other != port);
    }

    /// Address of the station that `port` sends to.
    pub fn peer_of(&self, port: PortId) -> MacAddr {
        let default = || {
            let [high, low] = port.0.to_be_bytes();
            MacAddr([2, 0, 0, 0, high, low])
        };
        self.eth_peers.get(&port).copied().unwrap_or_else(default)
    }

    /// Sets the lengths of the segments of made packets from a list in bytes, `64` or `64,128`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for a person; nothing is changed.
    pub fn set_segments(&mut self, list: &str) -> Result<(), BadSegments> {
        self.settings.segments = self.check_segments(&parse_list(list)?)?;
        Ok(())
    }

    fn check_segments(&self, lengths: &[u32]) -> Result<Vec<u16>, BadSegments> {
        if lengths.len() > MAX_SEGMENTS {
            return Err(BadSegments::TooMany);
        }
        let room_bytes = self.mbuf_bytes.saturating_sub(HEADROOM_BYTES);
        for (index, &length) in lengths.iter().enumerate() {
            if length > self.mbuf_bytes {
                return Err(BadSegments::LongerThanMbuf { index, length, mbuf: self.mbuf_bytes });
            }
            if length > room_bytes {
                return Err(BadSegments::LongerThanRoom { index, length, room: room_bytes });
            }
        }
        let total: u32 = lengths.iter().sum();
        if total < HEADERS_BYTES {
            return Err(BadSegments::TooShort { total });
        }
        Ok(lengths.iter().map(|&length| length as u16).collect())
    }
}

/// Why a list of segment lengths was refused. The texts are the reference's.
#[derive(Debug, PartialEq, Eq)]
pub enum BadSegments {
    /// Not a list of numbers.
    List(BadList),
    /// More segments than a packet may have.
    TooMany,
    /// Longer than the buffer.
    LongerThanMbuf {
        /// Position in the list.
        index: usize,
        /// Bytes asked for.
        length: u32,
        /// Bytes of a buffer.
        mbuf: u32,
    },
    /// Longer than the buffer without its headroom.
    LongerThanRoom {
        /// Position in the list.
        index: usize,
        /// Bytes asked for.
        length: u32,
        /// Bytes there are.
        room: u32,
    },
    /// No room for the headers.
    TooShort {
        /// Bytes of the whole packet.
        total: u32,
    },
}

impl From<BadList> for BadSegments {
    fn from(bad: BadList) -> Self {
        Self::List(bad)
    }
}

impl std::fmt::Display for BadSegments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::List(bad) => bad.fmt(f),
            Self::TooMany => write!(f, "more than {MAX_SEGMENTS} segments - give up"),
            Self::LongerThanMbuf { index, length, mbuf } => {
                write!(f, "length[{index}]={length} > mbuf_data_size={mbuf} - give up")
            }
            Self::LongerThanRoom { index, length, room } => {
                write!(f, "length[{index}]={length} > {room}, the room of an mbuf - give up")
            }
            Self::TooShort { total } => {
                write!(f, "total packet length={total} < {HEADERS_BYTES} - give up")
            }
        }
    }
}

/// Why a text is no list of numbers.
#[derive(Debug, PartialEq, Eq)]
pub enum BadList {
    /// Something that is neither a digit nor a comma.
    Character(char),
    /// A comma without a number before it.
    NoValue,
    /// A number beyond 32 bits.
    TooLarge,
}

impl std::fmt::Display for BadList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Character(c) => write!(f, "character {c} is not a decimal digit"),
            Self::NoValue => f.write_str("No valid value before comma"),
            Self::TooLarge => f.write_str("a number of the list is too large"),
        }
    }
}

/// Reads decimal numbers separated by commas; one comma may follow the last.
///
/// # Errors
///
/// [`BadList`].
pub fn parse_list(text: &str) -> Result<Vec<u32>, BadList> {
    if let Some(c) = text.chars().find(|c| !c.is_ascii_digit() && *c != ',') {
        return Err(BadList::Character(c));
    }
    let text = text.strip_suffix(',').unwrap_or(text);
    let number = |item: &str| match item {
        "" => Err(BadList::NoValue),
        _ => item.parse().map_err(|_| BadList::TooLarge),
    };
    text.split(',').map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_lists() {
        let mut config = Config::default();
        for (list, lengths) in [
            ("64", vec![64]),
            ("64,64", vec![64, 64]),
            ("64,", vec![64]),
            ("42", vec![42]),
            ("1,2,3,4,5,6,7,8,9", vec![1, 2, 3, 4, 5, 6, 7, 8, 9]),
            ("1518", vec![1518]),
        ] {
            config.set_segments(list).unwrap();
            assert_eq!(config.settings.segments, lengths, "{list}");
        }
    }

    #[test]
    fn refusals_are_the_reference_s_and_change_nothing() {
        let mut config = Config::default();
        for (list, text) in [
            ("3000", "length[0]=3000 > mbuf_data_size=2176 - give up"),
            ("64,1500,3000", "length[2]=3000 > mbuf_data_size=2176 - give up"),
            ("70000", "length[0]=70000 > mbuf_data_size=2176 - give up"),
            ("20", "total packet length=20 < 42 - give up"),
            ("41", "total packet length=41 < 42 - give up"),
            ("0", "total packet length=0 < 42 - give up"),
            ("abc", "character a is not a decimal digit"),
            ("64,,64", "No valid value before comma"),
            ("2100", "length[0]=2100 > 2048, the room of an mbuf - give up"),
            ("99999999999", "a number of the list is too large"),
        ] {
            assert_eq!(config.set_segments(list).unwrap_err().to_string(), text, "{list}");
        }
        assert_eq!(config.settings.segments, [64]);
    }

    #[test]
    fn peers() {
        let mut config = Config::default();
        assert_eq!(config.peer_of(PortId(1)).to_string(), "02:00:00:00:00:01");
        config.eth_peers.insert(PortId(1), MacAddr([0, 1, 2, 3, 4, 5]));
        assert_eq!(config.peer_of(PortId(1)).to_string(), "00:01:02:03:04:05");
    }
}
