//! A packet: an owning handle.
#![allow(unsafe_code, reason = "an mbuf is an owning pointer into the window")]

mod chain;
mod meta;
mod segments;
#[cfg(test)]
mod tests;
mod vlan;
mod write;

use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use eal::mempool::{Mempool, Record};

pub use chain::Chain;
pub use meta::{CLASS_OWN, HEADROOM_BYTES, Meta, Offload};
pub use segments::Segments;

/// A packet that its holder owns: `Send`, not `Sync`, not `Clone`. Dropping it gives its segments back to their
/// pools one by one, which is the slow way: keep packets in a [`Burst`](crate::Burst) and drop that.
///
/// Lengths are in bytes. Methods that change the data work on one segment: the front on the first, the back on
/// the last.
#[repr(transparent)]
pub struct Mbuf(NonNull<Meta>);

// SAFETY: an Mbuf owns its records exclusively; nothing in them is tied to a thread.
unsafe impl Send for Mbuf {}

/// There is not enough room for what was asked; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// Bytes asked for.
    pub asked: u32,
    /// Bytes there are.
    pub room: u32,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes were asked for and there are {}", self.asked, self.room)
    }
}

impl std::error::Error for NoRoom {}

impl Mbuf {
    /// Makes the handle of a record that was taken from a pool.
    ///
    /// # Safety
    ///
    /// The caller owns the record and, if `next` is set, its further segments, and gives that up.
    #[inline]
    pub unsafe fn from_record(record: NonNull<Record>) -> Self {
        Self(record.cast())
    }

    /// Gives up the handle without giving the packet back: the caller now owns the record.
    #[inline]
    pub fn into_record(self) -> NonNull<Record> {
        ManuallyDrop::new(self).0.cast()
    }

    /// The first segment's metadata.
    #[inline]
    pub fn meta(&self) -> &Meta {
        // SAFETY: the record is valid and owned by self for as long as self lives.
        unsafe { self.0.as_ref() }
    }

    /// The first segment's metadata, to change it.
    ///
    /// # Safety
    ///
    /// Lengths, offsets and links must go on to describe initialised bytes inside buffers that this packet owns.
    #[inline]
    pub unsafe fn meta_mut(&mut self) -> &mut Meta {
        // SAFETY: the record is valid and owned by self, which is borrowed exclusively.
        unsafe { self.0.as_mut() }
    }

    fn meta_exclusive(&mut self) -> &mut Meta {
        // SAFETY: callers in this module keep lengths, offsets and links consistent.
        unsafe { self.meta_mut() }
    }

    fn last_mut(&mut self) -> &mut Meta {
        let mut at = self.0.as_ptr();
        loop {
            // SAFETY: every linked segment is owned by self, and self is borrowed exclusively.
            let meta = unsafe { &mut *at };
            if meta.next == 0 {
                return meta;
            }
            at = meta.neighbour(meta.next);
        }
    }

    /// This mbuf's number: what stands for it in rings and tables.
    #[inline]
    pub fn handle(&self) -> u32 {
        self.meta().head.handle
    }

    /// Bytes of the whole packet.
    #[inline]
    pub fn len(&self) -> u32 {
        self.meta().pkt_len
    }

    /// Whether the packet has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many segments it has.
    #[inline]
    pub fn segment_count(&self) -> u16 {
        self.meta().nb_segs
    }

    /// The bytes of the first segment. The buffer may be shared with a peer: parse what decides anything from a copy
    /// ([`Mbuf::read_at`]).
    pub fn data(&self) -> &[u8] {
        let meta = self.meta();
        // SAFETY: data_off + data_len lies within the buffer, which the pool made for this record (invariant of the metadata).
        unsafe { std::slice::from_raw_parts(meta.data(), usize::from(meta.data_len)) }
    }

    /// The bytes of the first segment, to change them.
    pub fn data_mut(&mut self) -> &mut [u8] {
        let meta = self.meta();
        // SAFETY: as in `data`, and self is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(meta.data(), usize::from(meta.data_len)) }
    }

    /// The segments, first to last.
    pub fn segments(&self) -> Segments<'_> {
        Segments::of(self)
    }

    /// Bytes free in front of the data of the first segment.
    pub fn headroom(&self) -> u16 {
        self.meta().data_off
    }

    /// Bytes free behind the data of the last segment.
    pub fn tailroom(&self) -> u16 {
        self.segments().last().map_or(0, Meta::tailroom)
    }

    /// Adds `len` bytes in front and returns them (their content is whatever was there).
    ///
    /// # Errors
    ///
    /// [`NoRoom`] when the headroom is shorter.
    pub fn prepend(&mut self, len: u16) -> Result<&mut [u8], NoRoom> {
        let meta = self.meta_exclusive();
        let room = meta.data_off.min(u16::MAX - meta.data_len);
        if len > room {
            return Err(NoRoom { asked: len.into(), room: room.into() });
        }
        meta.data_off -= len;
        meta.data_len += len;
        meta.pkt_len += u32::from(len);
        Ok(&mut self.data_mut()[..usize::from(len)])
    }

    /// Adds `len` bytes at the end of the last segment and returns them (their content is whatever was there).
    ///
    /// # Errors
    ///
    /// [`NoRoom`] when the tailroom is shorter.
    pub fn append(&mut self, len: u16) -> Result<&mut [u8], NoRoom> {
        let last = self.last_mut();
        let room = last.tailroom();
        if len > room {
            return Err(NoRoom { asked: len.into(), room: room.into() });
        }
        let at = last.data().wrapping_add(usize::from(last.data_len));
        last.data_len += len;
        self.meta_exclusive().pkt_len += u32::from(len);
        // SAFETY: the tailroom check keeps the range inside the last segment's buffer, owned by self.
        Ok(unsafe { std::slice::from_raw_parts_mut(at, usize::from(len)) })
    }

    /// Takes `len` bytes off the front of the first segment.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] when the first segment is shorter.
    pub fn trim_front(&mut self, len: u16) -> Result<(), NoRoom> {
        let meta = self.meta_exclusive();
        if len > meta.data_len {
            return Err(NoRoom { asked: len.into(), room: meta.data_len.into() });
        }
        meta.data_off += len;
        meta.data_len -= len;
        meta.pkt_len -= u32::from(len);
        Ok(())
    }

    /// Takes `len` bytes off the end of the last segment.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] when the last segment is shorter.
    pub fn trim_back(&mut self, len: u16) -> Result<(), NoRoom> {
        let last = self.last_mut();
        if len > last.data_len {
            return Err(NoRoom { asked: len.into(), room: last.data_len.into() });
        }
        last.data_len -= len;
        self.meta_exclusive().pkt_len -= u32::from(len);
        Ok(())
    }

    /// Puts `tail` behind this packet; its offload fields are forgotten. To add many, use a [`Chain`].
    ///
    /// # Errors
    ///
    /// Hands `tail` back when it is of another window, or the packet would have more than 65,535 segments or 4 GiB.
    pub fn chain(&mut self, tail: Mbuf) -> Result<(), Mbuf> {
        let Some((segments, bytes)) = self.sum_with(&tail) else { return Err(tail) };
        let handle = tail.handle();
        self.last_mut().next = handle;
        let _ = tail.into_record();
        let head = self.meta_exclusive();
        (head.nb_segs, head.pkt_len) = (segments, bytes);
        Ok(())
    }

    /// Segments and bytes of this packet with `tail` behind it, if that can be.
    fn sum_with(&self, tail: &Mbuf) -> Option<(u16, u32)> {
        let (head, other) = (self.meta(), tail.meta());
        let same_window = std::ptr::eq(head.neighbour(0), other.neighbour(0));
        let segments = head.nb_segs.checked_add(other.nb_segs)?;
        let bytes = head.pkt_len.checked_add(other.pkt_len)?;
        same_window.then_some((segments, bytes))
    }

    /// Copies bytes from `offset` on into `into` and returns how many there were. Works across segments.
    pub fn read_at(&self, offset: u32, into: &mut [u8]) -> usize {
        let (mut skip, mut done) = (offset as usize, 0);
        for segment in self.segments() {
            let data = segment.bytes();
            let from = skip.min(data.len());
            skip -= from;
            let take = (data.len() - from).min(into.len() - done);
            into[done..done + take].copy_from_slice(&data[from..from + take]);
            done += take;
        }
        done
    }

    /// The packet's bytes, copied out.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len() as usize];
        let got = self.read_at(0, &mut bytes);
        bytes.truncate(got);
        bytes
    }

    /// The port that received it, if one did.
    pub fn port(&self) -> Option<u16> {
        Some(self.meta().port).filter(|&p| p != u16::MAX)
    }

    /// What is known or wanted of the packet.
    pub fn offload(&self) -> Offload {
        self.meta().offload
    }
}

impl Meta {
    /// Bytes free behind the data, at most 65,535.
    #[inline]
    fn tailroom(&self) -> u16 {
        let used = u32::from(self.data_off) + u32::from(self.data_len);
        let room = self.head.buf_len.saturating_sub(used);
        u16::try_from(room).unwrap_or(u16::MAX).min(u16::MAX - self.data_len)
    }

    /// The segment's bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: data_off + data_len lies within the buffer the pool made for this record (invariant of the metadata).
        unsafe { std::slice::from_raw_parts(self.data(), usize::from(self.data_len)) }
    }
}

impl Drop for Mbuf {
    fn drop(&mut self) {
        let mut at = self.0;
        loop {
            // SAFETY: each segment is owned by self and was not given back yet.
            let meta = unsafe { at.as_ref() };
            let next = (meta.next != 0).then(|| meta.neighbour(meta.next));
            // SAFETY: the record was taken from a pool and is owned by self, which ends here.
            unsafe { Mempool::give_mixed(&[at.cast()]) };
            match next.and_then(NonNull::new) {
                Some(next) => at = next,
                None => return,
            }
        }
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf")
            .field("handle", &self.handle())
            .field("len", &self.len())
            .field("segments", &self.segment_count())
            .finish()
    }
}
