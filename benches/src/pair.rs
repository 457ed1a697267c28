//! A vhost port and a virtio-user port of one process, joined by a socket, each on an `Eal` of its own.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use eal::{Eal, EalConfig};
use pmd_core::{
    Burst, DevArgs, Driver, EthDev, MbufPool, PortConfig, PortId, Probe, RxQueue, RxQueueConfig,
    TxQueue, TxQueueConfig,
};

/// One end: port, queues and pool. Fields are dropped in order: queues before the port, all before the `Eal`.
pub struct End {
    /// Receives from the other end.
    pub rx: RxQueue,
    /// Sends to the other end.
    pub tx: TxQueue,
    /// Where this end's mbufs come from.
    pub pool: MbufPool,
    port: Box<dyn EthDev>,
    _eal: Eal,
}

impl Drop for End {
    fn drop(&mut self) {
        // Nothing can be done about an end that does not close; the process ends next.
        let _ = self.port.close();
    }
}

/// Both ends.
pub struct Pair {
    /// The vhost end.
    pub vhost: End,
    /// The virtio-user end.
    pub virtio: End,
    socket: PathBuf,
}

impl Drop for Pair {
    fn drop(&mut self) {
        // The port has removed it already when it closed.
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Pair {
    /// Joins two new ports; `virtio_args` are further devargs of the virtio-user port.
    ///
    /// # Errors
    ///
    /// What the ports answer, or that the link does not come up within two seconds.
    pub fn join(virtio_args: &str) -> Result<Self, Box<dyn Error>> {
        let socket = std::env::temp_dir().join(format!("pmd-bench-{}.sock", std::process::id()));
        let path = socket.display();
        let vhost = End::start(
            &pmd_vhost::ethdev::VhostDriver::new(),
            &format!("net_vhost0,iface={path}"),
        )?;
        let driver = pmd_virtio::VirtioUserDriver;
        let args = format!("net_virtio_user0,path={path},queue_size=1024,{virtio_args}");
        let virtio = End::start(&driver, &args)?;
        let until = Instant::now() + Duration::from_secs(2);
        while !(vhost.port.link().up && virtio.port.link().up) {
            if Instant::now() > until {
                return Err("the link did not come up".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Self { vhost, virtio, socket })
    }
}

impl End {
    fn start(driver: &dyn Driver, args: &str) -> Result<Self, Box<dyn Error>> {
        let eal = Eal::new(EalConfig::default())?;
        let pool = MbufPool::create(eal.memory(), "bench", 8192, 2048, 250)?;
        let args = DevArgs::parse(args)?;
        let mut port = driver.probe(&Probe { eal: &eal, args: &args, port: PortId(0) })?;
        port.configure(&PortConfig { rx_queues: 1, tx_queues: 1, ..PortConfig::default() })?;
        port.setup_rx(0, &RxQueueConfig { descriptors: 0, pool: pool.clone() })?;
        port.setup_tx(0, &TxQueueConfig::default())?;
        port.start()?;
        let (rx, tx) = (port.claim_rx(0, "bench")?, port.claim_tx(0, "bench")?);
        Ok(Self { rx, tx, pool, port, _eal: eal })
    }

    /// Fills `burst` with packets of `len` bytes.
    ///
    /// # Errors
    ///
    /// When the pool has too few mbufs or `len` does not fit.
    pub fn fill(&self, burst: &mut Burst, len: u16) -> Result<(), Box<dyn Error>> {
        while burst.room() > 0 {
            let mut mbuf = self.pool.take().ok_or("the pool is empty")?;
            mbuf.append(len)?.fill(0x5A);
            burst.push(mbuf).map_err(|_| "the burst is full")?;
        }
        Ok(())
    }
}
