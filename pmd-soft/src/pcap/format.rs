//! The layout of capture files (draft-ietf-opsawg-pcap, sections 4 and 5).
//!
//! A file is a header of 24 bytes and records, each a header of 16 bytes and the bytes that were captured. Numbers are in the
//! byte order of the machine that wrote the file, which its first four bytes tell.

use super::PcapError;

/// Bytes of the file's header.
pub(super) const FILE_HEADER_BYTES: usize = 24;
/// Bytes of a record's header.
pub(super) const RECORD_HEADER_BYTES: usize = 16;
/// Longest record that is believed: what capture programs take at most.
pub(super) const RECORD_BYTES_MAX: u32 = 262_144;
/// Begins a file with microseconds.
const MAGIC_MICROS: u32 = 0xA1B2_C3D4;
/// Begins a file with nanoseconds.
const MAGIC_NANOS: u32 = 0xA1B2_3C4D;
/// Link type of Ethernet.
const ETHERNET: u16 = 1;

/// How the numbers of a file are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    big_endian: bool,
    nanos: bool,
}

/// What stands before a record's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    /// Time of capture, in nanoseconds since 1970.
    pub timestamp_ns: u64,
    /// Bytes in the file.
    pub captured: u32,
    /// Bytes that the frame had on the wire.
    pub original: u32,
}

impl Format {
    /// Reads the file's header.
    pub fn parse(header: &[u8; FILE_HEADER_BYTES]) -> Result<Self, PcapError> {
        let magic = [header[0], header[1], header[2], header[3]];
        let of = |word| match word {
            MAGIC_MICROS => Some(false),
            MAGIC_NANOS => Some(true),
            _ => None,
        };
        let little = of(u32::from_le_bytes(magic)).map(|nanos| Self { big_endian: false, nanos });
        let big = of(u32::from_be_bytes(magic)).map(|nanos| Self { big_endian: true, nanos });
        let format = little.or(big).ok_or(PcapError::NotPcap { magic })?;
        let (major, minor) = (format.u16(header, 4), format.u16(header, 6));
        if major != 2 {
            return Err(PcapError::Version { major, minor });
        }
        // The upper half of the field says whether frames carry their checksum.
        let kind = format.u32(header, 20) as u16;
        if kind == ETHERNET { Ok(format) } else { Err(PcapError::LinkType(kind)) }
    }

    /// Reads a record's header.
    pub fn record(self, header: &[u8; RECORD_HEADER_BYTES]) -> RecordHeader {
        let fraction = u64::from(self.u32(header, 4)) * if self.nanos { 1 } else { 1000 };
        RecordHeader {
            timestamp_ns: u64::from(self.u32(header, 0)) * 1_000_000_000 + fraction,
            captured: self.u32(header, 8),
            original: self.u32(header, 12),
        }
    }

    fn u16<const N: usize>(self, bytes: &[u8; N], at: usize) -> u16 {
        let word = [bytes[at], bytes[at + 1]];
        if self.big_endian { u16::from_be_bytes(word) } else { u16::from_le_bytes(word) }
    }

    fn u32<const N: usize>(self, bytes: &[u8; N], at: usize) -> u32 {
        let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
    }
}

/// The header of a file that we write: little-endian, nanoseconds, Ethernet.
pub(super) fn file_header() -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    header[..4].copy_from_slice(&MAGIC_NANOS.to_le_bytes());
    header[4..6].copy_from_slice(&2u16.to_le_bytes());
    header[6..8].copy_from_slice(&4u16.to_le_bytes());
    header[16..20].copy_from_slice(&RECORD_BYTES_MAX.to_le_bytes());
    header[20..22].copy_from_slice(&ETHERNET.to_le_bytes());
    header
}

impl RecordHeader {
    /// The bytes of the header in a file that we write.
    pub fn to_bytes(self) -> [u8; RECORD_HEADER_BYTES] {
        let mut bytes = [0; RECORD_HEADER_BYTES];
        // The format's seconds have 32 bits (until the year 2106).
        let seconds = (self.timestamp_ns / 1_000_000_000) as u32;
        let nanos = (self.timestamp_ns % 1_000_000_000) as u32;
        for (place, word) in
            bytes.chunks_exact_mut(4).zip([seconds, nanos, self.captured, self.original])
        {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let format = Format::parse(&file_header()).unwrap();
        assert_eq!(format, Format { big_endian: false, nanos: true });
        let header =
            RecordHeader { timestamp_ns: 1_700_000_001_000_000_002, captured: 3, original: 4 };
        assert_eq!(format.record(&header.to_bytes()), header);
    }

    #[test]
    fn byte_orders_and_fractions() {
        let header = |magic: [u8; 4], version: [u8; 4], kind: [u8; 4]| {
            let mut bytes = [0; FILE_HEADER_BYTES];
            bytes[..4].copy_from_slice(&magic);
            bytes[4..8].copy_from_slice(&version);
            bytes[20..].copy_from_slice(&kind);
            bytes
        };
        let big = header([0xA1, 0xB2, 0xC3, 0xD4], [0, 2, 0, 4], [0, 0, 0, 1]);
        let format = Format::parse(&big).unwrap();
        assert_eq!(format, Format { big_endian: true, nanos: false });
        let record = format.record(&[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]);
        assert_eq!((record.timestamp_ns, record.captured, record.original), (1_000_002_000, 3, 4));
        let raw_ip = header([0xD4, 0xC3, 0xB2, 0xA1], [2, 0, 4, 0], [101, 0, 0, 0]);
        assert!(matches!(Format::parse(&raw_ip), Err(PcapError::LinkType(101))));
        let with_checksum = header([0xD4, 0xC3, 0xB2, 0xA1], [2, 0, 4, 0], [1, 0, 0, 0x44]);
        assert!(Format::parse(&with_checksum).is_ok());
        let old = header([0xD4, 0xC3, 0xB2, 0xA1], [1, 0, 0, 0], [1, 0, 0, 0]);
        assert!(matches!(Format::parse(&old), Err(PcapError::Version { major: 1, .. })));
        let ng = header([0x0A, 0x0D, 0x0D, 0x0A], [0; 4], [0; 4]);
        let text = Format::parse(&ng).unwrap_err().to_string();
        assert!(text.contains("pcapng") && text.contains("convert"), "{text}");
    }
}
