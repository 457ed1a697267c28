//! A driver that does what it is told: for tests of the backend's rings, good input and bad.
//!
//! Guest memory is one memfd of [`MEMORY_BYTES`], guest-physical 0 up, with the ring at the start and the rest for buffers.
#![allow(unsafe_code, reason = "plays the peer that writes shared memory")]

use std::ptr::NonNull;
use std::sync::Arc;

use eal::gate::FenceMode;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;
use virtio::Features;
use virtio::layout::{Descriptor, RingLayout, UsedElement};
use virtio::ring::RingPtrs;

use crate::Error;
use crate::guest_memory::{GuestMemory, RegionSpec};
use crate::vring::{VringConfig, VringShared};

/// Bytes of guest memory.
pub const MEMORY_BYTES: u64 = 8 << 20;

/// Where buffers may go: behind the largest ring.
pub const BUFFERS_AT: u64 = 1 << 20;

/// The driver of one ring.
#[derive(Debug)]
pub struct MockDriver {
    memory: Arc<GuestMemory>,
    rings: RingPtrs,
    features: Features,
    base: u16,
    avail: u16,
    seen_used: u16,
}

impl MockDriver {
    /// A driver with an empty ring of `size` entries whose indices begin at `base`.
    ///
    /// # Errors
    ///
    /// What the system answers, or a size that is no ring's.
    pub fn new(size: u16, features: Features, base: u16) -> Result<Self, Error> {
        Self::with_regions(size, features, base, &[MEMORY_BYTES])
    }

    /// As [`MockDriver::new`], with the memory cut into adjacent regions that end at the given guest addresses; each is mapped
    /// on its own.
    ///
    /// # Errors
    ///
    /// As [`MockDriver::new`].
    pub fn with_regions(
        size: u16,
        features: Features,
        base: u16,
        ends: &[u64],
    ) -> Result<Self, Error> {
        let failed = |e: nix::errno::Errno| Error::io("making the memory of a mock driver", e);
        let fd = memfd_create("mock", MFdFlags::MFD_CLOEXEC).map_err(failed)?;
        ftruncate(&fd, MEMORY_BYTES as i64).map_err(failed)?;
        let mut start = 0;
        let mut regions = Vec::new();
        for &end in ends {
            let fd = fd.try_clone().map_err(|e| Error::io("duplicating a descriptor", e))?;
            let size_bytes = end - start;
            let region = RegionSpec {
                guest_addr: start,
                size_bytes,
                user_addr: start,
                mmap_offset: start,
                fd,
            };
            regions.push(region);
            start = end;
        }
        let memory = GuestMemory::map(regions)?;
        let rings = Self::ring_of(&memory, size).ok_or(Error::NoRing { ring: 0 })?;
        rings.publish_avail(base);
        rings.publish_used(base);
        Ok(Self { memory, rings, features, base, avail: base, seen_used: base })
    }

    fn ring_of(memory: &GuestMemory, size: u16) -> Option<RingPtrs> {
        let layout = RingLayout::new(size);
        let desc = memory.user_to_host(0, layout.desc_bytes)?;
        let avail = memory.user_to_host(layout.avail_offset(), layout.avail_bytes)?;
        let used = memory.user_to_host(layout.used_offset(), layout.used_bytes)?;
        // SAFETY: the ranges were checked and stay mapped while `memory`, which is kept beside the result, lives.
        unsafe { RingPtrs::new(desc, avail, used, size) }.ok()
    }

    /// A ring in service with this driver on its other side.
    ///
    /// # Errors
    ///
    /// [`Error::Quarantined`] never, for nobody polls yet.
    pub fn vring(&self) -> Result<Arc<VringShared>, Error> {
        let vring = VringShared::new(0, FenceMode::register());
        self.put_in_service(&vring)?;
        Ok(vring)
    }

    /// Configures `vring` for this driver and opens its gate.
    ///
    /// # Errors
    ///
    /// [`Error::Quarantined`] when its poller does not leave.
    pub fn put_in_service(&self, vring: &VringShared) -> Result<(), Error> {
        let closed = vring.close(std::time::Duration::from_secs(1));
        let mut closed = closed.map_err(|_| Error::Quarantined { ring: 0 })?;
        closed.configure(Some(VringConfig {
            rings: self.rings,
            memory: Arc::clone(&self.memory),
            features: self.features,
            call: None,
            base: self.base,
            discard: false,
        }));
        closed.open();
        Ok(())
    }

    /// The ring, to write anything into it.
    pub fn rings(&self) -> &RingPtrs {
        &self.rings
    }

    /// Writes guest memory.
    pub fn write(&self, guest_addr: u64, bytes: &[u8]) {
        for (at, &byte) in (guest_addr..).zip(bytes) {
            if let Some(host) = self.host(at) {
                // SAFETY: the byte is mapped; the backend reads it by raw copies only.
                unsafe { host.as_ptr().write_volatile(byte) };
            }
        }
    }

    /// Reads guest memory.
    pub fn read(&self, guest_addr: u64, len: usize) -> Vec<u8> {
        let hosts = (guest_addr..).take(len).filter_map(|at| self.host(at));
        // SAFETY: the byte is mapped.
        hosts.map(|host| unsafe { host.as_ptr().read_volatile() }).collect()
    }

    fn host(&self, guest_addr: u64) -> Option<NonNull<u8>> {
        self.memory.user_to_host(guest_addr, 1)
    }

    /// Writes descriptor `index`.
    pub fn describe(&self, index: u16, addr: u64, len: u32, flags: u16, next: u16) {
        self.rings.set_descriptor(index, Descriptor { addr, len, flags, next });
    }

    /// Makes the chain at `head` available.
    pub fn offer(&mut self, head: u16) {
        self.rings.set_avail_entry(self.avail, head);
        self.avail = self.avail.wrapping_add(1);
        self.rings.publish_avail(self.avail);
    }

    /// The used elements that came since the last call.
    pub fn used(&mut self) -> Vec<UsedElement> {
        let count = self.rings.used_index().wrapping_sub(self.seen_used);
        let elements = (0..count).map(|k| self.rings.used_element(self.seen_used.wrapping_add(k)));
        let elements = elements.collect();
        self.seen_used = self.seen_used.wrapping_add(count);
        elements
    }
}
