//! Forwarding: streams, dealt to lcores, each polling a receive queue and feeding a transmit queue.
//!
//! [`plan`] decides which queue feeds which and on what lcore; [`stream`] is one of them at work, and [`modes`] what it does with
//! packets; [`forwarding`] starts the lcores and stops them. Queues are claimed at start, move to their lcore, and come back at
//! stop.

pub mod control;
pub mod counters;
pub mod forwarding;
pub mod frame;
mod modes;
pub mod plan;
mod random;
pub mod settings;
pub mod stream;
mod tell;

#[cfg(test)]
mod tests;

pub use counters::{BadChecksums, Counters, CountersSnapshot};
pub use forwarding::{Forwarding, Job};
pub use modes::Mode;
pub use plan::{StreamId, Topology};
pub use settings::{Record, Retries, Settings, Split, Verbose};
pub use stream::Stream;
