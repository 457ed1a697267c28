//! Random sequences of what operators do, under traffic: packets and buffers are conserved.
//!
//! A sequence has two ends, a port whose packets come back ([`crate::echo`]) and a port that sends them back, ours both. The
//! second is in this process or, to be killed and frozen, in one of its own. Everything random comes from a seed: the
//! devices, and ten or so [`Act`]s. At the end of each sequence
//! * both links are up and packets pass on every queue, none lost, doubled, reordered or altered;
//! * both ports have counted what was sent and what came, alike;
//! * every buffer is free, and descriptors and mappings are what they were.

mod act;
mod away;
pub mod console;
mod scene;
mod side;

pub use act::{Act, End};
pub use scene::{Peers, run};
