//! DTS's pmdpcap plan, word for word: frames of a capture file are forwarded to another one and come out the same.
//!
//! Substituted: `-c 0xffffff` by `--lcores` with the same lcores on the CPUs there are, `;` in device strings by the comma
//! that the suite types, paths.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use support::{LONG, Program};
use tempfile::TempDir;

const PROMPT: &str = "testpmd> ";

/// `Ether(src='00:00:00:00:00:<n>', dst='00:00:00:00:00:00')/IP(src='192.168.1.1', dst='192.168.1.2')/("X"*26)`
fn frame(n: u8) -> Vec<u8> {
    let mut ip = [0x45, 0, 0, 46, 0, 1, 0, 0, 64, 0, 0, 0, 192, 168, 1, 1, 192, 168, 1, 2];
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let checksum = !((sum & 0xFFFF) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    let mut frame = vec![0; 11];
    frame.extend([n, 0x08, 0x00]);
    frame.extend(ip);
    frame.extend([b'X'; 26]);
    frame
}

/// A file with `count` of these frames, as a capture program writes it.
fn make(path: &Path, count: u32) {
    let mut bytes = vec![0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0];
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 1, 0, 0, 0]);
    for n in 0..count {
        let frame = frame(n as u8);
        let len = frame.len() as u32;
        bytes.extend([1_700_000_000 + n, n, len, len].into_iter().flat_map(u32::to_le_bytes));
        bytes.extend(frame);
    }
    fs::write(path, bytes).unwrap();
}

/// The frames of a file, or `None` when it does not hold whole frames.
fn frames(path: &Path) -> Option<Vec<Vec<u8>>> {
    let bytes = fs::read(path).ok()?;
    let mut rest = bytes.get(24..)?;
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let len = u32::from_le_bytes(*rest.get(8..12)?.first_chunk()?) as usize;
        frames.push(rest.get(16..16 + len)?.to_vec());
        rest = &rest[16 + len..];
    }
    Some(frames)
}

/// Waits until a file that is being written holds `count` frames.
fn await_frames(path: &Path, count: usize) {
    let start = Instant::now();
    loop {
        // In the middle of a write there may be a part of a frame.
        let found = frames(path).map_or(0, |frames| frames.len());
        if found >= count {
            return;
        }
        assert!(start.elapsed() < LONG, "{found} frames of {count} in {}", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts the program with these devices and arguments, and waits for its prompt.
fn start(folder: &Path, vdevs: &[&str], args: &[&str]) -> Program {
    let mut line = vec!["--lcores=(0-23)@0", "-n", "3", "--no-pci", "--in-memory", "--no-huge"];
    let vdevs: Vec<String> = vdevs.iter().map(|vdev| format!("--vdev={vdev}")).collect();
    line.extend(vdevs.iter().map(String::as_str));
    line.extend(["--", "-i"]);
    line.extend(args);
    let program = Program::on_terminal(&line, folder);
    program.await_out(PROMPT);
    program
}

/// Types the rest of a case, which ends well, and gives what was printed.
fn stop_and_quit(mut program: Program) -> String {
    program.say("stop");
    program.await_out("Done.");
    program.say("quit");
    let (status, out, err) = program.finish();
    assert!(status.success(), "{out}\n{err}");
    out
}

fn forwarded(port: u32, rx: u32, tx: u32) -> String {
    format!(
        "  ---------------------- Forward statistics for port {port:<2} ----------------------\n  \
         RX-packets: {rx:<14} RX-dropped: {:<14}RX-total: {rx}\n  \
         TX-packets: {tx:<14} TX-dropped: {:<14}TX-total: {tx}\n",
        0, 0
    )
}

#[test]
fn test_send_packets_with_one_device() {
    let folder = TempDir::new().unwrap();
    let (input, output) = (folder.path().join("in.pcap"), folder.path().join("out.pcap"));
    make(&input, 1000);
    let vdev = "eth_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap";
    let mut program = start(folder.path(), &[vdev], &["--port-topology=chained", "--no-flush-rx"]);
    program.say("start");
    await_frames(&output, 1000);
    let out = stop_and_quit(program);
    assert!(out.contains(&forwarded(0, 1000, 1000)), "{out}");
    assert_eq!(frames(&output), frames(&input));
}

#[test]
fn test_send_packets_with_two_devices() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    make(&path("in1.pcap"), 1000);
    make(&path("in2.pcap"), 500);
    let vdevs = [
        "eth_pcap0,rx_pcap=in1.pcap,tx_pcap=out1.pcap",
        "eth_pcap1,rx_pcap=in2.pcap,tx_pcap=out2.pcap",
    ];
    let mut program = start(folder.path(), &vdevs, &["--no-flush-rx"]);
    program.say("start");
    await_frames(&path("out2.pcap"), 1000);
    await_frames(&path("out1.pcap"), 500);
    let out = stop_and_quit(program);
    assert!(out.contains(&forwarded(0, 1000, 500)), "{out}");
    assert!(out.contains(&forwarded(1, 500, 1000)), "{out}");
    assert!(out.contains("Port 1: 02:70:63:61:70:01"), "{out}");
    assert_eq!(frames(&path("out2.pcap")), frames(&path("in1.pcap")));
    assert_eq!(frames(&path("out1.pcap")), frames(&path("in2.pcap")));
}

#[test]
fn without_no_flush_rx_the_file_is_flushed_as_the_reference_does() {
    let folder = TempDir::new().unwrap();
    make(&folder.path().join("in.pcap"), 1000);
    let vdev = "eth_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap";
    let mut program = start(folder.path(), &[vdev], &["--port-topology=chained"]);
    program.say("start");
    program.say("show port stats 0");
    program.await_out("RX-packets: 1000       RX-missed: 0          RX-bytes:  60000");
    let out = stop_and_quit(program);
    assert!(out.contains(&forwarded(0, 0, 0)), "{out}");
    assert_eq!(frames(&folder.path().join("out.pcap")), Some(Vec::new()));
}

#[test]
fn the_port_is_shown_as_the_reference_shows_it() {
    const SHOWN: &str = "
********************* Infos for port 0  *********************
MAC address: 02:70:63:61:70:00
Device name: eth_pcap0
Driver name: net_pcap
Firmware-version: not available
Devargs: rx_pcap=in.pcap,tx_pcap=out.pcap
Connect to socket: 0
memory allocation on the socket: 0
Link status: up
Link speed: 10 Gbps
Link duplex: full-duplex
Autoneg status: Off
MTU: 1500
Promiscuous mode: enabled
Allmulticast mode: enabled
Maximum number of MAC addresses: 1
Maximum number of MAC addresses of hash filtering: 0
VLAN offload: 
  strip off, filter off, extend off, qinq strip off
No RSS offload flow type is supported.
Minimum size of RX buffer: 0
Maximum configurable length of RX packet: 4294967295
Maximum configurable size of LRO aggregated packet: 0
Current number of RX queues: 1
Max possible RX queues: 1
Max possible number of RXDs per queue: 65535
Min possible number of RXDs per queue: 0
RXDs number alignment: 1
Current number of TX queues: 1
Max possible TX queues: 1
Max possible number of TXDs per queue: 65535
Min possible number of TXDs per queue: 0
TXDs number alignment: 1
Max segment number per packet: 65535
Max segment number per MTU/TSO: 65535
Device capabilities: 0x0( )
Device error handling mode: none
";
    const SUMMARY: &str = "
Port MAC Address       Name         Driver         Status   Link
0    02:70:63:61:70:00 eth_pcap0    net_pcap       up       10 Gbps
";
    let folder = TempDir::new().unwrap();
    make(&folder.path().join("in.pcap"), 1);
    let mut program = start(folder.path(), &["eth_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap"], &[]);
    program.say("show port info 0");
    program.await_out("Device error handling mode");
    program.say("show port summary 0");
    program.await_times("10 Gbps", 2);
    program.say("quit");
    let (_, out, _) = program.finish();
    assert!(out.contains(SHOWN) && out.contains(SUMMARY), "{out}");
}

#[test]
fn a_wrapped_device_is_typed_in_brackets() {
    let folder = TempDir::new().unwrap();
    let (input, output) = (folder.path().join("in.pcap"), folder.path().join("out.pcap"));
    make(&input, 1000);
    let vdev = "net_drop0,dev=[net_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap],every=4,direction=rx";
    let mut program = start(folder.path(), &[vdev], &["--port-topology=chained", "--no-flush-rx"]);
    program.say("start");
    await_frames(&output, 750);
    program.say("show port xstats 0");
    program.await_out("rx_q0_dropped: 250");
    let out = stop_and_quit(program);
    assert!(out.contains(&forwarded(0, 1000, 750)), "{out}");
    let all = frames(&input).unwrap();
    let kept: Vec<_> = (1..).zip(all).filter(|(n, _)| n % 4 != 0).map(|(_, f)| f).collect();
    assert_eq!(frames(&output), Some(kept));
}

#[test]
fn a_file_that_will_not_do_is_told_and_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("notes"), "this is text and no capture").unwrap();
    for (vdev, part) in [
        ("net_pcap0,rx_pcap=none,tx_pcap=out", "give the path of a capture file that exists"),
        ("net_pcap0,rx_pcap=notes,tx_pcap=out", "not a pcap file"),
        ("net_pcap0;rx_pcap=notes;tx_pcap=out", "write net_pcap0,rx_pcap=notes,tx_pcap=out"),
        ("net_pcap0,iface=eth0", "give files with rx_pcap= and tx_pcap="),
    ] {
        let vdev = format!("--vdev={vdev}");
        let line = ["--lcores=(0-1)@0", "--no-pci", "--in-memory", "--no-huge", &vdev, "--", "-i"];
        let mut program = Program::on_pipes(&line, folder.path());
        program.end_input();
        let (status, out, err) = program.finish();
        assert!(status.success(), "as the reference, the program goes on without it: {out}\n{err}");
        assert!(err.contains(part), "{vdev}\n{err}");
        assert!(!folder.path().join("out").exists(), "{vdev}");
    }
}
