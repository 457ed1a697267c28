//! What our console answers is what DPDK's answers, but for what a list allows.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use lab::compare::Script;
use lab::compare::differences::Differences;
use lab::dpdk;

const SCRIPT: &str = include_str!("../data/console-script.txt");
const DIFFERENCES: &str = include_str!("../data/console-differences.txt");

#[test]
fn the_console_answers_like_dpdks() {
    if let Some(reason) = dpdk::missing() {
        return println!("SKIP the_console_answers_like_dpdks: {reason}");
    }
    let script = Script::parse(SCRIPT).unwrap();
    let differences = Differences::parse(DIFFERENCES).unwrap();
    let faults = differences.faults(&script).unwrap();
    assert!(faults.is_empty(), "{} faults:\n\n{}", faults.len(), faults.join("\n"));
}
