//! A port under test: an `Eal` of its own, one pool, one port, every queue claimed.

use std::path::Path;
use std::time::{Duration, Instant};

use eal::mempool::PoolAudit;
use eal::{Eal, EalConfig, HugePolicy};
use pmd_core::{
    Burst, DevArgs, DriverList, EthDev, Link, MbufPool, PortConfig, PortId, Ports, RxBurst,
    RxQueue, RxQueueConfig, TxBurst, TxQueue, TxQueueConfig,
};
use pmd_vhost::ethdev::VhostDriver;
use pmd_virtio::VirtioUserDriver;

use crate::Result;

/// Packets of one burst.
pub const BURST: usize = 32;

/// What an endpoint is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The device string.
    pub devargs: String,
    /// Queue pairs to use.
    pub queues: u16,
    /// Mbufs of the pool.
    pub mbufs: u32,
    /// Bytes of an mbuf's buffer, headroom included.
    pub mbuf_bytes: u32,
    /// What the `Eal` is to be.
    pub eal: EalConfig,
}

impl Settings {
    /// A port with `queues` queue pairs in ordinary memory, with buffers for frames of 2,048 bytes.
    pub fn new(devargs: impl Into<String>, queues: u16) -> Self {
        let eal = EalConfig { huge: HugePolicy::Never, ..EalConfig::default() };
        let mbufs = 1024 + 1024 * u32::from(queues);
        Self { devargs: devargs.into(), queues, mbufs, mbuf_bytes: 2176, eal }
    }
}

/// The device string of a vhost port on `path`.
pub fn vhost_args(path: &Path, queues: u16, client: bool) -> String {
    let client = u8::from(client);
    format!("net_vhost0,iface={},queues={queues},client={client}", path.display())
}

/// The device string of a virtio-user port on `path`.
pub fn virtio_args(path: &Path, queues: u16, server: bool, mergeable: bool) -> String {
    let (server, mergeable) = (u8::from(server), u8::from(mergeable));
    format!(
        "net_virtio_user0,mac=00:11:22:33:44:10,path={},queues={queues},server={server},mrg_rxbuf={mergeable}",
        path.display()
    )
}

/// The queue pairs of a port, and what their poller needs beside them.
pub struct Lanes {
    rx: Vec<RxQueue>,
    tx: Vec<TxQueue>,
    /// What a forwarder has received and not yet sent, by queue.
    waiting: Vec<Burst>,
    pool: MbufPool,
}

/// A port, its pool and its `Eal`, with the queues that were claimed from it.
pub struct Endpoint {
    lanes: Lanes,
    port: PortId,
    ports: Ports,
    pool: MbufPool,
    eal: Eal,
}

impl Endpoint {
    /// Makes the port and starts it.
    ///
    /// # Errors
    ///
    /// Whatever the `Eal` or the port answers.
    pub fn start(settings: &Settings) -> Result<Self> {
        let mut endpoint = Self::prepare(settings)?;
        endpoint.dev_mut().start()?;
        Ok(endpoint)
    }

    /// Makes the port and claims its queues, but does not start it.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::start`].
    pub fn prepare(settings: &Settings) -> Result<Self> {
        let eal = Eal::new(settings.eal.clone())?;
        let (count, bytes) = (settings.mbufs, settings.mbuf_bytes);
        let pool = MbufPool::with_buffers(eal.memory(), "lab", count, bytes, 64)?;
        let drivers = DriverList::new().with(VhostDriver::new()).with(VirtioUserDriver);
        let drivers = pmd_soft::add_drivers(drivers);
        let mut ports = Ports::new();
        let port = ports.attach(&eal, &drivers, &DevArgs::parse(&settings.devargs)?)?;
        let mut endpoint = Self { lanes: Lanes::none(pool.clone()), port, ports, pool, eal };
        endpoint.set_up(settings.queues)?;
        Ok(endpoint)
    }

    /// How many queue pairs there are.
    pub fn queues(&self) -> usize {
        self.lanes.queues()
    }

    /// Stops the port, sets it up with another number of queue pairs, claims them and starts it. The old handles are gone:
    /// whoever has them gives them back first.
    ///
    /// # Errors
    ///
    /// Whatever the port answers.
    pub fn set_queues(&mut self, queues: u16) -> Result<()> {
        drop(self.take_lanes());
        self.dev_mut().stop()?;
        self.set_up(queues)?;
        Ok(self.dev_mut().start()?)
    }

    /// Configures a stopped port and claims its queues.
    fn set_up(&mut self, queues: u16) -> Result<()> {
        let pool = self.pool.clone();
        let dev = self.dev_mut();
        dev.configure(&PortConfig {
            rx_queues: queues,
            tx_queues: queues,
            ..PortConfig::default()
        })?;
        let mut lanes = Lanes::none(pool.clone());
        for queue in 0..queues {
            dev.setup_rx(queue, &RxQueueConfig { descriptors: 0, pool: pool.clone() })?;
            dev.setup_tx(queue, &TxQueueConfig::default())?;
            lanes.rx.push(dev.claim_rx(queue, "lab")?);
            lanes.tx.push(dev.claim_tx(queue, "lab")?);
            lanes.waiting.push(Burst::new(BURST));
        }
        self.lanes = lanes;
        Ok(())
    }

    /// The claimed queues.
    pub fn lanes(&mut self) -> &mut Lanes {
        &mut self.lanes
    }

    /// Hands the claimed queues out, for another thread to poll.
    pub fn take_lanes(&mut self) -> Lanes {
        std::mem::replace(&mut self.lanes, Lanes::none(self.pool.clone()))
    }

    /// The port's control half.
    pub fn dev(&self) -> &dyn EthDev {
        self.ports.get(self.port).unwrap()
    }

    /// The port's control half.
    pub fn dev_mut(&mut self) -> &mut dyn EthDev {
        self.ports.get_mut(self.port).unwrap()
    }

    /// The pool.
    pub fn pool(&self) -> &MbufPool {
        &self.pool
    }

    /// The `Eal`.
    pub fn eal(&self) -> &Eal {
        &self.eal
    }

    /// The link now.
    pub fn link(&self) -> Link {
        self.dev().link()
    }

    /// Waits until the link is up (or down) and says how long that took.
    ///
    /// # Errors
    ///
    /// When it takes longer than `patience`.
    pub fn wait_link(&self, up: bool, patience: Duration) -> Result<Duration> {
        let begin = Instant::now();
        while self.link().up != up {
            if begin.elapsed() > patience {
                let word = if up { "up" } else { "down" };
                return Err(format!("the link is not {word} after {patience:?}").into());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(begin.elapsed())
    }

    /// Stops and closes the port, gives every handle back and counts the pool.
    ///
    /// # Errors
    ///
    /// What the port answers, or a pool that is not whole again.
    pub fn finish(mut self) -> Result<PoolAudit> {
        self.dev_mut().stop()?;
        drop(self.take_lanes());
        self.dev_mut().close()?;
        let audit = self.pool.audit();
        if audit.in_use != 0 || !audit.is_exact() {
            return Err(format!("the pool is not whole after the end: {audit}").into());
        }
        Ok(audit)
    }
}

impl Lanes {
    /// No queues.
    pub fn none(pool: MbufPool) -> Self {
        Self { rx: Vec::new(), tx: Vec::new(), waiting: Vec::new(), pool }
    }

    /// How many queue pairs there are.
    pub fn queues(&self) -> usize {
        self.rx.len()
    }

    /// The pool.
    pub fn pool(&self) -> &MbufPool {
        &self.pool
    }

    /// Replaces the queues of pair `queue`: `claim` is called when the old handles are gone.
    ///
    /// # Errors
    ///
    /// What `claim` answers; the pair is gone then.
    pub fn replace(
        &mut self,
        queue: usize,
        claim: impl FnOnce() -> Result<(RxQueue, TxQueue)>,
    ) -> Result<()> {
        drop((self.rx.remove(queue), self.tx.remove(queue)));
        let (rx, tx) = claim()?;
        self.rx.insert(queue, rx);
        self.tx.insert(queue, tx);
        Ok(())
    }

    /// Receives from `queue`.
    pub fn receive(&mut self, queue: usize, into: &mut Burst) -> usize {
        self.rx[queue].burst(into)
    }

    /// Sends to `queue`; what it does not take stays in `from`.
    pub fn send(&mut self, queue: usize, from: &mut Burst) -> usize {
        self.tx[queue].burst(from)
    }

    /// Sends back on each queue what came from it, in order, and returns how many packets went. Nothing is dropped: what has
    /// no room waits.
    pub fn forward(&mut self) -> usize {
        let mut sent = 0;
        for ((rx, tx), waiting) in self.rx.iter_mut().zip(&mut self.tx).zip(&mut self.waiting) {
            rx.burst(waiting);
            if !waiting.is_empty() {
                sent += tx.burst(waiting);
            }
        }
        sent
    }
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanes").field("queues", &self.queues()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("port", &self.dev().info().name).finish_non_exhaustive()
    }
}
