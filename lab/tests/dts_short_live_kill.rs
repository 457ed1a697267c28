//! DTS plan short_live, cases 2 and 3: how soon testpmd starts, and that a signal ends it well twenty times in a row.
//!
//! The NIC ports are `net_pcap` ports: what the first receives the second must send. The huge page mounts are the test's own,
//! and of the size that the machine's pool allows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lab::capture;
use lab::dpdk;
use lab::dts::command::Maker;
use lab::dts::testpmd::{self, Testpmd};
use lab::dts::{mounts, report};
use lab::process::PATIENCE;
use nix::sys::signal::Signal;

/// How long a start may take on a machine that does other things too; a person calls it at once.
const START: Duration = Duration::from_secs(3);
const FRAMES: usize = 200;

#[test]
fn case_2_start_up_time() {
    let test = "case_2_start_up_time";
    let Some(_mounts) = mounts::or_skip(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    mounts::mount(&folder.path().join("huge"), None).unwrap();
    let mut times = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        let mut command = Command::new("sh");
        let line = r#"echo quit | "$0" -c 0x3 -n 4 --huge-dir huge -- -i --total-num-mbufs=16384"#;
        command.args(["-c", line]).arg(testpmd::ours().unwrap());
        command.current_dir(&folder).env("RUNTIME_DIRECTORY", folder.path());
        let output = command.stdin(Stdio::null()).output().unwrap();
        times.push(began.elapsed());
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("Bye..."), "{output:?}");
    }
    let mean = times.iter().sum::<Duration>() / 5;
    println!("start and end: {mean:?} in the mean, {times:?}");
    assert!(mean < START, "{times:?}");
    nothing_is_left(folder.path());
}

#[test]
fn case_3_clean_up_with_signals() {
    let test = "case_3_clean_up_with_signals";
    let Some(_mounts) = mounts::or_skip(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    mounts::mount(&folder.path().join("huge1"), None).unwrap();
    let frames: Vec<Vec<u8>> = (0..FRAMES).map(|n| vec![n as u8; 60 + n]).collect();
    capture::write(&folder.path().join("in.pcap"), &frames).unwrap();
    for turn in 0..20 {
        let signal = if turn % 2 == 0 { Signal::SIGINT } else { Signal::SIGTERM };
        forward_and_end(folder.path(), signal);
        let sent = capture::read(&folder.path().join("out.pcap")).unwrap();
        assert_eq!(sent.len(), FRAMES, "turn {turn}");
        for (one, other) in sent.iter().zip(&frames) {
            assert_eq!(one[12..], other[12..], "mac forwarding changes addresses only");
        }
        nothing_is_left(folder.path());
    }
}

/// One life of the program: it forwards all frames, and a signal ends it.
fn forward_and_end(folder: &Path, signal: Signal) {
    let line = "./app/dpdk-testpmd -c 0x3 -n 4 --huge-dir huge1 --vdev net_pcap0,rx_pcap=in.pcap,tx_pcap=back.pcap \
        --vdev net_pcap1,rx_pcap=in.pcap,tx_pcap=out.pcap -- -i --portmask=0x3 --no-flush-rx";
    let mut testpmd =
        Testpmd::launch("testpmd", line, (Maker::Ours, &dpdk::cpu_list()), folder, true).unwrap();
    testpmd.type_line("set fwd mac").unwrap();
    testpmd.type_line("start").unwrap();
    let begin = Instant::now();
    loop {
        let stats = testpmd.ask("show port stats 1").unwrap();
        if report::number(&stats, "TX-packets") == Some(FRAMES as u64) {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "{stats}");
    }
    testpmd.end_by(signal).unwrap();
}

/// Neither files of huge pages nor anything else but captures.
fn nothing_is_left(folder: &Path) {
    for mount in ["huge", "huge1"] {
        let files = std::fs::read_dir(folder.join(mount)).into_iter().flatten().count();
        assert_eq!(files, 0, "left in {mount}");
    }
    let runtime = folder.join("pmd-rs");
    let left: Vec<_> = std::fs::read_dir(runtime).into_iter().flatten().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}
