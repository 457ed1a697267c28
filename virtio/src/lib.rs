//! What both ends of a virtio ring share: layouts, feature bits, the net header, ring pointers, the
//! notification rule, and the vhost-user wire.
//!
//! # Concept
//!
//! A *split ring* is three arrays in memory that driver and device share: descriptors (where buffers are), the available
//! ring (what the driver offers) and the used ring (what the device is done with). [`ring::RingPtrs`] is the only way to them
//! here. Everything the other side writes is read once into a private copy; what is checked is that copy.
//!
//! # Threading rule
//!
//! Nothing here has state of its own. Who may call what follows from the side one is on and from holding the queue: one thread
//! per queue and side.
//!
//! # Example
//!
//! ```
//! use virtio::notify::{Suppression, should_notify};
//!
//! // Entries 10 to 13 were published and the peer asked to be woken at 12.
//! assert!(should_notify(Suppression::EventIndex(12), 10, 14));
//! assert!(!should_notify(Suppression::EventIndex(14), 10, 14));
//! ```

pub mod features;
pub mod layout;
pub mod net_header;
pub mod notify;
pub mod packet_counts;
pub mod ring;
pub mod vhost_user;

pub use features::Features;
