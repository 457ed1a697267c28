//! The data path of split rings (virtio 1.2, 2.7), device side.
//!
//! A burst goes in stages over arrays on the stack:
//!
//! 1. *gather*: read available entries, copy each descriptor once, check the copy, translate it;
//! 2. *copy*: move payload between the pieces found and the embedder's buffers;
//! 3. *complete*: write used elements, publish the index once, decide about waking the driver.
//!
//! What is copied is exactly what was checked: later stages never look at descriptors again. Because every chain
//! is completed in the order it was taken, one running index stands for both "next available" and "next used", and
//! `VIRTIO_F_IN_ORDER` (2.7.9) is kept by every ring: bad chains and dropped packets are completed in their place.
//!
//! | the driver does | what happens |
//! |---|---|
//! | moves `avail.idx` further than the ring is long, or names a head outside the table | the ring is broken: no more bursts until it is configured again |
//! | sends more than [`MAX_PACKET_BYTES`] in one packet | the packet is dropped and counted as too large |
//! | makes a chain that loops, leaves the table, has an unmapped or misdirected buffer, a bad indirect table, or too little room | the chain is completed with length 0 and counted |

pub(crate) mod chain;
pub(crate) mod copy;
pub mod dequeue;
pub mod enqueue;
mod poller;
mod room;
mod source;
mod table;
#[cfg(test)]
mod tests;

pub use dequeue::{Accept, Dequeue, GuestPacket, RxSink};
pub use enqueue::{Enqueue, Segment, TxSource};
pub use source::Frames;

/// Packets of one pass through the stages.
pub const BATCH: usize = 32;

/// Longest packet that is taken, in bytes without virtio header: the 64 KiB of the longest IP packet and an Ethernet header
/// with two VLAN tags. Descriptors can describe 4 GiB with next to no memory behind them.
pub const MAX_PACKET_BYTES: u32 = (64 << 10) + 22;

/// Pieces that one pass can hold; a single packet may have as many.
pub(crate) const MAX_PIECES: usize = 256;
