//! The base under poll-mode drivers: memory that several processes share, pinned threads (lcores), pools of
//! packet buffers, rings, the gate between control and data, processes and their deaths, a cycle clock,
//! alarms and log levels.

pub mod gate;
pub mod process;
mod sync;

pub use process::OwnerId;
