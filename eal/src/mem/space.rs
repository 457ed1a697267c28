//! Handing out memory: extents, zones, and committing more when it runs short.

#![allow(unsafe_code, reason = "clears memory before it is handed out again")]

use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use nix::fcntl::{FallocateFlags, fallocate};

use crate::error::Error;

use super::available::warn_of_shortage;
use super::backing::{Backing, BackingKind, HUGE_PAGE_BYTES, SMALL_PAGE_BYTES};
use super::choice::huge_pages_missing;
use super::extents::{Extents, align_up};
use super::memory::{Memory, lock};
use super::{Allocation, Extent, FileKind};

/// Ordinary pages are mapped in steps of at least this many bytes; only touched pages cost memory.
const STEP_BYTES: u64 = 32 << 20;

impl Memory {
    /// Hands out `len` zero-filled bytes at a multiple of `align`, committing more memory when needed.
    ///
    /// # Errors
    ///
    /// [`Error::PrimaryOnly`] in a secondary, [`Error::Extent`] for a length of 0 or an alignment that is no
    /// power of two, [`Error::Reservation`] when the file is full, [`Error::HugePages`] when pages run out.
    pub fn alloc(&self, file: FileKind, len: u64, align: u64) -> Result<Allocation, Error> {
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
        let extent = Extent { file, offset: taken.offset, len };
        Ok(Allocation::new(extent, self.unique()))
    }

    /// Gives an extent back. For one of another memory only an error is logged.
    ///
    /// Pointers into it must not be used from here on.
    pub fn free(&self, allocation: Allocation) {
        let extent = allocation.extent();
        let ours = allocation.mapping() == self.unique();
        if !ours || !self.space(extent.file).give(extent.offset, extent.len) {
            log::error!(target: "eal", "{extent:?} cannot be given back: it is not of this memory");
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
    ) -> Result<Allocation, Error> {
        self.primary_only()?;
        let _directory = lock(&self.inner.directory);
        self.header().zones.check_free(name)?;
        let allocation = self.alloc(file, len, align)?;
        if let Err(error) = self.header().zones.insert(name, allocation.extent()) {
            self.free(allocation);
            return Err(error);
        }
        Ok(allocation)
    }

    /// Finds a zone by name, in any process.
    pub fn zone_lookup(&self, name: &str) -> Option<Extent> {
        self.header().zones.lookup(name).filter(|extent| self.contains(extent))
    }

    /// Takes the zone `name` out of the directory and gives back its extent, which [`Memory::zone_create`] returned. Where
    /// the two do not belong together only an error is logged.
    pub fn zone_free(&self, name: &str, allocation: Allocation) {
        let _directory = lock(&self.inner.directory);
        let zones = &self.header().zones;
        let ours = allocation.mapping() == self.unique();
        if !ours || zones.lookup(name) != Some(allocation.extent()) {
            log::error!(target: "eal", "{:?} is not the zone '{name}' and stays", *allocation);
            return;
        }
        zones.remove(name);
        self.free(allocation);
    }

    /// Decides for good which pages the data file has, before it is handed to another process.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        let mut space = self.space(FileKind::Data);
        if self.data_committed() == 0 {
            self.grow(&mut space, FileKind::Data, 1, 1)?;
        }
        Ok(())
    }

    /// Makes at least the first `end` bytes of a file usable. Called with the file's space locked, or at start.
    pub(super) fn commit(&self, file: FileKind, end: u64) -> Result<(), Error> {
        let done = self.committed(file).load(Ordering::Relaxed);
        if end <= done {
            return Ok(());
        }
        self.map_or_fall_back(file, done, end)?;
        self.committed(file).store(end, Ordering::Release);
        if !self.backing(file).is_huge() {
            warn_of_shortage(end - done);
        }
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
            return Err(huge_pages_missing(&parts.choice, end - done));
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

    fn primary_only(&self) -> Result<(), Error> {
        if self.is_primary() { Ok(()) } else { Err(Error::PrimaryOnly) }
    }

    fn file_full(&self, file: FileKind, wanted_bytes: u64) -> Error {
        let reserved_bytes = self.inner.parts.window.len(file);
        Error::Reservation { file, wanted_bytes, reserved_bytes }
    }

    fn space(&self, file: FileKind) -> MutexGuard<'_, Extents> {
        lock(match file {
            FileKind::Private => &self.inner.private_space,
            FileKind::Data => &self.inner.data_space,
        })
    }
}
