//! `cargo xtask bench peers`: ours and DPDK's testpmd in every pairing.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::machine::{Needs, Plan, packages};
use crate::process;
use crate::workspace::Workspace;

/// Every pairing, vhost side first. Ratios are to the first.
const PAIRS: [&str; 4] = ["DPDK:DPDK", "OURS:OURS", "DPDK:OURS", "OURS:DPDK"];
/// Ring modes that our ends have.
const MODES: &str = "split-mrg,split";
/// Two processes of DPDK with 256 MiB each, and room for ours.
const NEEDS: Needs = Needs { packages: &[packages::DPDK, packages::PYTHON], huge_pages: 512 };

/// Prepares the machine and runs the script.
pub fn run(arguments: Vec<OsString>) -> Result<bool, Error> {
    let mut words: Vec<String> =
        arguments.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        print!("{}", super::USAGE);
        return Ok(true);
    }
    let yes = words.iter().any(|word| word == "--yes");
    words.retain(|word| word != "--yes");
    let workspace = Workspace::load()?;
    let ours = super::build(&workspace, "testpmd")?;
    let plan = Plan::probe(&NEEDS);
    let _taken = if plan.agreed(yes) { plan.take() } else { plan.take_nothing() };
    let mut command = Command::new("python3");
    command.arg(workspace.root.join("benches/peers/loopback.py")).stdin(Stdio::null());
    process::succeeds(command.args(script_arguments(words, &ours)))
}

/// The script's arguments: what was given, with the defaults for what was not.
fn script_arguments(mut words: Vec<String>, ours: &Path) -> Vec<String> {
    if !words.iter().any(|word| word == "--modes" || word.starts_with("--modes=")) {
        words.splice(0..0, ["--modes", MODES].map(str::to_owned));
    }
    if !words.iter().any(|word| word.contains(':')) {
        words.extend(PAIRS.map(str::to_owned));
    }
    let ours = ours.to_string_lossy();
    let end = |end: &str| match end {
        "OURS" => ours.clone().into_owned(),
        "DPDK" => packages::DPDK.program.to_owned(),
        other => other.to_owned(),
    };
    words
        .iter()
        .map(|word| match word.split_once(':') {
            Some((vhost, virtio)) => format!("{}:{}", end(vhost), end(virtio)),
            None => word.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(words: &[&str]) -> Vec<String> {
        script_arguments(
            words.iter().map(|&word| word.to_owned()).collect(),
            Path::new("/o/testpmd"),
        )
    }

    #[test]
    fn every_pairing_runs_by_default() {
        assert_eq!(
            with(&["--rounds", "5"]),
            [
                "--modes",
                "split-mrg,split",
                "--rounds",
                "5",
                "dpdk-testpmd:dpdk-testpmd",
                "/o/testpmd:/o/testpmd",
                "dpdk-testpmd:/o/testpmd",
                "/o/testpmd:dpdk-testpmd"
            ]
        );
    }

    #[test]
    fn pairs_and_modes_that_are_named_replace_the_defaults() {
        assert_eq!(
            with(&["--modes=split", "OURS:OURS", "/a/b:DPDK"]),
            ["--modes=split", "/o/testpmd:/o/testpmd", "/a/b:dpdk-testpmd"]
        );
    }
}
