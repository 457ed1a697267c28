//! Making a pool.
#![allow(unsafe_code, reason = "writes a new pool to shared memory")]

use super::layout::{MAGIC, MAX_SIZE, PoolConfig, PoolHeader, PoolLayout, SEATS};
use super::pool::Mempool;
use super::record::HANDLE_UNIT_BYTES;
use crate::error::Error;
use crate::mem::{Extent, FileKind, Memory};
use core::sync::atomic::{AtomicU64, Ordering};
use std::hash::{BuildHasher, RandomState};
use std::ptr::NonNull;

impl Mempool {
    /// Makes a pool and publishes it under `name`. Only the primary process can.
    ///
    /// No buffer and no record is touched; that happens in ascending order as they are first taken.
    ///
    /// # Errors
    /// [`Error::Name`] for a name that is taken or too long, or a configuration without buffers or bytes, and what [`Memory::alloc`]
    /// reports when there is no room.
    pub fn create(memory: &Memory, name: &str, config: &PoolConfig) -> Result<Self, Error> {
        Self::create_on(memory, name, config, None)
    }

    /// As [`Mempool::create`], with the buffers in the memory of one node (socket) when one is named.
    ///
    /// # Errors
    /// As [`Mempool::create`], and [`Error::NoSocket`] for a node that the machine does not have.
    pub fn create_on(
        memory: &Memory,
        name: &str,
        config: &PoolConfig,
        socket: Option<u32>,
    ) -> Result<Self, Error> {
        check(name, config)?;
        let layout = PoolLayout::new(config.size, config.chunk_capacity(), SEATS);
        let data_len = u64::from(config.size) * config.buffer_stride();
        let data = memory.alloc_on(socket, FileKind::Data, data_len, 64)?;
        let zone = zone_name(name);
        let private = match memory.zone_create(&zone, FileKind::Private, layout.bytes as u64, 64) {
            Ok(private) => private,
            Err(error) => {
                memory.free(data);
                return Err(error);
            }
        };
        // Once the pool is placed, nobody holds its extents any more: it lives as long as the memory.
        match place(memory, name, config, &layout, &private, &data) {
            Ok(at) => Ok(Self::open(memory, name, at)),
            Err(error) => {
                memory.zone_free(&zone, private);
                memory.free(data);
                Err(error)
            }
        }
    }
}

/// The zone in which the pool of a name lies.
pub(super) fn zone_name(name: &str) -> String {
    format!("pool:{name}")
}

fn check(name: &str, config: &PoolConfig) -> Result<(), Error> {
    let problem = if config.size == 0 || config.size > MAX_SIZE {
        "a pool has from 1 to 268435456 buffers"
    } else if config.buf_len == 0 {
        "the buffers of a pool have at least one byte"
    } else {
        return Ok(());
    };
    Err(Error::Name { name: name.to_owned(), problem })
}

/// Writes an empty pool to its zeroed extent.
fn place(
    memory: &Memory,
    name: &str,
    config: &PoolConfig,
    layout: &PoolLayout,
    private: &Extent,
    data: &Extent,
) -> Result<NonNull<u8>, Error> {
    let Some((handle, first_record)) = handles(private, layout) else {
        let problem = "the pool would lie beyond the 128 GiB that handles reach";
        return Err(Error::Name { name: name.to_owned(), problem });
    };
    let at = memory.pointer(private);
    let records = memory.private_base().as_ptr().addr() + HANDLE_UNIT_BYTES * first_record as usize;
    let buffers = memory.pointer(data).as_ptr().addr();
    // SAFETY: the extent is new, zeroed, long enough, aligned to 64, and nobody can attach before the magic is stored.
    unsafe { layout.init(at) };
    let header = PoolHeader {
        magic: AtomicU64::new(0),
        nonce: new_nonce(),
        size: config.size,
        buf_len: config.buf_len,
        chunk_capacity: layout.capacity,
        chunk_count: layout.chunks,
        handle,
        first_record,
        seats: layout.seats,
        reserved: 0,
        buffer_distance: buffers as i64 - records as i64,
        buffer_stride: config.buffer_stride(),
        data_offset: data.offset,
        data_len: data.len,
    };
    // SAFETY: as above.
    unsafe { at.cast::<PoolHeader>().write(header) };
    // SAFETY: the header was written just now.
    let magic = unsafe { &(*at.cast::<PoolHeader>().as_ptr()).magic };
    magic.store(MAGIC, Ordering::Release);
    Ok(at)
}

/// Handles are below this: tables that hold them use the highest bit of 32 for what is none.
const HANDLES: u64 = 1 << 31;

/// Handles of the header and of the first record, if all of the pool's are within bounds.
fn handles(private: &Extent, layout: &PoolLayout) -> Option<(u32, u32)> {
    let unit = HANDLE_UNIT_BYTES as u64;
    let end = private.offset.checked_add(layout.bytes as u64)? / unit;
    if end > HANDLES {
        return None;
    }
    let header = u32::try_from(private.offset / unit).ok()?;
    let records = u32::try_from((private.offset + layout.records_at as u64) / unit).ok()?;
    Some((header, records))
}

/// Random, so that no pool is taken for another; counted in the low byte, so that a few pools have different
/// places in a thread's table.
fn new_nonce() -> u64 {
    static POOLS: AtomicU64 = AtomicU64::new(0);
    let number = POOLS.fetch_add(1, Ordering::Relaxed);
    (RandomState::new().hash_one(number) & !0xff) | (number & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_handle_has_the_highest_bit() {
        let layout = PoolLayout::new(8, 4, 1);
        let len = layout.bytes as u64;
        let at = |offset| handles(&Extent { file: FileKind::Private, offset, len }, &layout);
        let last = (128 << 30) - len;
        assert!(at(last).is_some_and(|(header, records)| header < records && records < 1 << 31));
        assert_eq!(at(last + 64), None);
        assert_eq!(at(u64::MAX), None);
    }
}
