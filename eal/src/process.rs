//! Processes of one `Eal`: what names them, the table they are entered in, and how their end is noticed.
//!
//! The process that makes an `Eal` is its *primary*; *secondaries* join it. Each holds a slot of the process
//! table in the private header, which gives it an [`OwnerId`]. What a process owns is marked with that id,
//! so that what a dead one held can be found and freed.

mod reaper;
mod table;
mod watch;

use std::fmt;
use std::num::NonZeroU32;

pub(crate) use reaper::Reaper;
pub use table::MAX_PROCESSES;
pub(crate) use table::ProcessTable;
pub(crate) use watch::{ProcessFd, peer_process};

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

    /// The owner id of a slot's `generation`, which starts at 1 and has 24 bits.
    pub(crate) fn new(slot: u8, generation: u32) -> Self {
        let raw = generation << 8 | u32::from(slot);
        Self(NonZeroU32::new(raw).unwrap_or(NonZeroU32::MIN))
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

/// When a process started, in clock ticks since boot; `None` when it has ended. With the pid it names a
/// process even after the pid is given to another.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses and may hold anything; proc(5) counts from 1.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") && thread_count(pid) <= 1 {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Threads of a process. One whose first thread has ended looks dead by its state while others run on.
fn thread_count(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_ids_split_into_slot_and_generation() {
        let id = OwnerId::from_raw(0x0000_0703).unwrap();
        assert_eq!((id.slot(), id.generation(), id.raw()), (3, 7, 0x703));
        assert_eq!(OwnerId::from_raw(0), None);
        assert_eq!(id.to_string(), "process 3.7");
    }

    #[test]
    fn start_time_tells_the_living_from_the_dead() {
        assert!(start_time(std::process::id()).is_some_and(|ticks| ticks > 0));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert_eq!(start_time(child.id()), None);
    }
}
