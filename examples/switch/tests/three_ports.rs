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

/// A frame to everybody.
fn to_group() -> Vec<u8> {
    let mut frame = frame(1, 2, 0);
    frame[..6].fill(0xFF);
    frame
}

/// A frame from everybody.
fn from_group() -> Vec<u8> {
    let mut frame = to_group();
    frame[6..12].fill(0xFF);
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
    // What nobody can be called does not draw everything to itself.
    send(&mut ports[2], &from_group());
    assert_eq!(receive(&mut ports[0]), from_group());
    assert_eq!(receive(&mut ports[1]), from_group());
    send(&mut ports[0], &to_group());
    assert_eq!(receive(&mut ports[1]), to_group());
    assert_eq!(receive(&mut ports[2]), to_group());
    for port in ports {
        port.finish().unwrap();
    }
    let id = nix::unistd::Pid::from_raw(switch.id().try_into().unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).unwrap();
    let said = switch.finish(PATIENCE).unwrap();
    for line in ["a: received 1003, sent 2", "b: received 1, sent 1004", "c: received 1, sent 3"] {
        assert!(said.contains(line), "{line} in {said}");
    }
}

#[test]
fn what_is_no_path_is_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no/guest");
    let cases: [(&[&str], &str); 4] = [
        (&[], "usage: example-switch"),
        (&["--help"], "usage: example-switch"),
        (&["guest", "-v"], "usage: example-switch"),
        (&[missing.to_str().unwrap()], missing.to_str().unwrap()),
    ];
    for (arguments, part) in cases {
        let mut switch = std::process::Command::new(env!("CARGO_BIN_EXE_example-switch"));
        let output = switch.args(arguments).current_dir(&folder).output().unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{complaint}");
        assert!(
            complaint.starts_with("example-switch: ") && complaint.contains(part),
            "{complaint}"
        );
        assert!(!complaint.contains('{'), "{complaint}");
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing was made");
    }
}
