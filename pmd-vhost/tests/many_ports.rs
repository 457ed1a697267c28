//! As many ports as one process can have.
#![cfg(feature = "ethdev")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "support/port.rs"]
mod port;
mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eal::{Eal, EalConfig};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pmd_core::{
    Burst, DevArgs, DriverList, Error, EthDev, MbufPool, PortConfig, PortId, Ports, RxBurst,
    RxQueueConfig, TxBurst, TxQueueConfig,
};
use pmd_vhost::service::DEVICES_MAX;
use support::{FrontEnd, eventually};

/// Bytes of memory that this process has touched.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn path_of(dir: &Path, index: usize) -> PathBuf {
    dir.join(format!("vhost-net{index}"))
}

/// What makes ports: one of each, as an app has it.
struct Maker {
    eal: Eal,
    drivers: DriverList,
    ports: Ports,
}

fn attach(maker: &mut Maker, dir: &Path, index: usize) -> PortId {
    let Maker { eal, drivers, ports } = maker;
    let args = format!("net_vhost{index},iface={},queues=1", path_of(dir, index).display());
    ports.attach(eal, drivers, &DevArgs::parse(&args).unwrap()).unwrap()
}

fn configure(dev: &mut dyn EthDev) -> Result<(), Error> {
    dev.configure(&PortConfig { rx_queues: 1, tx_queues: 1, ..PortConfig::default() })
}

fn start(dev: &mut dyn EthDev, pool: &MbufPool) {
    dev.setup_rx(0, &RxQueueConfig { descriptors: 0, pool: pool.clone() }).unwrap();
    dev.setup_tx(0, &TxQueueConfig { descriptors: 0 }).unwrap();
    dev.start().unwrap();
}

/// A front-end at port `index` sends a packet through the port and gets it back.
fn assert_passes(ports: &mut Ports, id: PortId, dir: &Path, index: usize) {
    let dev = ports.get_mut(id).unwrap();
    let mut front = FrontEnd::connect(&path_of(dir, index));
    front.start(1);
    eventually("link up", || dev.link().up);
    let (mut rx, mut tx) = (dev.claim_rx(0, "test").unwrap(), dev.claim_tx(0, "test").unwrap());
    let packet = vec![index as u8; 64];
    front.send(1, &packet);
    front.rings[0].post();
    let mut burst = Burst::new(4);
    assert_eq!(rx.burst(&mut burst), 1);
    assert_eq!(tx.burst(&mut burst), 1);
    assert_eq!(front.rings[0].take(&front.memory), Some(packet));
    drop(front);
    eventually("link down", || !dev.link().up);
}

#[test]
fn a_thousand_and_twenty_three_ports_and_not_one_more() {
    // As most shells give it; the ports need more and get it.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let wanted = 4 * DEVICES_MAX as u64;
    if hard < wanted {
        eprintln!("skipped: {wanted} open files are needed and the hard limit is {hard}");
        return;
    }
    setrlimit(Resource::RLIMIT_NOFILE, 1024, hard).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let eal = Eal::new(EalConfig::default()).unwrap();
    let pool = MbufPool::create(eal.memory(), "pool", 64, 2048, 8).unwrap();
    let mut maker = Maker { eal, drivers: port::drivers(), ports: Ports::new() };
    // What the first port needs once is not counted.
    let mut ids = vec![attach(&mut maker, dir.path(), 0)];
    configure(maker.ports.get_mut(ids[0]).unwrap()).unwrap();
    start(maker.ports.get_mut(ids[0]).unwrap(), &pool);
    let (before, begin) = (resident(), Instant::now());
    for index in 1..DEVICES_MAX {
        let id = attach(&mut maker, dir.path(), index);
        let dev = maker.ports.get_mut(id).unwrap();
        configure(dev).unwrap();
        start(dev, &pool);
        ids.push(id);
    }
    let (took, bytes) = (begin.elapsed(), resident().saturating_sub(before));
    eprintln!("{DEVICES_MAX} ports: {took:?}, {} KiB", bytes / 1024);
    // Release code takes a tenth of a second; a loaded machine with debug code is given its time, in which what grows with
    // the square of the ports would not end.
    assert!(took < Duration::from_secs(120), "{took:?}");
    assert!(bytes < 8 * 1024 * DEVICES_MAX as u64, "{bytes} bytes");

    let one_more = attach(&mut maker, dir.path(), DEVICES_MAX);
    let refused = configure(maker.ports.get_mut(one_more).unwrap()).unwrap_err().to_string();
    assert!(refused.contains("failed to add listen fd"), "{refused}");
    assert!(refused.contains("at most 1023 vhost-user sockets"), "{refused}");
    assert!(!path_of(dir.path(), DEVICES_MAX).exists(), "left behind");

    for index in [0, DEVICES_MAX / 2, DEVICES_MAX - 1] {
        assert_passes(&mut maker.ports, ids[index], dir.path(), index);
    }
    // A place that becomes free can be taken.
    maker.ports.get_mut(ids[7]).unwrap().close().unwrap();
    configure(maker.ports.get_mut(one_more).unwrap()).unwrap();
    start(maker.ports.get_mut(one_more).unwrap(), &pool);
    assert_passes(&mut maker.ports, one_more, dir.path(), DEVICES_MAX);
    drop(maker.ports);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "sockets left behind");
    let audit = pool.audit();
    assert_eq!((audit.in_use, audit.free), (0, 64), "{audit:?}");
}
