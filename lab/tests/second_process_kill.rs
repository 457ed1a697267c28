//! A second process maps both files at another address and polls queue pair 1 while the first polls queue pair 0. It is
//! killed (SIGKILL) at 200 seeded instants: the pools are exact every time, its queues are claimed and polled again, and
//! queue pair 0 loses nothing.

use std::process::Command;
use std::time::Duration;

use lab::process::Process;
use lab::random;

const ROUNDS: u32 = 200;
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn a_second_process_may_die_at_any_instant() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab-peer"));
    command.args(["second", &random::seed().to_string(), &ROUNDS.to_string()]);
    let said = Process::start("scene", &mut command).unwrap().finish(LIMIT).unwrap();
    println!("{said}");
    assert!(said.contains("done"), "{said}");
}
