//! One sequence.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Result;
use crate::echo::Echo;
use crate::endpoint::{Lanes, Settings, vhost_args, virtio_args};
use crate::packet::FRAME_BYTES_MIN;
use crate::poller::Work;
use crate::process::{Holdings, PATIENCE};
use crate::random::Random;
use crate::sequence::act::{Act, End};
use crate::sequence::away::Away;
use crate::sequence::side::Side;

/// Longest time between two acts.
const PAUSE: Duration = Duration::from_millis(2);
/// Packets on each queue that must pass without loss at the end.
const AT_THE_END: u64 = 1000;
/// Most queue pairs of a port.
const QUEUES: u16 = 3;
/// How long what is closed may take to be given back.
const CLEARED: Duration = Duration::from_secs(2);

/// Where the port is that sends packets back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// In this process.
    Here,
    /// In a process of its own, which is killed and frozen.
    Apart,
}

/// Follows the sequences `first..first + count` of `seed`.
///
/// # Errors
///
/// What went wrong, with what led to it and how to see it again.
pub fn run(peers: Peers, seed: u64, first: u64, count: u64) -> Result<()> {
    let (mut acts, mut packets) = (0, 0);
    for number in first..first + count {
        let mut scene = Scene::new(peers, seed, number)?;
        match scene.play() {
            Ok(()) => packets += scene.finish()?,
            Err(error) => {
                let Scene { plan, done, .. } = &scene;
                let again = format!("PMD_LAB_SEED={seed} PMD_LAB_SEQUENCE={number}");
                return Err(format!("{error}; {plan:?}, {done:?}; again with {again}").into());
            }
        }
        acts += scene.done.len();
    }
    println!(
        "{count} sequences from {first} of seed {seed}: {acts} acts, {packets} packets checked"
    );
    Ok(())
}

/// What the devices of a sequence are.
#[derive(Clone, Copy, Debug)]
struct Plan {
    echo_is_vhost: bool,
    vhost_connects: bool,
    mergeable: bool,
    in_order: bool,
    queue_size: u32,
    queues: u16,
}

impl Plan {
    fn new(random: &mut Random) -> Self {
        Self {
            echo_is_vhost: random.below(2) == 0,
            // It tries once a second only, which would be the time of most sequences.
            vhost_connects: random.below(12) == 0,
            mergeable: random.below(2) == 0,
            in_order: random.below(2) == 0,
            queue_size: 64 << random.below(5),
            queues: 1 + random.below(QUEUES.into()) as u16,
        }
    }

    fn vhost(&self, socket: &Path) -> String {
        vhost_args(socket, self.queues, self.vhost_connects)
    }

    fn virtio(&self, socket: &Path) -> String {
        let basic = virtio_args(socket, self.queues, self.vhost_connects, self.mergeable);
        let in_order = u8::from(self.in_order);
        format!("{basic},in_order={in_order},queue_size={}", self.queue_size)
    }

    fn settings(&self, socket: &Path, end: End) -> Settings {
        let is_vhost = self.echo_is_vhost == (end == End::Echo);
        let devargs = if is_vhost { self.vhost(socket) } else { self.virtio(socket) };
        Settings::new(devargs, self.queues)
    }
}

/// The port that sends packets back.
enum Peer {
    Here(Box<Side<()>>),
    Away(Box<Away>),
}

struct Scene {
    random: Random,
    peers: Peers,
    plan: Plan,
    socket: PathBuf,
    echo: Option<Side<Echo>>,
    peer: Option<Peer>,
    seen: Arc<AtomicU64>,
    baseline: Holdings,
    done: Vec<Act>,
    _directory: tempfile::TempDir,
}

impl Scene {
    fn new(peers: Peers, seed: u64, number: u64) -> Result<Self> {
        let mut random = Random::new(seed.wrapping_mul(0x1_0000).wrapping_add(number));
        let plan = Plan::new(&mut random);
        let directory = tempfile::tempdir()?;
        let socket = directory.path().join("s");
        let baseline = Holdings::now()?;
        let seen = Arc::new(AtomicU64::new(0));
        let (echo, peer, done) = (None, None, Vec::new());
        Ok(Self {
            random,
            peers,
            plan,
            socket,
            echo,
            peer,
            seen,
            baseline,
            done,
            _directory: directory,
        })
    }

    fn play(&mut self) -> Result<()> {
        self.begin()?;
        for _ in 0..6 + self.random.below(8) {
            let queues = self.plan.queues;
            let act = match self.peers {
                Peers::Here => Act::here(&mut self.random, queues),
                Peers::Apart => Act::apart(&mut self.random, queues),
            };
            self.done.push(act);
            self.act(act)?;
            std::thread::sleep(self.random.shorter_than(PAUSE));
        }
        self.come_to_rest()?;
        self.pass_strictly()
    }

    fn begin(&mut self) -> Result<()> {
        let settings = self.plan.settings(&self.socket, End::Echo);
        let mut echo = Echo::new(self.plan.queues.into(), FRAME_BYTES_MIN);
        echo.tolerate(true);
        let seen = Arc::clone(&self.seen);
        let turn = move |echo: &mut Echo, lanes: &mut Lanes| {
            let moved = echo.turn(lanes, u64::MAX)?;
            seen.store(echo.seen(), Ordering::Release);
            Ok(moved)
        };
        self.echo = Some(Side::start(settings, echo, turn)?);
        let settings = self.plan.settings(&self.socket, End::Peer);
        self.peer = Some(match self.peers {
            Peers::Here => {
                let forward = |(): &mut (), lanes: &mut Lanes| Ok(lanes.forward());
                Peer::Here(Box::new(Side::start(settings, (), forward)?))
            }
            Peers::Apart => {
                // A killed listener leaves its file.
                let listens = self.plan.echo_is_vhost == self.plan.vhost_connects;
                let leaves = listens.then(|| self.socket.clone());
                Peer::Away(Box::new(Away::start(settings, leaves)?))
            }
        });
        Ok(())
    }

    fn echo(&mut self) -> Result<&mut Side<Echo>> {
        self.echo.as_mut().ok_or_else(|| "there is no echo side".into())
    }

    fn act(&mut self, act: Act) -> Result<()> {
        if let Act::FrameBytes(bytes) = act {
            return self.echo()?.poller().ask(move |work| work.own.set_frame_bytes(bytes.into()));
        }
        match self.peer.as_mut().ok_or("there is no peer")? {
            Peer::Here(side) if act.end() == End::Peer => side.act(act, |()| ()),
            Peer::Away(away) if act.end() == End::Peer => away.act(act),
            _ => self.echo()?.act(act, Echo::forgive_all),
        }
    }

    /// Everything goes on as at the beginning: both ports started with all queues, and polled.
    fn come_to_rest(&mut self) -> Result<()> {
        let queues = self.plan.queues;
        match self.peer.as_mut().ok_or("there is no peer")? {
            Peer::Here(side) => side.rest(queues)?,
            Peer::Away(away) => away.rest(queues)?,
        }
        self.echo()?.rest(queues)?;
        self.echo()?.wait_up(PATIENCE)?;
        if let Some(Peer::Here(side)) = &mut self.peer {
            side.wait_up(PATIENCE)?;
        }
        Ok(())
    }

    /// From now on nothing may be missing. When the first packets are back, nothing older is under way: queues keep their
    /// order. What both ports count from then on is compared.
    fn pass_strictly(&mut self) -> Result<()> {
        self.echo()?.poller().ask(|work| work.own.tolerate(false))?;
        self.pass(AT_THE_END / 10)?;
        let before = self.counts()?;
        self.pass(AT_THE_END)?;
        let counted = self.counts()?.since(&before);
        if counted.are_alike() { Ok(()) } else { Err(format!("counted apart: {counted:?}").into()) }
    }

    /// Lets `count` packets or more be sent on each queue, and waits until all that were sent have come back.
    fn pass(&mut self, count: u64) -> Result<()> {
        let begin = Instant::now();
        let queues = usize::from(self.plan.queues);
        let until = self.echo()?.poller().ask(move |work| {
            work.own.hold(false);
            (0..queues).map(|queue| work.own.sent(queue)).max().unwrap_or(0) + count
        })?;
        let look = move |work: &mut Work<Echo>| {
            let all = (0..queues).all(|queue| work.own.sent(queue) >= until);
            work.own.hold(all);
            (all && work.own.under_way() == 0, work.own.describe())
        };
        loop {
            let (is_over, words) = self.echo()?.poller().ask(look)?;
            if is_over {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!("packets are missing at the end: {words}").into());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn counts(&mut self) -> Result<Counts> {
        let echo = self.echo()?.endpoint()?.dev().stats();
        let peer = match &mut self.peer {
            Some(Peer::Here(side)) => {
                let stats = side.endpoint()?.dev().stats();
                Some((stats.rx_packets, stats.tx_packets))
            }
            _ => None,
        };
        Ok(Counts { echo: (echo.rx_packets, echo.tx_packets), peer })
    }

    /// Ends everything; how many packets were checked.
    fn finish(&mut self) -> Result<u64> {
        self.echo.take().ok_or("there is no echo side")?.finish()?;
        match self.peer.take().ok_or("there is no peer")? {
            Peer::Here(side) => side.finish()?,
            Peer::Away(away) => away.finish()?,
        }
        let begin = Instant::now();
        while Holdings::now()? != self.baseline {
            if begin.elapsed() > CLEARED {
                let (now, before) = (Holdings::now()?, self.baseline);
                return Err(format!("left at the end: {now:?}, before {before:?}").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(self.seen.load(Ordering::Acquire))
    }
}

/// Packets received and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    echo: (u64, u64),
    peer: Option<(u64, u64)>,
}

impl Counts {
    fn since(&self, base: &Self) -> Self {
        let less = |a: (u64, u64), b: (u64, u64)| (a.0.wrapping_sub(b.0), a.1.wrapping_sub(b.1));
        let peer = self.peer.zip(base.peer).map(|(now, then)| less(now, then));
        Self { echo: less(self.echo, base.echo), peer }
    }

    /// All that one has sent the other has received, and the echo side got back all it sent.
    fn are_alike(&self) -> bool {
        let (received, sent) = self.echo;
        let all = [Some((received, sent)), self.peer];
        sent >= AT_THE_END && all.iter().flatten().all(|&(rx, tx)| rx == sent && tx == sent)
    }
}
