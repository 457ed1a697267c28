//! Packets that are written down as they pass.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pmd_core::Mbuf;

use super::rule::{Direction, Kind, Rule, Verdict};
use crate::pcap::{Lost, Writer};

/// Writes packets to a capture file: `net_capture`. All queues write to one file, in the order in which packets pass, and wait for one
/// another and for the file: it is for finding faults, not for speed.
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
    fn note(&mut self, result: Result<(), Lost>) {
        match (result, &mut self.lost) {
            (Ok(()), _) => {}
            (Err(lost), Some(all)) => all.frames += lost.frames,
            (Err(lost), None) => self.lost = Some(lost),
        }
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
        let mut capture = self.capture();
        let pushed = capture.writer.push(packet);
        capture.note(pushed);
        Verdict::Note
    }

    fn burst_ended(&mut self) {
        let mut capture = self.capture();
        let flushed = capture.writer.flush();
        capture.note(flushed);
    }

    fn stopped(&mut self) {
        if let Some(Lost { frames, source, .. }) = self.capture().lost.take() {
            log::warn!(target: "pmd.net.capture", "{frames} packets could not be captured: {source}");
        }
    }
}
