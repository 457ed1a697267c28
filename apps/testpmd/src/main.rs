//! `testpmd`: the program that DPDK's users test ports with, over this project's drivers.
//!
//! # Concept
//!
//! The command line has two parts, the EAL's and, behind `--`, the program's own. Ports named by `--vdev` are brought up and
//! packets forwarded between them by lcores, controlled from a console (`-i`) or at once. Words, reports and exit codes are those
//! of DPDK 22.11's testpmd. `--loopback` needs nothing else: it makes two ports that talk to each other and measures.
//!
//! # Threading rule
//!
//! The main thread does all control: it waits for lines, signals and port events in one `poll`. Lcores own the queues that
//! they poll from `start` to `stop`, get orders through one word each, and are read through counters only.
//!
//! # Example
//!
//! ```text
//! testpmd -l 0-1 --vdev net_vhost0,iface=/tmp/vhost.sock -- -i
//! testpmd> start
//! ```

mod app;
mod cli;
mod commands;
mod config;
mod console;
mod engine;
mod forward;
mod json;
mod loopback;
mod output;
mod pools;
mod port_control;
mod port_settings;
mod port_setup;
mod program;
mod setup;
mod show;
mod signals;
#[cfg(test)]
mod test_port;
mod usage;

use std::process::ExitCode;

fn main() -> ExitCode {
    program::run(std::env::args_os())
}
