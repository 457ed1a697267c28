//! Forward modes and what is told about packets, as a user of the program sees them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use etherparse::PacketBuilder;
use support::{LONG, Program};
use tempfile::TempDir;

const PROMPT: &str = "testpmd> ";

fn start(folder: &TempDir, vdevs: &[&str], args: &[&str]) -> Program {
    let mut line = vec!["--lcores=(0-2)@0", "--no-pci", "--in-memory", "--no-huge"];
    let vdevs: Vec<String> = vdevs.iter().map(|vdev| format!("--vdev={vdev}")).collect();
    line.extend(vdevs.iter().map(String::as_str));
    line.extend(["--", "-i", "--no-flush-rx"]);
    line.extend(args);
    let program = Program::on_pipes(&line, folder.path());
    program.await_out(PROMPT);
    program
}

/// A capture file of these frames.
fn write_capture(path: &Path, frames: &[Vec<u8>]) {
    let mut bytes = vec![0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0];
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 1, 0, 0, 0]);
    for frame in frames {
        let len = frame.len() as u32;
        bytes.extend([1, 0, len, len].into_iter().flat_map(u32::to_le_bytes));
        bytes.extend(frame);
    }
    fs::write(path, bytes).unwrap();
}

/// The whole frames that a capture file holds so far.
fn read_capture(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap_or_default();
    let (mut rest, mut frames) = (bytes.get(24..).unwrap_or_default(), Vec::new());
    while let Some(length) = rest.get(8..12).and_then(|field| field.first_chunk()) {
        let end = 16 + u32::from_le_bytes(*length) as usize;
        let Some(frame) = rest.get(16..end) else { break };
        frames.push(frame.to_vec());
        rest = &rest[end..];
    }
    frames
}

fn tcp(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 9);
    builder.tcp(1, 2, 3, 4).write(&mut frame, payload).unwrap();
    frame
}

#[test]
fn csum_mends_a_capture_and_reports_what_was_wrong() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let right: Vec<Vec<u8>> = (0..100).map(|index| tcp(&vec![index; index.into()])).collect();
    let mut damaged = right.clone();
    damaged.iter_mut().for_each(|frame| frame[24] ^= 1);
    damaged.iter_mut().take(40).for_each(|frame| frame[50] ^= 1);
    write_capture(&path("in.pcap"), &damaged);
    let vdev = "net_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap";
    let mut program = start(&folder, &[vdev], &["--forward-mode=csum", "--record-burst-stats"]);
    program.say("csum mac-swap off 0");
    program.say("start");
    let begin = Instant::now();
    while read_capture(&path("out.pcap")).len() < right.len() {
        assert!(begin.elapsed() < LONG, "{}", program.out());
        std::thread::sleep(Duration::from_millis(10));
    }
    program.say("stop");
    program.await_out("Done.");
    program.say("quit");
    let (status, out, err) = program.finish();
    assert!(status.success(), "{out}\n{err}");
    assert!(read_capture(&path("out.pcap")) == right);
    let lines = "  RX-packets: 100            RX-dropped: 0             RX-total: 100\n  \
                 Bad-ipcsum: 100            Bad-l4csum: 40            Bad-outer-l4csum: 0             \n  \
                 Bad-outer-ipcsum: 0             \n";
    assert!(out.contains(lines), "{out}");
    assert!(
        out.contains("  TX-bursts : 4 [0% of 0 pkts + 75% of 32 pkts + 25% of 4 pkts]\n"),
        "{out}"
    );
}

/// What two lcores tell at once is told a whole burst after another, and the console goes on between them.
#[test]
fn lines_of_two_lcores_and_the_console_do_not_run_into_each_other() {
    let folder = TempDir::new().unwrap();
    let args = ["--nb-cores=2", "--burst=2", "--forward-mode=rxonly"];
    let mut program = start(&folder, &["net_null0", "net_null1"], &args);
    program.say("set verbose 1");
    program.say("start");
    program.await_times("port 0/queue 0: received 2 packets", 40);
    program.await_times("port 1/queue 0: received 2 packets", 40);
    program.say("show config cores");
    program.await_out("List of forwarding lcores:");
    program.say("set verbose 0");
    program.await_out("Change verbose level from 1 to 0");
    program.say("quit");
    let (status, out, err) = program.finish();
    assert!(status.success(), "{err}");
    let mut lines = out.lines();
    let mut blocks = 0;
    while let Some(line) = lines.next() {
        if !line.ends_with("received 2 packets") {
            assert!(!line.starts_with("  src=") && !line.starts_with("  ol_flags"), "{line}");
            continue;
        }
        blocks += 1;
        for _ in 0..2 {
            let (packet, flags) = (lines.next().unwrap(), lines.next().unwrap());
            assert!(
                packet.starts_with("  src=") && packet.ends_with(" - Receive queue=0x0"),
                "{packet}"
            );
            assert!(
                flags.starts_with("  ol_flags: RTE_MBUF_F_RX_") && flags.ends_with("_UNKNOWN "),
                "{flags}"
            );
        }
    }
    assert!(blocks >= 80);
}

#[test]
fn many_flows_reach_a_capture() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("out.pcap");
    let args = ["--txonly-multi-flow", "--tx-ip=10.1.0.1,10.2.0.0", "--tx-udp=7,8", "--txpkts=100"];
    let mut program = start(&folder, &["net_pcap0,tx_pcap=out.pcap"], &args);
    program.say("set fwd rxonly");
    program.say("start tx_first 2");
    program.say("stop");
    program.await_out("Done.");
    program.say("quit");
    let (status, out, err) = program.finish();
    assert!(status.success(), "{out}\n{err}");
    let frames = read_capture(&path);
    assert_eq!(frames.len(), 64);
    for (index, frame) in frames.iter().enumerate() {
        assert_eq!(frame[26..38], [10, 2, index as u8, 1, 10, 2, 0, 0, 0, 7, 0, 8], "{index}");
        assert_eq!(frame.len(), 100);
    }
}
