//! Packets that are written down as they pass.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pmd_core::{Burst, Mbuf};

use super::rule::{Direction, Kind, Rule, Verdict};
use crate::pcap::{Lost, Writer};

/// Writes packets to a capture file: `net_capture`. All queues write to one file, in the order in which packets pass, and wait for one
/// another and for the file: it is for finding faults, not for speed. Packets that could not be written (a full disk) are not counted,
/// and a warning tells of them when the port stops.
pub struct Capturing {
    file: Shared,
    direction: Direction,
}

type Shared = Arc<Mutex<Capture>>;

struct Capture {
    writer: Writer,
    /// Packets that could not be written, and why.
    lost: Option<Lost>,
}

impl Capture {
    /// Writes the packets, and returns how many of them are in the file.
    fn write(&mut self, packets: &[Mbuf]) -> u64 {
        let (mut lost, all) = (0, &mut self.lost);
        let mut note = |new: Lost| {
            lost += new.frames;
            match all {
                Some(all) => all.frames += new.frames,
                None => *all = Some(new),
            }
        };
        for packet in packets {
            self.writer.push(packet).unwrap_or_else(&mut note);
        }
        self.writer.flush().unwrap_or_else(&mut note);
        packets.len() as u64 - lost
    }
}

impl Capturing {
    /// Captures into `writer`.
    pub fn new(writer: Writer, direction: Direction) -> Self {
        Self { file: Arc::new(Mutex::new(Capture { writer, lost: None })), direction }
    }
}

impl fmt::Debug for Capturing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capturing").field("direction", &self.direction).finish_non_exhaustive()
    }
}

impl Kind for Capturing {
    type Rule = Record;

    fn noun(&self) -> &'static str {
        "captured"
    }

    fn rule(&mut self, rx: bool, _queue: u16) -> Option<Record> {
        self.direction.includes(rx).then(|| Record(Arc::clone(&self.file)))
    }
}

/// The rule of one queue of a [`Capturing`] port.
pub struct Record(Shared);

impl Record {
    fn capture(&self) -> MutexGuard<'_, Capture> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record")
    }
}

impl Rule for Record {
    fn pass(&mut self, packet: &mut Mbuf) -> Verdict {
        let written = self.capture().write(std::slice::from_ref(packet));
        if written == 0 { Verdict::Pass } else { Verdict::Note }
    }

    fn pass_burst(&mut self, burst: &mut Burst, from: usize) -> u64 {
        self.capture().write(burst.get(from..).unwrap_or_default())
    }

    fn stopped(&mut self) {
        if let Some(Lost { frames, source, .. }) = self.capture().lost.take() {
            log::warn!(target: "pmd.net.capture", "{frames} packets could not be captured: {source}");
        }
    }
}
