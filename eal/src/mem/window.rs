//! The reserved range of addresses: `[local page | private file | data file]`.
//!
//! Reserved once without access, wherever the kernel puts it; committed parts of the two files are mapped
//! over it. The distances inside are the same in every process, the base is not.

#![allow(unsafe_code, reason = "maps memory at addresses inside a range it owns")]

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use crate::error::Error;
use crate::mem::FileKind;

/// Bytes from the local page to the private file's first byte.
pub(crate) const LOCAL_BYTES: u64 = 4096;

/// One process's reservation. Dropping it unmaps everything in it.
#[derive(Debug)]
pub(crate) struct Window {
    private: NonNull<u8>,
    private_len: u64,
    data_len: u64,
}

// SAFETY: the value is an address range it owns; nothing in it is tied to a thread.
unsafe impl Send for Window {}
// SAFETY: shared use only computes addresses and maps with `&self` calls that the owner serialises.
unsafe impl Sync for Window {}

impl Window {
    /// Reserves addresses for files of these sizes. `align` is the alignment of the private file's first byte,
    /// a power of two; both lengths must be multiples of it.
    pub fn reserve(private_len: u64, data_len: u64, align: u64) -> Result<Self, Error> {
        let need = LOCAL_BYTES + private_len + data_len;
        let total = need + align;
        let too_big = || Error::AddressSpace { bytes: total };
        let length = usize::try_from(total).ok().and_then(NonZeroUsize::new).ok_or_else(too_big)?;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let start = unsafe { mmap_anonymous(None, length, ProtFlags::PROT_NONE, flags) }
            .map_err(|_| too_big())?;
        let start_address = start.as_ptr().addr() as u64;
        let private_address = (start_address + LOCAL_BYTES).next_multiple_of(align);
        let head = private_address - LOCAL_BYTES - start_address;
        // SAFETY: `head + LOCAL_BYTES <= total - private_len - data_len` by the choice of `total`, so the
        // result lies inside the mapping just made.
        let private = unsafe { start.cast::<u8>().add((head + LOCAL_BYTES) as usize) };
        let window = Self { private, private_len, data_len };
        window.trim(start, head, total - need - head);
        window.map_local()?;
        Ok(window)
    }

    /// Gives back what alignment left over before and after the window.
    fn trim(&self, start: NonNull<c_void>, head: u64, tail: u64) {
        if head > 0 {
            // SAFETY: the first `head` bytes of the reservation lie before the local page and are not used.
            let _ = unsafe { munmap(start, head as usize) };
        }
        if tail > 0 {
            let end = self.address(FileKind::Data, self.data_len).cast();
            // SAFETY: the reservation goes on for `tail` bytes after the window's end; they are not used.
            let _ = unsafe { munmap(end, tail as usize) };
        }
    }

    fn map_local(&self) -> Result<(), Error> {
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let at = NonZeroUsize::new(self.local_page().as_ptr().addr());
        let len = NonZeroUsize::new(LOCAL_BYTES as usize);
        let (Some(at), Some(len)) = (at, len) else { return Ok(()) };
        // SAFETY: the page lies inside this window's own reservation, and nothing is mapped there yet.
        unsafe { mmap_anonymous(Some(at), len, access, flags) }
            .map(|_| ())
            .map_err(Error::io("map the local page"))
    }

    /// The page that belongs to this process alone.
    pub fn local_page(&self) -> NonNull<u8> {
        // SAFETY: the reservation starts `LOCAL_BYTES` before the private file.
        unsafe { self.private.sub(LOCAL_BYTES as usize) }
    }

    /// Length of a file's part in bytes.
    pub fn len(&self, file: FileKind) -> u64 {
        match file {
            FileKind::Private => self.private_len,
            FileKind::Data => self.data_len,
        }
    }

    /// Address of byte `offset` of a file.
    ///
    /// # Panics
    ///
    /// When `offset` lies beyond the file's part of the window.
    pub fn address(&self, file: FileKind, offset: u64) -> NonNull<u8> {
        assert!(offset <= self.len(file), "offset {offset} lies outside the {file} file");
        let before = match file {
            FileKind::Private => 0,
            FileKind::Data => self.private_len,
        };
        // SAFETY: `before + offset` is at most the window's length after `private`, checked above.
        unsafe { self.private.add((before + offset) as usize) }
    }

    /// Maps bytes `[offset, offset + len)` of `fd` at their place. Offsets and lengths are multiples of the
    /// file's page size. Huge pages are reserved here, so that lack of them is an error now and never a SIGBUS later.
    pub fn map(
        &self,
        file: FileKind,
        fd: BorrowedFd<'_>,
        offset: u64,
        len: u64,
        huge: bool,
    ) -> io::Result<()> {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len(file)));
        // The reservation belongs to the file and outlives this first mapping; after it the
        // mapping over the window cannot fail half-way and leave a hole in it.
        let probe = if huge { Some(map_anywhere(fd, offset, len)?) } else { None };
        let at = self.address(file, offset);
        let result = map_over(at, fd, offset, len, MapFlags::empty());
        if let Some(probe) = probe {
            // SAFETY: `probe` is the mapping of `len` bytes made above, which nobody else knows.
            let _ = unsafe { munmap(probe, len as usize) };
        }
        result
    }

    /// Maps a whole file that another process commits: pages are there from the moment it commits them.
    pub fn map_follower(&self, file: FileKind, fd: BorrowedFd<'_>) -> io::Result<()> {
        let at = self.address(file, 0);
        map_over(at, fd, 0, self.len(file), MapFlags::MAP_NORESERVE)
    }
}

fn access() -> ProtFlags {
    ProtFlags::PROT_READ | ProtFlags::PROT_WRITE
}

fn map_anywhere(fd: BorrowedFd<'_>, offset: u64, len: u64) -> io::Result<NonNull<c_void>> {
    let (length, start) = lengths(offset, len)?;
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
    Ok(unsafe { mmap(None, length, access(), MapFlags::MAP_SHARED, fd, start) }?)
}

fn map_over(
    at: NonNull<u8>,
    fd: BorrowedFd<'_>,
    offset: u64,
    len: u64,
    extra: MapFlags,
) -> io::Result<()> {
    let (length, start) = lengths(offset, len)?;
    let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED | extra;
    // SAFETY: callers pass a range inside their window's own reservation that holds no mapping in use.
    unsafe { mmap(NonZeroUsize::new(at.as_ptr().addr()), length, access(), flags, fd, start) }?;
    Ok(())
}

fn lengths(offset: u64, len: u64) -> io::Result<(NonZeroUsize, i64)> {
    let length = usize::try_from(len).ok().and_then(NonZeroUsize::new);
    let start = i64::try_from(offset).map_err(io::Error::other)?;
    Ok((length.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?, start))
}

impl Drop for Window {
    fn drop(&mut self) {
        let len = LOCAL_BYTES + self.private_len + self.data_len;
        // SAFETY: the range is this window's own; whoever drops it vouches that no pointer into it is left.
        let _ = unsafe { munmap(self.local_page().cast(), len as usize) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::backing::{Backing, BackingKind};

    const MIB: u64 = 1 << 20;

    #[test]
    fn parts_lie_side_by_side_and_aligned() {
        let window = Window::reserve(4 * MIB, 8 * MIB, 2 * MIB).unwrap();
        let private = window.address(FileKind::Private, 0).as_ptr().addr() as u64;
        let data = window.address(FileKind::Data, 0).as_ptr().addr() as u64;
        assert_eq!(private % (2 * MIB), 0);
        assert_eq!(data - private, 4 * MIB);
        assert_eq!(private - window.local_page().as_ptr().addr() as u64, LOCAL_BYTES);
    }

    #[test]
    fn both_mappings_of_a_file_show_the_same_bytes() {
        let backing = Backing::create(&BackingKind::Plain, 8 * MIB).unwrap();
        let one = Window::reserve(2 * MIB, 8 * MIB, 2 * MIB).unwrap();
        let two = Window::reserve(2 * MIB, 8 * MIB, 2 * MIB).unwrap();
        one.map(FileKind::Data, backing.fd(), 2 * MIB, 2 * MIB, false).unwrap();
        two.map_follower(FileKind::Data, backing.fd()).unwrap();
        let written = one.address(FileKind::Data, 3 * MIB);
        // SAFETY: the byte lies in the part mapped above.
        unsafe { written.write_volatile(0x5a) };
        let read = two.address(FileKind::Data, 3 * MIB);
        assert_ne!(written, read);
        // SAFETY: the whole file is mapped in the second window.
        assert_eq!(unsafe { read.read_volatile() }, 0x5a);
    }

    #[test]
    #[should_panic(expected = "outside the data file")]
    fn addresses_beyond_the_window_are_refused() {
        let window = Window::reserve(2 * MIB, 2 * MIB, 2 * MIB).unwrap();
        window.address(FileKind::Data, 2 * MIB + 1);
    }

    #[test]
    fn absurd_sizes_are_an_error() {
        let error = Window::reserve(2 * MIB, 1 << 62, 2 * MIB).unwrap_err();
        assert!(matches!(error, Error::AddressSpace { .. }), "{error}");
    }
}
