//! `net_pcap`: receives from capture files and writes what it sends to capture files.
//!
//! | devarg | meaning |
//! |---|---|
//! | `rx_pcap=FILE` | a receive queue that gives the frames of FILE, in order; again for a further queue |
//! | `tx_pcap=FILE` | a transmit queue that writes to FILE; again for a further queue |
//! | `infinite_rx=1` | begins again at the end of the file |
//! | `phy_mac=0\|1` | no effect: it concerns kernel interfaces |
//! | `iface`, `rx_iface`, `tx_iface`, `rx_iface_in` | refused: kernel interfaces are not there yet |
//!
//! Up to 16 queues each way. Without `rx_pcap` there are as many receive queues, which receive nothing, as there are files to
//! write; without `tx_pcap` there are as many transmit queues, which drop, as there are files to read. As in DPDK, files to be
//! written are made (emptied) when the port is made, and a port that is stopped and started again reads from the
//! beginning and writes anew.
//!
//! **Files.** pcap, not pcapng; Ethernet. Read in either byte order, with micro- or nanoseconds; written little-endian with
//! nanoseconds. A frame that is longer than an mbuf becomes a chain. Files are read through a buffer of half a megabyte, so their
//! length does not matter. Every burst is written when it is sent, so the file is up to date and holds whole
//! frames between bursts.
//!
//! A record of 0 bytes becomes a packet of 0 bytes, as in DPDK.
//!
//! **When a file is bad.** What is no capture file at all is refused when the port is made. A file that ends inside a record or is
//! damaged gives the frames before that place; then the queue counts an error and an event names the reason; the place, in bytes,
//! is in the log line that stopping the port writes. A frame that cannot be written (the disk is full) is dropped and counted.

mod devargs;
mod driver;
mod error;
mod files;
mod format;
mod reader;
mod rx;
mod tx;
mod writer;

pub use driver::PcapDriver;
pub use error::PcapError;
pub(crate) use files::Place;
pub use reader::{Reader, Record};
pub use writer::{Lost, Writer};
