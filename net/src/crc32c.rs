//! CRC-32C (Castagnoli), the checksum of SCTP (RFC 9260, appendix A).

/// The polynomial, bits reversed.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// For each byte what it does to the remainder.
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            let shifted = remainder >> 1;
            remainder = if remainder & 1 == 1 { shifted ^ POLYNOMIAL } else { shifted };
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
}

/// A running CRC-32C.
///
/// ```
/// let mut crc = net::Crc32c::default();
/// crc.add(b"1234");
/// crc.add(b"56789");
/// assert_eq!(crc.value(), 0xE306_9283);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Crc32c(u32);

impl Default for Crc32c {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Crc32c {
    /// Adds the next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 >> 8 ^ TABLE[usize::from(self.0 as u8 ^ byte)];
        }
    }

    /// The CRC of all that was added. SCTP sends its lowest byte first.
    pub fn value(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crc(bytes: &[u8]) -> u32 {
        let mut crc = Crc32c::default();
        crc.add(bytes);
        crc.value()
    }

    #[test]
    fn the_examples_of_iscsi_s_rfc_3720() {
        assert_eq!(crc(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc(&[0xFF; 32]), 0x62A8_AB43);
        let rising: Vec<u8> = (0..32).collect();
        assert_eq!(crc(&rising), 0x46DD_794E);
    }

    #[test]
    fn nothing() {
        assert_eq!(crc(&[]), 0);
    }
}
