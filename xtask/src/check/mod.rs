//! `cargo xtask check`: what must hold of the sources, each with one line of verdict.

mod closure;
mod house;
mod licence;

use std::ffi::OsString;
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::process;
use crate::workspace::{Workspace, cargo, root};

const USAGE: &str = "\
cargo xtask check

Checks formatting, lints, documentation, the licences of everything that is built, the size of what
the library crates bring along (.ci/closure-size), and the house rules that a program can see. Each
check prints one line, and what to do when it fails.
";

/// One check: its name, how it is done, and what to do when it fails.
struct Check {
    name: &'static str,
    advice: &'static str,
    run: fn() -> Result<Verdict, Error>,
}

/// What a check found; empty when all is well.
type Verdict = Vec<String>;

const CHECKS: [Check; 6] = [
    Check {
        name: "house rules",
        advice: "mend the lines above",
        run: || house::complaints(&root()),
    },
    Check { name: "licences", advice: "use another package", run: licences },
    Check { name: "closure", advice: "do without the new package", run: closure },
    Check { name: "format", advice: "run `cargo fmt --all`", run: format },
    Check { name: "clippy", advice: "mend what it says above", run: clippy },
    Check { name: "docs", advice: "mend what rustdoc says above", run: docs },
];

/// Runs the command; whether every check held.
pub fn run(arguments: Vec<OsString>) -> Result<bool, Error> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_args(arguments);
    if let Some(argument) = parser.next()? {
        return match argument {
            Long("help") | Short('h') => {
                print!("{USAGE}");
                Ok(true)
            }
            other => Err(other.unexpected().into()),
        };
    }
    let mut all_well = true;
    for check in &CHECKS {
        all_well &= perform(check);
    }
    Ok(all_well)
}

/// Runs one check and prints its line. One that cannot be run has failed.
fn perform(check: &Check) -> bool {
    let complaints = (check.run)().unwrap_or_else(|error| vec![error.to_string()]);
    for complaint in &complaints {
        println!("  {complaint}");
    }
    if complaints.is_empty() {
        println!("{:12} ok", check.name);
    } else {
        println!("{:12} FAILED: {}", check.name, check.advice);
    }
    complaints.is_empty()
}

fn licences() -> Result<Verdict, Error> {
    Ok(closure::licences(&Workspace::load()?))
}

fn closure() -> Result<Verdict, Error> {
    closure::closure(&Workspace::load()?)
}

fn format() -> Result<Verdict, Error> {
    let mut command = cargo();
    command.args(["fmt", "--all", "--check"]);
    verdict(command)
}

fn clippy() -> Result<Verdict, Error> {
    let mut command = cargo();
    command.args(["clippy", "--quiet", "--locked", "--workspace", "--all-targets"]);
    command.args(["--", "-D", "warnings"]);
    verdict(command)
}

fn docs() -> Result<Verdict, Error> {
    let mut command = cargo();
    command.args(["doc", "--quiet", "--locked", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    verdict(command)
}

/// Runs a cargo command whose own output explains a failure.
fn verdict(mut command: Command) -> Result<Verdict, Error> {
    command.current_dir(root()).stdin(Stdio::null());
    let line = process::describe(&command);
    let succeeded = process::succeeds(&mut command)?;
    Ok(if succeeded { Vec::new() } else { vec![format!("`{line}` failed")] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(run: fn() -> Result<Verdict, Error>) -> Check {
        Check { name: "sample", advice: "mend it", run }
    }

    #[test]
    fn a_check_holds_only_without_complaints() {
        assert!(perform(&check(|| Ok(Vec::new()))));
        assert!(!perform(&check(|| Ok(vec!["a line".to_owned()]))));
    }

    #[test]
    fn a_check_that_cannot_run_has_failed() {
        assert!(!perform(&check(|| Err(Error::Metadata("anything")))));
    }

    #[test]
    fn an_unknown_option_is_refused() {
        assert!(run(vec!["--fix".into()]).is_err());
    }
}
