//! The seam between a virtio port and the way its device is reached.
//!
//! A [`Transport`] carries the few things that a driver says to its device: which features are accepted, where the
//! rings lie, which run. vhost-user over a socket ([`user`](crate::user)) is one; a PCI function is another.
//! [`negotiate`], [`start`] and [`stop`] are the sequences that every transport goes through, in the
//! order of virtio 1.2, 3.1.1. Ring code never sees a transport: it gets a prepared queue.

use std::fmt;
use std::os::fd::BorrowedFd;

use bitflags::bitflags;
use eal::Memory;
use virtio::Features;
use virtio::vhost_user::WireError;

use crate::queue::RingAddresses;

bitflags! {
    /// Device status (virtio 1.2, 2.1).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct DeviceStatus: u8 {
        /// The driver has noticed the device.
        const ACKNOWLEDGE = 1;
        /// The driver knows how to drive it.
        const DRIVER = 2;
        /// The driver is ready; the device may go to work.
        const DRIVER_OK = 4;
        /// Features are settled.
        const FEATURES_OK = 8;
        /// The device met an error that only a reset ends.
        const NEEDS_RESET = 64;
        /// The driver has given up.
        const FAILED = 128;
    }
}

impl DeviceStatus {
    /// What a driver has reached once its features are accepted.
    pub const NEGOTIATED: Self = Self::ACKNOWLEDGE.union(Self::DRIVER).union(Self::FEATURES_OK);
    /// What a driver has reached once its rings are set up.
    pub const READY: Self = Self::NEGOTIATED.union(Self::DRIVER_OK);
}

/// What a device has to know of one ring. All addresses are IOVAs.
#[derive(Clone, Copy, Debug)]
pub struct RingSetup<'a> {
    /// The ring's number: `2 * queue` for receive, `2 * queue + 1` for transmit (virtio 1.2, 5.1.2).
    pub index: u16,
    /// Entries.
    pub size: u16,
    /// Where its three parts lie.
    pub addresses: RingAddresses,
    /// The eventfd by which the driver tells the device of new buffers.
    pub kick: BorrowedFd<'a>,
    /// The eventfd by which the device tells the driver of used buffers.
    pub call: BorrowedFd<'a>,
}

/// How a driver talks to its device. One control thread owns it; every call waits no longer than the transport's deadline.
///
/// After an error the device is in an unknown state: the transport is dropped and a new one made.
pub trait Transport: Send {
    /// The features that the device offers.
    ///
    /// # Errors
    ///
    /// As all methods here: the device is gone, silent, or answers nonsense.
    fn offered(&mut self) -> Result<Features, TransportError>;

    /// Tells the device which features the driver uses.
    ///
    /// # Errors
    ///
    /// [`TransportError::Refused`] when the device does not agree.
    fn accept(&mut self, features: Features) -> Result<(), TransportError>;

    /// How many queue pairs the device has at most.
    ///
    /// # Errors
    ///
    /// As [`Transport::offered`].
    fn max_queue_pairs(&mut self) -> Result<u16, TransportError>;

    /// Lets the device reach the data file as far as it is committed.
    ///
    /// # Errors
    ///
    /// [`TransportError::Refused`] when the device cannot map it.
    fn share_memory(&mut self, memory: &Memory) -> Result<(), TransportError>;

    /// Tells the device where a ring lies. The ring begins at index 0.
    ///
    /// # Errors
    ///
    /// [`TransportError::Refused`] when the device cannot use it.
    fn start_ring(&mut self, ring: &RingSetup<'_>) -> Result<(), TransportError>;

    /// Lets the device use the ring `index`, or not.
    ///
    /// # Errors
    ///
    /// As [`Transport::accept`].
    fn enable_ring(&mut self, index: u16, enabled: bool) -> Result<(), TransportError>;

    /// Stops ring `index`: afterwards the device touches neither ring nor buffers. Answers the index the device would go on at.
    ///
    /// # Errors
    ///
    /// As [`Transport::offered`].
    fn stop_ring(&mut self, index: u16) -> Result<u16, TransportError>;

    /// Tells the device how far the driver has come.
    ///
    /// # Errors
    ///
    /// As [`Transport::accept`].
    fn set_status(&mut self, status: DeviceStatus) -> Result<(), TransportError>;
}

/// Settles the features: what is in `wanted` and offered is accepted. `required` must be offered, and `queue_pairs` must be there.
///
/// # Errors
///
/// [`TransportError::MissingFeatures`], [`TransportError::TooFewQueues`], or what the transport answers.
pub fn negotiate(
    transport: &mut dyn Transport,
    wanted: Features,
    required: Features,
    queue_pairs: u16,
) -> Result<Features, TransportError> {
    let offered = transport.offered()?;
    let missing = required.difference(offered);
    if !missing.is_empty() {
        return Err(TransportError::MissingFeatures(missing));
    }
    let there = transport.max_queue_pairs()?;
    if there < queue_pairs {
        return Err(TransportError::TooFewQueues { wanted: queue_pairs, offered: there });
    }
    let features = offered.intersection(wanted.union(required));
    transport.accept(features)?;
    Ok(features)
}

/// Shows the device memory and rings and lets it go to work. The rings are prepared and nobody polls them yet.
///
/// # Errors
///
/// What the transport answers; the device may then be using some of the rings until the transport is dropped.
pub fn start(
    transport: &mut dyn Transport,
    memory: &Memory,
    rings: &[RingSetup<'_>],
) -> Result<(), TransportError> {
    transport.share_memory(memory)?;
    for ring in rings {
        transport.start_ring(ring)?;
    }
    for ring in rings {
        transport.enable_ring(ring.index, true)?;
    }
    transport.set_status(DeviceStatus::READY)
}

/// Takes the rings `indexes` back from the device. Pollers are out already.
///
/// # Errors
///
/// What the transport answers; the transport is to be dropped then.
pub fn stop(transport: &mut dyn Transport, indexes: &[u16]) -> Result<(), TransportError> {
    for &index in indexes {
        transport.enable_ring(index, false)?;
    }
    for &index in indexes {
        transport.stop_ring(index)?;
    }
    Ok(())
}

/// Why a device could not be brought to do something.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransportError {
    /// The connection broke, or the peer was silent past the deadline.
    Wire(WireError),
    /// The peer answered with something else than the answer to what was asked.
    BadReply {
        /// What was asked, in the words of the protocol.
        request: &'static str,
    },
    /// The peer refused.
    Refused {
        /// What was asked, in the words of the protocol.
        request: &'static str,
    },
    /// The peer spoke without being asked.
    Unasked,
    /// The device lacks features that this driver cannot do without.
    MissingFeatures(Features),
    /// The device has fewer queue pairs than the port was made with.
    TooFewQueues {
        /// Pairs of the port.
        wanted: u16,
        /// Pairs of the device.
        offered: u16,
    },
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(error) => error.fmt(f),
            Self::BadReply { request } => {
                write!(f, "the answer to {request} is malformed; check what listens on the socket")
            }
            Self::Refused { request } => {
                write!(f, "the device refused {request}; its log says why")
            }
            Self::Unasked => f.write_str("the device sent a message that nobody asked for"),
            Self::MissingFeatures(features) => {
                write!(f, "the device does not offer {features:?}, which this driver needs")
            }
            Self::TooFewQueues { wanted, offered } => write!(
                f,
                "the device has {offered} queue pairs and the port has {wanted}: \
                 give both ends the same 'queues='"
            ),
        }
    }
}

impl std::error::Error for TransportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Wire(error) => Some(error),
            _ => None,
        }
    }
}

impl From<WireError> for TransportError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that writes down what it is told.
    struct Recorder {
        offered: Features,
        pairs: u16,
        said: Vec<String>,
    }

    impl Recorder {
        fn new(offered: Features, pairs: u16) -> Self {
            Self { offered, pairs, said: Vec::new() }
        }

        fn say(&mut self, what: String) -> Result<(), TransportError> {
            self.said.push(what);
            Ok(())
        }
    }

    impl Transport for Recorder {
        fn offered(&mut self) -> Result<Features, TransportError> {
            Ok(self.offered)
        }
        fn accept(&mut self, features: Features) -> Result<(), TransportError> {
            self.say(format!("accept {:#x}", features.bits()))
        }
        fn max_queue_pairs(&mut self) -> Result<u16, TransportError> {
            Ok(self.pairs)
        }
        fn share_memory(&mut self, _: &Memory) -> Result<(), TransportError> {
            self.say("memory".into())
        }
        fn start_ring(&mut self, ring: &RingSetup<'_>) -> Result<(), TransportError> {
            self.say(format!("start {}", ring.index))
        }
        fn enable_ring(&mut self, index: u16, enabled: bool) -> Result<(), TransportError> {
            self.say(format!("enable {index} {enabled}"))
        }
        fn stop_ring(&mut self, index: u16) -> Result<u16, TransportError> {
            self.say(format!("stop {index}")).map(|()| 0)
        }
        fn set_status(&mut self, status: DeviceStatus) -> Result<(), TransportError> {
            self.say(format!("status {}", status.bits()))
        }
    }

    const WANTED: Features = Features::MRG_RXBUF.union(Features::MQ);

    #[test]
    fn only_what_is_offered_and_wanted_is_accepted() {
        let offered = Features::VERSION_1 | Features::MRG_RXBUF | Features::LOG_ALL;
        let mut device = Recorder::new(offered, 1);
        let features = negotiate(&mut device, WANTED, Features::VERSION_1, 1).unwrap();
        assert_eq!(features, Features::VERSION_1 | Features::MRG_RXBUF);
        assert_eq!(device.said, [format!("accept {:#x}", features.bits())]);
    }

    #[test]
    fn a_device_that_lacks_something_is_told_nothing() {
        let mut legacy = Recorder::new(Features::MRG_RXBUF, 1);
        let missing = negotiate(&mut legacy, WANTED, Features::VERSION_1, 1);
        assert!(matches!(missing, Err(TransportError::MissingFeatures(Features::VERSION_1))));
        let mut small = Recorder::new(Features::VERSION_1, 1);
        let few = negotiate(&mut small, WANTED, Features::VERSION_1, 2);
        assert!(matches!(few, Err(TransportError::TooFewQueues { wanted: 2, offered: 1 })));
        assert!(legacy.said.is_empty() && small.said.is_empty());
    }

    #[test]
    fn stopping_disables_every_ring_before_it_takes_the_first() {
        let mut device = Recorder::new(Features::VERSION_1, 1);
        stop(&mut device, &[0, 1]).unwrap();
        assert_eq!(device.said, ["enable 0 false", "enable 1 false", "stop 0", "stop 1"]);
    }
}
