//! Handing out memory: extents and zones.

#![allow(unsafe_code, reason = "clears memory before it is handed out again")]

use std::sync::MutexGuard;

use nix::fcntl::{FallocateFlags, fallocate};

use crate::error::Error;

use super::backing::SMALL_PAGE_BYTES;
use super::extents::{Extents, Taken, align_up};
use super::memory::{Memory, lock};
use super::{Allocation, Extent, FileKind};

impl Memory {
    /// Hands out `len` zero-filled bytes at a multiple of `align`, committing more memory when needed.
    ///
    /// # Errors
    ///
    /// [`Error::PrimaryOnly`] in a secondary, [`Error::Extent`] for a length of 0 or an alignment that is no
    /// power of two, [`Error::Reservation`] when the file is full, [`Error::HugePages`] when pages run out,
    /// [`Error::SocketLimit`] when more must not be added.
    pub fn alloc(&self, file: FileKind, len: u64, align: u64) -> Result<Allocation, Error> {
        self.alloc_on(None, file, len, align)
    }

    /// As [`Memory::alloc`], from the memory of one node (socket) when one is named. The nodes share the data file; the private
    /// file has none.
    ///
    /// # Errors
    ///
    /// Those of `alloc`, and [`Error::NoSocket`] for a node that the machine does not have.
    pub fn alloc_on(
        &self,
        socket: Option<u32>,
        file: FileKind,
        len: u64,
        align: u64,
    ) -> Result<Allocation, Error> {
        self.primary_only()?;
        if len == 0 || !align.is_power_of_two() {
            return Err(Error::Extent { len, align });
        }
        self.inner.parts.nodes.choose(socket, len)?;
        let socket = socket.filter(|_| file == FileKind::Data);
        let mut space = self.space(file);
        let taken = match self.take(&mut space, socket, len, align) {
            Some(taken) => taken,
            None => {
                self.grow(&mut space, file, len, align, socket)?;
                let taken = self.take(&mut space, socket, len, align);
                taken.ok_or_else(|| self.file_full(file, len))?
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

    /// Takes bytes that are committed, on one node if one is named.
    fn take(
        &self,
        space: &mut Extents,
        socket: Option<u32>,
        len: u64,
        align: u64,
    ) -> Option<Taken> {
        let Some(node) = socket else { return space.take(len, align) };
        let spans = lock(&self.inner.spans);
        spans.of(node).find_map(|span| space.take_within(len, align, span.start, span.end))
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

    pub(super) fn file_full(&self, file: FileKind, wanted_bytes: u64) -> Error {
        let reserved_bytes = self.inner.parts.window.len(file);
        Error::Reservation { file, wanted_bytes, reserved_bytes }
    }

    pub(super) fn space(&self, file: FileKind) -> MutexGuard<'_, Extents> {
        lock(match file {
            FileKind::Private => &self.inner.private_space,
            FileKind::Data => &self.inner.data_space,
        })
    }
}
