//! A second process maps both files at another address and polls queue pair 1 while the first polls queue pair 0. It is
//! killed (SIGKILL) at 200 seeded instants: the pools are exact every time, its queues are claimed and polled again, and
//! queue pair 0 loses nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lab::process::Process;
use lab::random;

const ROUNDS: u32 = 200;
/// Processes that are frozen inside a queue.
const FROZEN: u32 = 6;
const LIMIT: Duration = Duration::from_secs(300);

fn play(role: &str, count: u32) {
    static BUSY: Mutex<()> = Mutex::new(());
    let _alone = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab-peer"));
    command.args([role, &random::seed().to_string(), &count.to_string()]);
    let said = Process::start("scene", &mut command).unwrap().finish(LIMIT).unwrap();
    println!("{said}");
    assert!(said.contains("done"), "{said}");
}

#[test]
fn a_second_process_may_die_at_any_instant() {
    play("second", ROUNDS);
}

#[test]
fn a_frozen_process_keeps_its_queue_until_it_goes_on_or_dies() {
    play("frozen", FROZEN);
}
