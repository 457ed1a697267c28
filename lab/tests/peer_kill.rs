//! A port whose peer is killed (SIGKILL) at 200 seeded instants goes down in time, keeps nothing of the dead, and passes
//! packets with the next peer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lab::process::Process;
use lab::random;

const LIMIT: Duration = Duration::from_secs(180);

/// `rounds` kills in each of `scenes` processes, each with a seed of its own. Ports leave a socket whose peers die young
/// alone for up to a second, so several scenes take no longer than one.
fn kill_peers(end: &str, role: &str, scenes: u64, rounds: u32) {
    static BUSY: Mutex<()> = Mutex::new(());
    let _alone = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
    let start = |scene: u64| {
        let (seed, rounds) = ((random::seed() + scene).to_string(), rounds.to_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab-peer"));
        Process::start("scene", command.args(["kill", end, role, &seed, &rounds])).unwrap()
    };
    let running: Vec<Process> = (0..scenes).map(start).collect();
    for scene in running {
        let said = scene.finish(LIMIT).unwrap();
        println!("{end} {role}: {said}");
        assert!(said.contains("done"), "{said}");
    }
}

#[test]
fn vhost_survives_its_peers() {
    kill_peers("vhost", "listens", 1, 200);
}

#[test]
fn virtio_user_survives_its_peers() {
    kill_peers("virtio", "listens", 4, 50);
}

#[test]
fn vhost_that_connects_survives_its_peers() {
    kill_peers("vhost", "connects", 4, 10);
}

#[test]
fn virtio_user_that_connects_survives_its_peers() {
    kill_peers("virtio", "connects", 4, 10);
}
