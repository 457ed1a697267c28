//! Why a message is refused.

use std::fmt;

/// The reason for a negative acknowledgement or a dropped connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Refusal {
    /// Its number is not in the document.
    Unknown,
    /// It is known and not implemented.
    Unsupported,
    /// It carries the reply flag.
    NotARequest,
    /// Its body or its descriptors do not fit.
    Malformed,
    /// What it needs was not negotiated.
    NotNegotiated,
    /// It sets bits that were not offered.
    NotOffered,
    /// There is no such ring.
    NoRing,
    /// The value is outside what is allowed.
    Value,
    /// The descriptor is not an eventfd.
    NotAnEvent,
    /// Not while the ring runs.
    Running,
    /// The addresses do not lie in guest memory, or are not aligned.
    Address,
    /// The memory table cannot be used; the log has said why.
    Memory,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no such message",
            Self::Unsupported => "not implemented",
            Self::NotARequest => "an answer where a request was expected",
            Self::Malformed => "wrong length, or wrong number of file descriptors",
            Self::NotNegotiated => "the feature that it belongs to was not negotiated",
            Self::NotOffered => "it sets features that were not offered",
            Self::NoRing => "there is no such ring",
            Self::Value => "the value is outside what is allowed",
            Self::NotAnEvent => "the file descriptor is not an eventfd",
            Self::Running => "not while the ring runs",
            Self::Address => "the ring does not lie whole in guest memory, or is not aligned",
            Self::Memory => "the memory table cannot be used",
        })
    }
}
