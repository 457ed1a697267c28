//! What control calls of a port can answer.

use std::fmt;

use crate::MacAddr;

/// An error of a port's control half. Data calls (bursts) never fail; they return counts.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A device string could not be read; the text says where and what is allowed.
    BadDevArgs(String),
    /// A devarg is known but what it asks for is not supported.
    Unsupported {
        /// What was asked for, as the user wrote it.
        what: String,
        /// What to write instead.
        instead: String,
    },
    /// No driver of the list goes by that name.
    NoDriver(String),
    /// A device of that name exists already.
    NameTaken(String),
    /// There is no such queue on this port.
    NoQueue {
        /// The queue asked for.
        queue: u16,
        /// How many there are.
        queues: u16,
    },
    /// The queue is claimed.
    Claimed {
        /// The queue asked for.
        queue: u16,
        /// Who holds it.
        holder: String,
    },
    /// A value is outside what the device takes.
    OutOfRange {
        /// What the value is.
        what: &'static str,
        /// The value given.
        value: u64,
        /// The smallest that is taken.
        min: u64,
        /// The largest that is taken.
        max: u64,
    },
    /// The number of descriptors must be a power of two.
    NotPowerOfTwo {
        /// The value given.
        value: u64,
    },
    /// The mbufs of the pool are too small for what the ring must take.
    MbufTooSmall {
        /// Bytes a buffer of the pool has for a packet.
        room_bytes: u32,
        /// Bytes that are needed.
        need_bytes: u32,
    },
    /// The call is not possible in the port's present state.
    WrongState {
        /// What was asked.
        call: &'static str,
        /// What has to be done first.
        first: &'static str,
    },
    /// The device has no such operation.
    NoOperation(&'static str),
    /// The address cannot be a device's own.
    BadMac(MacAddr),
    /// Offloads were asked for that the device lacks.
    Offloads {
        /// Receive (`true`) or transmit.
        rx: bool,
        /// What was asked for, as the bits of [`RxOffloads`](crate::RxOffloads) or [`TxOffloads`](crate::TxOffloads).
        asked: u64,
        /// What there is.
        capable: u64,
    },
    /// A poller did not leave its burst in time; the queue is quarantined until it does.
    Quarantined {
        /// The queue that could not be stopped.
        queue: u16,
    },
    /// A socket, file or mapping call failed.
    Io {
        /// What was being done, with the path if there is one.
        what: String,
        /// What the system answered.
        source: std::io::Error,
    },
    /// Memory, pools or lcores.
    Eal(eal::Error),
}

impl Error {
    /// An [`Error::Io`] with the action that failed.
    pub fn io(what: impl Into<String>, source: impl Into<std::io::Error>) -> Self {
        Self::Io { what: what.into(), source: source.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadDevArgs(text) => f.write_str(text),
            Self::Unsupported { what, instead } => {
                write!(f, "{what} is not supported yet: {instead}")
            }
            Self::NoDriver(name) => write!(f, "no driver takes the device name '{name}'"),
            Self::NameTaken(name) => write!(f, "there is a device named '{name}' already"),
            Self::NoQueue { queue, queues } => {
                write!(f, "there is no queue {queue}: the port has {queues}, counted from 0")
            }
            Self::Claimed { queue, holder } => {
                write!(f, "queue {queue} is polled by {holder}: drop that handle first")
            }
            Self::OutOfRange { .. }
            | Self::NotPowerOfTwo { .. }
            | Self::MbufTooSmall { .. }
            | Self::BadMac(_)
            | Self::Offloads { .. } => self.fmt_value(f),
            Self::WrongState { call, first } => write!(f, "cannot {call} now: {first} first"),
            Self::NoOperation(call) => write!(f, "this device has no {call}"),
            Self::Quarantined { queue } => write!(
                f,
                "the thread that polls queue {queue} does not leave its burst; the queue is set aside until it does"
            ),
            Self::Io { what, source } => write!(f, "{what}: {source}"),
            Self::Eal(error) => error.fmt(f),
        }
    }
}

impl Error {
    /// Values that cannot be taken, with those that can.
    fn fmt_value(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { what, value, min, max } => {
                write!(f, "{what} {value} is out of range: give {min} to {max}")
            }
            Self::NotPowerOfTwo { value } => {
                let below = if *value == 0 { 1 } else { 1u64 << value.ilog2() };
                write!(
                    f,
                    "{value} descriptors: give a power of two, such as {below} or {}",
                    below * 2
                )
            }
            Self::MbufTooSmall { room_bytes, need_bytes } => write!(
                f,
                "mbufs have room for {room_bytes} bytes and {need_bytes} are needed: make the pool with larger buffers \
                 (testpmd: --mbuf-size)"
            ),
            Self::BadMac(mac) => {
                write!(f, "{mac} cannot be a device's address: give a unicast one that is not zero")
            }
            Self::Offloads { rx, asked, capable } => {
                let side = if *rx { "receive" } else { "transmit" };
                let missing = asked & !capable;
                write!(
                    f,
                    "{side} offloads {missing:#x} are not there: leave these bits out, {capable:#x} are possible"
                )
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Eal(error) => Some(error),
            _ => None,
        }
    }
}

impl From<eal::Error> for Error {
    fn from(error: eal::Error) -> Self {
        Self::Eal(error)
    }
}
