//! The device: a vhost port in a thread and an `Eal` of its own, which sends on both queue pairs and checks what comes back.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::queues::PAIRS;
use crate::Result;
use crate::echo::Echo;
use crate::endpoint::{Endpoint, Settings, vhost_args};
use crate::packet::FRAME_BYTES_MIN;
use crate::process::PATIENCE;
use crate::random::Random;

/// Longest frame that is sent, in bytes.
const FRAME_BYTES_MAX: u64 = 1518;

/// What the device counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Packets of queue 0 that came back: all that were sent.
    pub first: u64,
    /// Packets of queue 1 that came back.
    pub second: u64,
    /// Packets of queue 1 that died with a process.
    pub second_lost: u64,
    /// Longest time in which no packet of queue 0 came back.
    pub longest_pause: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    seen: [AtomicU64; PAIRS as usize],
    /// How often flow 1 is to be forgiven its losses, and was.
    forgive: AtomicU64,
    forgiven: AtomicU64,
    failed: Mutex<Option<String>>,
}

/// Control's handle on the device.
#[derive(Debug)]
pub struct Device {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<Summary>>,
}

impl Device {
    /// Starts the device; its socket exists when this returns.
    ///
    /// # Errors
    ///
    /// When the port does not come up.
    pub fn start(socket: &Path) -> Result<Self> {
        let settings = Settings::new(vhost_args(socket, PAIRS, false), PAIRS);
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let (ready, is_ready) = channel();
        let thread = std::thread::spawn(move || {
            let result = Work::new(&settings, &ready).and_then(|work| work.run(&theirs));
            result.inspect_err(|error| *failed(&theirs) = Some(error.to_string()))
        });
        let device = Self { shared, thread };
        if is_ready.recv_timeout(PATIENCE).is_err() {
            return Err(device.finish().err().unwrap_or_else(|| "no device".into()));
        }
        Ok(device)
    }

    /// Packets that came back on `queue`.
    pub fn seen(&self, queue: usize) -> u64 {
        self.shared.seen[queue].load(Ordering::Acquire)
    }

    /// Waits until `done`.
    ///
    /// # Errors
    ///
    /// When that takes too long, or the device found a packet that is not as it should be.
    pub fn until(&self, what: &str, done: impl Fn(&Self) -> bool) -> Result<()> {
        let begin = Instant::now();
        while !done(self) {
            if let Some(error) = failed(&self.shared).as_ref() {
                return Err(error.clone().into());
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!("waited too long for {what}").into());
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }

    /// What is under way on `queue` now may be missing.
    ///
    /// # Errors
    ///
    /// As [`Device::until`].
    pub fn forgive(&self, queue: u64) -> Result<()> {
        assert_eq!(queue, 1, "nothing is forgiven on queue 0");
        let count = self.shared.forgive.fetch_add(1, Ordering::AcqRel) + 1;
        let shared = &self.shared;
        self.until("the device", |_| shared.forgiven.load(Ordering::Acquire) >= count)
    }

    /// Waits for the last packets of queue 0 and ends the device.
    ///
    /// # Errors
    ///
    /// What is wrong with a packet, or missing.
    pub fn finish(self) -> Result<Summary> {
        self.shared.stop.store(true, Ordering::Release);
        self.thread.join().map_err(|_| "the device panicked")?
    }
}

fn failed(shared: &Shared) -> std::sync::MutexGuard<'_, Option<String>> {
    shared.failed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the device's thread has.
struct Work {
    endpoint: Endpoint,
    echo: Echo,
    random: Random,
    last: Instant,
    longest_pause: Duration,
}

impl Work {
    fn new(settings: &Settings, ready: &Sender<()>) -> Result<Self> {
        let endpoint = Endpoint::start(settings)?;
        ready.send(())?;
        endpoint.wait_link(true, PATIENCE)?;
        let echo = Echo::new(endpoint.queues(), FRAME_BYTES_MIN);
        let (random, longest_pause) = (Random::new(0), Duration::ZERO);
        Ok(Self { endpoint, echo, random, last: Instant::now(), longest_pause })
    }

    fn run(mut self, shared: &Shared) -> Result<Summary> {
        while !shared.stop.load(Ordering::Acquire) {
            self.turn(shared, u64::MAX)?;
        }
        let sent = self.echo.sent(0);
        let begin = Instant::now();
        while self.echo.checker(0).due() < sent {
            self.turn(shared, 0)?;
            if begin.elapsed() > PATIENCE {
                return Err(
                    format!("the last packets are missing: {}", self.echo.describe()).into()
                );
            }
        }
        let (first, second) = (self.echo.checker(0), self.echo.checker(1));
        let summary = Summary {
            first: first.seen(),
            second: second.seen(),
            second_lost: second.missing(),
            longest_pause: self.longest_pause,
        };
        if first.missing() != 0 {
            return Err(format!("packets of queue 0 are missing: {}", self.echo.describe()).into());
        }
        drop(self.echo);
        self.endpoint.finish()?;
        Ok(summary)
    }

    fn turn(&mut self, shared: &Shared, until: u64) -> Result<()> {
        let wanted = shared.forgive.load(Ordering::Acquire);
        if shared.forgiven.load(Ordering::Relaxed) < wanted {
            self.echo.forgive(1);
            shared.forgiven.store(wanted, Ordering::Release);
        }
        let before = self.echo.checker(0).seen();
        if self.echo.turn(self.endpoint.lanes(), until)? == 0 {
            std::thread::yield_now();
        } else {
            let more = self.random.below(FRAME_BYTES_MAX - FRAME_BYTES_MIN as u64 + 1);
            self.echo.set_frame_bytes(FRAME_BYTES_MIN + more as usize);
        }
        for (queue, seen) in shared.seen.iter().enumerate() {
            seen.store(self.echo.checker(queue).seen(), Ordering::Release);
        }
        if self.echo.checker(0).seen() > before || before == 0 {
            self.longest_pause = self.longest_pause.max(self.last.elapsed());
            self.last = Instant::now();
        }
        Ok(())
    }
}
