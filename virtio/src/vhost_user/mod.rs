//! The vhost-user protocol on the wire: message headers, payloads, file descriptors.
//!
//! A vhost-user connection is a Unix stream socket between a *front-end* (which owns the guest memory and
//! the virtio driver) and a *back-end* (which moves packets). Each message is a 12-byte [`Header`], then
//! [`Header::size`] bytes of payload; file descriptors ride beside the header bytes. This module knows the
//! shapes and nothing of what the messages do: [`request`] lists the messages and their rules, [`payload`]
//! the bodies, [`socket`] moves whole messages over a socket without ever trusting a length.
//!
//! Integers are in the byte order of the machine, as the vhost-user document demands.
//!
//! Threading: a [`MessageReader`] belongs to one connection and one thread; everything else here is plain data.
//!
//! ```
//! use std::os::fd::AsFd;
//! use std::time::{Duration, Instant};
//! use virtio::vhost_user::{HeaderFlags, MessageReader, Request, VringState, recv_deadline, send};
//!
//! # fn main() -> Result<(), virtio::vhost_user::WireError> {
//! let (front, back) = std::os::unix::net::UnixStream::pair()?;
//! let state = VringState { index: 0, num: 256 };
//! send(front.as_fd(), Request::SetVringNum as u32, HeaderFlags::REQUEST, &state.to_bytes(), &[])?;
//!
//! let mut reader = MessageReader::new();
//! let message = recv_deadline(back.as_fd(), &mut reader, Instant::now() + Duration::from_secs(1))?;
//! assert_eq!(message.request, Ok(Request::SetVringNum));
//! assert_eq!(VringState::from_bytes(&message.payload), Some(state));
//! # Ok(())
//! # }
//! ```

pub mod error;
pub mod features;
pub mod header;
pub mod payload;
pub mod request;
pub mod socket;

pub use error::WireError;
pub use features::ProtocolFeatures;
pub use header::{HEADER_BYTES, Header, HeaderFlags};
pub use payload::{
    Inflight, Iotlb, LogBase, MEMORY_TABLE_REGIONS_MAX, MemoryRegion, MemoryTable, SingleRegion,
    U64, VringAddr, VringFd, VringState,
};
pub use request::{FdRule, NeedRule, PayloadRule, ReplyRule, Request, Rule};
pub use socket::{Incoming, MessageReader, recv_deadline, send, send_within};

/// The most payload bytes that a message may announce. The largest message in use (a memory table of eight
/// regions, a configuration space of 256 bytes) is below 280; a larger announcement ends the connection.
pub const PAYLOAD_BYTES_MAX: u32 = 4096;

/// The most file descriptors that one message may carry: one for each region of a memory table.
pub const FDS_MAX: usize = 8;
