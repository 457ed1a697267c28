//! 500 random sequences of what operators and accidents do to ports under traffic: packets and buffers are conserved.
//!
//! `PMD_LAB_SEED` sets what happens, `PMD_LAB_SEQUENCE` picks one sequence.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lab::dts::testpmd;
use lab::process::Process;
use lab::random;

const LIMIT: Duration = Duration::from_secs(300);
/// Processes that follow sequences side by side: most of the time of each is waiting.
const WORKERS: u64 = 4;

/// Follows `count` sequences of the kind that `words` tell `lab-peer`.
fn follow(words: &[&str], count: u64) {
    static BUSY: Mutex<()> = Mutex::new(());
    let _alone = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
    let one = std::env::var("PMD_LAB_SEQUENCE").ok().map(|text| text.parse().unwrap());
    let share = count / WORKERS;
    let parts = match one {
        Some(number) => vec![(number, 1)],
        None => (0..WORKERS).map(|worker| (worker * share, share)).collect::<Vec<(u64, u64)>>(),
    };
    let start = |(first, count): (u64, u64)| {
        let numbers = [random::seed(), first, count].map(|number| number.to_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab-peer"));
        command.env("PMD_LAB_TESTPMD", testpmd::ours().unwrap());
        Process::start("sequences", command.args(words).args(numbers)).unwrap()
    };
    let running: Vec<Process> = parts.into_iter().map(start).collect();
    for process in running {
        let said = process.finish(LIMIT).unwrap();
        println!("{words:?}: {said}");
        assert!(said.contains("done"), "{said}");
    }
}

#[test]
fn ports_stop_start_restart_and_change_their_queues() {
    follow(&["sequence", "here"], 300);
}

#[test]
fn peers_are_killed_frozen_and_restarted() {
    follow(&["sequence", "apart"], 160);
}

#[test]
fn operators_type_anything_at_two_prompts() {
    follow(&["console"], 40);
}
