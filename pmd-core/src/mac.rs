//! Ethernet addresses.

use std::fmt;
use std::str::FromStr;

/// A 48-bit Ethernet address, in the order of the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Whether the group bit is set (multicast or broadcast; IEEE 802.3, 3.2.3).
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// An address that may be given to a device: unicast and not all zero.
    pub fn is_assignable(self) -> bool {
        !self.is_multicast() && self.0 != [0; 6]
    }

    /// A locally administered unicast address made from `seed` (the same seed gives the same address).
    pub const fn local(seed: u64) -> Self {
        let b = seed.to_be_bytes();
        Self([(b[2] & 0xFC) | 0x02, b[3], b[4], b[5], b[6], b[7]])
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text was not six hexadecimal bytes joined by colons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadMac;

impl fmt::Display for BadMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an Ethernet address: write six hexadecimal bytes, as in 00:11:22:33:44:55")
    }
}

impl std::error::Error for BadMac {}

impl FromStr for MacAddr {
    type Err = BadMac;

    fn from_str(text: &str) -> Result<Self, BadMac> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().ok_or(BadMac)?;
            let hex = (1..=2).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_hexdigit());
            *byte = hex.then(|| u8::from_str_radix(part, 16).ok()).flatten().ok_or(BadMac)?;
        }
        if parts.next().is_some() { Err(BadMac) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let mac: MacAddr = "00:11:22:aB:44:1".parse().unwrap();
        assert_eq!(mac.to_string(), "00:11:22:AB:44:01");
        for bad in
            ["", "00:11:22:33:44", "00:11:22:33:44:55:66", "0g:11:22:33:44:55", "+1:1:1:1:1:1"]
        {
            assert_eq!(bad.parse::<MacAddr>(), Err(BadMac), "{bad}");
        }
    }

    #[test]
    fn local_addresses_are_assignable() {
        for seed in [0, 1, u64::MAX, 0x0100_0000_0000] {
            assert!(MacAddr::local(seed).is_assignable());
        }
    }
}
