//! Nothing is left behind: descriptors and mappings are counted in a child process of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::process::Command;

use pmd_vhost::Service;
use support::{Bench, FrontEnd, eventually, receive};

const CHILD: &str = "PMD_VHOST_BASELINE_CHILD";

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Mappings of front-ends' memory.
fn mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains("memfd:guest")).count()
}

fn session(bench: &Bench, round: u8) {
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    eventually("link up", || bench.device().is_up());
    let mut dequeue = bench.dequeue(0);
    front.send(1, &[round; 60]);
    assert_eq!(receive(&mut dequeue), [vec![round; 60]]);
    if round.is_multiple_of(2) {
        front.base(0);
        front.base(1);
    }
    if round.is_multiple_of(3) {
        (0..5).for_each(|_| front.share_memory());
    }
    drop(front);
    eventually("gone", || !bench.device().is_connected());
}

fn child() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    // The first rounds start the worker threads.
    (0..4).for_each(|round| session(&bench, round));
    eventually("mappings released", || mappings() == 0);
    let before = descriptors();
    for round in 0..200 {
        session(&bench, round);
    }
    eventually("mappings released", || mappings() == 0);
    eventually("descriptors closed", || descriptors() == before);
    drop(bench);
    drop(service);
    assert_eq!(mappings(), 0);
}

#[test]
fn two_hundred_connections_leave_nothing_behind() {
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "two_hundred_connections_leave_nothing_behind", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
