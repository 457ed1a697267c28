//! Taking a dead process apart: everyone who keeps things for processes registers a hook here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::lcore::panic_message;
use crate::mem::Memory;

use super::OwnerId;

type Hook = Box<dyn Fn(OwnerId) + Send>;

/// Runs the hooks of one `Eal` for processes that have ended.
pub(crate) struct Reaper {
    memory: Memory,
    hooks: Mutex<Vec<Hook>>,
}

impl Reaper {
    pub fn new(memory: Memory) -> Self {
        Self { memory, hooks: Mutex::default() }
    }

    /// Adds a hook; they run in the order in which they came.
    pub fn add(&self, hook: Hook) {
        self.hooks().push(hook);
    }

    /// Reaps a process that is known to have ended or left. False when somebody else does, or has done,
    /// or when a hook panicked: the slot then stays *dying* for another attempt.
    pub fn reap(&self, dead: OwnerId) -> bool {
        let (table, me) = (self.memory.processes(), self.memory.owner());
        let hooks = self.hooks();
        if dead == me || !table.begin_reap(dead, me) {
            return false;
        }
        let run = AssertUnwindSafe(|| hooks.iter().for_each(|hook| hook(dead)));
        if let Err(panic) = catch_unwind(run) {
            log::error!(target: "eal", "{dead} is not reaped: {}", panic_message(&*panic));
            return false;
        }
        table.end_reap(dead, me)
    }

    /// Reaps a process if it has ended.
    pub fn reap_if_dead(&self, dead: OwnerId) -> bool {
        self.memory.processes().is_dead(dead) && self.reap(dead)
    }

    fn hooks(&self) -> MutexGuard<'_, Vec<Hook>> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
