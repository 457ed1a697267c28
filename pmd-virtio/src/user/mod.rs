//! virtio-user: a port whose device is a vhost-user back-end in another process (or in this one).
//!
//! # Concept
//!
//! The port is the front-end of the vhost-user protocol: it owns the memory and the driver side of the rings, and it
//! hands both to a back-end over a Unix socket. [`VirtioUserDriver`] makes ports from device strings
//! with the keys of [`UserArgs`]. Either side may come first and either may go: while no back-end is there, the
//! link is down and bursts return 0.
//!
//! # Threading rule
//!
//! One control thread per port owns the socket. Calls of [`EthDev`](pmd_core::EthDev) reach it over a
//! channel and wait for its answer, no longer than about two deadlines of a second; `link` and
//! `stats` do not wait for it. Pollers never meet it but in the gate of their queue.
//!
//! # Example
//!
//! ```
//! use eal::{Eal, EalConfig};
//! use pmd_core::{DevArgs, DriverList, PortConfig, Ports, RxQueueConfig, TxQueueConfig, MbufPool};
//! use pmd_virtio::VirtioUserDriver;
//!
//! let eal = Eal::new(EalConfig::default())?;
//! let drivers = DriverList::new().with(VirtioUserDriver);
//! let args = DevArgs::parse("net_virtio_user0,path=/tmp/no-such-socket,queues=1")?;
//! let mut ports = Ports::new();
//! let id = ports.attach(&eal, &drivers, &args)?;
//!
//! let pool = MbufPool::create(eal.memory(), "pool", 2048, 2048, 64)?;
//! let port = ports.get_mut(id).ok_or("the port is there")?;
//! port.configure(&PortConfig { rx_queues: 1, tx_queues: 1, ..PortConfig::default() })?;
//! port.setup_rx(0, &RxQueueConfig { descriptors: 0, pool: pool.clone() })?;
//! port.setup_tx(0, &TxQueueConfig::default())?;
//! port.start()?;
//! assert!(!port.link().up, "nobody listens there yet; the port goes on looking");
//! port.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod abilities;
mod backoff;
mod control;
mod devargs;
mod driver;
mod endpoint;
mod frontend;
mod machine;
mod port;
mod ring;
mod shared;
mod slot;

pub use devargs::UserArgs;
pub use driver::VirtioUserDriver;
pub use frontend::Frontend;

/// The component's name in the log: DPDK's.
const TARGET: &str = "pmd.net.virtio";
