//! What a vhost-user device is made from.

use std::path::PathBuf;

use virtio::Features;
use virtio::vhost_user::ProtocolFeatures;

use crate::Error;

/// The component under which this crate logs.
pub(crate) const LOG_TARGET: &str = "pmd.net.vhost";

/// The most queue pairs of a device: ring indices are one byte on the wire.
pub const QUEUE_PAIRS_MAX: u16 = 128;

/// The virtio features that are implemented whole, and so may be offered.
pub const FEATURES: Features = Features::VERSION_1
    .union(Features::MRG_RXBUF)
    .union(Features::MQ)
    .union(Features::MTU)
    .union(Features::INDIRECT_DESC)
    .union(Features::IN_ORDER)
    .union(Features::PROTOCOL_FEATURES);

/// The protocol features that are implemented whole, and so are offered.
pub const PROTOCOL_FEATURES: ProtocolFeatures = ProtocolFeatures::MQ
    .union(ProtocolFeatures::REPLY_ACK)
    .union(ProtocolFeatures::NET_MTU)
    .union(ProtocolFeatures::STATUS);

/// Who makes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketRole {
    /// This side creates the socket and waits for the front-end.
    Server,
    /// The front-end creates the socket; this side connects and goes on trying once a second.
    Client,
}

/// One vhost-user device: one socket, one front-end at a time.
///
/// ```
/// use pmd_vhost::config::{DeviceConfig, SocketRole};
///
/// let mut config = DeviceConfig::new("/tmp/vhost.sock");
/// config.queue_pairs = 2;
/// config.role = SocketRole::Client;
/// assert!(config.check().is_ok());
/// config.queue_pairs = 0;
/// assert!(config.check().is_err());
/// ```
#[derive(Debug, Clone)]
pub struct DeviceConfig {
    /// The socket's path.
    pub path: PathBuf,
    /// Who makes the connection.
    pub role: SocketRole,
    /// The most queue pairs that the front-end may use, 1 to [`QUEUE_PAIRS_MAX`].
    pub queue_pairs: u16,
    /// The virtio features to offer; a subset of [`FEATURES`].
    pub features: Features,
}

impl DeviceConfig {
    /// A server with one queue pair that offers all there is.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), role: SocketRole::Server, queue_pairs: 1, features: FEATURES }
    }

    /// Whether the values can be used.
    ///
    /// # Errors
    ///
    /// [`Error::QueuePairs`] or [`Error::UnknownFeatures`].
    pub fn check(&self) -> Result<(), Error> {
        if !(1..=QUEUE_PAIRS_MAX).contains(&self.queue_pairs) {
            return Err(Error::QueuePairs { asked: self.queue_pairs });
        }
        let unknown = self.features.difference(FEATURES);
        if unknown.is_empty() {
            Ok(())
        } else {
            Err(Error::UnknownFeatures { bits: unknown.bits() })
        }
    }

    /// The number of rings: two for each pair.
    pub fn rings(&self) -> usize {
        usize::from(self.queue_pairs) * 2
    }
}
