//! The handle on one process's mapping of a window: addresses, what is known of it, and its end.

#![allow(unsafe_code, reason = "keeps a weak pointer in the local page")]

use std::any::Any;
use std::fmt;
use std::mem::ManuallyDrop;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::gate::FenceMode;
use crate::process::{OwnerId, ProcessTable};

use super::backing::Backing;
use super::choice::Choice;
use super::extents::Extents;
use super::header::Header;
use super::local::LocalContext;
use super::numa::{Nodes, Spans};
use super::window::Window;
use super::{Extent, FileKind};

/// Says how many buffers of a user of the memory are still out. Called when the last handle goes; must not
/// hold a [`Memory`] itself.
pub type InUseCheck = Box<dyn Fn() -> u64 + Send + Sync>;

/// One process's mapping of an `Eal`'s memory. Cloning makes another handle on the same mapping.
///
/// The mapping ends with the last handle, unless an in-use check counts buffers that are still out: then
/// it stays for the life of the process and a warning says so, rather than leave pointers dangling.
#[derive(Clone)]
pub struct Memory {
    pub(super) inner: Arc<Inner>,
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
    pub nodes: Nodes,
    /// Most bytes of the data file on each node; 0 and missing ones are no limit.
    pub socket_limits: Vec<u64>,
    /// Kept until the mapping has gone: a secondary's connection to its primary.
    pub _membership: Option<Box<dyn Any + Send + Sync>>,
}

pub(super) struct Inner {
    pub(super) parts: ManuallyDrop<Parts>,
    pub(super) private_space: Mutex<Extents>,
    pub(super) data_space: Mutex<Extents>,
    /// Which node each part of the data file belongs to. Locked after `data_space`.
    pub(super) spans: Mutex<Spans>,
    pub(super) directory: Mutex<()>,
    checks: Mutex<Vec<Check>>,
    next_check: AtomicU64,
}

/// A registered [`InUseCheck`].
struct Check {
    id: u64,
    /// What it counts for, if that is to be counted once; 0 otherwise.
    subject: u64,
    count: InUseCheck,
}

impl Memory {
    pub(super) fn new(parts: Parts) -> Self {
        let inner = Arc::new(Inner {
            parts: ManuallyDrop::new(parts),
            private_space: Mutex::default(),
            data_space: Mutex::default(),
            spans: Mutex::default(),
            directory: Mutex::new(()),
            checks: Mutex::default(),
            next_check: AtomicU64::new(0),
        });
        let weak = Arc::downgrade(&inner).into_raw().cast();
        LocalContext::new(inner.parts.owner, inner.parts.fences, inner.parts.unique, weak)
            .place(inner.parts.window.local_page());
        Self { inner }
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
        self.inner.push_check(&mut lock(&self.inner.checks), 0, check)
    }

    /// As [`Memory::add_in_use_check`] for the pool with this nonce. Does nothing when it has a check already.
    pub(crate) fn add_pool_check(&self, nonce: u64, check: InUseCheck) {
        let mut checks = lock(&self.inner.checks);
        if checks.iter().all(|known| known.subject != nonce) {
            self.inner.push_check(&mut checks, nonce, check);
        }
    }

    /// Removes what [`Memory::add_in_use_check`] registered.
    pub fn remove_in_use_check(&self, id: u64) {
        lock(&self.inner.checks).retain(|known| known.id != id);
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

    /// Buffers that are out by the checks that are registered.
    #[cfg(test)]
    pub(crate) fn held(&self) -> u64 {
        self.inner.held()
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

    /// Bytes of address space reserved for a file.
    pub(super) fn reserved(&self, file: FileKind) -> u64 {
        self.inner.parts.window.len(file)
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the header's part of the private file is mapped since before this value existed, until
        // the last handle goes.
        unsafe { Header::at(self.private_base()) }
    }

    pub(super) fn contains(&self, extent: &Extent) -> bool {
        let committed = self.committed(extent.file).load(Ordering::Acquire);
        extent.offset.checked_add(extent.len).is_some_and(|end| end <= committed)
    }

    pub(super) fn committed(&self, file: FileKind) -> &AtomicU64 {
        match file {
            FileKind::Private => &self.header().private_committed,
            FileKind::Data => &self.header().data_committed,
        }
    }

    pub(super) fn backing(&self, file: FileKind) -> &Backing {
        match file {
            FileKind::Private => &self.inner.parts.private,
            FileKind::Data => &self.inner.parts.data,
        }
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

impl Inner {
    fn push_check(&self, checks: &mut Vec<Check>, subject: u64, count: InUseCheck) -> u64 {
        let id = self.next_check.fetch_add(1, Ordering::Relaxed);
        checks.push(Check { id, subject, count });
        id
    }

    /// Buffers that are out by all checks.
    fn held(&self) -> u64 {
        lock(&self.checks).iter().map(|check| (check.count)()).sum()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let held = self.held();
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

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the locks protect is changed by single calls that do not panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
