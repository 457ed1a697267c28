//! The Internet checksum (RFC 1071) over bytes that come in pieces.

/// A running one's complement sum. Pieces of any length, odd ones too, may be added in the order of the packet.
///
/// ```
/// let header = [0x45, 0, 0, 0x32, 0, 0, 0, 0, 64, 17, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2];
/// let mut sum = net::Sum::default();
/// sum.add(&header[..7]);
/// sum.add(&header[7..]);
/// assert_eq!(sum.checksum(), 0xEE93);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// The sum of 16-bit words in the machine's byte order.
    total: u64,
    /// An odd number of bytes has been added.
    odd: bool,
}

impl Sum {
    /// Adds the packet's next bytes.
    #[inline]
    pub fn add(&mut self, bytes: &[u8]) {
        let sum = words(bytes);
        self.total += u64::from(if self.odd { sum.swap_bytes() } else { sum });
        self.odd ^= bytes.len() % 2 == 1;
    }

    /// Adds a 16-bit number that stands at an even place, such as a length of a pseudo header.
    #[inline]
    pub fn add_u16(&mut self, number: u16) {
        self.total += u64::from(number.to_be());
    }

    /// Takes a 16-bit number that was added at an even place out again.
    #[inline]
    pub fn subtract_u16(&mut self, number: u16) {
        self.add_u16(!number);
    }

    /// The checksum: the complement of the sum. Over bytes that hold their right checksum it is 0.
    #[inline]
    pub fn checksum(self) -> u16 {
        !u16::from_be(fold(self.total))
    }
}

/// The sum of native 16-bit words, folded; a byte left over is the first of a word.
#[inline]
fn words(bytes: &[u8]) -> u16 {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut sum = 0_u64;
    for chunk in chunks {
        let word = u64::from_ne_bytes(*chunk);
        sum += (word & 0xFFFF_FFFF) + (word >> 32);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let word = u64::from_ne_bytes(last);
    fold(sum + (word & 0xFFFF_FFFF) + (word >> 32))
}

/// Adds carries in until 16 bits are left.
#[inline]
fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xFFFF_FFFF) + (sum >> 32);
    let sum = (sum & 0xFFFF_FFFF) + (sum >> 32);
    let sum = (sum & 0xFFFF) + (sum >> 16);
    let sum = (sum & 0xFFFF) + (sum >> 16);
    ((sum & 0xFFFF) + (sum >> 16)) as u16
}

/// The checksum of bytes in one piece.
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = Sum::default();
    sum.add(bytes);
    sum.checksum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Word by word, as RFC 1071 says it.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0_u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        !(sum as u16)
    }

    #[test]
    fn the_example_of_the_rfc() {
        let bytes = [0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7];
        assert_eq!(checksum(&bytes), !0xDDF2);
    }

    #[test]
    fn nothing_and_all_ones() {
        assert_eq!(checksum(&[]), 0xFFFF);
        assert_eq!(checksum(&[0xFF; 65_536]), 0);
        assert_eq!(checksum(&[0xFF]), 0x00FF);
    }

    proptest! {
        #[test]
        fn pieces_make_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            cuts in prop::collection::vec(0_usize..300, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.push(0);
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let mut sum = Sum::default();
            for pair in cuts.windows(2) {
                sum.add(&bytes[pair[0]..pair[1]]);
            }
            prop_assert_eq!(sum.checksum(), naive(&bytes));
        }

        #[test]
        fn what_was_added_can_be_taken_out(bytes in prop::collection::vec(any::<u8>(), 2..64), extra: u16) {
            let mut sum = Sum::default();
            sum.add_u16(0x11);
            sum.add_u16(extra);
            sum.add(&bytes);
            sum.subtract_u16(extra);
            let mut without = Sum::default();
            without.add_u16(0x11);
            without.add(&bytes);
            prop_assert_eq!(sum.checksum(), without.checksum());
        }
    }
}
