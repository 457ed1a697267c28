//! A second process polls queue pair 1 of a device while the first polls queue pair 0, and is killed again and again.
//!
//! | who | what |
//! |---|---|
//! | this process, thread 1 | starts and kills second processes, checks what is left |
//! | this process, thread 2 | forwards on queue pair 0 ([`forwarder`]) |
//! | this process, thread 3 | the device: a vhost port with an `Eal` of its own, which sends and checks ([`device`]) |
//! | this process, control thread of the `Eal` | reaps the dead ([`queues`]) |
//! | second process | joins, claims queue pair 1, forwards ([`member`]) |

pub mod device;
pub mod forwarder;
pub mod member;
pub mod queues;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use eal::{Eal, EalConfig, HugePolicy};
use pmd_core::MbufPool;

use crate::Result;
use crate::process::{PATIENCE, Process};
use crate::random::Random;
use device::Device;
use forwarder::Forwarder;
use queues::{Queues, Reaped};

/// The pool that both processes use.
const POOL: &str = "packets";
const MBUFS: u32 = 2048;
/// Shorter than the longest frame, so that many packets have two segments.
const DATA_BYTES: u16 = 1000;
const PREFIX: &str = "lab";

/// How often gates are closed under a living process, at most, before it is killed.
const BOUNCES: u64 = 8;

/// How many processes are frozen at most.
const FREEZES: u32 = 200;

/// Longest time in which queue pair 0 may not move a packet.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What the `Eal` of both processes is made from.
fn config(directory: &Path) -> EalConfig {
    EalConfig {
        file_prefix: Some(PREFIX.into()),
        runtime_dir: Some(directory.into()),
        huge: HugePolicy::Never,
        ..EalConfig::default()
    }
}

/// Kills `rounds` second processes.
///
/// # Errors
///
/// The first thing that is not as it should be.
pub fn run(seed: u64, rounds: u32) -> Result<()> {
    println!("seed {seed}");
    let mut scene = Scene::new(seed)?;
    for round in 0..rounds {
        scene.round().map_err(|error| format!("round {round} of seed {seed}: {error}"))?;
    }
    scene.finish()
}

/// Freezes second processes until `wanted` of them were frozen inside a queue: that queue stays theirs until they go on or
/// die, and nothing is lost when they go on.
///
/// # Errors
///
/// The first thing that is not as it should be.
pub fn run_frozen(seed: u64, wanted: u32) -> Result<()> {
    println!("seed {seed}");
    let mut scene = Scene::new(seed)?;
    let (mut quarantined, mut rounds) = (0, 0);
    while quarantined < wanted {
        if rounds == FREEZES {
            return Err(format!("{quarantined} of {rounds} were frozen inside a queue").into());
        }
        // Every other one that is stuck dies there.
        let kill = quarantined % 2 == 1;
        let round = scene.freeze(kill);
        quarantined += u32::from(round.map_err(|e| format!("round {rounds} of seed {seed}: {e}"))?);
        rounds += 1;
    }
    println!("{quarantined} of {rounds} were frozen inside a queue");
    scene.finish()
}

#[derive(Debug, Default)]
struct Outcome {
    under_load: u32,
    unready: u32,
    reaped: Reaped,
}

struct Scene {
    random: Random,
    device: Device,
    forwarder: Forwarder,
    queues: Arc<Queues>,
    pool: MbufPool,
    reaped: Receiver<Result<Reaped>>,
    outcome: Outcome,
    eal: Eal,
    directory: tempfile::TempDir,
}

impl Scene {
    fn new(seed: u64) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let socket = directory.path().join("device");
        let device = Device::start(&socket)?;
        let eal = Eal::new(config(directory.path()))?;
        let pool = MbufPool::create(eal.memory(), POOL, MBUFS, DATA_BYTES, 64)?;
        let queues = Arc::new(Queues::bring_up(&eal, &pool, &socket)?);
        let forwarder = Forwarder::start(&queues)?;
        let (send, reaped) = channel();
        let (reaper, of) = (Arc::clone(&queues), pool.clone());
        eal.on_process_death(Box::new(move |dead| {
            // The receiver lives as long as the Eal.
            let _ = send.send(reaper.reap(dead, &of));
        }));
        let (random, outcome) = (Random::new(seed), Outcome::default());
        Ok(Self { random, device, forwarder, queues, pool, reaped, outcome, eal, directory })
    }

    fn start_member(&self) -> Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        Process::start("second process", command.arg("member").arg(self.directory.path()))
    }

    /// Waits until the second process polls and packets come back through it.
    fn until_it_works(&self, member: &mut Process) -> Result<()> {
        let theirs = member.answer("mapped")?;
        let memory = self.eal.memory();
        let (private, data) = (memory.private_base().addr(), memory.data_base().addr());
        for (file, ours) in [("private", private), ("data", data)] {
            if theirs.split(' ').any(|at| at == ours.to_string()) {
                return Err(format!("the {file} file is at the same address in both").into());
            }
        }
        member.wait_for("polling")?;
        let before = self.device.seen(1);
        self.device.until("traffic on the claimed queue", |device| device.seen(1) > before)
    }

    /// Keeps the second process out of its queues for a moment, several times: the gate works between processes.
    fn bounce(&mut self) -> Result<()> {
        for _ in 0..self.random.below(BOUNCES) {
            self.queues.bounce()?;
            std::thread::sleep(self.random.shorter_than(Duration::from_micros(500)));
        }
        let before = self.device.seen(1);
        self.device
            .until("traffic after the gates were open again", |device| device.seen(1) > before)
    }

    /// One life and death of a second process.
    fn round(&mut self) -> Result<()> {
        let mut member = self.start_member()?;
        if self.random.below(8) == 0 {
            std::thread::sleep(self.random.shorter_than(Duration::from_millis(60)));
            self.outcome.unready += 1;
        } else {
            self.until_it_works(&mut member)?;
            self.bounce()?;
            std::thread::sleep(self.random.shorter_than(Duration::from_millis(20)));
            self.outcome.under_load += 1;
        }
        let before = self.device.seen(0);
        member.kill_now()?;
        drop(member);
        self.settle()?;
        self.device.until("traffic on queue 0", |device| device.seen(0) > before)
    }

    /// Freezes a second process at its work. True when it was inside a queue.
    fn freeze(&mut self, kill: bool) -> Result<bool> {
        let mut member = self.start_member()?;
        self.until_it_works(&mut member)?;
        std::thread::sleep(self.random.shorter_than(Duration::from_millis(2)));
        member.freeze(true)?;
        let out = self.queues.close_second_pair()?;
        let (before, pair) = (self.device.seen(1), self.queues.holders());
        if pair.iter().any(Option::is_none) {
            return Err("a frozen process has lost its claim".into());
        }
        if kill {
            member.kill_now()?;
        } else {
            member.freeze(false)?;
            if !self.queues.close_second_pair()? {
                return Err("a poller that goes on does not leave".into());
            }
            self.queues.open_second_pair();
            let seen = |device: &Device| device.seen(1) > before;
            self.device.until("traffic after the process went on", seen)?;
            member.kill_now()?;
        }
        drop(member);
        self.settle()?;
        Ok(!out)
    }

    /// After the end of a second process.
    fn settle(&mut self) -> Result<()> {
        self.until_reaped()?;
        self.device.forgive(1)?;
        self.check_rest()
    }

    /// Waits until nothing is left of the second process but what its queues hold.
    fn until_reaped(&mut self) -> Result<()> {
        let begin = Instant::now();
        while self.eal.members() != [self.eal.memory().owner()] {
            if begin.elapsed() > PATIENCE {
                return Err("a dead process is not reaped".into());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        for reaped in self.reaped.try_iter() {
            self.outcome.reaped += reaped?;
        }
        self.queues.all_free()
    }

    /// Counts the pool while nobody uses it: every buffer is free, in a queue's table or in the forwarder's hand.
    fn check_rest(&mut self) -> Result<()> {
        let in_hand = self.forwarder.pause()?;
        let (audit, held) = (self.pool.audit(), self.queues.held());
        self.forwarder.resume();
        if audit.is_exact() && audit.in_use as usize == held + in_hand {
            return Ok(());
        }
        Err(format!("{audit}; queues hold {held}, the forwarder {in_hand}").into())
    }

    /// A last second process leaves in good order; then everything is taken down.
    fn finish(mut self) -> Result<()> {
        let mut member = self.start_member()?;
        self.until_it_works(&mut member)?;
        member.finish(PATIENCE)?;
        self.settle()?;
        let summary = self.device.finish()?;
        self.forwarder.finish()?;
        let Outcome { under_load, unready, reaped } = self.outcome;
        println!("killed {under_load} under load and {unready} while they came up; {reaped:?}");
        println!("{summary:?}");
        if reaped.swept == 0 {
            return Err("no process was killed with a buffer in hand: the test is too tame".into());
        }
        if summary.longest_pause > LONGEST_PAUSE {
            return Err("queue 0 stood still for too long".into());
        }
        self.queues.take_down()?;
        let audit = self.pool.audit();
        if audit.in_use != 0 || !audit.is_exact() {
            return Err(format!("the pool is not whole after the end: {audit}").into());
        }
        Ok(())
    }
}
