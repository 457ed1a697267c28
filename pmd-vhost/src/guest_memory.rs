//! The front-end's memory: a table of regions, checked as a whole and mapped as a whole.
//!
//! Control owns the mappings. A poller holds only a [`Translator`], raw copies that it uses inside its gate; control
//! drops the `GuestMemory` after every gate of the device was closed.
#![allow(unsafe_code, reason = "maps memory that a peer shares and hands out addresses in it")]

use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::Error;

/// Most regions in one table (vhost-user document, "Memory regions description").
pub const MAX_REGIONS: usize = 8;

/// One region as the front-end describes it (vhost-user document, "Memory region description").
#[derive(Debug)]
pub struct RegionSpec {
    /// Guest-physical address of the first byte.
    pub guest_addr: u64,
    /// Bytes.
    pub size_bytes: u64,
    /// The front-end's own address of the first byte: what ring addresses are given in.
    pub user_addr: u64,
    /// Where the region begins in the file, in bytes.
    pub mmap_offset: u64,
    /// The file.
    pub fd: OwnedFd,
}

/// Why a memory table was refused. Nothing was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadTable {
    /// No region, or more than [`MAX_REGIONS`].
    Count(usize),
    /// A region of 0 bytes, or one whose end wraps around.
    Range,
    /// Two regions share guest-physical or user addresses.
    Overlap,
    /// The file ends before the region does.
    File {
        /// Bytes that the file has.
        has: u64,
        /// Bytes that the region needs.
        needs: u64,
    },
    /// It is not a file that can be mapped.
    Unmappable,
}

impl std::fmt::Display for BadTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(n) => write!(f, "{n} memory regions: 1 to {MAX_REGIONS} are possible"),
            Self::Range => f.write_str("a memory region is empty or wraps around"),
            Self::Overlap => f.write_str("memory regions overlap"),
            Self::File { has, needs } => {
                write!(f, "a memory region needs {needs} bytes of a file that has {has}")
            }
            Self::Unmappable => f.write_str("a memory region's descriptor cannot be mapped"),
        }
    }
}

#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
    len: NonZeroUsize,
}

impl Mapping {
    fn new(fd: &OwnedFd, len: u64) -> Result<Self, BadTable> {
        let len = usize::try_from(len).ok().and_then(NonZeroUsize::new).ok_or(BadTable::Range)?;
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new shared mapping at an address of the kernel's choice disturbs nothing.
        let base = unsafe {
            mmap(None, len, prot, MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE, fd.as_fd(), 0)
        };
        Ok(Self { base: base.map_err(|_| BadTable::Unmappable)?.cast(), len })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` and nothing refers to it: control drops it after closing all gates.
        let unmapped = unsafe { munmap(self.base.cast(), self.len.get()) };
        debug_assert!(unmapped.is_ok());
    }
}

/// A region as pollers see it.
#[derive(Clone, Copy, Debug)]
struct View {
    guest_addr: u64,
    size_bytes: u64,
    host: NonNull<u8>,
}

#[derive(Debug)]
struct Region {
    view: View,
    user_addr: u64,
    /// Keeps the bytes behind `view` mapped.
    _mapping: Mapping,
}

// SAFETY: the pointers lead to shared mappings that any thread may reach by raw copies; the table itself never changes.
unsafe impl Send for GuestMemory {}
// SAFETY: as above.
unsafe impl Sync for GuestMemory {}

/// A memory table that was accepted. Dropping it unmaps.
#[derive(Debug)]
pub struct GuestMemory {
    regions: Vec<Region>,
    sealed: bool,
}

impl GuestMemory {
    /// Checks and maps `specs`.
    ///
    /// # Errors
    ///
    /// [`Error::MemoryTable`]; everything mapped so far is unmapped and every descriptor closed.
    pub fn map(specs: Vec<RegionSpec>) -> Result<Arc<Self>, Error> {
        Self::try_map(specs).map(Arc::new).map_err(Error::MemoryTable)
    }

    fn try_map(specs: Vec<RegionSpec>) -> Result<Self, BadTable> {
        if specs.is_empty() || specs.len() > MAX_REGIONS {
            return Err(BadTable::Count(specs.len()));
        }
        for spec in &specs {
            check_range(spec)?;
        }
        for (i, a) in specs.iter().enumerate() {
            if specs[..i].iter().any(|b| overlap(a, b)) {
                return Err(BadTable::Overlap);
            }
        }
        let sealed = specs.iter().all(|spec| cannot_shrink(&spec.fd));
        let regions = specs.into_iter().map(map_region).collect::<Result<_, _>>()?;
        Ok(Self { regions, sealed })
    }

    /// Whether no file of the table can be shortened by the peer. If one can, touching the lost part raises SIGBUS.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// The host address of `len` bytes at the front-end's address `user_addr`, if all of them are in one region.
    pub fn user_to_host(&self, user_addr: u64, len: u64) -> Option<NonNull<u8>> {
        self.regions.iter().find_map(|region| {
            let offset = user_addr.checked_sub(region.user_addr)?;
            let end = offset.checked_add(len)?;
            let inside = offset < region.view.size_bytes && end <= region.view.size_bytes;
            inside.then(|| region.view.at(offset)).flatten()
        })
    }

    /// Bytes of all regions.
    pub fn total_bytes(&self) -> u64 {
        self.regions.iter().map(|r| r.view.size_bytes).sum()
    }
}

fn check_range(spec: &RegionSpec) -> Result<(), BadTable> {
    let RegionSpec { guest_addr, size_bytes, user_addr, mmap_offset, .. } = *spec;
    let ends = [guest_addr, user_addr, mmap_offset].map(|start| start.checked_add(size_bytes));
    if size_bytes == 0 || ends.contains(&None) {
        return Err(BadTable::Range);
    }
    let stat = nix::sys::stat::fstat(&spec.fd).map_err(|_| BadTable::Unmappable)?;
    if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(BadTable::Unmappable);
    }
    let (has, needs) = (u64::try_from(stat.st_size).unwrap_or(0), mmap_offset + size_bytes);
    if has < needs { Err(BadTable::File { has, needs }) } else { Ok(()) }
}

fn overlap(a: &RegionSpec, b: &RegionSpec) -> bool {
    let meets = |x: u64, y: u64| x < y + b.size_bytes && y < x + a.size_bytes;
    meets(a.guest_addr, b.guest_addr) || meets(a.user_addr, b.user_addr)
}

fn cannot_shrink(fd: &OwnedFd) -> bool {
    use nix::fcntl::{FcntlArg, SealFlag, fcntl};
    fcntl(fd, FcntlArg::F_GET_SEALS)
        .is_ok_and(|seals| SealFlag::from_bits_retain(seals).contains(SealFlag::F_SEAL_SHRINK))
}

/// Maps from the start of the file: offsets need not be multiples of a (huge) page.
fn map_region(spec: RegionSpec) -> Result<Region, BadTable> {
    let page = nix::sys::stat::fstat(&spec.fd).map(|s| s.st_blksize).unwrap_or(4096);
    let page = u64::try_from(page).unwrap_or(4096).max(4096);
    let len = (spec.mmap_offset + spec.size_bytes).checked_next_multiple_of(page);
    let mapping = Mapping::new(&spec.fd, len.ok_or(BadTable::Range)?)?;
    let whole = View { guest_addr: 0, size_bytes: u64::MAX, host: mapping.base };
    let host = whole.at(spec.mmap_offset).ok_or(BadTable::Range)?;
    let view = View { guest_addr: spec.guest_addr, size_bytes: spec.size_bytes, host };
    Ok(Region { view, user_addr: spec.user_addr, _mapping: mapping })
}

impl View {
    fn at(&self, offset: u64) -> Option<NonNull<u8>> {
        NonNull::new(self.host.as_ptr().wrapping_add(usize::try_from(offset).ok()?))
    }
}

/// Some bytes of guest memory, all of them inside one region.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// The first byte.
    pub host: *mut u8,
    /// How many there are.
    pub len: u32,
}

// SAFETY: a piece is a plain address and a length; using it is bound to the gate.
unsafe impl Send for Piece {}

/// A poller's way from guest-physical addresses to its own. Valid inside the gate, in the epoch in which it was filled.
#[derive(Debug, Default)]
pub struct Translator {
    views: Vec<View>,
    last: usize,
}

// SAFETY: the views are plain numbers and addresses; using them is bound to the gate.
unsafe impl Send for Translator {}

impl Translator {
    /// A translator of nothing, with room for every table.
    pub fn new() -> Self {
        Self { views: Vec::with_capacity(MAX_REGIONS), last: 0 }
    }

    /// Takes over the regions of `memory`.
    pub fn refill(&mut self, memory: &GuestMemory) {
        self.views.clear();
        self.views.extend(memory.regions.iter().map(|r| r.view));
        self.last = 0;
    }

    /// The first bytes at `guest_addr`: `len` of them, or fewer where the region ends. `None` when the address is not
    /// mapped.
    #[inline(always)]
    pub fn piece(&mut self, guest_addr: u64, len: u32) -> Option<Piece> {
        self.whole_piece(guest_addr, len).or_else(|| self.search(guest_addr, len))
    }

    /// All `len` bytes at `guest_addr`, if they lie in the region that was last found.
    #[inline(always)]
    pub(crate) fn whole_piece(&self, guest_addr: u64, len: u32) -> Option<Piece> {
        let view = self.views.get(self.last)?;
        let offset = guest_addr.wrapping_sub(view.guest_addr);
        let inside = offset < view.size_bytes && u64::from(len) <= view.size_bytes - offset;
        inside.then(|| Piece { host: view.host.as_ptr().wrapping_add(offset as usize), len })
    }

    #[cold]
    fn search(&mut self, guest_addr: u64, len: u32) -> Option<Piece> {
        let (at, view) = self
            .views
            .iter()
            .enumerate()
            .find(|(_, v)| guest_addr.wrapping_sub(v.guest_addr) < v.size_bytes)?;
        let offset = guest_addr - view.guest_addr;
        let len = (view.size_bytes - offset).min(len.into());
        let host = view.at(offset)?.as_ptr();
        self.last = at;
        // The minimum with a u32 is one.
        Some(Piece { host, len: len as u32 })
    }
}

#[cfg(test)]
mod tests;
