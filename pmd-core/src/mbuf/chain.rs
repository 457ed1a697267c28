//! Putting a packet of many segments together.
#![allow(unsafe_code, reason = "keeps a pointer to the last segment of a packet it owns")]

use std::ptr::NonNull;

use super::{Mbuf, Meta};

/// A packet that grows by segments at its end, each at the same small cost however many there are.
#[derive(Debug)]
pub struct Chain {
    packet: Mbuf,
    last: NonNull<Meta>,
}

// SAFETY: `last` leads into the packet, which the chain owns.
unsafe impl Send for Chain {}

impl Chain {
    /// A chain that begins with `packet`.
    pub fn new(mut packet: Mbuf) -> Self {
        let last = NonNull::from(packet.last_mut());
        Self { packet, last }
    }

    /// Bytes so far.
    pub fn len(&self) -> u32 {
        self.packet.len()
    }

    /// Whether there are no bytes yet.
    pub fn is_empty(&self) -> bool {
        self.packet.is_empty()
    }

    /// Adds `tail` at the end.
    ///
    /// # Errors
    ///
    /// As [`Mbuf::chain`]: hands `tail` back.
    pub fn push(&mut self, mut tail: Mbuf) -> Result<(), Mbuf> {
        let Some((segments, bytes)) = self.packet.sum_with(&tail) else { return Err(tail) };
        let last = NonNull::from(tail.last_mut());
        let handle = tail.handle();
        let _ = tail.into_record();
        // SAFETY: the old last segment is owned by the packet; nobody else refers to it.
        unsafe { self.last.as_mut() }.next = handle;
        self.last = last;
        let head = self.packet.meta_exclusive();
        (head.nb_segs, head.pkt_len) = (segments, bytes);
        Ok(())
    }

    /// The packet.
    pub fn finish(self) -> Mbuf {
        self.packet
    }
}
