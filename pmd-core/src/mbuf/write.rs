//! Overwriting bytes of a packet, wherever its segments begin and end.
#![allow(unsafe_code, reason = "copies into buffers that a peer may read and write")]

use std::ptr;

use super::Mbuf;

impl Mbuf {
    /// Copies `bytes` over the packet's own from `offset` on, as far as the packet goes, and returns how many that were.
    /// Works across segments; lengths stay as they are.
    pub fn write_at(&mut self, offset: u32, bytes: &[u8]) -> usize {
        let (mut skip, mut rest) = (offset as usize, bytes);
        for segment in self.segments() {
            let length = usize::from(segment.data_len);
            let from = skip.min(length);
            skip -= from;
            let (now, later) = rest.split_at(rest.len().min(length - from));
            let to = segment.data().wrapping_add(from);
            // SAFETY: from + now.len() is within data_len, which lies in the buffer that the pool made for this record; the packet is
            // borrowed exclusively, so `bytes` is not of it.
            unsafe { ptr::copy_nonoverlapping(now.as_ptr(), to, now.len()) };
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        bytes.len() - rest.len()
    }
}
