//! Lists of numbers, and the lengths of the segments of made packets.

use crate::engine::frame::HEADERS_BYTES;

/// Most segments of a made packet.
const MAX_SEGMENTS: usize = 255;
/// Bytes of an mbuf's buffer in front of the data.
const HEADROOM_BYTES: u32 = pmd_core::mbuf::HEADROOM_BYTES as u32;

/// The lengths in `list`, in bytes, checked against mbufs of `mbuf_bytes`.
///
/// # Errors
///
/// What is wrong with it, for a person.
pub fn parse_segments(list: &str, mbuf_bytes: u32) -> Result<Vec<u16>, BadSegments> {
    let lengths = parse_list(list)?;
    if lengths.len() > MAX_SEGMENTS {
        return Err(BadSegments::TooMany);
    }
    let room = mbuf_bytes.saturating_sub(HEADROOM_BYTES);
    for (index, &length) in lengths.iter().enumerate() {
        if length > mbuf_bytes {
            return Err(BadSegments::LongerThanMbuf { index, length, mbuf: mbuf_bytes });
        }
        if length > room {
            return Err(BadSegments::LongerThanRoom { index, length, room });
        }
    }
    let total: u32 = lengths.iter().sum();
    if total < HEADERS_BYTES {
        return Err(BadSegments::TooShort { total });
    }
    Ok(lengths.iter().map(|&length| length as u16).collect())
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
