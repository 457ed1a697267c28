//! The example as its page says to run it, and with a port too few.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

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
fn one_port_is_not_enough() {
    let output = run(&[&EAL[..], &["--vdev", "net_null0"]].concat());
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint.contains("name two ports"), "{complaint}");
}
