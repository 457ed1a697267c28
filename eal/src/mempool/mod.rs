//! Pools of equal buffers, shared by processes that may be killed at any instruction.
//!
//! A pool is a set of *chunks*, each a stack of at most `C` handles. A thread keeps two chunks for itself and works on them
//! without any read-modify-write; all others are in the *depot*. A chunk moves as a whole, by one compare-and-swap on its
//! state word, which names the owner in the same step.
//!
//! ```text
//!   depot chunk -> thread's chunk -> in hand -> thread's chunk -> depot chunk
//!     [free 0]        [free 0]       [owner]       [free 0]        [free 0]
//! ```
//!
//! In front of each buffer's bytes, in the private file, lies its [`Record`]: one cache line whose first 24 bytes are the
//! pool's. The record's owner word says which process has the buffer in use.
//!
//! **When a process dies** somebody calls [`Mempool::sweep`]. Its chunks are taken at their word: everything
//! they list is free. Every other record stamped with the dead process that no queue holds is free too. The
//! order of stores in take and give is such that this is right wherever the process stopped.
//!
//! **Threads.** A [`Mempool`] is a handle that may be cloned and used from any thread of any process. Each thread
//! that uses a pool gets a cache of its own, while there are seats for it (64 a pool); the others go to the depot each time.
//! A thread that ends gives its chunks back. Nothing here takes a lock.
//!
//! ```
//! use eal::mempool::{Mempool, PoolConfig};
//! use std::mem::MaybeUninit;
//! # fn main() -> Result<(), eal::Error> {
//! let eal = eal::Eal::new(eal::EalConfig::default())?;
//! let config = PoolConfig { size: 1024, buf_len: 2176, cache: 64 };
//! let pool = Mempool::create(eal.memory(), "packets", &config)?;
//!
//! let mut records = [MaybeUninit::uninit(); 32];
//! let taken = pool.take_bulk(&mut records);
//! assert_eq!(taken, 32);
//! assert_eq!(pool.in_use(), 32);
//!
//! // SAFETY: `take_bulk` filled the first `taken` places.
//! let records = records[..taken].iter().map(|place| unsafe { place.assume_init() });
//! let records: Vec<_> = records.collect();
//! // SAFETY: the records were taken from this pool above and are not used any more.
//! unsafe { pool.give_bulk(&records) };
//! assert!(pool.audit().is_exact());
//! # Ok(())
//! # }
//! ```

mod audit;
mod cache;
mod chunk;
mod create;
mod depot;
mod layout;
mod pool;
mod record;
mod sweep;
mod threads;
mod view;

pub use audit::PoolAudit;
pub use layout::PoolConfig;
pub use pool::Mempool;
pub use record::{Record, RecordHead};

#[cfg(loom)]
#[doc(hidden)]
pub mod model;

/// A point at which the death tests may stop a simulated process. Nothing in any other build.
#[cfg(not(test))]
#[inline(always)]
fn step() {}

#[cfg(test)]
use test_pool::step;

#[cfg(test)]
mod test_pool;
#[cfg(test)]
mod tests;
