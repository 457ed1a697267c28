//! Wrappers that write files: the file holds what was counted, and none is harmed that a device inside uses.

mod support;

use std::fs::File;

use pmd_core::EthDev;
use pmd_soft::pcap::Writer;
use pmd_soft::wrap::{self, Capturing, Direction, Tracing};
use support::captures::{Folder, frames_of};
use support::{Rig, frames, through, xstat};

#[test]
fn a_capture_holds_what_passed_in_order() {
    let folder = Folder::new();
    let (seen, lines) = (folder.path("seen.pcap"), folder.path("lines"));
    let mut rig = Rig::new(256);
    let text = format!(
        "net_capture0,dev=[net_trace0,dev=[net_drop0,dev=[net_ring0],every=2],file={}],file={},direction=rx",
        lines.display(),
        seen.display()
    );
    let id = rig.start(&text, 1);
    let sent = frames(60);
    let got = through(&mut rig, id, &sent);
    assert_eq!(got.len(), 15, "half on the way out and half of those on the way in");
    assert_eq!(frames_of(&seen), got);
    let lines = std::fs::read_to_string(&lines).unwrap();
    assert_eq!(lines.lines().filter(|line| line.contains(" tx q0 ")).count(), 60);
    assert_eq!(lines.lines().filter(|line| line.contains(" rx q0 ")).count(), 15);
    assert!(lines.lines().all(|line| line.ends_with("type=0x0800 length=80 segments=1")));
    assert_eq!(xstat(&mut rig, id, "rx_q0_captured"), Some(15));
    rig.all_back();
}

/// Packets pass a port around a ring, whose file takes no more after 20 of them.
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
fn until_the_file_is_full(
    around: impl FnOnce(Box<dyn EthDev>, File) -> Box<dyn EthDev>,
    counter: &str,
) {
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let mut rig = Rig::new(256);
    let ring = rig.probe("net_ring0").unwrap();
    let ring = rig.ports.remove(ring).unwrap();
    let id = rig.ports.add(around(ring, File::from(writer))).unwrap();
    rig.setup(id, 1).unwrap();
    rig.port(id).start().unwrap();
    assert_eq!(through(&mut rig, id, &frames(20)).len(), 20);
    assert_eq!(xstat(&mut rig, id, counter), Some(20));
    drop(reader);
    assert_eq!(through(&mut rig, id, &frames(50)).len(), 50, "packets pass all the same");
    assert_eq!(xstat(&mut rig, id, counter), Some(20), "what is not in the file is not counted");
    rig.all_back();
}

#[test]
fn what_could_not_be_written_is_not_counted() {
    let capture =
        |ring, file| wrap::wrap(ring, Capturing::new(Writer::new(file).unwrap(), Direction::RX));
    until_the_file_is_full(capture, "rx_q0_captured");
    let trace = |ring, file| wrap::wrap(ring, Tracing::to_file(file, Direction::TX));
    until_the_file_is_full(trace, "tx_q0_traced");
}

#[test]
fn a_file_of_a_device_inside_is_not_overwritten() {
    let folder = Folder::new();
    let input = folder.capture("in.pcap", &frames(3));
    let before = std::fs::read(&input).unwrap();
    let link = folder.path("link");
    std::os::unix::fs::symlink(&input, &link).unwrap();
    let new = folder.path("new");
    let (input, link, new) = (input.display(), link.display(), new.display());
    let mut rig = Rig::new(64);
    for text in [
        format!("net_capture0,dev=[net_pcap0,rx_pcap={input}],file={input}"),
        format!("net_trace0,dev=[net_pcap0,rx_pcap={input}],file={link}"),
        format!("net_trace0,dev=[net_drop0,dev=[net_pcap0,rx_pcap={link}],every=2],file={input}"),
        format!("net_capture0,dev=[net_pcap0,rx_pcap={input},tx_pcap={new}],file={new}"),
        format!("net_capture0,dev=[net_trace0,dev=[net_null0],file={new}],file={new}"),
    ] {
        let error = rig.probe(&text).unwrap_err().to_string();
        assert!(error.contains("give each device a file of its own"), "{text}: {error}");
        assert_eq!(std::fs::read(folder.path("in.pcap")).unwrap(), before, "{text}");
        assert!(!folder.path("new").exists(), "{text}");
    }
    rig.probe(&format!("net_capture0,dev=[net_pcap0,rx_pcap={input}],file={new}")).unwrap();
    rig.probe("net_capture1,dev=[net_trace1,dev=[net_null1],file=/dev/null],file=/dev/null")
        .unwrap();
}
