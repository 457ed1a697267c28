//! Ports around other ports: trace, drop, delay, corrupt or capture what passes.
//!
//! A wrapper is an ordinary port that owns another one. Control passes through; claiming one of its queues claims the inner queue, and
//! packets go through the wrapper's rule on their way. Whoever holds it cannot tell, so wrappers go around wrappers.
//!
//! As device strings, with the wrapped device in square brackets, the port takes the inner one's place:
//!
//! | device | devargs beside `dev=[...]` and `direction=rx\|tx\|both` | what it does |
//! |---|---|---|
//! | `net_trace` | `file=FILE` | writes a line for each packet |
//! | `net_drop` | `every=N`, or `probability=P,seed=S` | loses packets |
//! | `net_delay` | `us=N`, or `packets=N` | holds packets back for a time, or until N later ones have come |
//! | `net_corrupt` | as `net_drop`, `bytes=1`, `spare=0` | changes bytes of packets, not those in front |
//! | `net_capture` | `file=FILE` | writes packets to a capture file |
//!
//! ```text
//! --vdev 'net_drop0,dev=[net_vhost0,iface=/tmp/sock,queues=2],every=100,direction=rx'
//! --vdev 'net_capture0,dev=[net_delay0,dev=[net_null0],us=500],file=/tmp/seen.pcap'
//! ```
//!
//! From Rust, [`wrap`] puts any [`Kind`] around any port, these or one's own. What a wrapper counts is among the port's extended
//! statistics: `rx_q0_dropped`, `tx_q1_corrupted`.
//!
//! **Threads.** As for every port. A transmit queue takes up to 64 packets more than the inner one has room for, so that each packet is
//! judged once; they leave first with the next call, or go back to their pools when the port is closed. What `net_delay` holds back on
//! transmit leaves when it is due and its queue, or the receive queue of the same number, is polled.
//!
//! ```
//! use eal::{Eal, EalConfig};
//! use pmd_core::{Burst, DevArgs, DriverList, MbufPool, PortConfig, Ports, RxBurst, RxQueueConfig};
//!
//! let eal = Eal::new(EalConfig::default())?;
//! let pool = MbufPool::create(eal.memory(), "pool", 512, 2048, 32)?;
//! let drivers = pmd_soft::add_drivers(DriverList::new());
//! let mut ports = Ports::new();
//! let id = ports.attach(&eal, &drivers, &DevArgs::parse("net_drop0,dev=[net_null0],every=4")?)?;
//! let port = ports.get_mut(id).ok_or("no such port")?;
//! port.configure(&PortConfig { rx_queues: 1, ..PortConfig::default() })?;
//! port.setup_rx(0, &RxQueueConfig { descriptors: 0, pool })?;
//! port.start()?;
//! let mut burst = Burst::new(32);
//! assert_eq!(port.claim_rx(0, "example")?.burst(&mut burst), 24);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod capturing;
mod corrupting;
mod delaying;
mod driver;
mod dropping;
mod lane;
mod late;
mod port;
mod rate;
mod rule;
mod tracing;
mod waiting;

use pmd_core::EthDev;

pub use capturing::{Capturing, Record};
pub use corrupting::{Corrupting, Damage};
pub use delaying::{Delaying, Lag};
pub use driver::WrapDriver;
pub use dropping::{Dropping, Loss};
pub use rate::Rate;
pub use rule::{Direction, Kind, Release, Rule, Verdict};
pub use tracing::{Summary, Tracing, Witness};

/// Puts `kind` around a port that is not configured yet. The new port passes for the inner one: same name, same driver.
pub fn wrap(inner: Box<dyn EthDev>, kind: impl Kind) -> Box<dyn EthDev> {
    Box::new(port::Wrapped::new(inner, kind, None))
}
