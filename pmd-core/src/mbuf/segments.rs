//! Walking the segments of a packet.

use std::marker::PhantomData;

use super::{Mbuf, Meta};

/// The segments of a packet, first to last.
#[derive(Debug)]
pub struct Segments<'a> {
    next: *const Meta,
    packet: PhantomData<&'a Mbuf>,
}

impl<'a> Segments<'a> {
    pub(super) fn of(mbuf: &'a Mbuf) -> Self {
        Self { next: mbuf.meta(), packet: PhantomData }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a Meta;

    #[inline]
    fn next(&mut self) -> Option<&'a Meta> {
        if self.next.is_null() {
            return None;
        }
        // SAFETY: linked segments are owned by the packet that is borrowed for 'a.
        let meta = unsafe { &*self.next };
        self.next = match meta.next {
            0 => std::ptr::null(),
            handle => meta.neighbour(handle),
        };
        Some(meta)
    }
}
