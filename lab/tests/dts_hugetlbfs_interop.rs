//! DTS plan dpdk_hugetlbfs_mount_size, cases 1 to 4, with pages of 2 MiB and sizes that fit this machine.
//!
//! The NIC is a `net_pcap` port; `numactl` and the second node are left out where there is one node; the third program of case 4
//! finds its mount full, as the plan's finds its node empty.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::path::Path;
use std::time::Instant;

use lab::capture;
use lab::dpdk;
use lab::dts::command::Maker;
use lab::dts::testpmd::Testpmd;
use lab::dts::{mounts, report};
use lab::process::PATIENCE;

const FRAMES: usize = 100;
/// Memory that the plan gives each program with a mount of its own, in MiB.
const MEGABYTES: u32 = 64;

/// A folder with frames to forward and mounts of these sizes: `huge0`, `huge1`, ...
fn place(sizes: &[Option<&str>]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let frames: Vec<Vec<u8>> = (0..FRAMES).map(|n| vec![n as u8; 60 + 13 * n]).collect();
    capture::write(&folder.path().join("in.pcap"), &frames).unwrap();
    for (number, size) in sizes.iter().enumerate() {
        mounts::mount(&folder.path().join(format!("huge{number}")), *size).unwrap();
    }
    folder
}

fn launch(folder: &Path, name: &str, eal: &str, app: &str) -> lab::Result<Testpmd> {
    let line = format!(
        "./dpdk-testpmd {eal} -n 4 --file-prefix={name} --vdev net_pcap0,rx_pcap=in.pcap,tx_pcap={name}.pcap \
         -- -i --no-flush-rx {app}"
    );
    Testpmd::launch(name, &line, (Maker::Ours, &dpdk::cpu_list()), folder, true)
}

/// Types `start` and waits until all frames were forwarded.
fn forward(testpmd: &mut Testpmd) {
    testpmd.type_line("start").unwrap();
    let begin = Instant::now();
    loop {
        let stats = testpmd.ask("show port stats 0").unwrap();
        if report::number(&stats, "TX-packets") == Some(FRAMES as u64) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{stats}");
    }
}

#[test]
fn case_1_default_mount_with_and_without_numa() {
    let Some(_mounts) = mounts::or_skip("case_1_default_mount_with_and_without_numa") else {
        return;
    };
    let folder = place(&[None]);
    for app in ["", "--numa"] {
        let mut testpmd = launch(folder.path(), "abc", "-c 0x3 --huge-dir huge0", app).unwrap();
        forward(&mut testpmd);
        testpmd.quit().unwrap();
        let sent = capture::read(&folder.path().join("abc.pcap")).unwrap();
        assert_eq!(sent, capture::read(&folder.path().join("in.pcap")).unwrap());
    }
}

#[test]
fn case_2_two_mounts_of_the_size_that_is_asked_for() {
    let test = "case_2_two_mounts_of_the_size_that_is_asked_for";
    let Some(_mounts) = mounts::or_skip(test) else { return };
    let folder = place(&[Some("128M"), Some("128M")]);
    let eal = |number: u32, cores: &str| {
        format!("-l {cores} --legacy-mem --socket-mem 0,{MEGABYTES} --huge-dir huge{number}")
    };
    let app = "--socket-num=0 --no-numa";
    let mut first = launch(folder.path(), "abc", &eal(0, "31-32"), app).unwrap();
    let mut second = launch(folder.path(), "bcd", &eal(1, "33-34"), app).unwrap();
    forward(&mut first);
    forward(&mut second);
    first.quit().unwrap();
    second.quit().unwrap();
}

#[test]
fn case_3_a_mount_larger_than_the_pool() {
    let Some(_mounts) = mounts::or_skip("case_3_a_mount_larger_than_the_pool") else { return };
    let folder = place(&[Some("9G")]);
    let eal = "-c 0x3 --legacy-mem --huge-dir huge0";
    let mut testpmd = launch(folder.path(), "abc", eal, "").unwrap();
    forward(&mut testpmd);
    testpmd.quit().unwrap();
}

#[test]
fn case_4_the_third_program_finds_too_little() {
    let test = "case_4_the_third_program_finds_too_little";
    let Some(_mounts) = mounts::or_skip(test) else { return };
    let folder = place(&[Some("128M"), Some("128M"), Some("16M")]);
    let eal = |number: u32, cores: &str| {
        format!("-c {cores} --legacy-mem --socket-mem {MEGABYTES},0 --huge-dir huge{number}")
    };
    let app = "--socket-num=0 --no-numa";
    let mut first = launch(folder.path(), "abc", &eal(0, "0x3"), app).unwrap();
    let mut second = launch(folder.path(), "bcd", &eal(1, "0xc"), app).unwrap();
    let error = launch(folder.path(), "fgh", &eal(2, "0x30"), app).unwrap_err().to_string();
    assert!(error.contains("Not enough memory available on socket"), "{error}");
    forward(&mut first);
    forward(&mut second);
    first.quit().unwrap();
    second.quit().unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join("huge2")).unwrap().count(), 0);
}
