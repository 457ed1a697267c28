//! Two ports that pass packets in a circle are stopped and started, and their queues handed from claim to claim, at random.
//! Afterwards packets pass without loss and every buffer is where it belongs.
//!
//! `PMD_LAB_SECS` sets how long this goes on, `PMD_LAB_SEED` what happens.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "outside #[test] functions clippy does not know that this is a test"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lab::Result;
use lab::echo::Echo;
use lab::endpoint::{Endpoint, Lanes, Settings, vhost_args, virtio_args};
use lab::process::PATIENCE;
use lab::random::{self, Random};
use pmd_core::{Error, RxQueue, TxQueue};

const QUEUES: u16 = 2;
const SECONDS: u64 = 30;
/// Longest time that a port stays stopped.
const STOPPED: Duration = Duration::from_millis(3);
/// Packets on each queue that must pass without loss at the end.
const AT_THE_END: u64 = 20_000;

/// What a poller is told.
enum Order {
    /// Give the handles of this pair back, say so, and take others.
    Replace(usize, Sender<()>, Receiver<(RxQueue, TxQueue)>),
    /// Losses may happen from now on, or not any more; answered when that is known.
    Tolerate(bool, Sender<()>),
    /// End.
    End,
}

/// A thread that polls the queues of one port.
struct Poller<T> {
    orders: Sender<Order>,
    thread: JoinHandle<Result<(Lanes, T)>>,
}

impl<T: Send + 'static> Poller<T> {
    /// Polls by calling `turn` with what `make` made. `tolerate` is called when the order comes.
    fn start(
        mut lanes: Lanes,
        make: impl FnOnce() -> T + Send + 'static,
        turn: impl Fn(&mut T, &mut Lanes) -> Result<usize> + Send + 'static,
        tolerate: impl Fn(&mut T, bool) + Send + 'static,
    ) -> Self {
        let (orders, received) = channel();
        let thread = std::thread::spawn(move || {
            let mut state = make();
            loop {
                match received.try_recv() {
                    Ok(Order::Replace(queue, gone, handles)) => lanes.replace(queue, || {
                        gone.send(())?;
                        Ok(handles.recv()?)
                    })?,
                    Ok(Order::Tolerate(tolerant, known)) => {
                        tolerate(&mut state, tolerant);
                        known.send(())?;
                    }
                    Ok(Order::End) => return Ok((lanes, state)),
                    Err(_) => {}
                }
                if turn(&mut state, &mut lanes)? == 0 {
                    std::thread::yield_now();
                }
            }
        });
        Self { orders, thread }
    }

    fn order(&self, order: Order) -> Result<()> {
        self.orders.send(order).map_err(|_| "a poller has ended: see what it says".into())
    }

    fn end(self) -> Result<(Lanes, T)> {
        // One that has ended already says why.
        let _ = self.orders.send(Order::End);
        self.thread.join().unwrap()
    }
}

/// A port and the thread that polls it.
struct Side<T> {
    endpoint: Endpoint,
    poller: Poller<T>,
}

impl<T: Send + 'static> Side<T> {
    fn stop_and_start(&mut self, pause: Duration) -> Result<()> {
        self.endpoint.dev_mut().stop()?;
        std::thread::sleep(pause);
        self.endpoint.dev_mut().start()?;
        Ok(())
    }

    /// A held queue cannot be claimed; one that was given back can.
    fn change_hands(&mut self, queue: u16) -> Result<()> {
        let dev = self.endpoint.dev_mut();
        assert!(matches!(dev.claim_rx(queue, "thief"), Err(Error::Claimed { .. })));
        assert!(matches!(dev.claim_tx(queue, "thief"), Err(Error::Claimed { .. })));
        let ((gone, is_gone), (handles, other)) = (channel(), channel());
        self.poller.order(Order::Replace(queue.into(), gone, other))?;
        is_gone.recv_timeout(PATIENCE)?;
        let dev = self.endpoint.dev_mut();
        let pair = (dev.claim_rx(queue, "next")?, dev.claim_tx(queue, "next")?);
        handles.send(pair).map_err(|_| "the poller does not wait for its queues".into())
    }
}

struct Stress {
    random: Random,
    vhost: Side<Echo>,
    virtio: Side<()>,
    seen: Arc<AtomicU64>,
    done: [u64; 3],
    _directory: tempfile::TempDir,
}

impl Stress {
    fn start(seed: u64) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let socket = directory.path().join("s");
        let settings = Settings::new(vhost_args(&socket, QUEUES, false), QUEUES);
        let mut vhost = Endpoint::start(&settings)?;
        let settings = Settings::new(virtio_args(&socket, QUEUES, false, true), QUEUES);
        let mut virtio = Endpoint::start(&settings)?;
        vhost.wait_link(true, PATIENCE)?;
        virtio.wait_link(true, PATIENCE)?;
        let seen = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&seen);
        let echo = Poller::start(
            vhost.take_lanes(),
            || Echo::new(QUEUES.into(), 256),
            move |echo, lanes| {
                let moved = echo.turn(lanes, u64::MAX)?;
                counter.store(echo.seen(), Ordering::Release);
                Ok(moved)
            },
            Echo::tolerate,
        );
        let forward = |_: &mut (), lanes: &mut Lanes| Ok(lanes.forward());
        let forwarder = Poller::start(virtio.take_lanes(), || (), forward, |_, _| {});
        let (random, done) = (Random::new(seed), [0; 3]);
        let vhost = Side { endpoint: vhost, poller: echo };
        let virtio = Side { endpoint: virtio, poller: forwarder };
        Ok(Self { random, vhost, virtio, seen, done, _directory: directory })
    }

    fn tolerate(&self, tolerant: bool) -> Result<()> {
        let (known, is_known) = channel();
        self.vhost.poller.order(Order::Tolerate(tolerant, known))?;
        Ok(is_known.recv_timeout(PATIENCE)?)
    }

    /// Packets come back.
    fn traffic(&self) -> Result<()> {
        let (before, begin) = (self.seen.load(Ordering::Acquire), Instant::now());
        while self.seen.load(Ordering::Acquire) == before {
            if begin.elapsed() > PATIENCE {
                return Err(format!("no packet comes back after {:?}", self.done).into());
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        Ok(())
    }

    fn step(&mut self) -> Result<()> {
        let what = self.random.below(4);
        let pause = self.random.shorter_than(STOPPED);
        let queue = self.random.below(QUEUES.into()) as u16;
        match what {
            0 => self.vhost.stop_and_start(pause)?,
            1 => self.virtio.stop_and_start(pause)?,
            2 => self.vhost.change_hands(queue)?,
            _ => self.virtio.change_hands(queue)?,
        }
        self.done[what.min(2) as usize] += 1;
        if what == 1 {
            self.vhost.endpoint.wait_link(true, PATIENCE)?;
        }
        self.virtio.endpoint.wait_link(true, PATIENCE)?;
        self.traffic()
    }

    /// Everything is at rest and accounted for.
    fn finish(self) -> Result<()> {
        let [vhost, virtio, claims] = self.done;
        let seen = self.seen.load(Ordering::Acquire);
        println!("{vhost} and {virtio} stops, {claims} claims, {seen} packets checked");
        self.tolerate(false)?;
        let (mut lanes, mut echo) = self.vhost.poller.end()?;
        echo.run(&mut lanes, AT_THE_END)?;
        drop((echo, lanes));
        drop(self.virtio.poller.end()?);
        let (one, other) = (self.virtio.endpoint.finish()?, self.vhost.endpoint.finish()?);
        assert_eq!((one.in_use, other.in_use), (0, 0));
        Ok(())
    }
}

#[test]
fn ports_may_stop_and_queues_change_hands_under_load() {
    let (seed, seconds) = (random::seed(), std::env::var("PMD_LAB_SECS").ok());
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    println!("seed {seed}, {seconds} s");
    let mut stress = Stress::start(seed).unwrap();
    stress.tolerate(true).unwrap();
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        if let Err(error) = stress.step() {
            let poller = stress.vhost.poller.end().map(|(_, echo)| echo.describe());
            panic!("after {:?}: {error}; {poller:?}", stress.done);
        }
    }
    assert!(stress.done.iter().all(|&times| times > 0), "{:?}", stress.done);
    stress.finish().unwrap();
}
