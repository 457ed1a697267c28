//! A dataplane app: two ports, one lcore that forwards between them, and what each port counted.
//!
//! ```text
//! cargo run --release -p example-dataplane -- --vdev net_null0 --vdev net_null1,no-rx=1 -- 5
//! ```
//!
//! Before `--` stand EAL options, `--vdev` for each of the two ports (`net_vhost0,iface=PATH`, `net_virtio_user0,path=PATH`,
//! `net_pcap0,rx_pcap=FILE,tx_pcap=FILE` ...); behind it how many seconds to run. ^C ends it earlier.

use std::error::Error;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eal::Eal;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use pmd_core::{
    Burst, DevArgs, DriverList, MbufPool, PortConfig, Ports, RxBurst, RxQueue, RxQueueConfig,
    TxBurst, TxQueue, TxQueueConfig,
};

/// Packets of one burst.
const BURST: usize = 32;
const USAGE: &str = "usage: example-dataplane [EAL options] --vdev A --vdev B [-- SECONDS]";
type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Queues = (RxQueue, TxQueue);

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("example-dataplane: {error}");
    ExitCode::FAILURE
}

fn run() -> Result<()> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    signals.thread_block()?;
    let signals = SignalFd::new(&signals)?;
    let arguments = eal::args::parse(std::env::args_os())?;
    let seconds: u32 = match arguments.rest.as_slice() {
        [] if !arguments.help => 5,
        [seconds] => seconds.to_str().and_then(|text| text.parse().ok()).ok_or(USAGE)?,
        _ => return Err(USAGE.into()),
    };
    let eal = Eal::new(arguments.config)?;
    let pool = MbufPool::create(eal.memory(), "packets", 8192, 2048, 256)?;
    let mut ports = Ports::new();
    let queues = eal.config().vdevs.iter().map(|vdev| open(&eal, &mut ports, vdev, &pool));
    let [a, b] = <[_; 2]>::try_from(queues.collect::<Result<Vec<_>>>()?)
        .map_err(|_| "name two ports: --vdev net_null0 --vdev net_null1")?;
    let worker = eal.lcores().iter().copied().find(|&lcore| lcore != eal.main_lcore());
    let worker = worker.ok_or("two lcores are needed: --lcores '0@0,1@0' gives two on one CPU")?;
    let end = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&end);
    eal.launch(worker, move || forward(a, b, &told))?;
    for second in 1..=seconds {
        if poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], 1000u16)? > 0 {
            break;
        }
        for (id, port) in ports.iter() {
            let (received, sent) = (port.stats().rx_packets, port.stats().tx_packets);
            println!("{second} s: port {id} received {received}, sent {sent}");
        }
    }
    end.store(true, Ordering::Release);
    eal.wait(worker)?;
    for id in ports.ids() {
        ports.get_mut(id).map_or(Ok(()), |port| port.close())?;
    }
    println!("mbufs: {}", pool.audit());
    Ok(())
}

/// Brings up the port of a device string and claims its queues.
fn open(eal: &Eal, ports: &mut Ports, vdev: &str, pool: &MbufPool) -> Result<Queues> {
    let drivers = DriverList::new()
        .with(pmd_vhost::ethdev::VhostDriver::new())
        .with(pmd_virtio::VirtioUserDriver);
    let id = ports.attach(eal, &pmd_soft::add_drivers(drivers), &DevArgs::parse(vdev)?)?;
    let port = ports.get_mut(id).ok_or("the port is gone")?;
    port.configure(&PortConfig { rx_queues: 1, tx_queues: 1, ..PortConfig::default() })?;
    port.setup_rx(0, &RxQueueConfig { descriptors: 0, pool: pool.clone() })?;
    port.setup_tx(0, &TxQueueConfig::default())?;
    port.start()?;
    Ok((port.claim_rx(0, "forwarder")?, port.claim_tx(0, "forwarder")?))
}

/// Moves packets both ways until told to end. What a port has no room for waits: nothing is lost.
fn forward(mut a: Queues, mut b: Queues, end: &AtomicBool) {
    let (mut to_a, mut to_b) = (Burst::new(BURST), Burst::new(BURST));
    while !end.load(Ordering::Acquire) {
        a.0.burst(&mut to_b);
        b.1.burst(&mut to_b);
        b.0.burst(&mut to_a);
        a.1.burst(&mut to_a);
    }
}
