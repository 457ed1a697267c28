//! Packets that are told about as they pass.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pmd_core::{MacAddr, Mbuf};

use super::rule::{Direction, Kind, Rule, Verdict};

/// Tells about packets: `net_trace`. All queues tell the same listener and wait for one another: it is for finding faults, not for
/// speed.
pub struct Tracing {
    listener: Arc<Mutex<Listener>>,
    direction: Direction,
    from: Instant,
}

type Listener = Box<dyn FnMut(&Summary) + Send>;

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
    pub fn to(listener: impl FnMut(&Summary) + Send + 'static, direction: Direction) -> Self {
        let listener: Listener = Box::new(listener);
        Self { listener: Arc::new(Mutex::new(listener)), direction, from: Instant::now() }
    }

    /// Writes a line for each packet to `file`. Lines that cannot be written are lost.
    pub fn to_file(mut file: File, direction: Direction) -> Self {
        let mut line = Vec::new();
        let write = move |summary: &Summary| {
            line.clear();
            // Writing to memory cannot fail; a trace that cannot be kept must not stop packets.
            let _ = writeln!(line, "{summary}");
            let _ = file.write_all(&line);
        };
        Self::to(write, direction)
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
        let listener = Arc::clone(&self.listener);
        self.direction.includes(rx).then_some(Witness { listener, rx, queue, from: self.from })
    }
}

/// The rule of one queue of a [`Tracing`] port.
pub struct Witness {
    listener: Arc<Mutex<Listener>>,
    rx: bool,
    queue: u16,
    from: Instant,
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
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        listener(&summary);
        Verdict::Note
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
