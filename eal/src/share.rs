//! How a second process comes to share the memory: it asks the primary over a Unix socket.
//!
//! ```text
//! secondary                         primary (control thread)
//!   hello: layout, build    ------>   same program? a free slot? a handle on the process
//!                           <------   welcome: owner id, sizes; both files as descriptors
//!   ...                               watches the process by pidfd
//!   bye                     ------>   reaps what it left
//! ```
//!
//! Each message is a few 64-bit little-endian words, sent and received whole.

mod client;
mod server;
mod wire;

pub(crate) use client::join;
pub(crate) use server::Server;
