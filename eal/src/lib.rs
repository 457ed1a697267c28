//! The base under poll-mode drivers: memory that several processes share, pinned threads (lcores), pools of
//! packet buffers, rings, the gate between control and data, processes and their deaths, a cycle clock,
//! alarms and log levels.

pub mod alarm;
pub mod args;
pub mod clock;
mod config;
mod eal;
mod error;
pub mod gate;
pub mod lcore;
pub mod logging;
pub mod mem;
pub mod mempool;
pub mod process;
pub mod ring;
mod runtime;
mod share;
mod sync;

pub use config::{EalConfig, HugePolicy, ProcessType};
pub use eal::Eal;
pub use error::Error;
pub use gate::FenceMode;
pub use lcore::LcoreMap;
pub use mem::{Extent, FileKind, LocalContext, Memory, WeakMemory};
pub use process::OwnerId;
