//! Transmitting into a capture file.

use pmd_core::{Burst, Error, Event, EventSender};

use super::files::Place;
use super::writer::{Lost, Writer};
use crate::counters::Counters;
use crate::queue::{Path, TxPath};

/// A transmit queue: a file, or nowhere.
pub(super) struct PcapTx {
    pub target: Option<Target>,
    pub queue: u16,
    pub sender: EventSender,
}

/// A file to write to.
pub(super) struct Target {
    place: Place,
    /// `None` while the port is stopped.
    writer: Option<Writer>,
    /// Frames that were lost, and why the first of them was; told when the port stops.
    lost: Option<Lost>,
}

impl Target {
    /// A file that is open already, or is to be opened when the port starts.
    pub fn new(place: Place, writer: Option<Writer>) -> Self {
        Self { place, writer, lost: None }
    }

    /// Writes the packets; returns how many were lost and their bytes.
    fn write(&mut self, from: &Burst) -> (u64, u64) {
        let Some(writer) = &mut self.writer else { return (0, 0) };
        let (mut frames, mut bytes) = (0, 0);
        let mut note = |lost: Lost| {
            frames += lost.frames;
            bytes += lost.bytes;
            match &mut self.lost {
                Some(all) => all.frames += lost.frames,
                None => self.lost = Some(lost),
            }
        };
        for mbuf in from.iter() {
            writer.push(mbuf).unwrap_or_else(&mut note);
        }
        writer.flush().unwrap_or_else(&mut note);
        (frames, bytes)
    }
}

impl Path for PcapTx {
    fn start(&mut self) -> Result<(), Error> {
        if let Some(target) = &mut self.target
            && target.writer.is_none()
        {
            target.writer = Some(target.place.writer()?);
        }
        Ok(())
    }

    fn stop(&mut self) {
        let Some(target) = &mut self.target else { return };
        if let Some(Lost { frames, source, .. }) = target.lost.take() {
            let place = &target.place;
            log::warn!(target: "pmd.net.pcap", "{place} lacks {frames} packets, which could not be written: {source}");
        }
        // Every burst was written as it came.
        target.writer = None;
    }
}

impl TxPath for PcapTx {
    #[inline]
    fn burst(&mut self, from: &mut Burst, counters: &Counters) -> usize {
        let count = from.len();
        if count == 0 {
            return 0;
        }
        let bytes: u64 = from.iter().map(|mbuf| u64::from(mbuf.len())).sum();
        let (mut lost, mut lost_bytes) = (0, 0);
        if let Some(target) = &mut self.target {
            let first = target.lost.is_none();
            (lost, lost_bytes) = target.write(from);
            if first && lost > 0 {
                let reason = "the capture file cannot be written";
                self.sender.send(Event::QueueBroken { rx: false, queue: self.queue, reason });
            }
        }
        from.clear();
        counters.errors.add(lost);
        counters.passed(count - lost as usize, bytes - lost_bytes);
        count
    }
}
