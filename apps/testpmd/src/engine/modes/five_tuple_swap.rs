//! `5tswap`: source and destination are exchanged in Ethernet, IP, and UDP or TCP. No checksum changes by that.

use net::{IpVersion, Layers, PROTOCOL_TCP, PROTOCOL_UDP};
use pmd_core::Mbuf;

use crate::engine::settings::Settings;
use crate::engine::stream::Stream;
use crate::engine::tell::HEADER_BYTES;

impl Stream {
    /// One round of `5tswap`.
    pub(in crate::engine) fn five_tuple_swap(&mut self, settings: &Settings) -> usize {
        let count = self.receive();
        if count == 0 {
            return 0;
        }
        let mut header = [0; HEADER_BYTES];
        for mbuf in self.burst.as_mut_slice() {
            let have = mbuf.read_at(0, &mut header);
            swap(mbuf, &header[..have]);
        }
        self.tag();
        self.send(settings);
        count
    }
}

/// Exchanges what the headers have, outermost first.
fn swap(mbuf: &mut Mbuf, header: &[u8]) {
    let layers = Layers::of_frame(header);
    exchange(mbuf, header, 0, 6);
    let Some(ip) = layers.ip else { return };
    let (at, bytes) = match ip.version {
        IpVersion::V4 => (12, 4),
        IpVersion::V6 => (8, 16),
    };
    exchange(mbuf, header, ip.offset + at, bytes);
    if let Some((PROTOCOL_UDP | PROTOCOL_TCP, at)) = layers.transport() {
        exchange(mbuf, header, at, 2);
    }
}

/// Exchanges two fields of `bytes` bytes that lie side by side.
fn exchange(mbuf: &mut Mbuf, header: &[u8], at: u16, bytes: u16) {
    let (at, bytes) = (usize::from(at), usize::from(bytes));
    if let Some(both) = header.get(at..at + 2 * bytes) {
        mbuf.write_at(at as u32, &both[bytes..]);
        mbuf.write_at((at + bytes) as u32, &both[..bytes]);
    }
}
