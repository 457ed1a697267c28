//! What is told about packets as they pass: a block of text for each burst, in the reference's words.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;

use net::PacketType;
use pmd_core::mbuf::Offload;
use pmd_core::{MacAddr, Mbuf};

use super::plan::StreamId;
use super::settings::Settings;
use super::stream::Stream;

/// Bytes of a packet's beginning that are looked at.
pub const HEADER_BYTES: usize = 256;

/// Prints a whole block at once, from any thread.
pub type Printer = Arc<dyn Fn(&str) + Send + Sync>;

/// Prints to standard output. The lock is held for the block alone, so blocks of several lcores and the console's lines do not
/// run into each other. A reader that went away is the console's affair.
pub fn stdout() -> Printer {
    Arc::new(|text| {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    })
}

/// What a stream is to tell or count beyond its packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Any of the following: the one thing that is asked each round.
    pub any: bool,
    /// Packets that were received.
    pub received: bool,
    /// Packets that are offered to the transmit queue.
    pub sent: bool,
    /// What modes do.
    pub modes: bool,
    /// How often a burst had how many packets.
    pub bursts: bool,
}

impl Told {
    /// What the settings ask for.
    pub fn new(settings: &Settings) -> Self {
        let (verbose, bursts) = (settings.verbose, settings.record.bursts);
        Self {
            any: verbose.any() || bursts,
            received: verbose.received(),
            sent: verbose.sent(),
            modes: verbose.any(),
            bursts,
        }
    }
}

impl Stream {
    /// Tells and counts a burst of `count` packets that was just received.
    #[cold]
    pub(super) fn tell_received(&mut self, count: usize) {
        if self.told.bursts {
            self.counters.add_rx_burst(count);
        }
        if self.told.received && count > 0 {
            self.tell_burst(true);
        }
    }

    /// Tells the burst that is about to be sent.
    #[cold]
    pub(super) fn tell_offered(&mut self) {
        if self.told.sent && !self.burst.is_empty() {
            self.tell_burst(false);
        }
    }

    fn tell_burst(&mut self, received: bool) {
        let id = self.id();
        let pool = self.pool.records().name().to_owned();
        let text = burst_text(id, received, &pool, self.burst.as_mut_slice());
        self.print(&text);
    }
}

/// A burst's block: a line for the burst and two for each packet.
fn burst_text(id: StreamId, received: bool, pool: &str, packets: &[Mbuf]) -> String {
    let (port, queue) = match received {
        true => (id.rx_port, id.rx_queue),
        false => (id.tx_port, id.tx_queue),
    };
    let done = if received { "received" } else { "sent" };
    let mut text = format!("port {port}/queue {queue}: {done} {} packets\n", packets.len());
    for packet in packets {
        packet_text(&mut text, received, queue, pool, packet);
    }
    text
}

fn packet_text(text: &mut String, received: bool, queue: u16, pool: &str, packet: &Mbuf) {
    let mut header = [0; HEADER_BYTES];
    let have = packet.read_at(0, &mut header);
    let mac = |at: usize| header[at..].first_chunk().map_or(MacAddr([0; 6]), |mac| MacAddr(*mac));
    let _ = write!(
        text,
        "  src={} - dst={} - pool={pool} - type=0x{:02x}{:02x} - length={} - nb_segs={}",
        mac(6),
        mac(0),
        header[12],
        header[13],
        packet.len(),
        packet.segment_count()
    );
    if received {
        metadata_text(text, queue, packet);
    }
    let kind = PacketType::of(&header[..have]);
    let _ = write!(text, " - sw ptype: {kind}");
    for (name, bytes) in kind.lengths() {
        let _ = write!(text, " - {name}={bytes}");
    }
    let (direction, flags) = match received {
        true => ("Receive", receive_flags(packet.offload())),
        false => ("Send", "RTE_MBUF_F_TX_L4_NO_CKSUM ".to_owned()),
    };
    let _ = writeln!(text, " - {direction} queue={queue:#x}\n  ol_flags: {flags}");
}

/// What the device said about a packet.
fn metadata_text(text: &mut String, queue: u16, packet: &Mbuf) {
    let meta = packet.meta();
    if meta.offload.contains(Offload::HASH) {
        let _ = write!(text, " - RSS hash={:#x} - RSS queue={queue:#x}", meta.hash);
    }
    if meta.offload.contains(Offload::VLAN_STRIPPED) {
        let _ = write!(text, " - VLAN tci={:#x}", meta.vlan_tci);
    }
}

/// The flags of a received packet, in the reference's order, each followed by a blank.
pub fn receive_flags(offload: Offload) -> String {
    let mut flags = String::new();
    let mut add = |flag: &str| {
        let _ = write!(flags, "RTE_MBUF_F_RX_{flag} ");
    };
    if offload.contains(Offload::VLAN_STRIPPED) {
        add("VLAN");
    }
    if offload.contains(Offload::HASH) {
        add("RSS_HASH");
    }
    add(match offload {
        _ if offload.contains(Offload::NEEDS_CSUM) => "L4_CKSUM_NONE",
        _ if offload.contains(Offload::DATA_VALID) => "L4_CKSUM_GOOD",
        _ => "L4_CKSUM_UNKNOWN",
    });
    add("IP_CKSUM_UNKNOWN");
    if offload.contains(Offload::VLAN_STRIPPED) {
        add("VLAN_STRIPPED");
    }
    add("OUTER_L4_CKSUM_UNKNOWN");
    flags
}
