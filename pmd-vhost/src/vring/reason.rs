//! Why a ring cannot go on.

/// Why a ring was taken out of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum BreakReason {
    /// `avail.idx` is further ahead than the ring is long.
    AvailIndex = 1,
    /// An available entry names a descriptor that is not in the table.
    HeadOutOfRange = 2,
}

impl BreakReason {
    /// The reason, for a person.
    pub const fn text(self) -> &'static str {
        match self {
            Self::AvailIndex => "the driver's avail.idx is further ahead than the ring is long",
            Self::HeadOutOfRange => "an available entry names a descriptor outside the table",
        }
    }

    pub(super) const fn from_raw(raw: u8) -> Option<Self> {
        match raw {
            1 => Some(Self::AvailIndex),
            2 => Some(Self::HeadOutOfRange),
            _ => None,
        }
    }
}
