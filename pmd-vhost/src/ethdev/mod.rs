//! The `net_vhost` port: a vhost-user device as an ethdev.
//!
//! One port is one socket and one front-end at a time. What the guest sends is the port's receive side and the other way
//! round: receive queue `q` polls ring `2q + 1`, transmit queue `q` polls ring `2q`. Ring sizes are the guest's.
//!
//! | devarg | default | meaning |
//! |---|---|---|
//! | `iface=PATH` | none, needed | the socket |
//! | `queues=N` | 1 | the most queue pairs, 1 to 128 |
//! | `client=0\|1` | 0 | 1: connect to the front-end's socket, and try again every second |
//! | `legacy-ol-flags=0\|1` | 0 | no effect: no offload is offered yet |
//! | `tso=0\|1` | 0 | accepted; 1 is told to have no effect, as no offload is offered yet |
//! | `iommu-support`, `postcopy-support`, `linear-buffer`, `ext-buffer` | 0 | 1 is refused: not implemented |
//! | `dmas`, `dma-ring-size` | none | refused, as by DPDK's own driver |
//!
//! The socket is made (or the first connection attempted) by the first `configure`, as in DPDK. Its address is DPDK's
//! too, 56:48:4f:53:54 and the low byte of the port's number: ports 256 numbers apart have the same one. Threading: the port may be
//! moved between threads; its queues are polled by one thread each.

mod counts;
mod driver;
mod forward;
mod port;
mod rx;
mod tx;
mod vlan;

pub use driver::VhostDriver;
pub use port::VhostPort;
