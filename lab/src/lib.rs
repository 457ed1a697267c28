//! What the end-to-end and reliability tests of the workspace share.
//!
//! # Concept
//!
//! A test has a port of ours at one end and, in another process, something that sends every packet back: our
//! own forwarder (`lab-peer`) or DPDK's testpmd. [`packet`] makes packets that carry a number and a hash, and finds
//! each one again.
//!
//! # Threading rule
//!
//! Everything here belongs to the thread that made it.
//!
//! # Example
//!
//! ```
//! use lab::packet::{self, Checker, Loss};
//!
//! let mut frame = [0; 64];
//! packet::write(&mut frame, 0, 0);
//! let mut checker = Checker::new(0, Loss::Forbidden);
//! checker.check(&frame)?;
//! assert_eq!(checker.seen(), 1);
//! # Ok::<(), packet::Fault>(())
//! ```

pub mod packet;
