//! Receiving from a capture file.

use std::fs::File;

use pmd_core::mbuf::Chain;
use pmd_core::{Burst, Error, Event, EventSender, Mbuf, MbufPool};

use super::PcapError;
use super::files::Place;
use super::reader::{Reader, Record};
use crate::counters::Counters;
use crate::queue::{Path, RxPath};
use crate::stamp::stamp;

/// A receive queue: a file, or nothing.
pub(super) struct PcapRx {
    pub source: Option<Source>,
    pub pool: MbufPool,
    pub port: u16,
    pub queue: u16,
    pub sender: EventSender,
}

/// A file to receive from.
pub(super) struct Source {
    place: Place,
    infinite: bool,
    /// `None` while the port is stopped, and behind the end of the file.
    reader: Option<Reader<File>>,
    /// What ended reading before the end; told when the port stops.
    problem: Option<PcapError>,
}

/// What comes next from a file.
enum Next {
    Packet(Mbuf),
    /// The frame is longer than all buffers of the pool together; it was passed over.
    TooLong,
    /// The pool is empty at the moment; the frame waits.
    NoMbuf,
    /// Once more from the beginning.
    Again,
    End,
    Broken(&'static str),
}

impl Source {
    /// A file that is open already, or is to be opened when the port starts.
    pub fn new(place: Place, infinite: bool, reader: Option<Reader<File>>) -> Self {
        Self { place, infinite, reader, problem: None }
    }

    #[inline]
    fn next(&mut self, pool: &MbufPool) -> Next {
        let Some(reader) = &mut self.reader else { return Next::End };
        let next = match reader.peek() {
            Ok(Some(record)) => packet(pool, record),
            Ok(None) => return self.at_end(),
            Err(problem) => return self.broken(problem),
        };
        if !matches!(next, Next::NoMbuf) {
            reader.advance();
        }
        next
    }

    #[cold]
    fn at_end(&mut self) -> Next {
        // A file without any record would be read for ever.
        let again = self.reader.as_mut().filter(|reader| self.infinite && reader.records() > 0);
        match again.map(Reader::rewind) {
            Some(Ok(())) => Next::Again,
            Some(Err(problem)) => self.broken(problem),
            None => {
                self.reader = None;
                Next::End
            }
        }
    }

    #[cold]
    fn broken(&mut self, problem: PcapError) -> Next {
        let reason = problem.reason();
        self.problem = Some(problem);
        self.reader = None;
        Next::Broken(reason)
    }
}

impl Path for PcapRx {
    fn start(&mut self) -> Result<(), Error> {
        if let Some(source) = &mut self.source
            && source.reader.is_none()
        {
            source.reader = Some(source.place.reader()?);
        }
        Ok(())
    }

    fn stop(&mut self) {
        let Some(source) = &mut self.source else { return };
        if let Some(problem) = source.problem.take() {
            log::warn!(target: "pmd.net.pcap", "{} {problem}", source.place);
        }
        source.reader = None;
    }
}

impl RxPath for PcapRx {
    #[inline]
    fn burst(&mut self, into: &mut Burst, counters: &Counters) -> usize {
        let Some(source) = &mut self.source else { return 0 };
        let (from, mut bytes) = (into.len(), 0);
        while into.room() > 0 {
            match source.next(&self.pool) {
                Next::Packet(mbuf) => {
                    bytes += u64::from(mbuf.len());
                    // There is room: it was asked for just now.
                    let _ = into.push(mbuf);
                    continue;
                }
                Next::Again => continue,
                Next::TooLong => counters.errors.add(1),
                Next::NoMbuf => counters.no_mbuf.add(1),
                Next::End => {}
                Next::Broken(reason) => {
                    counters.errors.add(1);
                    self.sender.send(Event::QueueBroken { rx: true, queue: self.queue, reason });
                }
            }
            break;
        }
        let count = into.len() - from;
        stamp(into, from, self.port);
        counters.passed(count, bytes);
        count
    }
}

/// The frame in as many mbufs as it needs.
#[inline]
fn packet(pool: &MbufPool, record: Record<'_>) -> Next {
    let Some(mut head) = pool.take() else { return Next::NoMbuf };
    let rest = fill(&mut head, record.data);
    if rest.is_empty() { Next::Packet(head) } else { chained(pool, head, record.data, rest) }
}

/// Puts as many bytes as fit into an empty mbuf, and returns the others.
#[inline]
fn fill<'a>(mbuf: &mut Mbuf, bytes: &'a [u8]) -> &'a [u8] {
    let room = mbuf.tailroom();
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX).min(room);
    let (now, rest) = bytes.split_at(len.into());
    if let Ok(place) = mbuf.append(len) {
        place.copy_from_slice(now);
    }
    rest
}

#[cold]
fn chained(pool: &MbufPool, head: Mbuf, whole: &[u8], mut rest: &[u8]) -> Next {
    let all_buffers = u64::from(pool.records().size()) * u64::from(pool.data_room());
    if whole.len() as u64 > all_buffers {
        return Next::TooLong;
    }
    let mut chain = Chain::new(head);
    while !rest.is_empty() {
        let Some(mut segment) = pool.take() else { return Next::NoMbuf };
        rest = fill(&mut segment, rest);
        if chain.push(segment).is_err() {
            return Next::TooLong;
        }
    }
    Next::Packet(chain.finish())
}
