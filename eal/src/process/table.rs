//! The process table in the private header: who is there, who is dying, who reaps.
//!
//! A slot's word holds its state (2 bits), its generation (bits 8 to 31) and, while a process is being
//! reaped, the owner id of the reaper (upper half):
//!
//! ```text
//! free -> joining -> live -> dying(reaper) -> free, generation raised
//! ```
//!
//! Every step is one compare-and-swap on that word, so that any process may take it and any may die in between.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::error::Error;

use super::{OwnerId, start_time};

/// Processes that an `Eal` can have at once.
pub const MAX_PROCESSES: usize = 128;

const FREE: u64 = 0;
const JOINING: u64 = 1;
const LIVE: u64 = 2;
const DYING: u64 = 3;
const STATE_MASK: u64 = 3;
const LAST_GENERATION: u32 = (1 << 24) - 1;

/// All slots.
#[repr(C)]
pub(crate) struct ProcessTable {
    slots: [Slot; MAX_PROCESSES],
}

#[repr(C)]
struct Slot {
    word: AtomicU64,
    start_time: AtomicU64,
    pid: AtomicU32,
    reserved: [AtomicU32; 3],
}

const _: () = assert!(std::mem::size_of::<Slot>() == 32);

impl ProcessTable {
    /// The owner id of the process that makes a memory.
    pub fn primary() -> OwnerId {
        owner(0, 1)
    }

    /// Enters this process as the primary into a zeroed table.
    pub fn open(&self) {
        let slot = &self.slots[0];
        slot.describe(std::process::id());
        slot.word.store(word(1, LIVE), Ordering::Release);
    }

    /// Gives a slot to the process `pid`.
    ///
    /// # Errors
    ///
    /// [`Error::TableFull`] when every slot is in use.
    pub fn join(&self, pid: u32) -> Result<OwnerId, Error> {
        let full = Error::TableFull { table: "processes", limit: MAX_PROCESSES };
        let claimed = self.slots.iter().enumerate().find_map(|(index, slot)| {
            let now = slot.word.load(Ordering::Acquire);
            let next = generation(now) + 1;
            let free = now & STATE_MASK == FREE && next <= LAST_GENERATION;
            (free && slot.swap(now, word(next, JOINING))).then_some((index, slot, next))
        });
        let (index, slot, generation) = claimed.ok_or(full)?;
        slot.describe(pid);
        slot.word.store(word(generation, LIVE), Ordering::Release);
        Ok(owner(index, generation))
    }

    /// Whether `id` names a process that has joined and is not being reaped.
    pub fn is_live(&self, id: OwnerId) -> bool {
        self.slot(id)
            .is_some_and(|slot| slot.word.load(Ordering::Acquire) == word(id.generation(), LIVE))
    }

    /// The process id behind an owner id.
    pub fn pid(&self, id: OwnerId) -> Option<u32> {
        let slot = self.slot(id)?;
        let pid = slot.pid.load(Ordering::Relaxed);
        (generation(slot.word.load(Ordering::Acquire)) == id.generation()).then_some(pid)
    }

    /// Makes `reaper` the one that takes `dead` apart. True when it is, also on a repeated call. A dead reaper
    /// is succeeded.
    pub fn begin_reap(&self, dead: OwnerId, reaper: OwnerId) -> bool {
        let Some(slot) = self.slot(dead) else { return false };
        let mine = word(dead.generation(), DYING) | u64::from(reaper.raw()) << 32;
        let now = slot.word.load(Ordering::Acquire);
        if now == mine {
            return true;
        }
        let same = generation(now) == dead.generation();
        match now & STATE_MASK {
            LIVE | JOINING => same && slot.swap(now, mine),
            DYING => same && self.reaper_is_gone(now) && slot.swap(now, mine),
            _ => false,
        }
    }

    /// Frees the slot of a process that `reaper` has taken apart.
    pub fn end_reap(&self, dead: OwnerId, reaper: OwnerId) -> bool {
        let mine = word(dead.generation(), DYING) | u64::from(reaper.raw()) << 32;
        self.slot(dead).is_some_and(|slot| slot.swap(mine, word(dead.generation(), FREE)))
    }

    /// Processes that have joined or are being reaped, the primary among them.
    pub fn members(&self) -> Vec<OwnerId> {
        let taken = self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let now = slot.word.load(Ordering::Acquire);
            (now & STATE_MASK != FREE).then(|| owner(index, generation(now)))
        });
        taken.collect()
    }

    /// Whether the process that `id` named has ended, also when its pid was given to another since.
    pub fn is_dead(&self, id: OwnerId) -> bool {
        let Some(slot) = self.slot(id) else { return true };
        let now = slot.word.load(Ordering::Acquire);
        if generation(now) != id.generation() || now & STATE_MASK == FREE {
            return true;
        }
        if now & STATE_MASK == JOINING {
            return false;
        }
        // Where /proc cannot be read nobody looks dead.
        let can_tell = start_time(std::process::id()).is_some();
        let there = start_time(slot.pid.load(Ordering::Relaxed));
        can_tell && there != Some(slot.start_time.load(Ordering::Relaxed))
    }

    fn reaper_is_gone(&self, word: u64) -> bool {
        OwnerId::from_raw((word >> 32) as u32).is_none_or(|reaper| self.is_dead(reaper))
    }

    fn slot(&self, id: OwnerId) -> Option<&Slot> {
        self.slots.get(id.slot())
    }
}

impl Slot {
    fn describe(&self, pid: u32) {
        self.pid.store(pid, Ordering::Relaxed);
        self.start_time.store(start_time(pid).unwrap_or(0), Ordering::Relaxed);
    }

    fn swap(&self, from: u64, to: u64) -> bool {
        self.word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

fn word(generation: u32, state: u64) -> u64 {
    u64::from(generation) << 8 | state
}

fn generation(word: u64) -> u32 {
    (word as u32) >> 8
}

fn owner(slot: usize, generation: u32) -> OwnerId {
    OwnerId::new(slot as u8, generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> ProcessTable {
        let slots = std::array::from_fn(|_| Slot {
            word: AtomicU64::new(0),
            start_time: AtomicU64::new(0),
            pid: AtomicU32::new(0),
            reserved: Default::default(),
        });
        let table = ProcessTable { slots };
        table.open();
        table
    }

    #[test]
    fn a_reused_slot_has_another_owner_id() {
        let table = table();
        let me = std::process::id();
        let first = table.join(me).unwrap();
        assert_ne!(first, ProcessTable::primary());
        assert!(table.is_live(first) && !table.is_dead(first));
        assert!(table.begin_reap(first, ProcessTable::primary()));
        assert!(!table.is_live(first));
        assert!(table.end_reap(first, ProcessTable::primary()));
        let second = table.join(me).unwrap();
        assert_eq!(second.slot(), first.slot());
        assert_eq!(second.generation(), first.generation() + 1);
        assert!(table.is_dead(first));
        assert!(!table.begin_reap(first, ProcessTable::primary()), "a gone owner is reaped once");
        assert_eq!(table.pid(first), None);
        assert_eq!(table.pid(second), Some(me));
    }

    #[test]
    fn only_a_dead_reaper_is_succeeded() {
        let table = table();
        let me = std::process::id();
        let (a, b, dead) =
            (table.join(me).unwrap(), table.join(me).unwrap(), table.join(me).unwrap());
        assert!(table.begin_reap(dead, a));
        assert!(table.begin_reap(dead, a), "repeating is harmless");
        assert!(!table.begin_reap(dead, b), "a lives");
        assert!(!table.end_reap(dead, b));
        table.slots[a.slot()].start_time.store(1, Ordering::Relaxed);
        assert!(table.is_dead(a), "its pid belongs to another process now");
        assert!(table.begin_reap(dead, b));
        assert!(!table.end_reap(dead, a), "the slow reaper has lost the job");
        assert!(table.end_reap(dead, b));
    }

    #[test]
    fn a_full_table_says_so() {
        let table = table();
        for _ in 1..MAX_PROCESSES {
            table.join(std::process::id()).unwrap();
        }
        let error = table.join(1).unwrap_err();
        assert!(matches!(error, Error::TableFull { limit: MAX_PROCESSES, .. }), "{error}");
        assert_eq!(table.members().len(), MAX_PROCESSES);
    }
}
