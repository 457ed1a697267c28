//! The head of the private file: what every process of an `Eal` must agree on.
//!
//! | offset | what |
//! |---|---|
//! | 0 | magic, layout version, build, sizes, fence mode, committed lengths |
//! | 128 | process table |
//! | after it | directory of zones |
//!
//! Every field is an atomic, so that several processes may look at it at once. The magic is stored last, with
//! release: whoever reads it with acquire sees the rest.

#![allow(unsafe_code, reason = "lays a structure over the first bytes of the private file")]

use std::mem::{offset_of, size_of};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;
use crate::gate::FenceMode;
use crate::process::ProcessTable;

use super::zones::ZoneTable;

const MAGIC: u64 = u64::from_le_bytes(*b"pmd-rs\0\x01");

/// Raised whenever anything that lies in shared memory changes its shape.
pub(crate) const LAYOUT_VERSION: u64 = 1;

/// First structure of the private file.
#[repr(C, align(64))]
pub(crate) struct Header {
    magic: AtomicU64,
    layout: AtomicU64,
    build: AtomicU64,
    pub nonce: AtomicU64,
    fences: AtomicU64,
    pub iova_base: AtomicU64,
    pub private_len: AtomicU64,
    pub data_len: AtomicU64,
    pub private_committed: AtomicU64,
    pub data_committed: AtomicU64,
    pub generation: AtomicU64,
    reserved: [AtomicU64; 5],
    pub processes: ProcessTable,
    pub zones: ZoneTable,
}

const _: () = assert!(offset_of!(Header, processes) == 128);

/// Bytes of the private file that the header takes.
pub(crate) const HEADER_BYTES: u64 = size_of::<Header>() as u64;

/// Two programs with the same value have the same structures in shared memory.
pub(crate) fn build_id() -> u64 {
    let parts = [env!("CARGO_PKG_VERSION"), std::env::consts::ARCH];
    let bytes = parts.iter().flat_map(|part| part.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^ (HEADER_BYTES << 32)
}

impl Header {
    /// The header of the private file mapped at `base`.
    ///
    /// # Safety
    ///
    /// `base` is the first byte of a private file of which at least [`HEADER_BYTES`] are mapped for `'a`.
    pub unsafe fn at<'a>(base: NonNull<u8>) -> &'a Self {
        // SAFETY: mapped by the caller's word, page-aligned, and all fields are atomics, for which any
        // bytes are valid and which other processes may change.
        unsafe { base.cast::<Self>().as_ref() }
    }

    /// Fills in a zeroed header and publishes it.
    pub fn publish(&self, nonce: u64, fences: FenceMode, iova_base: u64, lens: (u64, u64)) {
        let set = |word: &AtomicU64, value| word.store(value, Ordering::Relaxed);
        set(&self.layout, LAYOUT_VERSION);
        set(&self.build, build_id());
        set(&self.nonce, nonce);
        set(&self.fences, u64::from(fences == FenceMode::Full));
        set(&self.iova_base, iova_base);
        set(&self.private_len, lens.0);
        set(&self.data_len, lens.1);
        self.magic.store(MAGIC, Ordering::Release);
    }

    /// Refuses a header of another layout or build.
    pub fn check(&self) -> Result<(), Error> {
        same("the memory's magic number", self.magic.load(Ordering::Acquire), MAGIC)?;
        same("the layout of shared memory", self.layout.load(Ordering::Relaxed), LAYOUT_VERSION)?;
        same("the build", self.build.load(Ordering::Relaxed), build_id())
    }

    /// How gates of this memory are fenced.
    pub fn fences(&self) -> FenceMode {
        match self.fences.load(Ordering::Relaxed) {
            0 => FenceMode::Asymmetric,
            _ => FenceMode::Full,
        }
    }
}

/// An error when the two differ.
pub(crate) fn same(what: &'static str, primary: u64, ours: u64) -> Result<(), Error> {
    if primary == ours {
        return Ok(());
    }
    Err(Error::Mismatch { what, primary: format!("{primary:#x}"), ours: format!("{ours:#x}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_whole_cache_lines() {
        assert_eq!(HEADER_BYTES % 64, 0);
        assert_eq!(offset_of!(Header, magic), 0);
    }

    #[test]
    fn published_header_passes_and_zeroed_does_not() {
        let mut space: Box<[u128]> = vec![0; HEADER_BYTES as usize / 16 + 4].into();
        let base = NonNull::from(&mut space[0]).cast::<u8>();
        let skew = base.align_offset(64);
        // SAFETY: up to 64 bytes of skew lie within the space allocated above.
        let base = unsafe { base.add(skew) };
        // SAFETY: HEADER_BYTES after the skew are allocated and aligned to 64.
        let header = unsafe { Header::at(base) };
        assert!(matches!(header.check(), Err(Error::Mismatch { .. })));
        header.publish(7, FenceMode::Full, 4 << 30, (1, 2));
        header.check().unwrap();
        assert_eq!(header.fences(), FenceMode::Full);
        header.layout.store(LAYOUT_VERSION + 1, Ordering::Relaxed);
        assert!(header.check().unwrap_err().to_string().contains("layout"));
    }
}
