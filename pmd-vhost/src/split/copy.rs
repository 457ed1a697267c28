//! Copying payload.
#![allow(unsafe_code, reason = "copies between raw guest memory and buffers")]

/// Copies `len` bytes. Short lengths, which are most packets, are two overlapping moves without a call.
///
/// # Safety
///
/// `from` and `to` must be valid for `len` bytes and not overlap. A peer may write to either at the same time: what
/// arrives is then unspecified, as in any copy out of shared memory.
#[inline(always)]
pub unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    match len {
        // SAFETY: both halves lie within the `len` bytes that the caller vouches for.
        16..=32 => unsafe { ends::<16>(from, to, len) },
        // SAFETY: as above.
        33..=64 => unsafe { ends::<32>(from, to, len) },
        // SAFETY: as above.
        65..=128 => unsafe { ends::<64>(from, to, len) },
        // SAFETY: the caller's promise is that of copy_nonoverlapping.
        _ => unsafe { from.copy_to_nonoverlapping(to, len) },
    }
}

/// Moves the first and the last `N` bytes of `len` (`N <= len <= 2 * N`).
///
/// # Safety
///
/// As [`copy`].
#[inline(always)]
unsafe fn ends<const N: usize>(from: *const u8, to: *mut u8, len: usize) {
    let tail = len - N;
    // SAFETY: N bytes from the start lie within `len`.
    let first = unsafe { from.cast::<[u8; N]>().read_unaligned() };
    // SAFETY: N bytes from `len - N` on lie within `len`.
    let last = unsafe { from.wrapping_add(tail).cast::<[u8; N]>().read_unaligned() };
    // SAFETY: as for the reads.
    unsafe { to.cast::<[u8; N]>().write_unaligned(first) };
    // SAFETY: as for the reads.
    unsafe { to.wrapping_add(tail).cast::<[u8; N]>().write_unaligned(last) };
}

#[cfg(test)]
mod tests {
    use super::copy;

    #[test]
    fn every_length_to_the_byte() {
        let from: Vec<u8> = (0..600u32).map(|i| (i * 7 + 3) as u8).collect();
        for len in 0..=512 {
            let mut to = vec![0xEE; 600];
            let (source, target) = (from[3..].as_ptr(), to[5..].as_mut_ptr());
            // SAFETY: both slices have more than 512 bytes.
            unsafe { copy(source, target, len) };
            assert_eq!(to[5..5 + len], from[3..3 + len]);
            assert!(to[..5].iter().chain(&to[5 + len..]).all(|&b| b == 0xEE), "{len}");
        }
    }
}
