//! The frame that `txonly` and `tx_first` send: Ethernet, IPv4, UDP (discard port), payload as it lies in the buffer.

use net::checksum;
use pmd_core::{MacAddr, Mbuf, MbufPool};

use super::settings::Flow;

/// Bytes of the three headers, the shortest frame that can be made.
pub const HEADERS_BYTES: u32 = 42;

const ETHER_BYTES: u32 = 14;
const IPV4_BYTES: u32 = 20;

/// The headers of a made frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame([u8; HEADERS_BYTES as usize]);

impl Frame {
    /// Headers for frames of `bytes` bytes (without checksum) from `from` to `to`. The UDP checksum is left out.
    pub fn new(from: MacAddr, to: MacAddr, bytes: u32, flow: Flow) -> Self {
        let ip_bytes = bytes.saturating_sub(ETHER_BYTES) as u16;
        let udp_bytes = bytes.saturating_sub(ETHER_BYTES + IPV4_BYTES) as u16;
        let mut ip = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        ip[2..4].copy_from_slice(&ip_bytes.to_be_bytes());
        let mut headers = [0; HEADERS_BYTES as usize];
        headers[..6].copy_from_slice(&to.0);
        headers[6..12].copy_from_slice(&from.0);
        headers[12..14].copy_from_slice(&[8, 0]);
        headers[14..34].copy_from_slice(&ip);
        headers[34..36].copy_from_slice(&flow.udp[0].to_be_bytes());
        headers[36..38].copy_from_slice(&flow.udp[1].to_be_bytes());
        headers[38..40].copy_from_slice(&udp_bytes.to_be_bytes());
        Self(headers).with_addresses(flow.ip)
    }

    /// The same with other IPv4 addresses, source first.
    pub fn with_addresses(&self, [source, destination]: [u32; 2]) -> Self {
        let Self(mut headers) = *self;
        headers[26..30].copy_from_slice(&source.to_be_bytes());
        headers[30..34].copy_from_slice(&destination.to_be_bytes());
        headers[24..26].fill(0);
        let sum = checksum(&headers[14..34]);
        headers[24..26].copy_from_slice(&sum.to_be_bytes());
        Self(headers)
    }

    /// Makes `mbuf`, which is empty, a frame of segments of these lengths in bytes; further segments come from `pool`.
    /// `None` when a segment is too long or the pool has no more.
    pub fn fill(&self, mbuf: &mut Mbuf, segments: &[u16], pool: &MbufPool) -> Option<()> {
        let (&first, more) = segments.split_first()?;
        let mut rest = fill_segment(mbuf, first, &self.0)?;
        for &len in more {
            let mut next = pool.take()?;
            rest = fill_segment(&mut next, len, rest)?;
            mbuf.chain(next).ok()?;
        }
        Some(())
    }
}

/// Makes an empty mbuf `len` bytes long, begun with as much of `headers` as fits, and returns the rest of them.
fn fill_segment<'a>(mbuf: &mut Mbuf, len: u16, headers: &'a [u8]) -> Option<&'a [u8]> {
    let data = mbuf.append(len).ok()?;
    let (now, later) = headers.split_at(headers.len().min(data.len()));
    data[..now.len()].copy_from_slice(now);
    Some(later)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_port;

    const FROM: MacAddr = MacAddr([0x02, 0x70, 0x63, 0x61, 0x70, 0x00]);
    const TO: MacAddr = MacAddr([2, 0, 0, 0, 0, 0]);

    #[test]
    fn the_reference_s_frame_byte_for_byte() {
        let expected = [
            0x02, 0, 0, 0, 0, 0, 0x02, 0x70, 0x63, 0x61, 0x70, 0x00, 0x08, 0x00, 0x45, 0x00, 0x00,
            0x32, 0, 0, 0, 0, 0x40, 0x11, 0xee, 0x93, 0xc6, 0x12, 0, 0x01, 0xc6, 0x12, 0, 0x02, 0,
            9, 0, 9, 0, 0x1e, 0, 0,
        ];
        assert_eq!(Frame::new(FROM, TO, 64, Flow::default()).0, expected);
    }

    #[test]
    fn checksums_of_other_lengths() {
        for (bytes, total, sum) in [(128, 0x72, 0xee53), (42, 0x1c, 0xeea9)] {
            let frame = Frame::new(FROM, TO, bytes, Flow::default()).0;
            assert_eq!(u16::from_be_bytes([frame[16], frame[17]]), total, "{bytes}");
            assert_eq!(u16::from_be_bytes([frame[24], frame[25]]), sum, "{bytes}");
        }
    }

    #[test]
    fn headers_run_across_short_segments() {
        let (_eal, pool) = test_port::pool(64);
        let frame = Frame::new(FROM, TO, 64, Flow::default());
        let mut mbuf = pool.take().unwrap();
        frame.fill(&mut mbuf, &[10, 1, 20, 33], &pool).unwrap();
        assert_eq!((mbuf.len(), mbuf.segment_count()), (64, 4));
        assert_eq!(mbuf.to_vec()[..42], frame.0);
        drop(mbuf);
        assert!(pool.audit().is_exact() && pool.audit().in_use == 0);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_leaks_nothing() {
        let (_eal, pool) = test_port::pool(64);
        let frame = Frame::new(FROM, TO, 64, Flow::default());
        let mut mbuf = pool.take().unwrap();
        assert_eq!(frame.fill(&mut mbuf, &[64, u16::MAX], &pool), None);
        drop(mbuf);
        assert_eq!(pool.audit().in_use, 0);
    }
}
