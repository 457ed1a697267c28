//! `csum`: packets go on with right checksums, computed here.
//!
//! Inner headers are done before outer ones, whose checksums cover them. Fragments keep their transport checksum (it is over
//! the whole packet), and so does UDP without one. A checksum that was wrong on arrival is counted by its place.

use net::{Field, Layers, Pieces, Tunnel, ip_field, transport_field, tunnel};
use pmd_core::mbuf::Offload;
use pmd_core::{Mbuf, MbufPool, PortId};

use crate::engine::counters::BadChecksums;
use crate::engine::random::Random;
use crate::engine::settings::{Settings, Split};
use crate::engine::stream::Stream;
use crate::engine::tell::HEADER_BYTES;

mod tell;

/// What `csum` does with packets to one port.
pub struct Csum {
    tunnels: bool,
    new_addresses: bool,
    split: Split,
    segments: Vec<u16>,
    random: Random,
}

impl Csum {
    /// What the settings say about packets to `port`.
    pub fn new(port: PortId, lcore: u32, settings: &Settings) -> Self {
        Self {
            tunnels: settings.csum.tunnels.contains(&port),
            new_addresses: !settings.csum.keep_addresses.contains(&port),
            split: settings.split,
            segments: settings.segments.clone(),
            random: Random::new(lcore.into()),
        }
    }
}

/// The headers of a packet: outside, and inside a tunnel.
struct Headers {
    outer: Layers,
    inside: Option<Tunnel>,
}

/// An mbuf's bytes, segment by segment.
struct Bytes<'a>(&'a Mbuf);

impl Pieces for Bytes<'_> {
    fn each(&self, offset: u32, bytes: u32, mut see: impl FnMut(&[u8])) -> bool {
        let (mut skip, mut rest) = (offset as usize, bytes as usize);
        for segment in self.0.segments() {
            let data = segment.bytes();
            let from = skip.min(data.len());
            skip -= from;
            let take = rest.min(data.len() - from);
            see(&data[from..from + take]);
            rest -= take;
            if rest == 0 {
                return true;
            }
        }
        rest == 0
    }
}

impl Stream {
    /// One round of `csum`.
    pub(in crate::engine) fn checksum(&mut self, settings: &Settings) -> usize {
        let count = self.receive();
        if count == 0 {
            return 0;
        }
        let (mut bad, mut header) = (BadChecksums::default(), [0; HEADER_BYTES]);
        let (mut text, port) = (String::new(), self.id().rx_port);
        for mbuf in self.burst.as_mut_slice() {
            if self.csum.new_addresses && mbuf.len() >= 14 {
                mbuf.write_at(0, &self.addresses);
            }
            let have = mbuf.read_at(0, &mut header);
            let headers = parse(&header[..have], self.csum.tunnels);
            mend(mbuf, &header[..have], &headers, &mut bad);
            self.csum.split(mbuf, &self.pool);
            if self.told.modes {
                tell::packet(&mut text, port, mbuf, &headers);
            }
        }
        if !text.is_empty() {
            self.print(&text);
        }
        if bad != BadChecksums::default() {
            self.counters.add_bad(bad);
        }
        self.send(settings);
        count
    }
}

fn parse(header: &[u8], tunnels: bool) -> Headers {
    let outer = Layers::of_frame(header);
    Headers { outer, inside: if tunnels { tunnel(header, &outer) } else { None } }
}

/// Writes right checksums and counts those that were wrong.
fn mend(mbuf: &mut Mbuf, header: &[u8], headers: &Headers, bad: &mut BadChecksums) {
    match &headers.inside {
        None => mend_layers(mbuf, header, &headers.outer, &mut bad.ip, &mut bad.transport),
        Some(inside) => {
            mend_layers(mbuf, header, &inside.inner, &mut bad.ip, &mut bad.transport);
            let (ip, transport) = (&mut bad.outer_ip, &mut bad.outer_transport);
            mend_layers(mbuf, header, &headers.outer, ip, transport);
        }
    }
}

fn mend_layers(mbuf: &mut Mbuf, header: &[u8], layers: &Layers, ip: &mut u64, transport: &mut u64) {
    if let Some(field) = layers.ip.and_then(|ip| ip_field(header, &ip)) {
        *ip += write(mbuf, &field);
    }
    // The sender left this one to the device; the offset in the metadata says so to whoever is next.
    if mbuf.offload().contains(Offload::NEEDS_CSUM) {
        return;
    }
    if let Some(field) = transport_field(header, layers, &Bytes(mbuf)) {
        *transport += write(mbuf, &field);
    }
}

/// Writes a field that is wrong; returns how many were.
fn write(mbuf: &mut Mbuf, field: &Field) -> u64 {
    if field.is_right {
        return 0;
    }
    mbuf.write_at(field.offset, field.bytes());
    1
}

impl Csum {
    /// Copies a packet into segments of the lengths that made packets have, the last as long as it must be. It stays as it is when
    /// the pool has no buffers or they are too small.
    fn split(&mut self, mbuf: &mut Mbuf, pool: &MbufPool) {
        let count = match self.split {
            Split::Off => return,
            Split::On => self.segments.len(),
            Split::Random => self.random.below(self.segments.len()) + 1,
        };
        if let Some(copy) = copy(mbuf, &self.segments[..count.min(self.segments.len())], pool) {
            *mbuf = copy;
        }
    }
}

fn copy(mbuf: &Mbuf, segments: &[u16], pool: &MbufPool) -> Option<Mbuf> {
    let total = mbuf.len();
    let (mut made, mut done) = (None::<Mbuf>, 0);
    for (index, &bytes) in segments.iter().enumerate() {
        let rest = total - done;
        let is_last = index + 1 == segments.len();
        let take = if is_last { rest } else { rest.min(bytes.into()) };
        let mut next = pool.take()?;
        mbuf.read_at(done, next.append(u16::try_from(take).ok()?).ok()?);
        done += take;
        match &mut made {
            None => made = Some(next),
            Some(head) => head.chain(next).ok()?,
        }
        if done == total {
            break;
        }
    }
    made
}
