//! The metadata record of one buffer: a cache line in the private file.
//!
//! | bytes | field | written by |
//! |---|---|---|
//! | 0..8 | distance to the buffer | the pool, once |
//! | 8..12 | own handle | the pool, once |
//! | 12..16 | handle of the pool's header | the pool, once |
//! | 16..20 | owner: who has it in use, 0 when free | the pool, on take and give |
//! | 20..24 | buffer length in bytes | the pool, once |
//! | 24..64 | body | whoever holds the record |
#![allow(unsafe_code, reason = "walks from a record to the memory around it")]

use core::sync::atomic::AtomicU32;
use std::ptr::NonNull;

/// Bytes in one unit of a handle, and in a record.
pub(crate) const HANDLE_UNIT_BYTES: usize = 64;

/// The pool's part of a [`Record`].
#[derive(Debug)]
#[repr(C)]
pub struct RecordHead {
    /// Bytes from this record to its buffer, the same in every process.
    pub buf_distance: i64,
    /// Offset of this record in the private file, in units of 64 bytes; never 0.
    pub handle: u32,
    /// Offset of the pool's header in the private file, in units of 64 bytes.
    pub pool: u32,
    /// The process that has the buffer in use ([`OwnerId::raw`](crate::OwnerId::raw)), or 0 when it is free.
    pub owner: AtomicU32,
    /// Length of the buffer in bytes, headroom included.
    pub buf_len: u32,
}

/// Metadata of one buffer. The body is for whoever took the record.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Record {
    /// The pool's part.
    pub head: RecordHead,
    /// The user's part; its content is kept neither by taking nor by giving.
    pub body: [u64; 5],
}

/// The private file's first byte in this process, as seen from a record.
///
/// # Safety
/// `record` is a record of a pool.
#[inline(always)]
pub(crate) unsafe fn private_base(record: NonNull<Record>) -> NonNull<u8> {
    // SAFETY: the caller vouches for the record; its handle is constant.
    let handle = unsafe { (*record.as_ptr()).head.handle };
    // SAFETY: a record lies `64 * handle` bytes into the private file's mapping.
    unsafe { record.cast::<u8>().sub(HANDLE_UNIT_BYTES * handle as usize) }
}

/// The owner word of a record.
///
/// # Safety
/// `record` is a record of a pool whose memory stays mapped for `'a`.
#[inline(always)]
pub(crate) unsafe fn owner_word<'a>(record: NonNull<Record>) -> &'a AtomicU32 {
    // SAFETY: the caller vouches for the record; the word is an atomic that any thread may read.
    unsafe { &(*record.as_ptr()).head.owner }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn a_record_is_one_cache_line_with_the_pool_in_its_first_24_bytes() {
        assert_eq!(size_of::<Record>(), 64);
        assert_eq!(align_of::<Record>(), 64);
        assert_eq!(size_of::<RecordHead>(), 24);
        assert_eq!(offset_of!(Record, head), 0);
        assert_eq!(offset_of!(Record, body), 24);
    }

    #[test]
    fn the_head_is_laid_out_as_documented() {
        assert_eq!(offset_of!(RecordHead, buf_distance), 0);
        assert_eq!(offset_of!(RecordHead, handle), 8);
        assert_eq!(offset_of!(RecordHead, pool), 12);
        assert_eq!(offset_of!(RecordHead, owner), 16);
        assert_eq!(offset_of!(RecordHead, buf_len), 20);
    }
}
