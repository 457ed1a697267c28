//! What is run: the suites, and one run of each.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::libtest::{Counts, Reader};
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::process::{self, Ended};
use crate::workspace::{Workspace, cargo};

/// The package whose integration tests measure deadlines under load: they are run as release code only, for
/// slower code on two cores would measure itself.
const LAB: &str = "lab";
/// Tests with one of these words in the name of their file load the machine: they are run as release code, one
/// at a time (once more, if their package is not [`LAB`]).
const LOADING: [&str; 4] = ["interop", "stress", "kill", "loopback"];
/// Tests whose file is named so are models that loom explores.
const MODELS: &str = "loom_";
/// Seconds that the gate is stressed for with `--long`.
const LONG_STRESS_SECS: &str = "600";

/// What the command line chose.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Only tests with this in their name.
    pub filter: Option<String>,
    /// List the tests, run none.
    pub list: bool,
    /// Give the stress tests their long duration.
    pub long: bool,
}

/// One invocation of cargo.
#[derive(Debug)]
pub struct Suite {
    /// A word for tables and log files.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    limit: Duration,
    command: Command,
}

/// What a suite came to.
#[derive(Debug)]
pub struct Outcome {
    /// The suite's name.
    pub name: &'static str,
    /// What was counted.
    pub counts: Counts,
    /// How long it took, building included.
    pub took: Duration,
}

/// The suites of this workspace, in the order in which they are run.
pub fn suites(workspace: &Workspace, choice: &Choice) -> Vec<Suite> {
    let mut suites = vec![everything(workspace, choice), lab_units(workspace, choice)];
    let loading = workspace.tests(|name| LOADING.iter().any(|word| name.contains(word)));
    if !loading.is_empty() {
        suites.push(release_code(workspace, choice, &loading));
    }
    let models = workspace.tests(|name| name.starts_with(MODELS));
    if !models.is_empty() {
        suites.push(loom_models(workspace, choice, &models));
    }
    suites
}

fn everything(workspace: &Workspace, choice: &Choice) -> Suite {
    let mut command = cargo_test(workspace);
    command.args(["--workspace", "--exclude", LAB]);
    finish(&mut command, choice, &[]);
    Suite {
        name: "workspace",
        what: "unit, property, integration and documentation tests",
        limit: Duration::from_secs(25 * 60),
        command,
    }
}

fn lab_units(workspace: &Workspace, choice: &Choice) -> Suite {
    let mut command = cargo_test(workspace);
    command.args(["--package", LAB, "--lib"]);
    finish(&mut command, choice, &[]);
    Suite {
        name: "lab",
        what: "what the end-to-end tests are made of",
        limit: Duration::from_secs(10 * 60),
        command,
    }
}

fn release_code(workspace: &Workspace, choice: &Choice, tests: &[(&str, &str)]) -> Suite {
    let mut command = cargo_test(workspace);
    command.args(["--profile", "stress"]);
    select(&mut command, tests);
    if choice.long {
        command.env("PMD_GATE_STRESS_SECS", LONG_STRESS_SECS);
    }
    finish(&mut command, choice, &["--test-threads=1"]);
    Suite {
        name: "loaded",
        what: "tests that load the machine, as release code, one at a time",
        limit: Duration::from_secs(if choice.long { 75 * 60 } else { 40 * 60 }),
        command,
    }
}

fn loom_models(workspace: &Workspace, choice: &Choice, tests: &[(&str, &str)]) -> Suite {
    let mut command = cargo_test(workspace);
    // Other flags make other artefacts; a folder of their own keeps them from evicting the rest.
    command.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", workspace.target.join("loom"));
    command.args(["--profile", "stress"]);
    select(&mut command, tests);
    finish(&mut command, choice, &[]);
    Suite {
        name: "models",
        what: "the shipped ring, pool and gate sources under loom",
        limit: Duration::from_secs(25 * 60),
        command,
    }
}

fn cargo_test(workspace: &Workspace) -> Command {
    let mut command = cargo();
    command.current_dir(&workspace.root).args(["test", "--locked", "--no-fail-fast"]);
    command
}

fn select(command: &mut Command, tests: &[(&str, &str)]) {
    let mut packages: Vec<&str> = tests.iter().map(|(package, _)| *package).collect();
    packages.dedup();
    for package in packages {
        command.args(["--package", package]);
    }
    for (_, test) in tests {
        command.args(["--test", test]);
    }
}

fn finish(command: &mut Command, choice: &Choice, libtest: &[&str]) {
    command.args(["--", if choice.list { "--list" } else { "--show-output" }]).args(libtest);
    command.args(&choice.filter);
}

impl Suite {
    /// The command as a person would type it.
    pub fn command_line(&self) -> String {
        process::describe(&self.command)
    }

    /// Runs it, shows what a person wants to see and keeps all of it in `logs`.
    pub fn run(self, logs: &Path, interrupt: &Interrupt) -> Result<Outcome, Error> {
        println!("\n== {}: {}\n   {}", self.name, self.what, self.command_line());
        let path = logs.join(format!("{}.log", self.name));
        let file_error = |source| Error::File { path: path.clone(), source };
        let mut log = BufWriter::new(File::create(&path).map_err(file_error)?);
        let mut reader = Reader::default();
        let began = Instant::now();
        let ended = process::watch(self.command, self.limit, interrupt, |line| {
            // A log that cannot be written (a full disk) is no reason to lose the verdict.
            let _ = writeln!(log, "{line}");
            if reader.line(line) && !line.is_empty() {
                println!("{line}");
            }
        })?;
        let mut counts = reader.finish(ended == Ended::Well);
        if ended == Ended::TimeOut {
            counts.failed.push(format!("ended after {} minutes", self.limit.as_secs() / 60));
        }
        if ended == Ended::Interrupted {
            println!("Interrupted: what is left is not run.");
        }
        Ok(Outcome { name: self.name, counts, took: began.elapsed() })
    }

    /// Lets cargo list the tests.
    pub fn list(mut self) -> Result<bool, Error> {
        println!("\n== {}: {}", self.name, self.what);
        process::succeeds(&mut self.command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_tests_everything_with_the_filter_last() {
        let workspace = Workspace::load().expect("cargo describes this workspace");
        let choice = Choice { filter: Some("ring".to_owned()), ..Choice::default() };
        let suites = suites(&workspace, &choice);
        let line = suites[0].command_line();
        assert!(line.contains("test --locked --no-fail-fast --workspace --exclude lab"), "{line}");
        assert!(line.ends_with("-- --show-output ring"), "{line}");
    }

    #[test]
    fn a_package_with_several_tests_is_named_once() {
        let mut command = Command::new("cargo");
        select(&mut command, &[("eal", "a_stress"), ("eal", "b_kill"), ("testpmd", "interop")]);
        assert_eq!(
            process::describe(&command),
            "cargo --package eal --package testpmd --test a_stress --test b_kill --test interop"
        );
    }
}
