//! The ethdev layer: packets, queues, ports.
//!
//! # Concept
//!
//! A packet is an [`Mbuf`]: an owned handle on one 64-byte metadata record and its buffer. Packets move in
//! [`Burst`]s. A port is two things: an [`EthDev`], the control half, and its [`RxQueue`]s and [`TxQueue`]s, the
//! data half, which are claimed from it one by one and handed to the threads that poll them.
//!
//! # Threading rule
//!
//! Everything here is `Send` and nothing on the data path is `Sync`: one queue, one mbuf, one burst belong to
//! one thread at a time, and the compiler sees to it. Control may run in another thread than the pollers; it never
//! waits for them longer than its deadline and they never wait for it at all.
//!
//! # Example
//!
//! ```
//! use eal::{Eal, EalConfig};
//! use pmd_core::{Burst, MbufPool};
//!
//! let eal = Eal::new(EalConfig::default())?;
//! let pool = MbufPool::create(eal.memory(), "pool", 1024, 2048, 32)?;
//! let mut burst = Burst::new(32);
//! let mut mbuf = pool.take().ok_or("the pool is empty")?;
//! mbuf.append(5)?.copy_from_slice(b"hello");
//! assert!(burst.push(mbuf).is_ok());
//! assert_eq!(pool.audit().in_use, 1);
//! drop(burst);
//! assert_eq!(pool.audit().in_use, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod burst;
pub mod dev;
pub mod devargs;
pub mod driver;
pub mod error;
pub mod event;
pub mod gated;
pub mod info;
pub mod mac;
pub mod mbuf;
pub mod offload;
pub mod pool;
pub mod queue;
pub mod registry;
pub mod stats;
pub mod xstats;

pub use burst::Burst;
pub use dev::EthDev;
pub use devargs::DevArgs;
pub use driver::{Driver, DriverList, Probe};
pub use error::Error;
pub use event::{Event, EventSender, Events};
pub use info::{DevInfo, Link, PortConfig, QueueInfo, QueueLimits, RxQueueConfig, TxQueueConfig};
pub use mac::MacAddr;
pub use mbuf::{Mbuf, NoRoom};
pub use offload::{RxOffloads, TxOffloads};
pub use pool::MbufPool;
pub use queue::{RxBurst, RxQueue, TxBurst, TxQueue};
pub use registry::{PortId, Ports};
pub use stats::{PortStats, QueueStats};
pub use xstats::Xstat;
