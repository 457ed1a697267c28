//! Ports that need no peer, and ports around other ports.
//!
//! # Concept
//!
//! | device | what it is |
//! |---|---|
//! | [`net_null`](null) | receives packets out of nothing, sends them to nowhere |
//! | [`net_ring`](ring) | what is sent comes back; two ports can share rings |
//! | [`net_pcap`](pcap) | receives from capture files, writes to capture files |
//! | [`net_trace`, `net_drop`, `net_delay`, `net_corrupt`, `net_capture`](wrap) | go around another device |
//!
//! They are ordinary ports ([`pmd_core::EthDev`]), made from the device strings that DPDK's ports of the same names take.
//!
//! # Threading rule
//!
//! As for every port: control may be in any thread, and each claimed queue belongs to one thread at a time. A queue's working
//! state lies behind a gate ([`pmd_core::gated`]), so `stop` and `close` wait for a burst that is under way and for nothing else.
//!
//! # Example
//!
//! ```
//! use eal::{Eal, EalConfig};
//! use pmd_core::{Burst, DevArgs, DriverList, MbufPool, PortConfig, Ports, RxBurst, RxQueueConfig};
//!
//! let eal = Eal::new(EalConfig::default())?;
//! let pool = MbufPool::create(eal.memory(), "pool", 512, 2048, 32)?;
//! let drivers = pmd_soft::add_drivers(DriverList::new());
//! let mut ports = Ports::new();
//! let id = ports.attach(&eal, &drivers, &DevArgs::parse("net_null0,size=100")?)?;
//! let port = ports.get_mut(id).ok_or("no such port")?;
//! port.configure(&PortConfig { rx_queues: 1, ..PortConfig::default() })?;
//! port.setup_rx(0, &RxQueueConfig { descriptors: 0, pool })?;
//! port.start()?;
//! let mut burst = Burst::new(32);
//! assert_eq!(port.claim_rx(0, "example")?.burst(&mut burst), 32);
//! assert!(burst.iter().all(|packet| packet.len() == 100));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod counters;
pub mod null;
pub mod pcap;
mod port;
mod queue;
mod random;
pub mod ring;
mod stamp;
pub mod wrap;

use pmd_core::DriverList;

/// The list with all drivers of this crate behind those that are in it.
#[must_use]
pub fn add_drivers(list: DriverList) -> DriverList {
    let list =
        list.with(null::NullDriver).with(ring::RingDriver::new()).with(pcap::PcapDriver::new());
    wrap::WrapDriver::all().into_iter().fold(list, DriverList::with)
}
