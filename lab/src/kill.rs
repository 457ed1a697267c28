//! The peer of a port is killed, again and again, at moments that a seed chooses.
//!
//! Runs in a process of its own (`lab-peer kill ...`), because it counts what the process holds.

use std::process::Command;
use std::time::{Duration, Instant};

use pmd_core::Event;

use crate::Result;
use crate::echo::Echo;
use crate::endpoint::{Endpoint, Settings, vhost_args, virtio_args};
use crate::packet::FRAME_BYTES_MIN;
use crate::process::{Holdings, PATIENCE, Process, waited_for_cpu};
use crate::random::Random;

/// How soon the link must be down after the end of a killed peer, not counting the time for which we had no CPU.
pub const LINK_DOWN: Duration = Duration::from_millis(100);
/// How long what a dead peer left may take to be cleared away.
const CLEARED: Duration = Duration::from_secs(2);
/// Longest frame that is sent, in bytes.
const FRAME_BYTES_MAX: u64 = 1518;

/// Bytes of an mbuf of the survivor, headroom included.
const MBUF_BYTES: u32 = 1128;

/// Which end stays alive, and which socket role it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// The vhost port, or else the virtio-user port.
    pub vhost: bool,
    /// It listens, or else it connects.
    pub listens: bool,
}

impl Survivor {
    /// From the words of a command line: `vhost` or `virtio`, `listens` or `connects`.
    ///
    /// # Errors
    ///
    /// Other words.
    pub fn parse(end: &str, role: &str) -> Result<Self> {
        let pick = |word: &str, yes: &str, no: &str| match word {
            w if w == yes => Ok(true),
            w if w == no => Ok(false),
            other => Err(format!("'{other}' is neither '{yes}' nor '{no}'")),
        };
        Ok(Self {
            vhost: pick(end, "vhost", "virtio")?,
            listens: pick(role, "listens", "connects")?,
        })
    }
}

/// What the killing came to.
#[derive(Debug, Default)]
struct Outcome {
    /// Kills under load, and while the connection was being made.
    under_load: u32,
    unready: u32,
    slowest: Duration,
    packets: u64,
}

/// Kills `rounds` peers of the port that survives.
///
/// # Errors
///
/// The first thing that is not as it should be.
pub fn run(survivor: Survivor, seed: u64, rounds: u32) -> Result<()> {
    println!("seed {seed}");
    let mut scene = Scene::new(survivor, seed)?;
    for round in 0..rounds {
        scene.round().map_err(|error| format!("round {round} of seed {seed}: {error}"))?;
    }
    scene.finish()
}

struct Scene {
    survivor: Survivor,
    random: Random,
    endpoint: Endpoint,
    echo: Echo,
    baseline: Holdings,
    /// The last event said that the link is up.
    told_up: bool,
    /// What the other end is started with.
    other: String,
    socket: std::path::PathBuf,
    _directory: tempfile::TempDir,
    outcome: Outcome,
}

impl Scene {
    fn new(survivor: Survivor, seed: u64) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let socket = directory.path().join("s");
        let Survivor { vhost, listens } = survivor;
        let vhost_connects = vhost != listens;
        let ours_args = vhost_args(&socket, 2, vhost_connects);
        let theirs = virtio_args(&socket, 2, vhost_connects, true);
        let (ours, other) = if vhost { (ours_args, theirs) } else { (theirs, ours_args) };
        // Buffers shorter than the longest frame, so that many packets have two segments.
        let settings = Settings { mbuf_bytes: MBUF_BYTES, ..Settings::new(ours, 2) };
        let endpoint = Endpoint::start(&settings)?;
        let echo = Echo::new(2, FRAME_BYTES_MIN);
        let random = Random::new(seed);
        let baseline = Holdings::now()?;
        Ok(Self {
            survivor,
            random,
            endpoint,
            echo,
            baseline,
            told_up: false,
            other,
            socket,
            _directory: directory,
            outcome: Outcome::default(),
        })
    }

    fn start_peer(&self) -> Result<Process> {
        if !self.survivor.listens {
            // A killed listener leaves its socket's file, and the next one must not take it for somebody else's.
            let _ = std::fs::remove_file(&self.socket);
        }
        let mut command = Command::new(std::env::current_exe()?);
        Process::start("forwarder", command.args(["forward", &self.other, "2"]))
    }

    /// One life and death of a peer.
    fn round(&mut self) -> Result<()> {
        let mut peer = self.start_peer()?;
        let unready = self.random.below(8) == 0;
        if unready {
            let life = self.random.shorter_than(Duration::from_millis(60));
            self.keep_busy(life)?;
            self.outcome.unready += 1;
        } else {
            self.until_traffic()?;
            let life = self.random.shorter_than(Duration::from_millis(25));
            self.keep_busy(life)?;
            self.outcome.under_load += 1;
        }
        peer.kill_now()?;
        self.until_down(&mut peer)?;
        drop(peer);
        self.check_whole()
    }

    fn turn(&mut self) -> Result<usize> {
        let moved = self.echo.turn(self.endpoint.lanes(), u64::MAX)?;
        if moved == 0 {
            std::thread::yield_now();
        } else {
            let size = FRAME_BYTES_MIN as u64
                + self.random.below(FRAME_BYTES_MAX - FRAME_BYTES_MIN as u64 + 1);
            self.echo.set_frame_bytes(size as usize);
        }
        Ok(moved)
    }

    /// Sends until packets come back on both queues.
    fn until_traffic(&mut self) -> Result<()> {
        let before = [0, 1].map(|queue| self.echo.checker(queue).seen());
        let begin = Instant::now();
        let back = |echo: &Echo| (0..2).all(|q| echo.checker(q).seen() > before[q]);
        while !back(&self.echo) {
            if self.turn()? == 0 && !self.endpoint.link().up {
                std::thread::sleep(Duration::from_micros(200));
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!("no traffic with a new peer: {}", self.echo.describe()).into());
            }
        }
        Ok(())
    }

    fn keep_busy(&mut self, time: Duration) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < time {
            self.turn()?;
        }
        Ok(())
    }

    /// Goes on polling until the link is down and the app was told.
    fn until_down(&mut self, peer: &mut Process) -> Result<()> {
        let (killed, mut ended) = (Instant::now(), None);
        while self.endpoint.link().up {
            self.turn()?;
            if ended.is_none() && peer.has_ended() {
                ended = Some((Instant::now(), waited_for_cpu()));
            }
            if killed.elapsed() > PATIENCE {
                return Err("the link stays up although the peer was killed".into());
            }
        }
        self.outcome.slowest = self.outcome.slowest.max(killed.elapsed());
        let Some((ended, waited_before)) = ended else { return Ok(()) };
        let waited = waited_for_cpu().saturating_sub(waited_before);
        let took = ended.elapsed().saturating_sub(waited);
        if took > LINK_DOWN {
            return Err(format!("the link was down only {took:?} after the peer's end").into());
        }
        Ok(())
    }

    /// Nothing of the dead peer is left: the app was told, every buffer is free, descriptors and mappings are what they were.
    fn check_whole(&mut self) -> Result<()> {
        let begin = Instant::now();
        self.echo.forgive_all();
        loop {
            self.hear_events()?;
            let (audit, holds) = (self.endpoint.pool().audit(), Holdings::now()?);
            let up = self.endpoint.link().up || self.told_up;
            if !up && audit.is_exact() && audit.in_use == 0 && holds == self.baseline {
                return Ok(());
            }
            if begin.elapsed() > CLEARED {
                let (baseline, told) = (self.baseline, self.told_up);
                let left = format!("{audit}; {holds:?}, before {baseline:?}; told up: {told}");
                return Err(format!("left after a kill: {left}").into());
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    fn hear_events(&mut self) -> Result<()> {
        while let Some(event) = self.endpoint.dev().events().try_next() {
            match event {
                Event::Link(up) => self.told_up = up,
                // A peer enables its rings as it comes up.
                Event::QueueState { .. } => {}
                other => return Err(format!("an event without a cause: {other:?}").into()),
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.outcome.packets = self.echo.seen();
        let Outcome { under_load, unready, slowest, packets } = &self.outcome;
        println!(
            "killed {under_load} under load and {unready} while they came up; link down {slowest:?} after a kill at most; \
             {packets} packets checked"
        );
        drop(self.echo);
        self.endpoint.finish()?;
        Ok(())
    }
}
