//! What can be wrong with a capture file.

use std::fmt;
use std::io;

/// A capture file that cannot be read, or not further.
#[derive(Debug)]
#[non_exhaustive]
pub enum PcapError {
    /// The file ends before its header does.
    NoHeader {
        /// Bytes that there are.
        have: usize,
    },
    /// The file does not begin as a capture file does.
    NotPcap {
        /// Its first four bytes.
        magic: [u8; 4],
    },
    /// The file's format is newer or older than any that is known.
    Version {
        /// The version's first part; 2 is known.
        major: u16,
        /// The second part.
        minor: u16,
    },
    /// The file's packets are not Ethernet frames.
    LinkType(u16),
    /// A record is longer than any capture makes them: the file is damaged.
    RecordTooLong {
        /// Where the record begins, in bytes from the start of the file.
        offset: u64,
        /// The length that it claims, in bytes.
        bytes: u32,
        /// Good records before it.
        records: u64,
    },
    /// The file ends inside a record.
    Truncated {
        /// Where the record begins, in bytes from the start of the file.
        offset: u64,
        /// Good records before it.
        records: u64,
    },
    /// The file could not be read.
    Io {
        /// How far it was read, in bytes.
        offset: u64,
        /// What the system answered.
        source: io::Error,
    },
}

impl PcapError {
    /// The kind of problem, for events.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "the capture file ends inside a record",
            Self::RecordTooLong { .. } => "the capture file is damaged",
            Self::Io { .. } => "the capture file cannot be read",
            _ => "not a capture file of Ethernet frames",
        }
    }
}

/// What a file is that begins with `magic`, and what to do with it.
fn other_format(magic: [u8; 4]) -> &'static str {
    match magic {
        [0x0A, 0x0D, 0x0D, 0x0A] => {
            "it is a pcapng file: convert it first, as with 'editcap -F pcap IN OUT' or 'tcpdump -r IN -w OUT'"
        }
        [0x1F, 0x8B, ..] => "it is compressed: unpack it first, with 'gunzip'",
        [0x28, 0xB5, 0x2F, 0xFD] => "it is compressed: unpack it first, with 'unzstd'",
        _ => "give a file that 'tcpdump -w' or the like has written",
    }
}

impl fmt::Display for PcapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader { have } => {
                write!(f, "not a capture file: it has {have} bytes, and the header alone has 24")
            }
            Self::NotPcap { magic } => {
                let [a, b, c, d] = magic;
                let what = other_format(*magic);
                write!(
                    f,
                    "not a pcap file (it begins with {a:02x} {b:02x} {c:02x} {d:02x}): {what}"
                )
            }
            Self::Version { major, minor } => write!(
                f,
                "pcap version {major}.{minor} is not known: write it again as version 2.4, as with 'tcpdump -r IN -w OUT'"
            ),
            Self::LinkType(kind) => write!(
                f,
                "its packets have link type {kind}: only Ethernet (1) can be received, so capture on an Ethernet interface"
            ),
            Self::RecordTooLong { offset, bytes, records } => write!(
                f,
                "damaged at byte {offset}: a record claims {bytes} bytes; the {records} records before it were read"
            ),
            Self::Truncated { offset, records } => write!(
                f,
                "ends inside the record at byte {offset}; the {records} records before it were read"
            ),
            Self::Io { offset, source } => write!(f, "cannot be read at byte {offset}: {source}"),
        }
    }
}

impl std::error::Error for PcapError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
