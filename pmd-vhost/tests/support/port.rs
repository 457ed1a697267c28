//! A `net_vhost` port for tests.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};

use eal::{Eal, EalConfig};
use pmd_core::{
    DevArgs, DriverList, EthDev, MbufPool, PortConfig, PortId, Ports, RxQueueConfig, TxQueueConfig,
};
use pmd_vhost::ethdev::VhostDriver;

use crate::support::{FrontEnd, eventually};

/// An `Eal`, a pool, and one port that is configured and started.
pub struct Setup {
    pub ports: Ports,
    pub id: PortId,
    pub pool: MbufPool,
    pub path: PathBuf,
    _dir: tempfile::TempDir,
    _eal: Eal,
}

pub const POOL: u32 = 512;

impl Setup {
    pub fn new(queues: u16, data_bytes: u16) -> Self {
        Self::with(queues, data_bytes, "")
    }

    /// As `new`, with further devargs: `,client=1`.
    pub fn with(queues: u16, data_bytes: u16, further: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        let eal = Eal::new(EalConfig::default()).unwrap();
        let pool = MbufPool::create(eal.memory(), "pool", POOL, data_bytes, 32).unwrap();
        let mut ports = Ports::new();
        let text = format!("net_vhost0,iface={},queues={queues}{further}", path.display());
        let id = ports.attach(&eal, &drivers(), &DevArgs::parse(&text).unwrap()).unwrap();
        let mut setup = Self { ports, id, pool, path, _dir: dir, _eal: eal };
        setup.prepare(queues);
        setup.dev().start().unwrap();
        setup
    }

    pub fn prepare(&mut self, queues: u16) {
        let dev = self.dev();
        dev.configure(&PortConfig {
            rx_queues: queues,
            tx_queues: queues,
            ..PortConfig::default()
        })
        .unwrap();
        self.set_up_queues(queues);
    }

    pub fn set_up_queues(&mut self, queues: u16) {
        let pool = self.pool.clone();
        let dev = self.dev();
        for queue in 0..queues {
            dev.setup_rx(queue, &RxQueueConfig { descriptors: 0, pool: pool.clone() }).unwrap();
            dev.setup_tx(queue, &TxQueueConfig { descriptors: 0 }).unwrap();
        }
    }

    pub fn dev(&mut self) -> &mut (dyn EthDev + 'static) {
        self.ports.get_mut(self.id).unwrap()
    }

    pub fn front(&mut self, pairs: u32) -> FrontEnd {
        let mut front = FrontEnd::connect(&self.path);
        front.start(pairs);
        eventually("link up", || self.dev().link().up);
        front
    }

    #[track_caller]
    pub fn assert_pool_is_whole(&self) {
        let audit = self.pool.audit();
        assert_eq!((audit.in_use, audit.free), (0, POOL), "{audit:?}");
    }
}

pub fn drivers() -> DriverList {
    DriverList::new().with(VhostDriver::new())
}

pub fn args(path: &Path, queues: u16) -> DevArgs {
    DevArgs::parse(&format!("net_vhost0,iface={},queues={queues}", path.display())).unwrap()
}
