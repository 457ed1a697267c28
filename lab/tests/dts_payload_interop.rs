//! What DTS's payload cases look at with a capture (loopback_virtio_user_server_mode cases 13 and 14, and the cbdma and dsa
//! variants): packets of several segments over eight queues, every byte of each, in all split paths.
//!
//! Our generator numbers and hashes the packets; ours or DPDK's program sends them back. virtio-user listens.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use lab::Result;
use lab::dpdk::{self, Testpmd};
use lab::echo::Echo;
use lab::endpoint::{Endpoint, Settings, vhost_args, virtio_args};
use lab::process::{PATIENCE, Process};

const QUEUES: u16 = 8;
/// Packets of each size on each queue.
const PACKETS: u64 = 2000;
/// Bytes of an mbuf of the generator, headroom included: longer packets have several segments.
const MBUF_BYTES: u32 = 640;

/// A way through the rings, and the lengths that fit.
#[derive(Clone, Copy, Debug)]
struct Way {
    mergeable: bool,
    more: &'static str,
    sizes: &'static [usize],
}

impl Way {
    /// Packets under way on a queue: no more than a ring of 256 holds, for DPDK's program drops what finds no room.
    fn in_flight(self) -> u64 {
        if self.mergeable { 8 } else { 128 }
    }
}

const PATHS: [Way; 5] = [
    Way { mergeable: true, more: "in_order=1", sizes: &[6192, 8000] },
    Way { mergeable: true, more: "in_order=0", sizes: &[6192, 8000] },
    Way { mergeable: false, more: "in_order=0", sizes: &[64, 960, 1518] },
    Way { mergeable: false, more: "in_order=1", sizes: &[64, 960, 1518] },
    Way { mergeable: false, more: "in_order=0,vectorized=1", sizes: &[64, 960, 1518] },
];

/// What sends the packets back.
enum Forwarder {
    Ours(Process),
    Dpdks(Testpmd),
}

impl Forwarder {
    fn start(is_ours: bool, devargs: &str) -> Result<Self> {
        if is_ours {
            let mut command = Command::new(env!("CARGO_BIN_EXE_lab-peer"));
            command.args(["forward", devargs, &QUEUES.to_string()]);
            let mut process = Process::start("lab-peer", &mut command)?;
            process.wait_for("ready")?;
            return Ok(Self::Ours(process));
        }
        let mut testpmd = Testpmd::start(devargs, QUEUES)?;
        testpmd.forward()?;
        Ok(Self::Dpdks(testpmd))
    }

    fn end(self) -> Result<()> {
        match self {
            Self::Ours(process) => process.finish(PATIENCE).map(drop),
            Self::Dpdks(testpmd) => testpmd.quit(),
        }
    }
}

fn pass(path: Way, generator_is_vhost: bool, ours: bool, socket: &Path) -> Result<()> {
    let vhost = vhost_args(socket, QUEUES, true);
    let virtio = format!("{},{}", virtio_args(socket, QUEUES, true, path.mergeable), path.more);
    let (mine, theirs) = if generator_is_vhost { (vhost, virtio) } else { (virtio, vhost) };
    // Receive buffers of a ring that cannot merge hold a whole packet.
    let one_buffer = !path.mergeable && !generator_is_vhost;
    let mbuf_bytes = if one_buffer { 2176 } else { MBUF_BYTES };
    let mbufs = 48 * 1024;
    let settings = Settings { mbuf_bytes, mbufs, ..Settings::new(mine, QUEUES) };
    let mut endpoint = Endpoint::start(&settings)?;
    let forwarder = Forwarder::start(ours, &theirs)?;
    endpoint.wait_link(true, PATIENCE)?;
    let mut echo = Echo::new(QUEUES.into(), 64);
    echo.set_window(path.in_flight());
    for &size in path.sizes {
        echo.set_frame_bytes(size);
        echo.run(endpoint.lanes(), PACKETS)?;
    }
    for queue in 0..usize::from(QUEUES) {
        assert_eq!(echo.checker(queue).missing(), 0, "queue {queue}");
    }
    drop(echo);
    forwarder.end()?;
    endpoint.wait_link(false, PATIENCE)?;
    endpoint.finish()?;
    Ok(())
}

fn all_paths(generator_is_vhost: bool, ours: bool) {
    static BUSY: Mutex<()> = Mutex::new(());
    let _alone = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
    for path in PATHS {
        let place = tempfile::tempdir().unwrap();
        if let Err(error) = pass(path, generator_is_vhost, ours, &place.path().join("vhost-net0")) {
            panic!("{path:?}: {error}");
        }
    }
}

#[test]
fn our_vhost_and_our_virtio_user() {
    all_paths(true, true);
}

#[test]
fn our_virtio_user_and_our_vhost() {
    all_paths(false, true);
}

#[test]
fn our_vhost_and_dpdks_virtio_user() {
    if let Some(reason) = dpdk::missing() {
        return println!("SKIP our_vhost_and_dpdks_virtio_user: {reason}");
    }
    all_paths(true, false);
}

#[test]
fn our_virtio_user_and_dpdks_vhost() {
    if let Some(reason) = dpdk::missing() {
        return println!("SKIP our_virtio_user_and_dpdks_vhost: {reason}");
    }
    all_paths(false, false);
}
