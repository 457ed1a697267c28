//! Frames in byte buffers as a source, for embedders whose packets are contiguous: no unsafe code of their own.
#![allow(unsafe_code, reason = "implements the unsafe source trait for safe buffers")]

use super::{Segment, TxSource};

/// Frames to give to the driver, one buffer each.
///
/// ```
/// use pmd_vhost::split::{Frames, TxSource};
///
/// let frames = [vec![0u8; 60], vec![0u8; 1514]];
/// assert_eq!(Frames(&frames).count(), 2);
/// assert_eq!(Frames(&frames).len_bytes(1), 1514);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Frames<'a, B>(pub &'a [B]);

macro_rules! frames_of {
    ($buffer:ty) => {
        // SAFETY: the buffers are borrowed for the life of the source, and a frame is exactly one of them.
        unsafe impl TxSource for Frames<'_, $buffer> {
            #[inline]
            fn count(&self) -> usize {
                self.0.len()
            }

            /// A buffer of 4 GiB or more saturates and is dropped as too large.
            #[inline]
            fn len_bytes(&self, index: usize) -> u32 {
                self.0.get(index).map_or(0, |b| u32::try_from(b.len()).unwrap_or(u32::MAX))
            }

            #[inline]
            fn segments(&self, index: usize) -> impl Iterator<Item = Segment> {
                self.0.get(index).map(|b| Segment { data: b.as_ptr(), len: b.len() }).into_iter()
            }
        }
    };
}

frames_of!(Vec<u8>);
frames_of!(Box<[u8]>);
frames_of!(&[u8]);
