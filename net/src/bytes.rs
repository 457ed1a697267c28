//! Reading single fields of a packet's beginning.

/// Headers further in than this are not looked at, so that offsets fit 16 bits with room to add lengths.
const LOOKED_AT_BYTES: usize = 1024;

/// The byte `at` bytes behind `offset`.
#[inline]
pub(crate) fn byte(bytes: &[u8], offset: u16, at: u16) -> Option<u8> {
    field::<1>(bytes, offset, at).map(|[byte]| byte)
}

/// The 16-bit number, highest byte first, `at` bytes behind `offset`.
#[inline]
pub(crate) fn be16(bytes: &[u8], offset: u16, at: u16) -> Option<u16> {
    field(bytes, offset, at).map(u16::from_be_bytes)
}

#[inline]
fn field<const N: usize>(bytes: &[u8], offset: u16, at: u16) -> Option<[u8; N]> {
    let at = usize::from(offset) + usize::from(at);
    if at + N > LOOKED_AT_BYTES {
        return None;
    }
    bytes.get(at..at + N)?.first_chunk().copied()
}
