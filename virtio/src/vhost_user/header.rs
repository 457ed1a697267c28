//! The twelve bytes before every message.

use bitflags::bitflags;

use super::WireError;

/// Bytes of a [`Header`] on the wire.
pub const HEADER_BYTES: usize = 12;

bitflags! {
    /// The flags word of a header (vhost-user, "Header").
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct HeaderFlags: u32 {
        /// Version 1, the only one there is. Bit 1 belongs to the version field and stays 0.
        const VERSION_1 = 0x1;
        /// This message answers another.
        const REPLY = 0x4;
        /// The sender wants an acknowledgement; it has a meaning only when `REPLY_ACK` was negotiated.
        const NEED_REPLY = 0x8;
    }
}

impl HeaderFlags {
    /// The flags of a plain request.
    pub const REQUEST: Self = Self::VERSION_1;
    /// The flags of a request that asks for an acknowledgement.
    pub const REQUEST_NEED_REPLY: Self = Self::VERSION_1.union(Self::NEED_REPLY);
    /// The flags of an answer: never with [`HeaderFlags::NEED_REPLY`].
    pub const ANSWER: Self = Self::VERSION_1.union(Self::REPLY);
}

/// Message header: request id, flags, payload size (vhost-user, "Header").
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Request id as sent; see [`Request`](super::Request).
    pub request: u32,
    /// Flags word; [`Header::flags`] checks it.
    pub flags: u32,
    /// Payload size in bytes.
    pub size: u32,
}

impl Header {
    /// The header as it goes over the socket.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let words = [self.request, self.flags, self.size];
        for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// Reads a header; nothing in it is checked yet.
    pub fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Self {
        let [r0, r1, r2, r3, f0, f1, f2, f3, s0, s1, s2, s3] = *bytes;
        Self {
            request: u32::from_ne_bytes([r0, r1, r2, r3]),
            flags: u32::from_ne_bytes([f0, f1, f2, f3]),
            size: u32::from_ne_bytes([s0, s1, s2, s3]),
        }
    }

    /// The flags, if they are of version 1 and carry no unknown bit.
    ///
    /// # Errors
    ///
    /// [`WireError::BadFlags`] otherwise.
    pub fn flags(&self) -> Result<HeaderFlags, WireError> {
        HeaderFlags::from_bits(self.flags)
            .filter(|flags| flags.contains(HeaderFlags::VERSION_1))
            .ok_or(WireError::BadFlags { flags: self.flags })
    }

    /// Whether the sender asked for an acknowledgement.
    pub fn needs_reply(&self) -> bool {
        self.flags & HeaderFlags::NEED_REPLY.bits() != 0
    }

    /// Whether this is an answer.
    pub fn is_reply(&self) -> bool {
        self.flags & HeaderFlags::REPLY.bits() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_three_words() {
        assert_eq!(size_of::<Header>(), HEADER_BYTES);
        let header = Header { request: 1, flags: 5, size: 8 };
        assert_eq!(Header::from_bytes(&header.to_bytes()), header);
        assert_eq!(header.to_bytes()[4..8], 5_u32.to_ne_bytes());
    }

    #[test]
    fn flags_other_than_version_one_are_refused() {
        for flags in 0..=0xffff_u32 {
            let good = matches!(flags, 1 | 5 | 9 | 13);
            assert_eq!(
                Header { request: 0, flags, size: 0 }.flags().is_ok(),
                good,
                "flags {flags:#x}"
            );
        }
        assert!(Header { request: 0, flags: 0x8000_0001, size: 0 }.flags().is_err());
    }

    #[test]
    fn answers_carry_five() {
        assert_eq!(HeaderFlags::ANSWER.bits(), 5);
        assert_eq!(HeaderFlags::REQUEST_NEED_REPLY.bits(), 9);
    }
}
