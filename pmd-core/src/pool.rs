//! Pools of mbufs.
#![allow(unsafe_code, reason = "turns records of a pool into owning handles")]

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use eal::Memory;
use eal::mempool::{Mempool, PoolAudit, PoolConfig, Record};

use crate::mbuf::{HEADROOM_BYTES, Mbuf, Meta};
use crate::{Burst, Error};

/// A pool of mbufs of one buffer size. Cheap to clone; usable from any thread, each of which has its own cache.
#[derive(Clone, Debug)]
pub struct MbufPool(Mempool);

impl MbufPool {
    /// Makes a pool of `count` mbufs with room for `data_bytes` each behind the headroom; every thread
    /// may keep up to `cache` of them to itself.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when a buffer would not fit 16-bit lengths, [`Error::Eal`] when there is not enough memory.
    pub fn create(
        memory: &Memory,
        name: &str,
        count: u32,
        data_bytes: u16,
        cache: u16,
    ) -> Result<Self, Error> {
        let buf_len = u32::from(data_bytes) + u32::from(HEADROOM_BYTES);
        Self::with_buffers(memory, name, count, buf_len, cache)
    }

    /// As [`MbufPool::create`], with the whole buffer's length (headroom included), DPDK's `--mbuf-size`.
    ///
    /// # Errors
    ///
    /// As [`MbufPool::create`].
    pub fn with_buffers(
        memory: &Memory,
        name: &str,
        count: u32,
        buf_len: u32,
        cache: u16,
    ) -> Result<Self, Error> {
        let (min, max) = (u64::from(HEADROOM_BYTES) + 1, u64::from(u16::MAX));
        if !(min..=max).contains(&u64::from(buf_len)) {
            let what = "buffer length of an mbuf";
            return Err(Error::OutOfRange { what, value: buf_len.into(), min, max });
        }
        Ok(Self(Mempool::create(memory, name, &PoolConfig { size: count, buf_len, cache })?))
    }

    /// The pool of that name that another process made.
    ///
    /// # Errors
    ///
    /// [`Error::Eal`] when there is none.
    pub fn attach(memory: &Memory, name: &str) -> Result<Self, Error> {
        Ok(Self(Mempool::attach(memory, name)?))
    }

    /// The pool of records underneath, for drivers.
    #[inline]
    pub fn records(&self) -> &Mempool {
        &self.0
    }

    /// Bytes a fresh mbuf has for data.
    pub fn data_room(&self) -> u32 {
        self.0.buf_len() - u32::from(HEADROOM_BYTES)
    }

    /// One empty mbuf, or `None` when the pool has none.
    pub fn take(&self) -> Option<Mbuf> {
        let mut slot = [MaybeUninit::uninit()];
        (self.take_into(&mut slot) == 1).then(|| {
            // SAFETY: take_into initialised the slot.
            unsafe { slot[0].assume_init_read() }
        })
    }

    /// Appends up to `count` empty mbufs to `burst` and returns how many.
    pub fn take_burst(&self, burst: &mut Burst, count: usize) -> usize {
        let spare = burst.spare();
        let want = count.min(spare.len());
        let got = self.take_into(&mut spare[..want]);
        // SAFETY: take_into initialised the first `got` spare places.
        unsafe { burst.grow(got) };
        got
    }

    /// Fills the front of `into` with empty mbufs and returns how many.
    #[inline]
    pub fn take_into(&self, into: &mut [MaybeUninit<Mbuf>]) -> usize {
        let count = into.len();
        // SAFETY: Mbuf is a transparent pointer to a record, so the places have the same layout.
        let records = unsafe {
            std::slice::from_raw_parts_mut(
                into.as_mut_ptr().cast::<MaybeUninit<NonNull<Record>>>(),
                count,
            )
        };
        let got = self.0.take_bulk(records);
        for record in &records[..got] {
            // SAFETY: take_bulk initialised the first `got` places.
            let record = unsafe { record.assume_init() };
            // SAFETY: the record was just taken and is held by nobody else.
            unsafe { Meta::reset(record) };
        }
        got
    }

    /// Counts every mbuf of the pool. Exact when no other thread uses the pool.
    pub fn audit(&self) -> PoolAudit {
        self.0.audit()
    }
}
