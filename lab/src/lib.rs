//! What the end-to-end and reliability tests of the workspace share.
//!
//! # Concept
//!
//! A test has a port of ours at one end ([`endpoint`]) and, in another process ([`process`]), something that sends
//! every packet back: our own forwarder (`lab-peer`, [`peer`]) or DPDK's testpmd ([`dpdk`]). [`packet`] makes packets
//! that carry a number and a hash, and [`echo`] finds each one again: none lost, duplicated, reordered or altered.
//!
//! [`dts`] follows test plans of the DPDK Test Suite with testpmd, ours or DPDK's.
//! [`sequence`] does to ports what operators do, at random. [`kill`] and [`second`] hold what reliability tests do in processes of their own. Seeds come from [`random`].
//!
//! # Threading rule
//!
//! Everything here belongs to the thread that made it.
//!
//! # Example
//!
//! ```
//! use lab::packet::{self, Checker};
//!
//! let mut frame = [0; 64];
//! packet::write(&mut frame, 0, 0);
//! let mut checker = Checker::new(0);
//! checker.check(&frame)?;
//! assert_eq!(checker.seen(), 1);
//! # Ok::<(), packet::Fault>(())
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test support: what cannot be is a failed test"
)]

pub mod capture;
pub mod compare;
pub mod dpdk;
pub mod dts;
pub mod echo;
pub mod endpoint;
pub mod kill;
pub mod packet;
pub mod peer;
pub mod poller;
pub mod process;
pub mod random;
pub mod second;
pub mod sequence;

/// What goes wrong in a test ends it; who reads the message is a person.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
