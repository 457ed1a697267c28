//! The pool as others use it: found, taken from, given to.
#![allow(unsafe_code, reason = "hands out and takes back raw records in shared memory")]

use super::audit::PoolAudit;
use super::cache::Cache;
use super::create::zone_name;
use super::layout::{MAGIC, PoolHeader};
use super::record::{HANDLE_UNIT_BYTES, Record, owner_word, private_base};
use super::threads::{Key, adopt, with_cache};
use super::view::PoolView;
use crate::error::Error;
use crate::mem::{LocalContext, Memory};
use crate::process::OwnerId;
use core::sync::atomic::Ordering;
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

/// Handle on a pool of equal buffers; see the [module](super). Clone it freely: clones are the same pool.
///
/// A pool lives as long as its [`Memory`]; the handles keep that alive.
#[derive(Clone)]
pub struct Mempool {
    inner: Arc<Inner>,
}

struct Inner {
    view: PoolView,
    key: Key,
    memory: Memory,
    name: String,
}

impl Mempool {
    /// Finds the pool that was published under `name`, in any process.
    ///
    /// # Errors
    /// [`Error::Name`] when there is none.
    pub fn attach(memory: &Memory, name: &str) -> Result<Self, Error> {
        let missing = || Error::Name {
            name: name.to_owned(),
            problem: "no process has made this pool (yet)",
        };
        let extent = memory.zone_lookup(&zone_name(name)).ok_or_else(missing)?;
        if extent.len < size_of::<PoolHeader>() as u64 {
            return Err(missing());
        }
        let at = memory.pointer(&extent);
        // SAFETY: the zone is mapped and long enough; the magic word is an atomic at the header's start.
        let magic = unsafe { &(*at.cast::<PoolHeader>().as_ptr()).magic };
        if magic.load(Ordering::Acquire) != MAGIC {
            return Err(missing());
        }
        Ok(Self::open(memory, name, at))
    }

    /// The pool at `at`, whose header is complete.
    pub(super) fn open(memory: &Memory, name: &str, at: NonNull<u8>) -> Self {
        // SAFETY: both callers saw to a complete pool in this memory, which `Inner` keeps mapped.
        let view = unsafe { PoolView::new(at, memory.private_base(), memory.owner().raw()) };
        let nonce = view.header().nonce;
        memory.add_pool_check(nonce, Box::new(move || u64::from(view.held_by(view.me))));
        let key = Key { mapping: memory.unique(), nonce };
        let inner = Inner { view, key, memory: memory.clone(), name: name.to_owned() };
        Self { inner: Arc::new(inner) }
    }

    /// The name it was made with.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// How many buffers there are.
    pub fn size(&self) -> u32 {
        self.inner.view.layout.size
    }

    /// Bytes of each buffer, headroom included.
    pub fn buf_len(&self) -> u32 {
        self.inner.view.header().buf_len
    }

    /// The memory that the pool lies in.
    pub fn memory(&self) -> &Memory {
        &self.inner.memory
    }

    /// Handle of the pool itself, as in [`RecordHead::pool`](super::RecordHead::pool).
    pub fn handle(&self) -> u32 {
        self.inner.view.header().handle
    }

    /// How many buffers are outside all chunks. Exact when no thread is in the middle of a call.
    pub fn in_use(&self) -> u32 {
        self.inner.view.in_use()
    }

    /// The record that `handle` names, if it is one of this pool's. Whether the caller may touch it is another question.
    #[inline]
    pub fn record(&self, handle: u32) -> Option<NonNull<Record>> {
        let view = &self.inner.view;
        // SAFETY: the handle is one of this pool's.
        view.contains(handle).then(|| unsafe { view.record(handle) })
    }

    /// Stamps a record as this process's: the first thing to do with one that another process handed over, before the
    /// place that it came from is cleared.
    ///
    /// # Safety
    /// The caller holds `record`, which is one of this pool's.
    #[inline]
    pub unsafe fn stamp(&self, record: NonNull<Record>) {
        // SAFETY: passed on to the caller; the pool is mapped.
        unsafe { owner_word(record) }.store(self.inner.view.me, Ordering::Release);
    }

    /// Takes as many records as there are, up to `out.len()`, into the front of `out`; returns how many. Each is stamped as this
    /// process's; its head is valid, its body is not initialised.
    ///
    /// Records in the caches of other threads are not found.
    #[inline]
    pub fn take_bulk(&self, out: &mut [MaybeUninit<NonNull<Record>>]) -> usize {
        let (first, count) = (out.as_mut_ptr().cast::<NonNull<Record>>(), out.len());
        let inner = &*self.inner;
        // SAFETY: `out` is valid for `count` writes.
        let take = |cache: &mut Cache| unsafe { cache.take(first, count) };
        // SAFETY: the pool is mapped while `self` lives; taking calls nothing of the user's.
        match unsafe { with_cache(inner.key, take) } {
            Some(taken) => taken,
            None => inner.take_first(out),
        }
    }

    /// Takes up to `count` records and hands each to `each`; returns how many. For initialising them in one pass.
    ///
    /// A panic of `each` loses no record but the one it was called with.
    pub fn take_each(&self, count: usize, mut each: impl FnMut(NonNull<Record>)) -> usize {
        let mut taken = 0;
        while taken < count {
            let mut batch =
                Batch { pool: self, records: [MaybeUninit::uninit(); 32], next: 0, end: 0 };
            let want = (count - taken).min(batch.records.len());
            batch.end = self.take_bulk(&mut batch.records[..want]);
            taken += batch.end;
            let short = batch.end < want;
            batch.by_ref().for_each(&mut each);
            if short {
                break;
            }
        }
        taken
    }

    /// Gives records of this pool back.
    ///
    /// # Safety
    /// All are records of this pool that the caller holds and forgets.
    #[inline]
    pub unsafe fn give_bulk(&self, records: &[NonNull<Record>]) {
        let inner = &*self.inner;
        // SAFETY: the records are of this pool, which is mapped while `self` lives.
        unsafe { give_run(inner.key, inner.view.base, records) };
    }

    /// Gives records of any pools back; each knows its own.
    ///
    /// # Safety
    /// All are records of pools that are still mapped in this process, which the caller holds and forgets.
    #[inline]
    pub unsafe fn give_mixed(records: &[NonNull<Record>]) {
        let mut rest = records;
        while let Some(&first) = rest.first() {
            // SAFETY: the caller vouches for the records.
            let at = unsafe { pool_of(first) };
            // SAFETY: as above.
            let same = |&&record: &&NonNull<Record>| unsafe { pool_of(record) } == at;
            let run = rest.iter().take_while(same).count();
            let (these, others) = rest.split_at(run);
            // SAFETY: the pool's header is mapped and constant.
            let nonce = unsafe { (*at.cast::<PoolHeader>().as_ptr()).nonce };
            // SAFETY: the caller vouches for the record.
            let base = unsafe { private_base(first) };
            // SAFETY: the private file is mapped at `base`, and its local page before it.
            let mapping = unsafe { LocalContext::of(base) }.unique;
            // SAFETY: these records are all of the pool at `at`.
            unsafe { give_run(Key { mapping, nonce }, base, these) };
            rest = others;
        }
    }

    /// Counts every buffer, from stamps and from chunks. Exact when no thread of any process uses the pool meanwhile.
    /// Reads all metadata that was ever used: for tests and tools, not for polling loops.
    pub fn audit(&self) -> PoolAudit {
        self.inner.view.audit()
    }

    /// Takes back what the dead process `dead` held, except the records whose handle `held` claims for a queue; returns
    /// how many came back. May be repeated, and by another process. Sweeping oneself does nothing.
    ///
    /// The caller knows that the process is dead: what a living one holds would be given away twice.
    pub fn sweep(&self, dead: OwnerId, held: &dyn Fn(u32) -> bool) -> u32 {
        if dead.raw() == self.inner.view.me {
            return 0;
        }
        self.inner.view.sweep(dead.raw(), held)
    }
}

impl fmt::Debug for Mempool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mempool")
            .field("name", &self.inner.name)
            .field("size", &self.size())
            .field("buf_len", &self.buf_len())
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// A take on a thread that has no cache of this pool yet.
    #[cold]
    #[inline(never)]
    fn take_first(&self, out: &mut [MaybeUninit<NonNull<Record>>]) -> usize {
        let (first, count) = (out.as_mut_ptr().cast::<NonNull<Record>>(), out.len());
        if count == 0 {
            return 0;
        }
        adopt(self.key, self.memory.downgrade(), || Cache::for_take(self.view));
        // SAFETY: `out` is valid for `count` writes.
        let take = |cache: &mut Cache| unsafe { cache.take(first, count) };
        // SAFETY: the pool is mapped while `self` lives; taking calls nothing of the user's.
        let taken = unsafe { with_cache(self.key, take) };
        // SAFETY: `out` is valid for `count` writes.
        taken.unwrap_or_else(|| unsafe { self.view.take_uncached(first, count) })
    }
}

/// Gives records of one pool back through the calling thread's cache.
///
/// # Safety
/// All are records of the pool `key`, in the private file at `base`, that the caller holds and forgets; it is mapped.
#[inline(always)]
unsafe fn give_run(key: Key, base: NonNull<u8>, records: &[NonNull<Record>]) {
    let (first, count) = (records.as_ptr(), records.len());
    // SAFETY: `records` has `count` records of this pool, which the caller forgets.
    let give = |cache: &mut Cache| unsafe { cache.give(first, count) };
    // SAFETY: the pool is mapped; giving calls nothing of the user's.
    if unsafe { with_cache(key, give) }.is_none() {
        // SAFETY: passed on to the caller.
        unsafe { give_first(key, base, records) };
    }
}

/// A give on a thread that has no cache of the pool yet.
///
/// # Safety
/// As for [`give_run`].
#[cold]
#[inline(never)]
unsafe fn give_first(key: Key, base: NonNull<u8>, records: &[NonNull<Record>]) {
    let Some(&any) = records.first() else { return };
    // Held to the end: chunks and state words are written after the last stamp was cleared, and from then on nothing
    // else here keeps the memory. Where it is ending already, the record stays stamped and thereby keeps it mapped.
    // SAFETY: the window is mapped, since the caller holds a record of it.
    let Some(memory) = (unsafe { Memory::from_private_base(base) }) else { return };
    // SAFETY: the caller vouches for the records.
    let at = unsafe { pool_of(any) };
    // SAFETY: the private file is mapped at `base`, and its local page before it.
    let me = unsafe { LocalContext::of(base) }.owner;
    // SAFETY: the pool is complete, since it has records, and is mapped.
    let view = unsafe { PoolView::new(at, base, me.raw()) };
    adopt(key, memory.downgrade(), || Cache::for_give(view));
    let (first, count) = (records.as_ptr(), records.len());
    // SAFETY: `records` has `count` records of this pool, which the caller forgets.
    let give = |cache: &mut Cache| unsafe { cache.give(first, count) };
    // SAFETY: the pool is mapped; giving calls nothing of the user's.
    if unsafe { with_cache(key, give) }.is_none() {
        // SAFETY: as above.
        unsafe { view.give_uncached(first, count) };
    }
    drop(memory);
}

/// Where the header of a record's pool is mapped.
///
/// # Safety
/// `record` is a record of a pool that is mapped.
#[inline(always)]
unsafe fn pool_of(record: NonNull<Record>) -> NonNull<u8> {
    // SAFETY: the caller vouches for the record.
    let base = unsafe { private_base(record) };
    // SAFETY: the record's head is constant.
    let pool = unsafe { (*record.as_ptr()).head.pool };
    // SAFETY: the header lies in the same private file, at its handle.
    unsafe { base.add(HANDLE_UNIT_BYTES * pool as usize) }
}

/// Records on their way through [`Mempool::take_each`]; those not reached go back.
struct Batch<'a> {
    pool: &'a Mempool,
    records: [MaybeUninit<NonNull<Record>>; 32],
    next: usize,
    end: usize,
}

impl Iterator for Batch<'_> {
    type Item = NonNull<Record>;

    fn next(&mut self) -> Option<NonNull<Record>> {
        let record = self.records[self.next..self.end].first()?;
        self.next += 1;
        // SAFETY: `take_bulk` filled the places below `end`.
        Some(unsafe { record.assume_init() })
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        while let Some(record) = self.next() {
            // SAFETY: taken from this pool and handed to nobody.
            unsafe { self.pool.give_bulk(&[record]) };
        }
    }
}
