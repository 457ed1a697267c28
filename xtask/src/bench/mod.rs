//! `cargo xtask bench`: whole processes against each other and against the machine's limit.

mod limit;
mod peers;
mod startup;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use crate::error::Error;
use crate::process;
use crate::workspace::{Workspace, cargo};

const USAGE: &str = "\
cargo xtask bench peers [--yes] [loopback.py arguments] [VHOST:VIRTIO ...]
cargo xtask bench limit [SIZE_BYTES ...]
cargo xtask bench startup [--runs N]

  peers    packets per second of a vhost process and a virtio-user process, ours and DPDK's in every
           pairing, alternating, with medians and ratios to the first pair. In a pair OURS and DPDK
           stand for the two programs. Arguments go on to benches/peers/loopback.py, whose --help
           lists them. Says what it installs and reserves, and asks (--yes and CI=true agree).
  limit    what two cores of this machine can pass through plain rings of inline slots
  startup  time from the start of testpmd to its first prompt without huge pages, ours and DPDK's

All of them want both cores for themselves.
";

/// Runs the command; whether what it ran succeeded.
pub fn run(arguments: Vec<OsString>) -> Result<bool, Error> {
    let mut arguments = arguments.into_iter();
    let which = arguments.next().unwrap_or_default();
    let rest: Vec<OsString> = arguments.collect();
    match which.to_str() {
        Some("peers") => peers::run(rest),
        Some("limit") => limit::run(rest),
        Some("startup") => startup::run(rest),
        Some("" | "-h" | "--help") => {
            print!("{USAGE}");
            Ok(true)
        }
        _ => Err(Error::UnknownCommand(format!("bench {}", which.to_string_lossy()))),
    }
}

/// Builds a program of the workspace as it is shipped and says where it is.
fn build(workspace: &Workspace, program: &str) -> Result<PathBuf, Error> {
    let mut command = cargo();
    command.current_dir(&workspace.root).args(["build", "--locked", "--release"]);
    command.args(["--package", program, "--bin", program]).stdin(Stdio::null());
    if !process::succeeds(&mut command)? {
        return Err(Error::Program(process::describe(&command)));
    }
    Ok(workspace.target.join("release").join(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_bench_is_named() {
        let error = run(vec!["peer".into()]).expect_err("there is no such bench");
        assert!(error.to_string().contains("bench peer"), "{error}");
    }
}
