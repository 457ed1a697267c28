//! `--loopback`, the command that needs nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use support::{LONG, Program, left_in};
use tempfile::TempDir;

/// The numbers of a closing line: packets and packets lost.
fn numbers(out: &str) -> (u64, u64) {
    let line = out.strip_prefix("loopback: ").unwrap_or_else(|| panic!("no closing line: {out:?}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    let [packets, "packets,", mpps, "Mpps,", gbit, "Gbit/s,", lost, "lost"] = words[..] else {
        panic!("another form: {out:?}");
    };
    assert!(mpps.parse::<f64>().unwrap() > 0.0 && gbit.parse::<f64>().unwrap() >= 0.0);
    (packets.parse().unwrap(), lost.parse().unwrap())
}

#[test]
fn a_second_loses_nothing_and_leaves_nothing() {
    for options in [&["--loopback=1"][..], &["--loopback=0.5", "--size=1518", "--queues=2"]] {
        let folder = TempDir::new().unwrap();
        let mut program = Program::on_pipes(options, folder.path());
        program.end_input();
        let (status, out, err) = program.finish();
        assert_eq!(status.code(), Some(0), "{out}{err}");
        let (packets, lost) = numbers(&out);
        assert!(packets > 1000 && lost == 0, "{out}");
        assert!(!err.contains("Mpps"), "no table without a terminal: {err}");
        assert_eq!(left_in(folder.path()), Vec::<String>::new());
    }
}

#[test]
fn q_ends_it_without_enter_and_so_does_a_signal() {
    for by in ["q", "interrupt", "quit"] {
        let folder = TempDir::new().unwrap();
        let mut program = Program::on_terminal(&["--loopback"], folder.path());
        let echo = program.terminal().local_flags;
        while program.err().lines().count() < 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(300));
        match by {
            "q" => program.press(by),
            "interrupt" => program.signal(Signal::SIGINT),
            _ => program.signal(Signal::SIGQUIT),
        }
        program.await_out("loopback: ");
        let start = Instant::now();
        while program.terminal().local_flags != echo {
            assert!(start.elapsed() < LONG, "the terminal is not as it was");
            std::thread::sleep(Duration::from_millis(2));
        }
        let (status, out, err) = program.finish();
        assert_eq!(status.code(), Some(0), "{out}{err}");
        // Before the terminal is switched it repeats the key.
        assert_eq!(numbers(out.trim_start_matches('q')).1, 0, "{out}");
        assert_eq!(left_in(folder.path()), Vec::<String>::new());
    }
}

#[test]
fn a_json_object_after_an_eal_part() {
    let folder = TempDir::new().unwrap();
    let args = ["--no-huge", "--log-level=5", "--", "--loopback=0.2", "--json", "--burst=8"];
    let mut program = Program::on_pipes(&args, folder.path());
    let (status, out, err) = program.finish();
    assert_eq!(status.code(), Some(0), "{out}{err}");
    assert!(
        out.starts_with("{\"packets\": ") && out.ends_with(", \"burst\": 8, \"queues\": 1}\n"),
        "{out}"
    );
    assert!(out.contains("\"lost\": 0,"), "{out}");
}

#[test]
fn what_it_refuses() {
    for (option, told) in [
        ("--loopback=-1", "number of seconds"),
        ("--size=9", "42 to 2048"),
        ("--siez=64", "--size"),
    ] {
        let folder = TempDir::new().unwrap();
        let mut program = Program::on_pipes(&["--loopback", option], folder.path());
        let (status, _, err) = program.finish();
        assert_eq!(status.code(), Some(1));
        assert!(err.contains(told), "{option}: {err}");
    }
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_testpmd"))
        .arg("--loopback=0.2")
        .stdin(std::process::Stdio::null())
        .stdout(full)
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("cannot write the result"), "{err}");
}
