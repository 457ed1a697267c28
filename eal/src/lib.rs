//! The base under poll-mode drivers: what an application needs before it moves its first packet.
//!
//! | concept | where |
//! |---|---|
//! | an application's environment as one value | [`Eal`], made from an [`EalConfig`] |
//! | EAL command lines as DPDK's users type them | [`args`] |
//! | memory that peers and further processes share, position-independent | [`mem`] |
//! | pools of packet buffers that survive the death of a process | [`mempool`] |
//! | rings within a process and between two | [`ring`] |
//! | the gate between the control of a queue and its poller | [`gate`] |
//! | processes, their ids, their end | [`process`] |
//! | pinned threads | [`lcore`] |
//! | cycle clock, alarms, log levels | [`clock`], [`alarm`], [`logging`] |
//!
//! There are no globals: several `Eal` values live side by side in one process, each with its own memory, lcores and
//! file prefix. What belongs to a machine or a process rather than to an `Eal` (the clock's speed, the `log`
//! facade's logger) is the exception and says so.
//!
//! **Threads.** *Control* (making things, allocation, alarms) may be called from any thread and takes locks. *Data*
//! (pools, rings, the poller's end of a gate) takes none: which calls may run at the same time is written at each type.
//! Lcores are threads pinned to CPUs; control threads stay off those CPUs when there are others.
//!
//! **Starting without anything.** [`EalConfig::default`] needs no root, no huge pages and no file system.
//!
//! ```
//! use eal::{Eal, EalConfig, FileKind};
//! use std::sync::mpsc;
//!
//! # fn main() -> Result<(), eal::Error> {
//! let words = ["app", "--in-memory", "--no-huge", "--lcores", "0@0,1@0", "--", "-i"];
//! let parsed = eal::args::parse(words.map(Into::into))?;
//! let eal = Eal::new(EalConfig { pin_main: false, ..parsed.config })?;
//!
//! let buffers = eal.memory().alloc(FileKind::Data, 1 << 20, 64)?;
//! let (send, receive) = mpsc::channel();
//! eal.launch(1, move || _ = send.send("from lcore 1"))?;
//! eal.wait(1)?;
//! assert_eq!(receive.recv(), Ok("from lcore 1"));
//! eal.memory().free(buffers);
//! # Ok(())
//! # }
//! ```
//!
//! Linux only. Every error is an [`Error`], whose text says what to do.

pub mod alarm;
mod announce;
pub mod args;
pub mod clock;
mod config;
mod eal;
mod error;
pub mod eventfd;
pub mod events;
mod fence;
pub mod gate;
pub mod lcore;
pub mod logging;
pub mod mem;
pub mod mempool;
mod prefetch;
pub mod process;
pub mod ring;
mod runtime;
mod share;
mod sync;
mod topology;

pub use config::{EalConfig, HugePolicy, HugeUnlink, IovaMode, ProcessType};
pub use eal::Eal;
pub use error::{Error, HugeRemedy};
pub use gate::FenceMode;
pub use lcore::LcoreMap;
pub use mem::{Allocation, Extent, FileKind, LocalContext, Memory, WeakMemory};
pub use prefetch::prefetch;
pub use process::OwnerId;
