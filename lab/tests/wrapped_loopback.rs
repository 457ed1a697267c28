//! A port with a wrapper around it, as programs use it: what delays or captures loses nothing, and what drops or corrupts is
//! found by the checks that all tests here rely on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::process::Command;

use lab::echo::Echo;
use lab::endpoint::{Endpoint, Settings, vhost_args, virtio_args};
use lab::packet::Fault;
use lab::process::{PATIENCE, Process};
use lab::{Result, capture};

const PACKETS: u64 = 2_000;

/// Sends packets of 200 bytes through a forwarder and back, with `wrapper` around the vhost port; `{}` stands for the port.
fn pass(folder: &tempfile::TempDir, wrapper: &str) -> Result<()> {
    let socket = folder.path().join("vhost-net");
    let device = wrapper.replace("{}", &vhost_args(&socket, 1, false));
    let mut endpoint = Endpoint::start(&Settings::new(device, 1))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab-peer"));
    command.args(["forward", &virtio_args(&socket, 1, false, true), "1"]);
    let mut forwarder = Process::start("lab-peer", &mut command)?;
    forwarder.wait_for("ready")?;
    endpoint.wait_link(true, PATIENCE)?;
    let mut echo = Echo::new(1, 200);
    let outcome = echo.run(endpoint.lanes(), PACKETS);
    drop(echo);
    forwarder.finish(PATIENCE)?;
    let audit = endpoint.finish()?;
    assert_eq!((audit.in_use, audit.free), (0, audit.size), "{wrapper}");
    outcome
}

/// What was wrong with the first packet that was not as it was sent.
fn fault(wrapper: &str) -> Fault {
    let folder = tempfile::tempdir().unwrap();
    let error = pass(&folder, wrapper).expect_err(wrapper);
    *error.downcast::<Fault>().unwrap_or_else(|other| panic!("{wrapper}: {other}"))
}

#[test]
fn what_is_held_back_comes_later_and_whole() {
    pass(&tempfile::tempdir().unwrap(), "net_delay0,dev=[{}],us=300,direction=rx").unwrap();
}

#[test]
fn a_capture_has_every_packet_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seen.pcap");
    pass(&folder, &format!("net_capture0,dev=[{{}}],file={}", file.display())).unwrap();
    let seen = capture::read(&file).unwrap();
    assert_eq!(seen.len() as u64, 2 * PACKETS);
    assert!(seen.iter().all(|frame| frame.len() == 200));
}

#[test]
fn a_lost_packet_is_missed() {
    let fault = fault("net_drop0,dev=[{}],every=100,direction=rx");
    assert!(matches!(fault, Fault::Gap { wanted: 99, .. }), "{fault}");
}

#[test]
fn a_changed_byte_is_found() {
    let fault = fault("net_corrupt0,dev=[{}],every=100,spare=60,direction=tx");
    assert!(matches!(fault, Fault::Altered { sequence: 99, .. }), "{fault}");
}
