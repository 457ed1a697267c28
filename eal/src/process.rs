//! Processes of one `Eal` and what names them.

use std::fmt;
use std::num::NonZeroU32;

/// Names one process of an `Eal` for ever: its slot of the process table in the low 8 bits, the
/// slot's generation above. It is never 0, so 0 means "nobody" wherever an owner is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(transparent)]
pub struct OwnerId(NonZeroU32);

impl OwnerId {
    /// The owner that the word `raw` names, or `None` for 0, which names nobody.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        match NonZeroU32::new(raw) {
            Some(word) => Some(Self(word)),
            None => None,
        }
    }

    /// The word to write where ownership is recorded.
    pub const fn raw(self) -> u32 {
        self.0.get()
    }

    /// Index into the process table.
    pub const fn slot(self) -> usize {
        (self.raw() & 0xff) as usize
    }

    /// How often the slot had been given out when this process got it.
    pub const fn generation(self) -> u32 {
        self.raw() >> 8
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}.{}", self.slot(), self.generation())
    }
}
