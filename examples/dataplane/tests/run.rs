//! The example as its page says to run it, ended before its time, and typed wrongly.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_example-dataplane")).args(arguments).output().unwrap()
}

/// The number behind `word` in the last line about port `port`.
fn count(said: &str, port: u16, word: &str) -> u64 {
    let begin = format!("port {port} ");
    let line = said.lines().rev().find(|line| line.contains(&begin)).unwrap();
    let number = line.split(word).nth(1).unwrap().trim_start();
    number.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

const EAL: [&str; 4] = ["--in-memory", "--no-huge", "--lcores", "0@0,1@0"];

#[test]
fn everything_from_one_null_port_goes_to_the_other() {
    let ports = ["--vdev", "net_null0", "--vdev", "net_null1,no-rx=1", "--", "1"];
    let output = run(&[&EAL[..], &ports].concat());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(count(&said, 0, "received") > 10_000, "{said}");
    assert_eq!((count(&said, 0, "sent"), count(&said, 1, "received")), (0, 0), "{said}");
    assert!(count(&said, 1, "sent") > 10_000, "{said}");
    assert!(said.contains("mbufs: 0 in use + 8192 free of 8192, 0 duplicates, 0 lost"), "{said}");
}

#[test]
fn a_signal_ends_it_with_everything_closed() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("guest");
    let vhost = format!("net_vhost0,iface={}", socket.display());
    let ports = ["--vdev", "net_null0", "--vdev", &vhost, "--", "3600"];
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut example = Command::new(env!("CARGO_BIN_EXE_example-dataplane"));
        let mut example = example.args(EAL).args(ports).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(example.stdout.take().unwrap());
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        assert!(said.starts_with("1 s: port 0"), "{said}");
        assert!(socket.exists());
        kill(Pid::from_raw(example.id().cast_signed()), signal).unwrap();
        output.read_to_string(&mut said).unwrap();
        assert!(example.wait().unwrap().success(), "{said}");
        assert!(said.ends_with("0 duplicates, 0 lost\n"), "{said}");
        assert!(!socket.exists(), "the next run finds its place free");
    }
}

#[test]
fn mistakes_are_told_in_words() {
    let two = ["--vdev", "net_null0", "--vdev", "net_null1"];
    let wrong: [(&[&str], &str); 5] = [
        (&["--vdev", "net_null0"], "name two ports"),
        (&[&two[..], &["--", "x"]].concat(), "usage: example-dataplane"),
        (&[&two[..], &["--", "5", "5"]].concat(), "usage: example-dataplane"),
        (&["--help"], "usage: example-dataplane"),
        (&["--vdev", "net_vhost0,iface=/nonexistent/guest"], "make the folder /nonexistent first"),
    ];
    for (arguments, part) in wrong {
        let output = run(&[&EAL[..], arguments].concat());
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{complaint}");
        assert!(complaint.starts_with("example-dataplane: "), "{complaint}");
        assert!(complaint.contains(part), "{part} in {complaint}");
        assert!(!complaint.contains('{'), "{complaint}");
    }
}
