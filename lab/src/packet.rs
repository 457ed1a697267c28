//! Packets that can be told apart and found out when they were changed.
//!
//! | bytes | what |
//! |---|---|
//! | 0 to 13 | Ethernet header; the type is one for local experiments |
//! | 14 to 21 | magic |
//! | 22 to 25 | flow |
//! | 26 to 29 | length of the frame in bytes |
//! | 30 to 37 | sequence number within the flow, from 0 |
//! | 38 to 45 | hash over all other bytes |
//! | from 46 | filling that depends on flow, sequence number and place |
//!
//! All numbers are little-endian.

use std::fmt;

/// Shortest frame that is made, in bytes: Ethernet without its checksum.
pub const FRAME_BYTES_MIN: usize = 60;
/// Longest frame that is made, in bytes: a jumbo frame with one VLAN tag, without its checksum.
pub const FRAME_BYTES_MAX: usize = 9018;

const MAGIC: u64 = 0x6b63_6568_635f_6450;
const ETHER_TYPE: [u8; 2] = [0x88, 0xb5];
const SOURCE: [u8; 6] = [0x02, 0, 0, 0, 0, 1];
const DESTINATION: [u8; 6] = [0x02, 0, 0, 0, 0, 2];
const HASH_AT: usize = 38;
const FILLING_AT: usize = 46;

/// Makes `frame` the packet `sequence` of `flow`.
///
/// # Panics
///
/// When the frame has no length that is made ([`FRAME_BYTES_MIN`] to [`FRAME_BYTES_MAX`]).
pub fn write(frame: &mut [u8], flow: u32, sequence: u64) {
    let len = frame.len();
    assert!((FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&len), "no frame has {len} bytes");
    frame[..6].copy_from_slice(&DESTINATION);
    frame[6..12].copy_from_slice(&SOURCE);
    frame[12..14].copy_from_slice(&ETHER_TYPE);
    frame[14..22].copy_from_slice(&MAGIC.to_le_bytes());
    frame[22..26].copy_from_slice(&flow.to_le_bytes());
    frame[26..30].copy_from_slice(&(len as u32).to_le_bytes());
    frame[30..38].copy_from_slice(&sequence.to_le_bytes());
    fill(&mut frame[FILLING_AT..], sequence ^ u64::from(flow) << 48);
    let hash = hash(frame);
    frame[HASH_AT..FILLING_AT].copy_from_slice(&hash.to_le_bytes());
}

/// What a frame made by [`write()`] says of itself.
///
/// # Errors
///
/// What is wrong with a frame that is not as it was made.
pub fn read(frame: &[u8]) -> Result<(u32, u64), Fault> {
    if frame.len() < FRAME_BYTES_MIN || word(frame, 14) != MAGIC {
        return Err(Fault::Foreign { len: frame.len() });
    }
    let (flow, len) = (half(frame, 22), half(frame, 26) as usize);
    if len != frame.len() {
        return Err(Fault::Length { was: len, is: frame.len() });
    }
    let sequence = word(frame, 30);
    if hash(frame) != word(frame, HASH_AT) {
        return Err(Fault::Altered { flow, sequence });
    }
    Ok((flow, sequence))
}

fn word(frame: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&frame[at..at + 8]);
    u64::from_le_bytes(bytes)
}

fn half(frame: &[u8], at: usize) -> u32 {
    word(frame, at) as u32
}

/// A number that looks random and differs for every input.
fn scatter(input: u64) -> u64 {
    let mut x = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

fn fill(bytes: &mut [u8], seed: u64) {
    let mut state = scatter(seed);
    for part in bytes.chunks_mut(8) {
        state = state.rotate_left(23).wrapping_mul(0xd6e8_feb8_6659_fd93);
        part.copy_from_slice(&state.to_le_bytes()[..part.len()]);
    }
}

/// 64 bits over every byte but those of the hash itself.
fn hash(frame: &[u8]) -> u64 {
    let mut state = frame.len() as u64;
    for part in frame[..HASH_AT].chunks(8).chain(frame[FILLING_AT..].chunks(8)) {
        let mut bytes = [0; 8];
        bytes[..part.len()].copy_from_slice(part);
        let mixed = state ^ u64::from_le_bytes(bytes);
        state = mixed.wrapping_mul(0x2127_599b_f432_5c37);
        state ^= state >> 29;
    }
    state
}

/// What may be wrong with a received packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nobody here made it.
    Foreign {
        /// Its length in bytes.
        len: usize,
    },
    /// It was made shorter or longer.
    Length {
        /// Bytes it was made with.
        was: usize,
        /// Bytes it has.
        is: usize,
    },
    /// A byte of it is another one.
    Altered {
        /// The flow it says it is of.
        flow: u32,
        /// The number it says it has.
        sequence: u64,
    },
    /// It came from a queue of another flow.
    Strayed {
        /// Its flow.
        flow: u32,
        /// The flow of the queue.
        wanted: u32,
    },
    /// It came before: a duplicate, or late.
    Again {
        /// Its flow.
        flow: u32,
        /// Its number.
        sequence: u64,
        /// The lowest number that had not been seen.
        wanted: u64,
    },
    /// Others that should have come before it did not.
    Gap {
        /// Its flow.
        flow: u32,
        /// Its number.
        sequence: u64,
        /// The lowest number that had not been seen.
        wanted: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign { len } => write!(f, "a packet of {len} bytes that nobody sent"),
            Self::Length { was, is } => write!(f, "a packet of {was} bytes came with {is}"),
            Self::Altered { flow, sequence } => {
                write!(f, "packet {sequence} of flow {flow} was altered")
            }
            Self::Strayed { flow, wanted } => {
                write!(f, "a packet of flow {flow} came from the queue of flow {wanted}")
            }
            Self::Again { flow, sequence, wanted } => write!(
                f,
                "packet {sequence} of flow {flow} came when {wanted} was due: a duplicate, or late"
            ),
            Self::Gap { flow, sequence, wanted } => write!(
                f,
                "packet {sequence} of flow {flow} came when {wanted} was due: lost, or late"
            ),
        }
    }
}

impl std::error::Error for Fault {}

/// Follows one flow at its far end: whole packets, in order, each once, and none missing but those forgiven.
#[derive(Clone, Debug)]
pub struct Checker {
    flow: u32,
    next: u64,
    forgiven: u64,
    seen: u64,
}

impl Checker {
    /// Waits for packet 0 of `flow`.
    pub fn new(flow: u32) -> Self {
        Self { flow, next: 0, forgiven: 0, seen: 0 }
    }

    /// From now on packets before number `sequence` may be missing: what was between the ends has died.
    pub fn forgive(&mut self, sequence: u64) {
        self.forgiven = self.forgiven.max(sequence);
    }

    /// Looks at a received frame.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn check(&mut self, frame: &[u8]) -> Result<(), Fault> {
        let (flow, sequence) = read(frame)?;
        if flow != self.flow {
            return Err(Fault::Strayed { flow, wanted: self.flow });
        }
        if sequence < self.next {
            return Err(Fault::Again { flow, sequence, wanted: self.next });
        }
        let due = self.due().min(sequence);
        if sequence > due {
            return Err(Fault::Gap { flow, sequence, wanted: due });
        }
        self.next = sequence + 1;
        self.seen += 1;
        Ok(())
    }

    /// The first packet that must still come.
    pub fn due(&self) -> u64 {
        self.next.max(self.forgiven)
    }

    /// How many packets came.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// How many packets before the last that came are missing.
    pub fn missing(&self) -> u64 {
        self.next - self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(len: usize, flow: u32, sequence: u64) -> Vec<u8> {
        let mut frame = vec![0; len];
        write(&mut frame, flow, sequence);
        frame
    }

    #[test]
    fn packets_of_all_sizes_are_recognised() {
        let mut checker = Checker::new(3);
        for (sequence, len) in (FRAME_BYTES_MIN..=FRAME_BYTES_MAX).step_by(7).enumerate() {
            checker.check(&frame(len, 3, sequence as u64)).unwrap();
        }
        assert_eq!((checker.seen(), checker.missing()), (1280, 0));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for len in [60, 61, 64, 97] {
            let good = frame(len, 1, 12_345);
            for bit in 0..len * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(read(&bad).is_err(), "bit {bit} of {len} bytes");
            }
        }
    }

    #[test]
    fn a_cut_or_longer_frame_is_noticed() {
        let good = frame(100, 0, 0);
        assert_eq!(read(&good[..99]), Err(Fault::Length { was: 100, is: 99 }));
        let mut long = good;
        long.push(0);
        assert_eq!(read(&long), Err(Fault::Length { was: 100, is: 101 }));
        assert_eq!(read(&long[..59]), Err(Fault::Foreign { len: 59 }));
        assert_eq!(read(&[0; 64]), Err(Fault::Foreign { len: 64 }));
    }

    #[test]
    fn loss_duplicates_disorder_and_strays_are_told_apart() {
        let mut checker = Checker::new(1);
        checker.check(&frame(64, 1, 0)).unwrap();
        let again = checker.check(&frame(64, 1, 0));
        assert_eq!(again, Err(Fault::Again { flow: 1, sequence: 0, wanted: 1 }));
        let gap = checker.check(&frame(64, 1, 2));
        assert_eq!(gap, Err(Fault::Gap { flow: 1, sequence: 2, wanted: 1 }));
        let strayed = checker.check(&frame(64, 2, 1));
        assert_eq!(strayed, Err(Fault::Strayed { flow: 2, wanted: 1 }));
        checker.check(&frame(64, 1, 1)).unwrap();
    }

    #[test]
    fn forgiven_loss_is_counted_and_nothing_else_is_let_pass() {
        let mut checker = Checker::new(1);
        checker.forgive(7);
        checker.check(&frame(64, 1, 5)).unwrap();
        checker.check(&frame(64, 1, 7)).unwrap();
        assert_eq!((checker.seen(), checker.missing(), checker.due()), (2, 6, 8));
        assert!(matches!(checker.check(&frame(64, 1, 6)), Err(Fault::Again { .. })));
        let gap = checker.check(&frame(64, 1, 9));
        assert_eq!(gap, Err(Fault::Gap { flow: 1, sequence: 9, wanted: 8 }));
        let mut bad = frame(64, 1, 8);
        bad[50] ^= 1;
        assert_eq!(checker.check(&bad), Err(Fault::Altered { flow: 1, sequence: 8 }));
    }
}
