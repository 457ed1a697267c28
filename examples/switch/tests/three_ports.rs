//! The switch floods what it does not know and sends what it has learned to one port only, and loses nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use lab::endpoint::{Endpoint, Settings, virtio_args};
use pmd_core::Burst;

const PATIENCE: Duration = Duration::from_secs(20);

/// A frame from station `from` to station `to`, numbered.
fn frame(from: u8, to: u8, number: u16) -> Vec<u8> {
    let mut frame = vec![0x5A; 100];
    frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, to]);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, from]);
    frame[12..16].copy_from_slice(&[0x88, 0xB5, (number >> 8) as u8, number as u8]);
    frame
}

fn send(port: &mut Endpoint, frame: &[u8]) {
    let mut mbuf = port.pool().take().unwrap();
    mbuf.append(frame.len() as u16).unwrap().copy_from_slice(frame);
    let mut burst = Burst::new(1);
    assert!(burst.push(mbuf).is_ok());
    let begin = Instant::now();
    while port.lanes().send(0, &mut burst) == 0 {
        assert!(begin.elapsed() < PATIENCE, "the ring has room again");
    }
}

/// Waits for one frame.
fn receive(port: &mut Endpoint) -> Vec<u8> {
    let mut burst = Burst::new(1);
    let begin = Instant::now();
    while port.lanes().receive(0, &mut burst) == 0 {
        assert!(begin.elapsed() < PATIENCE, "a frame arrives");
    }
    burst[0].to_vec()
}

#[test]
fn floods_learns_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = ["a", "b", "c"].map(|name| folder.path().join(name)).into();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_example-switch"));
    let mut switch = lab::process::Process::start("switch", command.args(&paths)).unwrap();
    switch.wait_for("switching between 3 sockets").unwrap();
    let mut ports: Vec<Endpoint> = paths
        .iter()
        .map(|path| Endpoint::start(&Settings::new(virtio_args(path, 1, false, true), 1)).unwrap())
        .collect();
    for port in &ports {
        port.wait_link(true, PATIENCE).unwrap();
    }
    // Station 1 is behind port 0 and nobody knows station 2: both others get the frame.
    send(&mut ports[0], &frame(1, 2, 0));
    assert_eq!(receive(&mut ports[1]), frame(1, 2, 0));
    assert_eq!(receive(&mut ports[2]), frame(1, 2, 0));
    send(&mut ports[1], &frame(2, 1, 0));
    assert_eq!(receive(&mut ports[0]), frame(2, 1, 0));
    for number in 1..=1000 {
        send(&mut ports[0], &frame(1, 2, number));
        assert_eq!(receive(&mut ports[1]), frame(1, 2, number));
    }
    // Had port 2 been sent any of those, they would come before this one.
    send(&mut ports[0], &frame(1, 9, 7));
    assert_eq!(receive(&mut ports[2]), frame(1, 9, 7));
    assert_eq!(receive(&mut ports[1]), frame(1, 9, 7));
    for port in ports {
        port.finish().unwrap();
    }
    let id = nix::unistd::Pid::from_raw(switch.id().try_into().unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).unwrap();
    let said = switch.finish(PATIENCE).unwrap();
    for line in ["a: received 1002, sent 1", "b: received 1, sent 1002", "c: received 0, sent 2"] {
        assert!(said.contains(line), "{line} in {said}");
    }
}
