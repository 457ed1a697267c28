//! The driver side of the device: two queue pairs that any process of the `Eal` can poll, and what is done when one dies.

use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use eal::{Eal, OwnerId};
use pmd_core::{Error, MbufPool, RxQueue, TxQueue};
use pmd_virtio::queue::{Direction, QueueSetup, VirtQueue};
use pmd_virtio::transport::{self, RingSetup};
use pmd_virtio::user::Frontend;
use virtio::Features;

use crate::Result;
use crate::process::PATIENCE;

/// Queue pairs of the device.
pub const PAIRS: u16 = 2;
const RING_ENTRIES: u16 = 256;
/// How long the device may take over all messages of one step.
const STEP: Duration = Duration::from_secs(5);

/// What was done for the dead.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reaped {
    /// Processes.
    pub processes: u32,
    /// Queues that they were polling.
    pub queues: u32,
    /// Buffers that they held.
    pub swept: u32,
    /// Packets that were lost with them.
    pub lost: usize,
    /// Receive descriptors that were posted again.
    pub posted: usize,
}

impl std::ops::AddAssign for Reaped {
    fn add_assign(&mut self, other: Self) {
        self.processes += other.processes;
        self.queues += other.queues;
        self.swept += other.swept;
        self.lost += other.lost;
        self.posted += other.posted;
    }
}

/// All virtqueues of the device, by ring number, and the connection to it.
#[derive(Debug)]
pub struct Queues {
    all: Vec<VirtQueue>,
    frontend: Mutex<Frontend>,
}

/// The name under which other processes find the ring `index`.
pub fn name(index: u16) -> String {
    let side = if index.is_multiple_of(2) { "rx" } else { "tx" };
    format!("lab.{side}{}", index / 2)
}

impl Queues {
    /// Connects to the device, shows it the rings and lets pollers in.
    ///
    /// # Errors
    ///
    /// Whatever the memory or the device answers.
    pub fn bring_up(eal: &Eal, pool: &MbufPool, socket: &Path) -> Result<Self> {
        let make = |index: u16| {
            let rx = index.is_multiple_of(2);
            let setup = QueueSetup {
                direction: if rx { Direction::Rx } else { Direction::Tx },
                size: RING_ENTRIES,
                queue: index / 2,
                port: 0,
                pool: rx.then(|| pool.clone()),
                indirect: false,
                name: Some(name(index)),
            };
            VirtQueue::with_setup(eal.memory(), setup)
        };
        let all: Vec<VirtQueue> = (0..2 * PAIRS).map(make).collect::<Result<_, _>>()?;
        let stream = connect(socket)?;
        stream.set_nonblocking(true)?;
        let mut frontend = Frontend::new(stream, STEP);
        let wanted = Features::PROTOCOL_FEATURES | Features::MQ | Features::MRG_RXBUF;
        let features = transport::negotiate(&mut frontend, wanted, Features::VERSION_1, PAIRS)?;
        for queue in &all {
            queue.prepare(features)?;
        }
        let setups: Vec<RingSetup<'_>> = (0..).zip(&all).map(setup_of).collect();
        transport::start(&mut frontend, eal.memory(), &setups)?;
        drop(setups);
        for queue in &all {
            queue.open();
            nix::unistd::write(queue.kick(), &1u64.to_ne_bytes())?;
        }
        Ok(Self { all, frontend: Mutex::new(frontend) })
    }

    /// The right to poll queue pair 0 in this process.
    ///
    /// # Errors
    ///
    /// When somebody polls it.
    pub fn claim_first_pair(&self) -> Result<(RxQueue, TxQueue)> {
        Ok((self.all[0].claim_rx("forwarder")?, self.all[1].claim_tx("forwarder")?))
    }

    /// Takes back what `dead` held, in the order of `docs/architecture.md`, section 3, and lets the next process in.
    ///
    /// # Errors
    ///
    /// A gate that cannot be closed.
    pub fn reap(&self, dead: OwnerId, pool: &MbufPool) -> Result<Reaped> {
        let polled: Vec<&VirtQueue> =
            self.all.iter().filter(|queue| queue.claimed_by() == Some(dead)).collect();
        for queue in &polled {
            queue.evict(dead)?;
        }
        let held: BTreeSet<u32> = self.all.iter().flat_map(VirtQueue::held).collect();
        let swept = pool.records().sweep(dead, &|handle| held.contains(&handle));
        let queues = polled.len() as u32;
        let mut reaped = Reaped { processes: 1, queues, swept, ..Reaped::default() };
        for queue in &polled {
            let recovered = queue.recover(dead)?;
            reaped.lost += recovered.lost;
            reaped.posted += recovered.posted;
            queue.open();
        }
        Ok(reaped)
    }

    /// Closes the gates of queue pair 1 and opens them again, while another process polls it. Nothing may be lost.
    ///
    /// # Errors
    ///
    /// A poller that does not leave.
    pub fn bounce(&self) -> Result<()> {
        if !self.close_second_pair()? {
            return Err("a living poller does not leave".into());
        }
        self.open_second_pair();
        Ok(())
    }

    /// Tries to bring the poller of queue pair 1 out. False when it does not leave: the queue that it is in is quarantined.
    ///
    /// # Errors
    ///
    /// Any other error.
    pub fn close_second_pair(&self) -> Result<bool> {
        let mut all_out = true;
        for queue in &self.all[2..] {
            match queue.close() {
                Ok(()) => {}
                Err(Error::Quarantined { .. }) => all_out = false,
                Err(other) => return Err(other.into()),
            }
        }
        Ok(all_out)
    }

    /// Who holds the claims on the rings of queue pair 1.
    pub fn holders(&self) -> [Option<OwnerId>; 2] {
        [2, 3].map(|index: usize| self.all[index].claimed_by())
    }

    /// Lets pollers into queue pair 1.
    pub fn open_second_pair(&self) {
        self.all[2..].iter().for_each(VirtQueue::open);
    }

    /// That nobody polls the queues but this process its own pair.
    ///
    /// # Errors
    ///
    /// The ring that still has a holder, or is broken.
    pub fn all_free(&self) -> Result<()> {
        for (index, queue) in self.all.iter().enumerate() {
            if let Some(why) = queue.broken() {
                return Err(format!("ring {index} is out of service: {why}").into());
            }
            if let Some(holder) = queue.claimed_by().filter(|_| index >= 2) {
                return Err(format!("ring {index} is still held by {holder}").into());
            }
        }
        Ok(())
    }

    /// How many mbufs the tables of all queues list.
    pub fn held(&self) -> usize {
        self.all.iter().map(|queue| queue.held().len()).sum()
    }

    /// Takes the rings from the device and every mbuf out of their tables.
    ///
    /// # Errors
    ///
    /// A gate that cannot be closed, or what the device answers.
    pub fn take_down(&self) -> Result<()> {
        for queue in &self.all {
            queue.close()?;
        }
        let indexes: Vec<u16> = (0..2 * PAIRS).collect();
        let mut frontend = self.frontend.lock().unwrap_or_else(PoisonError::into_inner);
        frontend.set_deadline(STEP);
        // The device may have gone already.
        let _ = transport::stop(&mut *frontend, &indexes);
        for queue in &self.all {
            queue.drain();
        }
        Ok(())
    }
}

fn setup_of((index, queue): (u16, &VirtQueue)) -> RingSetup<'_> {
    let (kick, call) = (queue.kick(), queue.call());
    RingSetup { index, size: queue.size(), addresses: queue.addresses(), kick, call }
}

fn connect(socket: &Path) -> Result<UnixStream> {
    let begin = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return Ok(stream),
            Err(error) if begin.elapsed() > PATIENCE => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}
