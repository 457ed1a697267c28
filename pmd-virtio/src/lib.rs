//! The driver side of virtio: ports whose device is a vhost-user backend (`virtio_user`), with the seam ready for PCI.
//!
//! # Concept
//!
//! A [`queue::VirtQueue`] is one ring with its table of posted mbufs; its pollers are handed out as `RxQueue` and `TxQueue`. A
//! [`transport::Transport`] is how the device is told about it. [`user`] puts both together over a vhost-user
//! socket, as client or as server.
//!
//! # Threading rule
//!
//! One thread per queue polls. One control thread per port speaks to the device; it changes a queue only with its
//! gate closed, which waits for the end of a burst and never for the next one.
//!
//! # Distrust
//!
//! The device's used entries are read once, checked against the private table, and the copy used. A device that breaks the
//! rules costs itself the queue, never the process.
//!
//! # Example
//!
//! ```
//! use eal::{Eal, EalConfig};
//! use pmd_core::{DevArgs, DriverList, PortConfig, Ports, TxQueueConfig};
//! use pmd_virtio::VirtioUserDriver;
//!
//! let eal = Eal::new(EalConfig::default())?;
//! let drivers = DriverList::new().with(VirtioUserDriver);
//! let mut ports = Ports::new();
//! let args = DevArgs::parse("net_virtio_user0,path=/tmp/no-such-socket")?;
//! let id = ports.attach(&eal, &drivers, &args)?;
//! let port = ports.get_mut(id).ok_or("no such port")?;
//! port.configure(&PortConfig { tx_queues: 1, ..PortConfig::default() })?;
//! port.setup_tx(0, &TxQueueConfig::default())?;
//! port.start()?;
//! assert!(!port.link().up, "it goes on looking for its peer");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod queue;
#[cfg(any(test, feature = "test-utils"))]
pub mod testing;
pub mod transport;
pub mod user;

pub use user::VirtioUserDriver;
