//! The handle on one process's mapping of a window: allocation, zones, addresses, and the end of it all.

#![allow(unsafe_code, reason = "clears mapped memory and keeps a weak pointer in the local page")]

use std::any::Any;
use std::fmt;
use std::mem::ManuallyDrop;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use nix::fcntl::{FallocateFlags, fallocate};

use crate::error::Error;
use crate::gate::FenceMode;
use crate::process::{OwnerId, ProcessTable};

use super::backing::{Backing, BackingKind, HUGE_PAGE_BYTES, SMALL_PAGE_BYTES};
use super::extents::{Extents, align_up};
use super::header::Header;
use super::local::LocalContext;
use super::startup::{self, Choice};
use super::window::Window;
use super::{Extent, FileKind};

/// Ordinary pages are mapped in steps of at least this many bytes; only touched pages cost memory.
const STEP_BYTES: u64 = 32 << 20;

/// Says how many buffers of a user of the memory are still out. Called when the last handle goes; must not
/// hold a [`Memory`] itself.
pub type InUseCheck = Box<dyn Fn() -> u64 + Send + Sync>;

/// One process's mapping of an `Eal`'s memory. Cloning makes another handle on the same mapping.
///
/// The mapping ends with the last handle, unless an in-use check counts buffers that are still out: then
/// it stays for the life of the process and a warning says so, rather than leave pointers dangling.
#[derive(Clone)]
pub struct Memory {
    inner: Arc<Inner>,
}

/// Names a [`Memory`] without keeping it.
#[derive(Clone)]
pub struct WeakMemory {
    inner: Weak<Inner>,
}

impl WeakMemory {
    /// The memory, while some handle on it is left.
    pub fn upgrade(&self) -> Option<Memory> {
        self.inner.upgrade().map(|inner| Memory { inner })
    }
}

/// What a [`Memory`] is made of, put together by `startup`.
pub(super) struct Parts {
    pub window: Window,
    pub private: Backing,
    pub data: Backing,
    pub owner: OwnerId,
    pub fences: FenceMode,
    pub unique: u64,
    pub iova_base: u64,
    pub primary: bool,
    pub choice: Choice,
    /// Kept until the mapping has gone: a secondary's connection to its primary.
    pub _membership: Option<Box<dyn Any + Send + Sync>>,
}

struct Inner {
    parts: ManuallyDrop<Parts>,
    private_space: Mutex<Extents>,
    data_space: Mutex<Extents>,
    directory: Mutex<()>,
    checks: Mutex<Vec<(u64, InUseCheck)>>,
    next_check: AtomicU64,
}

impl Memory {
    pub(super) fn new(parts: Parts) -> Self {
        let inner = Arc::new(Inner {
            parts: ManuallyDrop::new(parts),
            private_space: Mutex::default(),
            data_space: Mutex::default(),
            directory: Mutex::new(()),
            checks: Mutex::default(),
            next_check: AtomicU64::new(0),
        });
        let weak = Arc::downgrade(&inner).into_raw().cast();
        LocalContext::new(inner.parts.owner, inner.parts.fences, inner.parts.unique, weak)
            .place(inner.parts.window.local_page());
        Self { inner }
    }

    /// Hands out `len` zero-filled bytes at a multiple of `align`, committing more memory when needed.
    ///
    /// # Errors
    ///
    /// [`Error::PrimaryOnly`] in a secondary, [`Error::Extent`] for a length of 0 or an alignment that is no
    /// power of two, [`Error::Reservation`] when the file is full, [`Error::HugePages`] when pages run out.
    pub fn alloc(&self, file: FileKind, len: u64, align: u64) -> Result<Extent, Error> {
        self.primary_only()?;
        if len == 0 || !align.is_power_of_two() {
            return Err(Error::Extent { len, align });
        }
        let mut space = self.space(file);
        let taken = match space.take(len, align) {
            Some(taken) => taken,
            None => {
                self.grow(&mut space, file, len, align)?;
                space.take(len, align).ok_or_else(|| self.file_full(file, len))?
            }
        };
        if taken.used_bytes > 0 {
            self.clear(file, taken.offset, taken.used_bytes);
        }
        Ok(Extent { file, offset: taken.offset, len })
    }

    /// Gives an extent back. In a secondary, or for an extent that is free already, only an error is logged.
    pub fn free(&self, extent: Extent) {
        if !self.is_primary() || !self.space(extent.file).give(extent.offset, extent.len) {
            log::error!(target: "eal", "extent {extent:?} cannot be given back: it is not held here");
            return;
        }
        if !self.backing(extent.file).is_huge() {
            self.punch(extent.file, extent.offset, extent.len);
        }
    }

    /// Allocates like [`Memory::alloc`] and publishes the extent under `name` (at most 64 bytes) for all
    /// processes. A freshly published zone is all zeroes: users that need more say "ready" in it themselves.
    ///
    /// # Errors
    ///
    /// Those of `alloc`; [`Error::Name`] when the name is taken or too long, [`Error::TableFull`].
    pub fn zone_create(
        &self,
        name: &str,
        file: FileKind,
        len: u64,
        align: u64,
    ) -> Result<Extent, Error> {
        self.primary_only()?;
        let _directory = lock(&self.inner.directory);
        self.header().zones.check_free(name)?;
        let extent = self.alloc(file, len, align)?;
        if let Err(error) = self.header().zones.insert(name, extent) {
            self.free(extent);
            return Err(error);
        }
        Ok(extent)
    }

    /// Finds a zone by name, in any process.
    pub fn zone_lookup(&self, name: &str) -> Option<Extent> {
        self.header().zones.lookup(name).filter(|extent| self.contains(extent))
    }

    /// Takes a zone out of the directory and gives its extent back. Unknown names are ignored.
    pub fn zone_free(&self, name: &str) {
        let _directory = lock(&self.inner.directory);
        if self.is_primary()
            && let Some(extent) = self.header().zones.remove(name)
        {
            self.free(extent);
        }
    }

    /// Address of an extent's first byte in this process; all of the extent is mapped.
    ///
    /// # Panics
    ///
    /// When the extent does not lie inside what is committed: it came from another memory.
    pub fn pointer(&self, extent: &Extent) -> NonNull<u8> {
        assert!(self.contains(extent), "{extent:?} is not part of this memory");
        self.inner.parts.window.address(extent.file, extent.offset)
    }

    /// Address of the private file's first byte in this process.
    pub fn private_base(&self) -> NonNull<u8> {
        self.inner.parts.window.address(FileKind::Private, 0)
    }

    /// Address of the data file's first byte in this process.
    pub fn data_base(&self) -> NonNull<u8> {
        self.inner.parts.window.address(FileKind::Data, 0)
    }

    /// IOVA of the data file's first byte; `iova = iova_base + data offset`.
    pub fn iova_base(&self) -> u64 {
        self.inner.parts.iova_base
    }

    /// The data file, to hand to peers. Announce [`Memory::data_committed`] bytes of it.
    pub fn data_fd(&self) -> BorrowedFd<'_> {
        self.inner.parts.data.fd()
    }

    /// Bytes of the data file that are in use or ready to be, from its start.
    pub fn data_committed(&self) -> u64 {
        self.header().data_committed.load(Ordering::Acquire)
    }

    /// Raised whenever [`Memory::data_committed`] grows.
    pub fn generation(&self) -> u64 {
        self.header().generation.load(Ordering::Acquire)
    }

    /// Names this process.
    pub fn owner(&self) -> OwnerId {
        self.inner.parts.owner
    }

    /// How gates of this memory are fenced.
    pub fn fences(&self) -> FenceMode {
        self.inner.parts.fences
    }

    /// A number that no other mapping of any memory in this process has had, for keys of thread-local tables.
    pub fn unique(&self) -> u64 {
        self.inner.parts.unique
    }

    /// Whether this process made the memory.
    pub fn is_primary(&self) -> bool {
        self.inner.parts.primary
    }

    /// One line on the pages that hold the memory, what they cost, and what would change that.
    pub fn describe(&self) -> String {
        self.inner.parts.choice.describe(&self.inner.parts.data)
    }

    /// Registers a count of buffers that are out; it is asked when the last handle goes. The returned id undoes it.
    pub fn add_in_use_check(&self, check: InUseCheck) -> u64 {
        let id = self.inner.next_check.fetch_add(1, Ordering::Relaxed);
        lock(&self.inner.checks).push((id, check));
        id
    }

    /// Removes what [`Memory::add_in_use_check`] registered.
    pub fn remove_in_use_check(&self, id: u64) {
        lock(&self.inner.checks).retain(|(known, _)| *known != id);
    }

    /// A reference that does not keep the memory.
    pub fn downgrade(&self) -> WeakMemory {
        WeakMemory { inner: Arc::downgrade(&self.inner) }
    }

    /// The memory whose private file is mapped at `private_base`, while some handle on it is left.
    ///
    /// # Safety
    ///
    /// As for [`LocalContext::of`]: the window is mapped.
    pub unsafe fn from_private_base(private_base: NonNull<u8>) -> Option<Self> {
        // SAFETY: the caller vouches for the mapping.
        let context = unsafe { LocalContext::of(private_base) };
        // SAFETY: the page holds what `Weak::into_raw` returned, and owns that count while it is mapped.
        let weak = unsafe { Weak::from_raw(context.memory.cast::<Inner>()) };
        ManuallyDrop::new(weak).upgrade().map(|inner| Self { inner })
    }

    /// The process table of this memory.
    pub(crate) fn processes(&self) -> &ProcessTable {
        &self.header().processes
    }

    /// Both files with their page sizes in bytes, for a secondary that joins.
    pub(crate) fn files(&self) -> [(BorrowedFd<'_>, u64); 2] {
        let parts = &self.inner.parts;
        [
            (parts.private.fd(), parts.private.page_bytes()),
            (parts.data.fd(), parts.data.page_bytes()),
        ]
    }

    /// Bytes of address space reserved for the private and the data file.
    pub(crate) fn reserved_lens(&self) -> (u64, u64) {
        (self.reserved(FileKind::Private), self.reserved(FileKind::Data))
    }

    /// Decides for good which pages the data file has, before it is handed to another process.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        let mut space = self.space(FileKind::Data);
        if self.data_committed() == 0 {
            self.grow(&mut space, FileKind::Data, 1, 1)?;
        }
        Ok(())
    }

    /// Bytes of address space reserved for a file.
    pub(super) fn reserved(&self, file: FileKind) -> u64 {
        self.inner.parts.window.len(file)
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the header's part of the private file is mapped since before this value existed, until
        // the last handle goes.
        unsafe { Header::at(self.private_base()) }
    }

    /// Makes at least the first `end` bytes of a file usable. Called with the file's space locked, or at start.
    pub(super) fn commit(&self, file: FileKind, end: u64) -> Result<(), Error> {
        let done = self.committed(file).load(Ordering::Relaxed);
        if end <= done {
            return Ok(());
        }
        self.map_or_fall_back(file, done, end)?;
        self.committed(file).store(end, Ordering::Release);
        if file == FileKind::Data {
            self.header().generation.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Adds what is committed to the free space. `skip` bytes at the start are taken for good.
    pub(super) fn open_space(&self, file: FileKind, skip: u64) {
        let mut space = self.space(file);
        space.grow(self.committed(file).load(Ordering::Relaxed));
        if skip > 0 {
            let _ = space.take(skip, 1);
        }
    }

    fn map_or_fall_back(&self, file: FileKind, done: u64, end: u64) -> Result<(), Error> {
        let parts = &self.inner.parts;
        let backing = self.backing(file);
        let map = |backing: &Backing| {
            parts.window.map(file, backing.fd(), done, end - done, backing.is_huge())
        };
        let Err(error) = map(backing) else { return Ok(()) };
        let out_of_pages = backing.is_huge() && error.raw_os_error() == Some(libc::ENOMEM);
        if !out_of_pages {
            return Err(Error::Io { action: "map memory", source: error });
        }
        if done > 0 || !parts.choice.may_fall_back() {
            return Err(startup::huge_pages_missing(&parts.choice, end - done));
        }
        backing
            .replace(&BackingKind::Plain, parts.window.len(file))
            .map_err(Error::io("create a memory file"))?;
        map(backing).map_err(Error::io("map memory"))?;
        log::warn!(target: "eal", "memory: {} MiB of huge pages are not free; now {}",
            (end - done) >> 20, self.describe());
        Ok(())
    }

    fn grow(&self, space: &mut Extents, file: FileKind, len: u64, align: u64) -> Result<(), Error> {
        let full = || self.file_full(file, len);
        let reserved = self.inner.parts.window.len(file);
        let needed = space.needed_end(len, align).ok_or_else(full)?;
        let backing = self.backing(file);
        let granule = backing.page_bytes().max(HUGE_PAGE_BYTES);
        let step = if backing.is_huge() { granule } else { STEP_BYTES };
        let end = align_up(needed.max(space.end() + step), granule).ok_or_else(full)?;
        if needed > reserved {
            return Err(full());
        }
        self.commit(file, end.min(reserved))?;
        space.grow(self.committed(file).load(Ordering::Relaxed));
        Ok(())
    }

    /// Zeroes bytes that were handed out before.
    fn clear(&self, file: FileKind, offset: u64, len: u64) {
        let (mut start, end) = (offset, offset + len);
        if !self.backing(file).is_huge()
            && let Some((first, last)) = self.punch(file, offset, len)
        {
            self.zero(file, start, first);
            start = last;
        }
        self.zero(file, start, end);
    }

    fn zero(&self, file: FileKind, start: u64, end: u64) {
        let at = self.inner.parts.window.address(file, start);
        // SAFETY: `[start, end)` was just taken from the committed, mapped part of the file and nobody here
        // holds a pointer into it.
        unsafe { at.write_bytes(0, (end - start) as usize) };
    }

    /// Gives the whole pages inside a range back to the kernel, which zeroes them; says which bytes that were.
    fn punch(&self, file: FileKind, offset: u64, len: u64) -> Option<(u64, u64)> {
        let first = align_up(offset, SMALL_PAGE_BYTES)?;
        let last = (offset + len) & !(SMALL_PAGE_BYTES - 1);
        if first >= last {
            return None;
        }
        let mode = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let (start, length) = (i64::try_from(first).ok()?, i64::try_from(last - first).ok()?);
        fallocate(self.backing(file).fd(), mode, start, length).ok()?;
        Some((first, last))
    }

    fn contains(&self, extent: &Extent) -> bool {
        let committed = self.committed(extent.file).load(Ordering::Acquire);
        extent.offset.checked_add(extent.len).is_some_and(|end| end <= committed)
    }

    fn primary_only(&self) -> Result<(), Error> {
        if self.is_primary() { Ok(()) } else { Err(Error::PrimaryOnly) }
    }

    fn file_full(&self, file: FileKind, wanted_bytes: u64) -> Error {
        let reserved_bytes = self.inner.parts.window.len(file);
        Error::Reservation { file, wanted_bytes, reserved_bytes }
    }

    fn committed(&self, file: FileKind) -> &AtomicU64 {
        match file {
            FileKind::Private => &self.header().private_committed,
            FileKind::Data => &self.header().data_committed,
        }
    }

    fn backing(&self, file: FileKind) -> &Backing {
        match file {
            FileKind::Private => &self.inner.parts.private,
            FileKind::Data => &self.inner.parts.data,
        }
    }

    fn space(&self, file: FileKind) -> MutexGuard<'_, Extents> {
        lock(match file {
            FileKind::Private => &self.inner.private_space,
            FileKind::Data => &self.inner.data_space,
        })
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("owner", &self.owner())
            .field("primary", &self.is_primary())
            .field("data_committed", &self.data_committed())
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let checks = self.checks.get_mut().unwrap_or_else(PoisonError::into_inner);
        let held: u64 = checks.iter().map(|(_, check)| check()).sum();
        if held > 0 {
            log::warn!(target: "eal",
                "{held} buffers are still held: their memory stays mapped until the process ends");
            return;
        }
        // SAFETY: the page was written when this value was made and is mapped until the line that drops the parts.
        let context = unsafe { self.parts.window.local_page().cast::<LocalContext>().as_ref() };
        let weak = context.memory.cast::<Self>();
        // SAFETY: the page held the count that `Weak::into_raw` left there; nobody reads the page after this.
        drop(unsafe { Weak::from_raw(weak) });
        // SAFETY: this is the only place that drops the parts, and it runs once.
        unsafe { ManuallyDrop::drop(&mut self.parts) };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the locks protect is changed by single calls that do not panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
