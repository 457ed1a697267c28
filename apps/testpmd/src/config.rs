//! What is forwarded and how: set by the command line, changed at the console.

pub mod events;
pub mod rings;
pub mod segments;
pub mod sizes;

use std::collections::BTreeMap;

use pmd_core::{MacAddr, PortId, RxOffloads, TxOffloads};

use crate::engine::{Mode, Settings, Topology};

pub use events::EventMask;
pub use rings::RingSettings;
pub use segments::{BadSegments, parse_list};

/// Most packets of a burst.
pub const MAX_BURST: u16 = 512;

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
    /// The NUMA nodes of ports for which one was named.
    pub port_sockets: BTreeMap<PortId, u32>,
    /// How pools are said to be made: `native`, or what `--mp-alloc` asks for.
    pub mp_alloc: &'static str,
    /// Work on receive that new ports are to do.
    pub rx_offloads: RxOffloads,
    /// Work on transmit that new ports are to do.
    pub tx_offloads: TxOffloads,
    /// Settings of receive rings.
    pub rx_ring: RingSettings,
    /// Settings of transmit rings.
    pub tx_ring: RingSettings,
    /// The longest frame to be received, in bytes, where it was given.
    pub max_packet_bytes: Option<u32>,
    /// Where received packets are to be split, as given: lengths, offsets, headers.
    pub rx_split: RxSplit,
    /// The events of ports that are told.
    pub events: EventMask,
    /// Counters that are shown: all, or those named.
    pub xstats: Vec<String>,
    /// Leave counters out that are 0.
    pub hide_zero_xstats: bool,
    /// Wait at start of a port until its link is up.
    pub await_link: bool,
    /// Look at links at all.
    pub check_links: bool,
    /// Addresses of the stations that ports send to, where they are not the default.
    pub eth_peers: BTreeMap<PortId, MacAddr>,
}

/// Where received packets are to be split over mbufs. No port here can; `show config` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RxSplit {
    /// Bytes of each segment: `--rxpkts`.
    pub lengths: Vec<u32>,
    /// Where each begins in its mbuf: `--rxoffs`.
    pub offsets: Vec<u32>,
    /// The headers after which a new one begins: `--rxhdrs`.
    pub headers: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Io,
            settings: Settings::default(),
            topology: Topology::Paired,
            configured_ports: Vec::new(),
            ports: Vec::new(),
            lcores: Vec::new(),
            nb_cores: 1,
            rx_queues: 1,
            tx_queues: 1,
            rx_descriptors: 0,
            tx_descriptors: 0,
            mbuf_bytes: 2048 + u32::from(pmd_core::mbuf::HEADROOM_BYTES),
            flush_rx: true,
            numa: true,
            port_sockets: BTreeMap::new(),
            mp_alloc: "native",
            rx_offloads: RxOffloads::empty(),
            tx_offloads: TxOffloads::empty(),
            rx_ring: RingSettings::default(),
            tx_ring: RingSettings::default(),
            max_packet_bytes: None,
            rx_split: RxSplit::default(),
            events: EventMask::default(),
            xstats: Vec::new(),
            hide_zero_xstats: false,
            await_link: false,
            check_links: true,
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

    /// Adds a port that came later.
    pub fn add_port(&mut self, port: PortId) {
        self.ports.push(port);
        self.configured_ports.clone_from(&self.ports);
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
        self.settings.segments = segments::parse_segments(list, self.mbuf_bytes)?;
        Ok(())
    }
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
