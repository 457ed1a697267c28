//! `icmpecho`: ARP requests and ICMP echo requests are answered, everything else is dropped.

use net::{ETHER_ARP, IPV4_BYTES, Ip, IpVersion, Layers, PROTOCOL_ICMP, ip_field};
use pmd_core::{MacAddr, Mbuf};

use crate::engine::settings::Settings;
use crate::engine::stream::Stream;
use crate::engine::tell::HEADER_BYTES;

/// Ethernet, IPv4, 6-byte and 4-byte addresses, request (RFC 826).
const ARP_REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];
const ARP_BYTES: usize = 28;
const ECHO_REQUEST: u8 = 8;

impl Stream {
    /// One round of `icmpecho`.
    pub(in crate::engine) fn icmp_echo(&mut self, settings: &Settings) -> usize {
        let count = self.receive();
        if count == 0 {
            return 0;
        }
        // From the back, so that answers leave in the order of their requests.
        self.burst.as_mut_slice().reverse();
        while let Some(mut mbuf) = self.burst.pop() {
            if answer(&mut mbuf, self.source) {
                // There are as many places as in the burst.
                let _ = self.picked.push(mbuf);
            }
        }
        std::mem::swap(&mut self.burst, &mut self.picked);
        if !self.burst.is_empty() {
            self.send(settings);
        }
        count
    }
}

/// Makes a request its answer from `source`; says whether it was one.
fn answer(mbuf: &mut Mbuf, source: MacAddr) -> bool {
    let mut header = [0; HEADER_BYTES];
    let have = mbuf.read_at(0, &mut header);
    let header = &header[..have];
    let layers = Layers::of_frame(header);
    match layers.ip {
        None if layers.ether_type == ETHER_ARP => {
            answer_arp(mbuf, header, usize::from(layers.link_bytes), source)
        }
        Some(ip) if ip.version == IpVersion::V4 && !ip.fragment => answer_echo(mbuf, header, &ip),
        _ => false,
    }
}

fn answer_arp(mbuf: &mut Mbuf, header: &[u8], at: usize, source: MacAddr) -> bool {
    let Some(request) = header.get(at..at + ARP_BYTES) else { return false };
    if !request.starts_with(&ARP_REQUEST) {
        return false;
    }
    let (asker, asked) = (&request[8..18], &request[24..28]);
    let mut reply = [0; ARP_BYTES];
    reply[..8].copy_from_slice(&ARP_REQUEST);
    reply[7] = 2;
    reply[8..14].copy_from_slice(&source.0);
    reply[14..18].copy_from_slice(asked);
    reply[18..].copy_from_slice(asker);
    mbuf.write_at(at as u32, &reply);
    mbuf.write_at(0, &header[6..12]);
    mbuf.write_at(6, &source.0);
    true
}

/// An echo request (RFC 792) becomes a reply: addresses exchanged, type 0, its checksum adjusted (RFC 1624).
fn answer_echo(mbuf: &mut Mbuf, header: &[u8], ip: &Ip) -> bool {
    let (at, icmp) = (usize::from(ip.offset), usize::from(ip.end()));
    let Some(&[kind, code, high, low]) = header.get(icmp..).and_then(|icmp| icmp.first_chunk())
    else {
        return false;
    };
    if (ip.protocol, kind, code) != (PROTOCOL_ICMP, ECHO_REQUEST, 0) {
        return false;
    }
    let stored = u16::from_be_bytes([high, low]);
    let (sum, carry) = stored.overflowing_add(u16::from(ECHO_REQUEST) << 8);
    let [high, low] = (sum + u16::from(carry)).to_be_bytes();
    mbuf.write_at(icmp as u32, &[0, 0, high, low]);
    mbuf.write_at(0, &[&header[6..12], &header[..6]].concat());
    exchange_addresses(mbuf, header, at, ip);
    true
}

/// The asker's address becomes the destination. The source is the address that was asked, or, if that was of a group, one beside
/// the asker's.
fn exchange_addresses(mbuf: &mut Mbuf, header: &[u8], at: usize, ip: &Ip) {
    let mut fields: [u8; IPV4_BYTES as usize] =
        header[at..].first_chunk().copied().unwrap_or_default();
    let (asker, asked): ([u8; 4], [u8; 4]) = (
        [fields[12], fields[13], fields[14], fields[15]],
        [fields[16], fields[17], fields[18], fields[19]],
    );
    let is_group = asked[0] >> 4 == 0xE;
    let from = if is_group { beside(asker) } else { asked };
    fields[12..16].copy_from_slice(&from);
    fields[16..20].copy_from_slice(&asker);
    mbuf.write_at(at as u32, &fields);
    if is_group {
        let mut changed = [0; HEADER_BYTES];
        let have = mbuf.read_at(0, &mut changed);
        if let Some(field) = ip_field(&changed[..have], ip) {
            mbuf.write_at(field.offset, field.bytes());
        }
    }
}

/// The first or second of the four addresses around this one, whichever it is not.
fn beside([a, b, c, d]: [u8; 4]) -> [u8; 4] {
    let last = if d & 3 == 1 { 2 } else { 1 };
    [a, b, c, d & 0xFC | last]
}
