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
//!
//! # Example
//!
//! ```
//! use pmd_vhost::split::{Accept, Dequeue, GuestPacket, RxSink};
//! use pmd_vhost::{DeviceConfig, Service, events};
//!
//! /// Keeps nothing of a packet but its length.
//! struct Lengths(Vec<usize>);
//!
//! impl RxSink for Lengths {
//!     fn ready(&mut self, want: usize) -> usize {
//!         want
//!     }
//!
//!     fn accept(&mut self, packet: GuestPacket<'_>) -> Accept {
//!         self.0.push(packet.len() as usize);
//!         Accept::Taken
//!     }
//! }
//!
//! # let folder = tempfile::tempdir()?;
//! # let socket = folder.path().join("guest.sock");
//! let service = Service::start()?;
//! let (sender, _events) = events::channel()?;
//! let device = service.add(DeviceConfig::new(&socket), sender)?;
//! device.set_active(true)?;
//!
//! let mut from_guest = Dequeue::claim(device.vring(1).ok_or("no such ring")?, "worker 0")?;
//! let mut lengths = Lengths(Vec::new());
//! assert_eq!(from_guest.dequeue(&mut lengths, 32), 0, "nobody is connected yet");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
