//! A device that does what it is told: for tests of the driver's queues, good and hostile.
//!
//! It reaches the ring and the buffers as a backend does, through the data file alone, mapped a second time.
#![allow(unsafe_code, reason = "plays the peer that writes shared memory")]

use std::ptr::NonNull;

use eal::Memory;
use pmd_core::Error;
use virtio::layout::{DESC_INDIRECT, DESC_NEXT, Descriptor, RingLayout, UsedElement};
use virtio::net_header::HEADER_BYTES;
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

    /// The buffers of the packet at `head`: the chain in the ring, or the table that its one descriptor refers to.
    pub fn chain(&self, head: u16) -> Vec<Descriptor> {
        let first = self.rings.descriptor(head);
        if first.flags & DESC_INDIRECT != 0 {
            return follow(self.table(first.addr, 0), |at| self.table(first.addr, at));
        }
        follow(first, |at| self.rings.descriptor(at))
    }

    /// Entry `at` of the table at `iova` (virtio 1.2, 2.7.5.3).
    fn table(&self, iova: u64, at: u16) -> Descriptor {
        let place = host(&self.memory, iova).cast::<Descriptor>().as_ptr().wrapping_add(at.into());
        // SAFETY: tests follow tables that the driver wrote.
        unsafe { place.read_volatile() }
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

    /// Completes the next `count` buffers, of which the last is `id`, by one used element, as a device that uses buffers in
    /// order may (virtio 1.2, 2.7.9). Only the last one's length is told.
    pub fn complete_batch(&mut self, id: u32, len: u32, count: u16) {
        self.rings.set_used_element(self.used, UsedElement { id, len });
        self.used = self.used.wrapping_add(count);
        self.rings.publish_used(self.used);
    }

    /// The bytes of the next packet that the driver sends, header included, completed at once.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let head = self.take()?;
        let bytes = self.gather(head);
        self.complete(head.into(), 0);
        Some(bytes)
    }

    /// The bytes of the packet at `head`.
    pub fn gather(&self, head: u16) -> Vec<u8> {
        self.chain(head).iter().flat_map(|d| self.read(d.addr, d.len as usize)).collect()
    }

    /// Fills as many of the driver's buffers as `packet` takes, with a header. `false` when there are not enough.
    pub fn send(&mut self, packet: &[u8]) -> bool {
        let Some(filled) = self.fill(packet) else { return false };
        filled.iter().for_each(|&(head, len)| self.complete(head.into(), len));
        true
    }

    /// As [`MockDevice::send`], with one used element for all buffers of the packet.
    pub fn send_as_batch(&mut self, packet: &[u8]) -> bool {
        let Some(filled) = self.fill(packet) else { return false };
        if let Some(&(last, len)) = filled.last() {
            // Tests use fewer buffers than 65,536.
            self.complete_batch(last.into(), len, filled.len() as u16);
        }
        true
    }

    /// Fills buffers and says which, with how many bytes.
    fn fill(&mut self, packet: &[u8]) -> Option<Vec<(u16, u32)>> {
        let (mut heads, mut room) = (Vec::new(), 0);
        while room < packet.len() + HEADER_BYTES {
            let head = self.take()?;
            room += self.rings.descriptor(head).len as usize;
            heads.push(head);
        }
        let mut bytes = vec![0; HEADER_BYTES];
        // Tests use fewer buffers than 65,536.
        bytes[10..].copy_from_slice(&(heads.len() as u16).to_le_bytes());
        bytes.extend_from_slice(packet);
        let mut rest = bytes.as_slice();
        let fill = |head: u16| {
            let descriptor = self.rings.descriptor(head);
            let (now, later) = rest.split_at(rest.len().min(descriptor.len as usize));
            self.write(descriptor.addr, now);
            rest = later;
            (head, now.len() as u32)
        };
        Some(heads.into_iter().map(fill).collect())
    }
}

/// A chain of descriptors that begins with `first`.
fn follow(first: Descriptor, at: impl Fn(u16) -> Descriptor) -> Vec<Descriptor> {
    let mut chain = vec![first];
    while let Some(last) = chain.last().filter(|d| d.flags & DESC_NEXT != 0) {
        chain.push(at(last.next));
    }
    chain
}

fn host(memory: &Memory, iova: u64) -> NonNull<u8> {
    let base = memory.data_base();
    let at = base.as_ptr().wrapping_add(iova.wrapping_sub(memory.iova_base()) as usize);
    NonNull::new(at).unwrap_or(base)
}
