//! Nothing is left behind: descriptors and mappings are counted in a child process of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[cfg(feature = "ethdev")]
#[path = "support/port.rs"]
mod port;
mod support;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;

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

fn connections() {
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

/// Runs one test of this file again, alone in a process.
#[track_caller]
fn in_a_child(test: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn two_hundred_connections_leave_nothing_behind() {
    if std::env::var_os(CHILD).is_none() {
        return in_a_child("two_hundred_connections_leave_nothing_behind");
    }
    connections();
}

#[cfg(feature = "ethdev")]
#[test]
fn ports_that_come_and_go_leave_nothing_behind() {
    if std::env::var_os(CHILD).is_none() {
        return in_a_child("ports_that_come_and_go_leave_nothing_behind");
    }
    let mut before = None;
    for round in 0..20 {
        let mut setup = port::Setup::new(4, 2048);
        let front = setup.front(1 + round % 4);
        if round % 2 == 0 {
            setup.dev().close().unwrap();
        }
        drop(setup);
        drop(front);
        eventually("mappings released", || mappings() == 0);
        // The first round starts what stays.
        let baseline = *before.get_or_insert_with(descriptors);
        eventually("descriptors closed", || descriptors() == baseline);
    }
}

#[test]
fn without_descriptors_left_the_service_waits_and_recovers() {
    if std::env::var_os(CHILD).is_none() {
        return in_a_child("without_descriptors_left_the_service_waits_and_recovers");
    }
    starvation();
}

/// Processor time of this process.
fn busy() -> Duration {
    let used = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let time = |value: nix::sys::time::TimeVal| {
        Duration::new(value.tv_sec() as u64, value.tv_usec() as u32 * 1000)
    };
    time(used.user_time()) + time(used.system_time())
}

fn starvation() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    bench.assert_alive();
    let before = descriptors();
    // Threads of the test harness need nothing; the sockets of the front-end are made before the shortage.
    let socket = |_| {
        let flags = nix::sys::socket::SockFlag::SOCK_CLOEXEC;
        let (family, kind) =
            (nix::sys::socket::AddressFamily::Unix, nix::sys::socket::SockType::Stream);
        nix::sys::socket::socket(family, kind, flags, None).unwrap()
    };
    let sockets: Vec<_> = (0..3).map(socket).collect();
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 256, 256).unwrap();
    let hoard: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let address = nix::sys::socket::UnixAddr::new(&bench.path).unwrap();
    for socket in &sockets {
        nix::sys::socket::connect(socket.as_raw_fd(), &address).unwrap();
    }
    let idle = busy();
    std::thread::sleep(Duration::from_millis(400));
    assert!(!bench.device().is_connected());
    assert!(busy() - idle < Duration::from_millis(200), "waiting for descriptors burns no time");
    drop(hoard);
    eventually("connected", || bench.device().is_connected());
    drop(sockets);
    eventually("gone", || !bench.device().is_connected());
    bench.assert_alive();
    eventually("descriptors closed", || descriptors() == before);
}
