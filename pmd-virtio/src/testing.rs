//! A device that does what it is told: for tests of the driver's queues, good and hostile.
//!
//! It reaches the ring and the buffers as a backend does, through the data file alone, mapped a second time.
#![allow(unsafe_code, reason = "plays the peer that writes shared memory")]

use std::ptr::NonNull;

use eal::Memory;
use pmd_core::Error;
use virtio::layout::{DESC_NEXT, Descriptor, RingLayout, UsedElement};
use virtio::ring::RingPtrs;

use crate::queue::VirtQueue;

/// The device's end of one queue.
#[derive(Debug)]
pub struct MockDevice {
    rings: RingPtrs,
    memory: Memory,
    avail: u16,
    used: u16,
}

impl MockDevice {
    /// The device's end of `queue`, which was just prepared.
    ///
    /// # Errors
    ///
    /// [`Error::NotPowerOfTwo`] for a queue that cannot be.
    pub fn new(memory: &Memory, queue: &VirtQueue) -> Result<Self, Error> {
        let (size, at) = (queue.size(), queue.addresses());
        let host = |iova: u64| host(memory, iova);
        let (desc, avail, used) = (host(at.desc), host(at.avail), host(at.used));
        // SAFETY: the queue's ring lies there with the layout's length, and `memory` is kept beside the result.
        let rings = unsafe { RingPtrs::new(desc, avail, used, size) };
        debug_assert!(RingLayout::new(size).total_bytes() > 0);
        let rings = rings.map_err(|_| Error::NotPowerOfTwo { value: size.into() })?;
        Ok(Self { rings, memory: memory.clone(), avail: 0, used: 0 })
    }

    /// The ring, to write anything into it.
    pub fn rings(&self) -> &RingPtrs {
        &self.rings
    }

    /// The next head that the driver offers.
    pub fn take(&mut self) -> Option<u16> {
        if self.rings.avail_index() == self.avail {
            return None;
        }
        let head = self.rings.avail_entry(self.avail);
        self.avail = self.avail.wrapping_add(1);
        Some(head)
    }

    /// The descriptors of the chain at `head`.
    pub fn chain(&self, head: u16) -> Vec<Descriptor> {
        let mut chain = vec![self.rings.descriptor(head)];
        while let Some(last) = chain.last().filter(|d| d.flags & DESC_NEXT != 0) {
            chain.push(self.rings.descriptor(last.next));
        }
        chain
    }

    /// Bytes at an IOVA.
    pub fn read(&self, iova: u64, len: usize) -> Vec<u8> {
        let first = host(&self.memory, iova).as_ptr();
        // SAFETY: tests ask for bytes of buffers that the driver posted.
        (0..len).map(|at| unsafe { first.wrapping_add(at).read_volatile() }).collect()
    }

    /// Writes bytes at an IOVA.
    pub fn write(&self, iova: u64, bytes: &[u8]) {
        let first = host(&self.memory, iova).as_ptr();
        for (at, &byte) in bytes.iter().enumerate() {
            // SAFETY: tests write to buffers that the driver posted.
            unsafe { first.wrapping_add(at).write_volatile(byte) };
        }
    }

    /// Puts `id` into the used ring and publishes it.
    pub fn complete(&mut self, id: u32, len: u32) {
        self.rings.set_used_element(self.used, UsedElement { id, len });
        self.used = self.used.wrapping_add(1);
        self.rings.publish_used(self.used);
    }

    /// The bytes of the next packet that the driver sends, header included, completed at once.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let head = self.take()?;
        let bytes =
            self.chain(head).iter().flat_map(|d| self.read(d.addr, d.len as usize)).collect();
        self.complete(head.into(), 0);
        Some(bytes)
    }

    /// Fills as many of the driver's buffers as `packet` takes, with a header. `false` when there are not enough.
    pub fn send(&mut self, packet: &[u8]) -> bool {
        let Some(head) = self.take() else { return false };
        let mut heads = vec![head];
        let room = |d: &Self, heads: &[u16]| -> usize {
            heads.iter().map(|&h| d.rings.descriptor(h).len as usize).sum()
        };
        while room(self, &heads) < packet.len() + 12 {
            let Some(head) = self.take() else { return false };
            heads.push(head);
        }
        let mut bytes = vec![0; 12];
        // Tests use fewer buffers than 65,536.
        bytes[10..].copy_from_slice(&(heads.len() as u16).to_le_bytes());
        bytes.extend_from_slice(packet);
        let mut rest = bytes.as_slice();
        for head in heads {
            let descriptor = self.rings.descriptor(head);
            let (now, later) = rest.split_at(rest.len().min(descriptor.len as usize));
            self.write(descriptor.addr, now);
            self.complete(head.into(), now.len() as u32);
            rest = later;
        }
        true
    }
}

fn host(memory: &Memory, iova: u64) -> NonNull<u8> {
    let base = memory.data_base();
    let at = base.as_ptr().wrapping_add(iova.wrapping_sub(memory.iova_base()) as usize);
    NonNull::new(at).unwrap_or(base)
}
