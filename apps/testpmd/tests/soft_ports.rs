//! `net_null` and `net_ring` in the program: what is finite is exact.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use support::Program;
use tempfile::TempDir;

const PROMPT: &str = "testpmd> ";

fn start(folder: &TempDir, vdev: &str, args: &[&str]) -> Program {
    let vdev = format!("--vdev={vdev}");
    let mut line =
        vec!["--lcores=0@0,1@0", "--no-pci", "--in-memory", "--no-huge", &vdev, "--", "-i"];
    line.extend(args);
    let program = Program::on_terminal(&line, folder.path());
    program.await_out(PROMPT);
    program
}

/// Stops, quits, and gives what each direction of port 0 moved since the start.
fn totals(mut program: Program) -> (u64, u64) {
    program.say("stop");
    program.await_out("Done.");
    program.say("quit");
    let (status, out, err) = program.finish();
    assert!(status.success(), "{out}\n{err}");
    let report = out.split("Forward statistics for port 0").nth(1).unwrap();
    let number = |word: &str| {
        let rest = report.split(word).nth(1).unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    (number("RX-packets:"), number("TX-packets:"))
}

/// Shows the statistics of port 0 until `wanted` agrees to a line of them.
fn await_stats(program: &mut Program, wanted: impl Fn(&str) -> bool) {
    let begin = std::time::Instant::now();
    for times in 1.. {
        program.say("show port stats 0");
        program.await_times("Tx-pps:", times);
        if program.out().lines().any(&wanted) {
            return;
        }
        assert!(begin.elapsed() < support::LONG, "{}", program.out());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_port_without_receive_sends_exactly_the_first_bursts() {
    let folder = TempDir::new().unwrap();
    let mut program = start(&folder, "net_null0,no-rx=1", &["--no-flush-rx"]);
    program.say("start tx_first 3");
    program.say("show port stats 0");
    program.await_out("TX-packets: 96         TX-errors: 0          TX-bytes:  6144");
    assert_eq!(totals(program), (0, 96));
}

#[test]
fn null_forwards_what_it_receives() {
    let folder = TempDir::new().unwrap();
    let mut program = start(&folder, "net_null0,size=100", &["--no-flush-rx"]);
    program.say("start");
    await_stats(&mut program, |line| {
        line.trim().strip_prefix("TX-packets: ").is_some_and(|rest| !rest.starts_with("0 "))
    });
    let (rx, tx) = totals(program);
    assert!(rx > 0 && rx == tx && rx % 32 == 0, "{rx} {tx}");
}

#[test]
fn null_only_receives_and_only_sends() {
    let folder = TempDir::new().unwrap();
    for (mode, word) in [("rxonly", "RX-packets: "), ("txonly", "TX-packets: ")] {
        let mode = format!("--forward-mode={mode}");
        let mut program = start(&folder, "eth_null0", &["--no-flush-rx", &mode]);
        program.say("start");
        await_stats(&mut program, |line| {
            line.trim().strip_prefix(word).is_some_and(|rest| !rest.starts_with("0 "))
        });
        let (rx, tx) = totals(program);
        assert!(if word.starts_with("RX") { rx > 0 && tx == 0 } else { tx > 0 && rx == 0 });
    }
}

#[test]
fn a_ring_keeps_the_first_burst_in_flight() {
    let folder = TempDir::new().unwrap();
    let mut program = start(&folder, "net_ring0", &["--no-flush-rx", "--port-topology=chained"]);
    program.say("start tx_first 2");
    await_stats(&mut program, |line| {
        line.trim().strip_prefix("RX-packets: ").is_some_and(|rest| !rest.starts_with("0 "))
    });
    let (rx, tx) = totals(program);
    assert_eq!(tx, rx + 64, "two bursts go round");
}
