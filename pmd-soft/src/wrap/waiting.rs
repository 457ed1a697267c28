//! Packets that are held back for a time or until others have come.

use std::collections::VecDeque;

use eal::clock::{self, Cycles};
use pmd_core::{Burst, Mbuf};

use super::rule::Release;

/// Packets that wait at most; while they are so many, no more are taken.
const WAITING_MAX: usize = 8192;

/// The packets of one queue that are not due yet, oldest first.
pub(super) struct Waiting {
    packets: VecDeque<(Cycles, Mbuf)>,
    /// How long each waits.
    time: Cycles,
    /// How many stay until others come.
    stay: usize,
    list: Vec<Mbuf>,
}

impl Waiting {
    /// The place for `release`, taking up to `batch` packets at once; `None` when nothing is held back.
    pub fn new(release: Release, batch: usize) -> Option<Self> {
        let (time, stay) = match release {
            Release::AtOnce => return None,
            Release::After(time) => (Cycles::from_duration(time), 0),
            Release::Behind(count) => (Cycles(0), count.min(WAITING_MAX - batch)),
        };
        let packets = VecDeque::with_capacity(WAITING_MAX);
        Some(Self { packets, time, stay, list: Vec::with_capacity(batch) })
    }

    /// Whether `batch` more packets may come.
    pub fn has_room(&self, batch: usize) -> bool {
        self.packets.len() + batch <= WAITING_MAX
    }

    /// Whether nothing can go on before others come.
    pub fn needs_more(&self) -> bool {
        self.packets.len() <= self.stay
    }

    /// Takes all packets of `from`.
    pub fn hold(&mut self, from: &mut Burst) {
        let due = clock::now() + self.time;
        from.move_to_vec(&mut self.list);
        self.packets.extend(self.list.drain(..).map(|packet| (due, packet)));
    }

    /// Moves packets that are due to `into`, as many as fit; returns how many.
    pub fn release_into(&mut self, into: &mut Burst) -> usize {
        let now = clock::now();
        let mut moved = 0;
        while into.room() > 0 && self.packets.len() > self.stay {
            if self.packets.front().is_none_or(|(due, _)| *due > now) {
                break;
            }
            let Some((_, packet)) = self.packets.pop_front() else { break };
            // There is room: it was asked for just now.
            let _ = into.push(packet);
            moved += 1;
        }
        moved
    }
}
