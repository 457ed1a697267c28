//! Packets that are told about as they pass.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pmd_core::{MacAddr, Mbuf};

use super::rule::{Direction, Kind, Rule, Verdict};

/// Tells about packets: `net_trace`. All queues tell the same listener and wait for one another: it is for finding faults, not for
/// speed.
pub struct Tracing {
    trace: Arc<Mutex<Trace>>,
    direction: Direction,
    from: Instant,
}

type Listener = Box<dyn FnMut(&Summary) -> io::Result<()> + Send>;

struct Trace {
    listener: Listener,
    /// How many packets the listener could not take, and why it could not take the first.
    lost: Option<(u64, io::Error)>,
}

impl Trace {
    fn tell(&mut self, summary: &Summary) -> Verdict {
        match ((self.listener)(summary), &mut self.lost) {
            (Ok(()), _) => return Verdict::Note,
            (Err(_), Some((count, _))) => *count += 1,
            (Err(error), None) => self.lost = Some((1, error)),
        }
        Verdict::Pass
    }
}

/// What is told of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// When it passed, since the trace was made.
    pub time: Duration,
    /// Received (`true`) or sent.
    pub rx: bool,
    /// On which queue.
    pub queue: u16,
    /// Bytes.
    pub len: u32,
    /// Segments.
    pub segments: u16,
    /// The first 14 bytes, or zeros: destination, source and EtherType of an Ethernet frame.
    pub header: [u8; 14],
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = self.header;
        let (to, from) = (MacAddr([d0, d1, d2, d3, d4, d5]), MacAddr([s0, s1, s2, s3, s4, s5]));
        let (word, queue) = (if self.rx { "rx" } else { "tx" }, self.queue);
        let (seconds, nanos) = (self.time.as_secs(), self.time.subsec_nanos());
        write!(
            f,
            "{seconds}.{nanos:09} {word} q{queue} {from} > {to} type=0x{t0:02x}{t1:02x} length={} segments={}",
            self.len, self.segments
        )
    }
}

impl Tracing {
    /// Calls `listener` for each packet, from whichever thread polls.
    pub fn to(mut listener: impl FnMut(&Summary) + Send + 'static, direction: Direction) -> Self {
        let always = move |summary: &Summary| {
            listener(summary);
            Ok(())
        };
        Self::new(Box::new(always), direction)
    }

    /// Writes a line for each packet to `file`, from its beginning. Packets whose lines cannot be written (a full disk) pass
    /// uncounted, and a warning tells of them when the port stops.
    pub fn to_file(file: File, direction: Direction) -> Self {
        let mut lines = Lines { file, whole_bytes: 0, line: Vec::new() };
        Self::new(Box::new(move |summary| lines.write(summary)), direction)
    }

    fn new(listener: Listener, direction: Direction) -> Self {
        let trace = Arc::new(Mutex::new(Trace { listener, lost: None }));
        Self { trace, direction, from: Instant::now() }
    }
}

/// A file of whole lines.
struct Lines {
    file: File,
    whole_bytes: u64,
    line: Vec<u8>,
}

impl Lines {
    fn write(&mut self, summary: &Summary) -> io::Result<()> {
        self.line.clear();
        writeln!(self.line, "{summary}")?;
        self.file.write_all(&self.line).inspect_err(|_| {
            // What cannot be cut is no regular file: whoever reads the pipe has the part of a line.
            let _ = self.file.set_len(self.whole_bytes);
            let _ = self.file.seek(SeekFrom::Start(self.whole_bytes));
        })?;
        self.whole_bytes += self.line.len() as u64;
        Ok(())
    }
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing").field("direction", &self.direction).finish_non_exhaustive()
    }
}

impl Kind for Tracing {
    type Rule = Witness;

    fn noun(&self) -> &'static str {
        "traced"
    }

    fn rule(&mut self, rx: bool, queue: u16) -> Option<Witness> {
        let trace = Arc::clone(&self.trace);
        self.direction.includes(rx).then_some(Witness { trace, rx, queue, from: self.from })
    }
}

/// The rule of one queue of a [`Tracing`] port.
pub struct Witness {
    trace: Arc<Mutex<Trace>>,
    rx: bool,
    queue: u16,
    from: Instant,
}

impl Witness {
    fn trace(&self) -> MutexGuard<'_, Trace> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl Rule for Witness {
    fn pass(&mut self, packet: &mut Mbuf) -> Verdict {
        let mut header = [0; 14];
        packet.read_at(0, &mut header);
        let summary = Summary {
            time: self.from.elapsed(),
            rx: self.rx,
            queue: self.queue,
            len: packet.len(),
            segments: packet.segment_count(),
            header,
        };
        self.trace().tell(&summary)
    }

    fn stopped(&mut self) {
        if let Some((count, error)) = self.trace().lost.take() {
            log::warn!(target: "pmd.net.trace", "{count} packets could not be traced: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line() {
        let header = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6];
        let time = Duration::new(1, 5);
        let summary = Summary { time, rx: false, queue: 3, len: 60, segments: 1, header };
        assert_eq!(
            summary.to_string(),
            "1.000000005 tx q3 02:00:00:00:00:02 > 02:00:00:00:00:01 type=0x0806 length=60 segments=1"
        );
    }
}
