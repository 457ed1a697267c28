//! DPDK's vhost port as the device: what its testpmd forwards comes back once, in order, unaltered.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Lab, body, events, packet, within};
use pmd_core::{Burst, EthDev, Event, MbufPool, RxBurst, RxQueue, TxBurst, TxQueue};

const SECOND: Duration = Duration::from_secs(1);
/// DPDK comes up in a second; on a machine that compiles meanwhile in ten.
const DPDK_STARTS: Duration = Duration::from_secs(30);

/// A testpmd that sends back what it gets on its vhost port. Killed when dropped.
struct Testpmd(Child);

impl Testpmd {
    /// `None` when it is not installed.
    fn start(lab: &Lab, client: bool, pairs: u16) -> Option<Self> {
        let socket = lab.path();
        let vdev = format!(
            "net_vhost0,iface={},queues={pairs},client={}",
            socket.display(),
            u8::from(client)
        );
        let queues = [format!("--rxq={pairs}"), format!("--txq={pairs}")];
        Command::new("dpdk-testpmd")
            .args([
                "--lcores",
                "0@0,1@0",
                "-m",
                "256",
                "--no-huge",
                "--no-pci",
                "--no-telemetry",
                "--no-shconf",
            ])
            .args([
                "--vdev",
                &vdev,
                "--",
                "-i",
                "--auto-start",
                "--forward-mode=io",
                "--no-flush-rx",
            ])
            .args(["--total-num-mbufs=8192"])
            .args(queues)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()
            .map(Self)
    }

    /// As SIGKILL leaves it.
    fn kill(mut self) {
        self.0.kill().unwrap();
    }
}

impl Drop for Testpmd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One queue pair and the packets on their way.
struct Lane {
    queue: u16,
    rx: RxQueue,
    tx: TxQueue,
    waiting: Burst,
    sent: u64,
    back: u64,
}

impl Lane {
    fn claim(port: &mut dyn EthDev, queue: u16) -> Self {
        let (rx, tx) =
            (port.claim_rx(queue, "test").unwrap(), port.claim_tx(queue, "test").unwrap());
        Self { queue, rx, tx, waiting: Burst::new(32), sent: 0, back: 0 }
    }

    fn forget(&mut self) {
        self.waiting.clear();
        self.back = self.sent;
    }

    fn step(&mut self, lab: &Lab, until: u64, longest: usize) {
        let len = |number: u64| 60 + (number as usize * 97) % (longest - 59);
        while self.sent < until && self.waiting.room() > 0 && self.sent - self.back < 64 {
            let Some(mbuf) = packet(&lab.pool, &body(self.queue, self.sent, len(self.sent))) else {
                break;
            };
            assert!(self.waiting.push(mbuf).is_ok());
            self.sent += 1;
        }
        self.tx.burst(&mut self.waiting);
        let mut arrived = Burst::new(32);
        self.rx.burst(&mut arrived);
        for mbuf in arrived.as_mut_slice() {
            let expected = body(self.queue, self.back, len(self.back));
            assert!(
                mbuf.to_vec() == expected,
                "queue {}: packet {} came back wrong",
                self.queue,
                self.back
            );
            self.back += 1;
        }
    }
}

/// Sends `count` packets on each lane and waits for all of them.
fn exchange(lab: &Lab, lanes: &mut [Lane], count: u64, longest: usize) {
    let from = Instant::now();
    let goal = lanes[0].sent + count;
    while lanes.iter().any(|lane| lane.back < goal) {
        lanes.iter_mut().for_each(|lane| lane.step(lab, goal, longest));
        assert!(from.elapsed() < DPDK_STARTS, "packets were lost");
    }
}

fn installed(test: &str) -> bool {
    let there = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|dir| Path::new(&dir).join("dpdk-testpmd").exists())
    });
    if !there {
        println!("SKIP {test}: dpdk-testpmd is not installed (Debian package dpdk-dev)");
    }
    there
}

fn forwards(server: bool, pairs: u16, items: &str, longest: usize) {
    let lab = Lab::new();
    let mut port = lab.ready(&format!(",queues={pairs},server={}{items}", u8::from(server)), pairs);
    port.start().unwrap();
    let mut lanes: Vec<Lane> = (0..pairs).map(|queue| Lane::claim(port.as_mut(), queue)).collect();
    for round in 0..2 {
        let testpmd = Testpmd::start(&lab, server, pairs).expect("it is installed");
        within(DPDK_STARTS, "link up", || port.link().up);
        exchange(&lab, &mut lanes, 2000, longest);
        port.stop().unwrap();
        assert_eq!(lab.in_use(), 0);
        port.start().unwrap();
        within(5 * SECOND, "link up after a restart", || port.link().up);
        exchange(&lab, &mut lanes, 2000, longest);
        events(port.as_ref());
        testpmd.kill();
        let took = within(SECOND, "link down", || !port.link().up);
        assert!(took < Duration::from_millis(100), "round {round}: {took:?}");
        within(SECOND, "buffers back", || lab.in_use() == 0);
        assert_eq!(events(port.as_ref()), [Event::Link(false)]);
        lanes.iter_mut().for_each(Lane::forget);
        // A server that was killed leaves its socket file, and refuses to start while it is there.
        if !server {
            std::fs::remove_file(lab.path()).unwrap();
        }
    }
    drop(lanes);
    port.close().unwrap();
    assert_eq!(lab.in_use(), 0);
}

#[test]
fn dpdk_forwards_as_server() {
    if installed("dpdk_forwards_as_server") {
        forwards(false, 1, "", 4000);
    }
}

#[test]
fn dpdk_forwards_as_client_on_two_queues() {
    if installed("dpdk_forwards_as_client_on_two_queues") {
        forwards(true, 2, ",mrg_rxbuf=0,queue_size=1024", 1518);
    }
}

/// Frames of several segments reach it in tables of their own.
#[test]
fn dpdk_forwards_out_of_order_with_long_frames() {
    if installed("dpdk_forwards_out_of_order_with_long_frames") {
        forwards(false, 1, ",in_order=0,queue_size=1024", 9000);
    }
}

/// DPDK maps the larger memory while its rings run, and goes on.
#[test]
fn dpdk_follows_memory_that_grows() {
    if !installed("dpdk_follows_memory_that_grows") {
        return;
    }
    let mut lab = Lab::new();
    let mut port = lab.ready("", 1);
    let _testpmd = Testpmd::start(&lab, false, 1).expect("it is installed");
    port.start().unwrap();
    within(DPDK_STARTS, "link up", || port.link().up);
    let mut lanes = [Lane::claim(port.as_mut(), 0)];
    exchange(&lab, &mut lanes, 500, 1518);
    let before = lab.eal.memory().data_committed();
    lab.pool = MbufPool::create(lab.eal.memory(), "later", 32_768, 2048, 32).unwrap();
    assert!(lab.eal.memory().data_committed() > before, "the new pool lies behind the old memory");
    // Every buffer is held once, so that those from behind the old memory are used.
    let mut held: Vec<_> = std::iter::from_fn(|| lab.pool.take()).collect();
    held.truncate(20_000);
    // The port looks ten times a second.
    std::thread::sleep(SECOND / 2);
    exchange(&lab, &mut lanes, 500, 1518);
    assert!(events(port.as_ref()).iter().all(|event| *event == Event::Link(true)));
}
