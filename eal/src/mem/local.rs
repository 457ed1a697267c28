//! The local page: what belongs to one process at one window, found without a global variable.
//!
//! It lies just before the private file's first byte, so any pointer into the window whose offset is known
//! leads to it: a metadata record carries its own handle, and `private base = record - 64 * handle`.

#![allow(unsafe_code, reason = "finds and writes a structure at a fixed place of the window")]

use std::mem::size_of;
use std::ptr::NonNull;

use crate::gate::FenceMode;
use crate::process::OwnerId;

use super::window::LOCAL_BYTES;

const MAGIC: u64 = u64::from_le_bytes(*b"pmdlocal");

/// What a process knows about itself at one window. Written once, before anyone can hold a pointer into the
/// window; never changed after.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LocalContext {
    magic: u64,
    /// This process.
    pub owner: OwnerId,
    /// How gates are fenced.
    pub fences: FenceMode,
    /// Number of the mapping, see [`Memory::unique`](super::Memory::unique).
    pub unique: u64,
    pub(super) memory: *const (),
}

const _: () = assert!(size_of::<LocalContext>() <= LOCAL_BYTES as usize);

impl LocalContext {
    pub(super) fn new(owner: OwnerId, fences: FenceMode, unique: u64, memory: *const ()) -> Self {
        Self { magic: MAGIC, owner, fences, unique, memory }
    }

    /// The context of the window whose private file is mapped at `private_base`.
    ///
    /// # Safety
    ///
    /// `private_base` is what [`Memory::private_base`](super::Memory::private_base) returned in this process for a window that
    /// stays mapped for `'a`; a live metadata record of the window implies that.
    #[inline]
    pub unsafe fn of<'a>(private_base: NonNull<u8>) -> &'a Self {
        // SAFETY: the local page lies `LOCAL_BYTES` before the private file in the same mapping.
        let place = unsafe { private_base.sub(LOCAL_BYTES as usize) };
        // SAFETY: the page holds a `LocalContext` since before the window was given to anyone, and only that.
        let context = unsafe { place.cast::<Self>().as_ref() };
        debug_assert_eq!(context.magic, MAGIC);
        context
    }

    /// Writes the context to its page.
    pub(super) fn place(self, page: NonNull<u8>) {
        // SAFETY: the page is writable, aligned to 4096 and used for nothing else; no reader exists yet.
        unsafe { page.cast::<Self>().write(self) };
    }
}
