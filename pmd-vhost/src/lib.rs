//! A vhost-user backend to embed in a switch, and the `net_vhost` port on top of it.
//!
//! # Concept
//!
//! A vhost-user *device* is a socket over which a front-end (QEMU for its guest, or a virtio-user port) shares its memory and
//! describes its rings. Control (`service`, `session`, `device`) speaks that protocol on one thread for all
//! devices. Data ([`split`]) moves packets between the front-end's rings and the embedder's buffers: [`split::Dequeue`] hands
//! packets to an [`split::RxSink`], [`split::Enqueue`] takes them from a [`split::TxSource`], so that a switch keeps buffers
//! of its own. Neither needs an `Eal` value or an mbuf; the ethdev port (feature `ethdev`) is one embedder.
//!
//! # Threading rule
//!
//! One thread per ring polls (`Dequeue` and `Enqueue` are `Send`, not `Sync`, and hold the claim on their ring). Control
//! changes a ring only with its gate closed, which waits for the end of a burst, and never for the next one.
//!
//! # Distrust
//!
//! Whatever the front-end wrote is read once, checked, and the copy used. What it gets wrong costs it its packet, its ring or
//! its connection, never the process.

pub mod config;
pub mod counters;
mod descriptors;
mod device;
pub mod error;
#[cfg(feature = "ethdev")]
pub mod ethdev;
pub mod events;
pub mod guest_memory;
mod messages;
mod refusal;
pub mod service;
mod session;
pub mod split;
#[cfg(any(test, feature = "test-utils"))]
pub mod testing;
pub mod vring;

pub use config::DeviceConfig;
pub use error::Error;
pub use events::{DeviceEvent, Events};
pub use service::{DeviceHandle, Service};

/// The examples of the README, run as tests.
#[cfg(all(doctest, feature = "ethdev"))]
#[doc = include_str!("../../README.md")]
struct Readme;
