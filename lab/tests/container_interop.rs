//! virtio-user for container networking: packets of all sizes pass through a forwarder on the other side of a
//! vhost-user socket, with one and with two queues, and every one comes back as it was sent.
//!
//! Our generator is at either end; our forwarder or DPDK's is at the other, in a process of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lab::Result;
use lab::dpdk::{self, Testpmd};
use lab::echo::Echo;
use lab::endpoint::{Endpoint, Settings, vhost_args, virtio_args};
use lab::packet::{FRAME_BYTES_MAX, FRAME_BYTES_MIN};
use lab::process::{PATIENCE, Process};

/// Bytes of the frames.
const SIZES: [usize; 6] = [64, 128, 256, 512, 1024, 1518];
/// Packets of each size on each queue.
const PACKETS: u64 = 20_000;
/// The user without rights.
const NOBODY: u32 = 65534;

const PEER: &str = env!("CARGO_BIN_EXE_lab-peer");

/// One test at a time: each keeps two CPUs busy.
fn alone() -> MutexGuard<'static, ()> {
    static BUSY: Mutex<()> = Mutex::new(());
    BUSY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory with a path for a socket.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn socket(&self) -> PathBuf {
        self.0.path().join("vhost-net")
    }
}

/// Which of the two ends a process is, and which socket role it has.
#[derive(Clone, Copy, Debug)]
struct Roles {
    /// Our generator is the vhost port.
    generator_is_vhost: bool,
    /// The vhost port connects and the virtio-user port listens.
    vhost_is_client: bool,
    mergeable: bool,
    queues: u16,
}

impl Roles {
    fn vhost(&self, socket: &Path) -> String {
        vhost_args(socket, self.queues, self.vhost_is_client)
    }

    fn virtio(&self, socket: &Path) -> String {
        virtio_args(socket, self.queues, self.vhost_is_client, self.mergeable)
    }

    fn generator(&self, socket: &Path) -> String {
        if self.generator_is_vhost { self.vhost(socket) } else { self.virtio(socket) }
    }

    fn forwarder(&self, socket: &Path) -> String {
        if self.generator_is_vhost { self.virtio(socket) } else { self.vhost(socket) }
    }
}

/// Every size, both ring kinds, one and two queues, with the generator at the end that is asked for.
fn combinations(generator_is_vhost: bool, vhost_is_client: bool) -> Vec<Roles> {
    let mut all = Vec::new();
    for mergeable in [false, true] {
        for queues in [1, 2] {
            all.push(Roles { generator_is_vhost, vhost_is_client, mergeable, queues });
        }
    }
    all
}

/// Sends all sizes through the other end.
fn all_sizes(endpoint: &mut Endpoint) -> Result<()> {
    endpoint.wait_link(true, PATIENCE)?;
    let mut echo = Echo::new(endpoint.queues(), SIZES[0]);
    for size in SIZES {
        echo.set_frame_bytes(size);
        echo.run(endpoint.lanes(), PACKETS)?;
    }
    let sent = PACKETS * SIZES.len() as u64;
    for queue in 0..endpoint.queues() {
        assert_eq!((echo.checker(queue).seen(), echo.checker(queue).missing()), (sent, 0));
    }
    Ok(())
}

/// After the other end has gone: the link goes down and every buffer is back in its pool.
fn alone_again(endpoint: Endpoint) -> Result<()> {
    endpoint.wait_link(false, PATIENCE)?;
    let audit = endpoint.finish()?;
    assert_eq!((audit.in_use, audit.free), (0, audit.size));
    Ok(())
}

fn start_ours(devargs: &str, queues: u16) -> Result<Process> {
    let mut command = Command::new(PEER);
    let mut peer =
        Process::start("lab-peer", command.args(["forward", devargs, &queues.to_string()]))?;
    peer.wait_for("ready")?;
    Ok(peer)
}

fn against_ours(roles: Roles, forwarder_first: bool) -> Result<()> {
    let place = Place::new();
    let settings = Settings::new(roles.generator(&place.socket()), roles.queues);
    let forwarder = || start_ours(&roles.forwarder(&place.socket()), roles.queues);
    let (mut endpoint, peer) = if forwarder_first {
        let peer = forwarder()?;
        (Endpoint::start(&settings)?, peer)
    } else {
        let endpoint = Endpoint::start(&settings)?;
        (endpoint, forwarder()?)
    };
    all_sizes(&mut endpoint)?;
    peer.finish(PATIENCE)?;
    alone_again(endpoint)?;
    assert!(!place.socket().exists(), "the socket is left behind");
    Ok(())
}

fn against_dpdk(roles: Roles) -> Result<()> {
    let place = Place::new();
    let settings = Settings::new(roles.generator(&place.socket()), roles.queues);
    let forwarder = || Testpmd::start(&roles.forwarder(&place.socket()), roles.queues);
    // DPDK's virtio-user port needs its peer while it starts, in either role; its vhost port may come at any time.
    let generator_first = roles.generator_is_vhost || roles.queues == 1;
    let (mut endpoint, mut peer) = if generator_first {
        let endpoint = Endpoint::start(&settings)?;
        (endpoint, forwarder()?)
    } else {
        let peer = forwarder()?;
        (Endpoint::start(&settings)?, peer)
    };
    peer.forward()?;
    all_sizes(&mut endpoint)?;
    peer.quit()?;
    alone_again(endpoint)
}

/// Runs `test` over `all` and says which one failed.
fn each(all: Vec<Roles>, test: impl Fn(Roles) -> Result<()>) {
    let _alone = alone();
    for roles in all {
        if let Err(error) = test(roles) {
            panic!("{roles:?}: {error}");
        }
    }
}

#[test]
fn our_vhost_with_our_virtio_user() {
    each(combinations(true, false), |roles| against_ours(roles, false));
}

#[test]
fn our_virtio_user_with_our_vhost() {
    each(combinations(false, false), |roles| against_ours(roles, true));
}

#[test]
fn the_side_that_connects_may_come_first() {
    let roles =
        Roles { generator_is_vhost: true, vhost_is_client: false, mergeable: true, queues: 2 };
    each(vec![roles], |roles| against_ours(roles, true));
    let roles = Roles { vhost_is_client: true, ..roles };
    each(vec![roles], |roles| against_ours(roles, false));
}

#[test]
fn vhost_connects_and_virtio_user_listens() {
    each(combinations(true, true), |roles| against_ours(roles, true));
    let roles =
        Roles { generator_is_vhost: false, vhost_is_client: true, mergeable: true, queues: 2 };
    each(vec![roles], |roles| against_ours(roles, true));
    each(vec![roles], |roles| against_ours(roles, false));
}

#[test]
fn lengths_up_to_jumbo_frames_pass() {
    let test = |roles: Roles| {
        let place = Place::new();
        let settings = Settings::new(roles.generator(&place.socket()), roles.queues);
        let mut endpoint = Endpoint::start(&settings)?;
        let peer = start_ours(&roles.forwarder(&place.socket()), roles.queues)?;
        endpoint.wait_link(true, PATIENCE)?;
        let mut echo = Echo::new(endpoint.queues(), FRAME_BYTES_MIN);
        for size in (FRAME_BYTES_MIN..=FRAME_BYTES_MAX).step_by(7) {
            echo.set_frame_bytes(size);
            echo.run(endpoint.lanes(), 9)?;
        }
        peer.finish(PATIENCE)?;
        alone_again(endpoint)
    };
    let roles =
        Roles { generator_is_vhost: true, vhost_is_client: false, mergeable: true, queues: 1 };
    each(vec![roles, Roles { generator_is_vhost: false, ..roles }], test);
}

#[test]
fn our_vhost_with_dpdks_virtio_user() {
    if let Some(reason) = dpdk::missing() {
        return println!("SKIP our_vhost_with_dpdks_virtio_user: {reason}");
    }
    each(combinations(true, false), against_dpdk);
}

#[test]
fn our_virtio_user_with_dpdks_vhost() {
    if let Some(reason) = dpdk::missing() {
        return println!("SKIP our_virtio_user_with_dpdks_vhost: {reason}");
    }
    each(combinations(false, false), against_dpdk);
}

#[test]
fn our_vhost_connects_to_dpdks_virtio_user() {
    if let Some(reason) = dpdk::missing() {
        return println!("SKIP our_vhost_connects_to_dpdks_virtio_user: {reason}");
    }
    each(combinations(true, true), against_dpdk);
}

#[test]
fn our_virtio_user_listens_for_dpdks_vhost() {
    if let Some(reason) = dpdk::missing() {
        return println!("SKIP our_virtio_user_listens_for_dpdks_vhost: {reason}");
    }
    each(combinations(false, true), against_dpdk);
}

/// The command as the user without rights, with a copy of the program that this user can read.
fn as_nobody(directory: &Path) -> Command {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let copy = directory.join("lab-peer");
    if !copy.exists() {
        std::fs::copy(PEER, &copy).unwrap();
        std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::set_permissions(directory, PermissionsExt::from_mode(0o777)).unwrap();
    }
    let mut command = Command::new(copy);
    command.uid(NOBODY).gid(NOBODY).env_clear().current_dir(directory);
    command
}

#[test]
fn neither_root_nor_huge_pages_are_needed() {
    if !nix::unistd::geteuid().is_root() {
        let test = "neither_root_nor_huge_pages_are_needed";
        return println!(
            "SKIP {test}: only root can become another user; the other tests ran without root"
        );
    }
    let _alone = alone();
    let place = Place::new();
    let (socket, directory) = (place.socket(), place.0.path());
    let sizes = SIZES.map(|size| size.to_string());
    let mut command = as_nobody(directory);
    command.args(["generate", &vhost_args(&socket, 2, false), "2", &PACKETS.to_string()]);
    let mut generator = Process::start("generator", command.args(sizes)).unwrap();
    generator.wait_for("ready").unwrap();
    let mut command = as_nobody(directory);
    command.args(["forward", &virtio_args(&socket, 2, false, true), "2"]);
    let mut forwarder = Process::start("forwarder", &mut command).unwrap();
    forwarder.wait_for("ready").unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", generator.id())).unwrap();
    assert!(status.contains(&format!("Uid:\t{NOBODY}")), "{status}");
    generator.wait_for("done").unwrap();
    generator.finish(PATIENCE).unwrap();
    forwarder.finish(PATIENCE).unwrap();
}
