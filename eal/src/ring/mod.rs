//! Rings: bounded queues without locks.
//!
//! | type | ends | where |
//! |---|---|---|
//! | [`Ring`] | any number of producers and consumers | the heap of one process |
//! | [`spsc`] | one producer, one consumer | the heap of one process |
//! | [`SharedRing`] | one producer, one consumer, `u32` elements | wherever a pointer says, also between processes |
//!
//! Each call moves several elements and publishes them once. A *burst* moves as many as it can, a *bulk*
//! all or nothing. Capacities are exact: a ring of 100 holds 100.
//!
//! | word | line of its own | meaning |
//! |---|---|---|
//! | tail | of the producers | elements ever enqueued, modulo 2^32 |
//! | head | of the consumers | elements ever dequeued, modulo 2^32 |
//!
//! **Threads.** [`Ring`] is `Sync`. The ends of the others are values that one thread uses at a time. [`Ring`] is not for several
//! processes: a producer that is killed between reserving and publishing would stop all others for ever.
//!
//! ```
//! use eal::ring::{self, Ring};
//! # fn main() -> Result<(), eal::Error> {
//! let ring = Ring::new(4)?;
//! let mut items = vec![1, 2, 3, 4, 5];
//! assert_eq!(ring.enqueue_burst(&mut items), 4);
//! assert_eq!(items, [5]);
//! let mut out = Vec::with_capacity(8);
//! assert!(!ring.dequeue_bulk(&mut out, 5), "all or nothing");
//! assert_eq!(ring.dequeue_burst(&mut out, 8), 4);
//! assert_eq!(out, [1, 2, 3, 4]);
//!
//! let (mut producer, mut consumer) = ring::spsc(2)?;
//! std::thread::spawn(move || producer.push("hello")).join().unwrap().unwrap();
//! assert_eq!(consumer.pop(), Some("hello"));
//! # Ok(())
//! # }
//! ```

mod mpmc;
mod shared;
mod slots;
mod spsc;

pub use mpmc::Ring;
pub use shared::{SharedConsumer, SharedProducer, SharedRing};
pub use spsc::{Consumer, Producer, spsc};

use crate::error::Error;
use crate::sync::AtomicU32;

/// Most elements of a ring: running counts of 32 bits then tell full from empty with room to spare.
const MAX_CAPACITY: usize = 1 << 30;

/// A word that one side writes, apart from what the other writes.
#[cfg_attr(not(loom), repr(C, align(64)))]
#[derive(Debug)]
struct Line(AtomicU32);

/// The capacity as a `u32`, if a ring can have it.
fn checked(capacity: usize) -> Result<u32, Error> {
    match u32::try_from(capacity) {
        Ok(count) if (1..=MAX_CAPACITY).contains(&capacity) => Ok(count),
        _ => Err(Error::RingCapacity { capacity }),
    }
}

/// How many of `wanted` are moved when `possible` can be.
#[inline(always)]
fn portion(wanted: usize, possible: u32, all_or_nothing: bool) -> usize {
    if possible as usize >= wanted {
        wanted
    } else if all_or_nothing {
        0
    } else {
        possible as usize
    }
}

#[cfg(test)]
mod tests;
