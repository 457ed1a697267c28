//! `cargo xtask test`: prepare the machine, run everything, give the machine back, sum up.

mod libtest;
mod policy;
mod suite;

use std::ffi::OsString;
use std::fs;

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::machine::{Needs, Plan, packages};
use crate::workspace::{Workspace, root};
use libtest::Counts;
use policy::Policy;
use suite::{Choice, Outcome};

const USAGE: &str = "\
cargo xtask test [--yes] [--filter TEXT] [--list] [--long] [--strict]

Says what it is going to install (Debian packages) and reserve (huge pages), asks, does it, runs
every test, gives back what it reserved and prints one summary. Without root or sudo it runs what
can be run; what cannot is counted as skipped.

  --yes          do not ask (CI=true does the same)
  --filter TEXT  only tests with TEXT in their name; nothing is installed or reserved
  --list         list the suites and their tests, run none
  --long         stress the gate for ten minutes instead of seconds
  --strict       fail also when fewer tests ran than .ci/expected-tests says, or when one was
                 skipped for a reason that .ci/allowed-skips does not excuse

The whole output of every suite is kept in target/xtask/.
";

/// What a full machine has.
const NEEDS: Needs = Needs { packages: &[packages::DPDK], huge_pages: 512 };

#[derive(Debug, Default)]
struct Options {
    choice: Choice,
    yes: bool,
    strict: bool,
    help: bool,
}

/// Runs the command; whether everything held.
pub fn run(arguments: Vec<OsString>) -> Result<bool, Error> {
    let options = parse(arguments)?;
    if options.help {
        print!("{USAGE}");
        return Ok(true);
    }
    let workspace = Workspace::load()?;
    if options.choice.list {
        return list(&workspace, &options.choice);
    }
    let policy = Policy::load(&root())?;
    let interrupt = Interrupt::install();
    let outcomes = run_suites(&workspace, &options, &interrupt)?;
    Ok(summary(&outcomes, &policy, &options) && !interrupt.is_set())
}

fn parse(arguments: Vec<OsString>) -> Result<Options, Error> {
    use lexopt::prelude::*;
    let mut options = Options::default();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("yes") | Short('y') => options.yes = true,
            Long("filter") => options.choice.filter = Some(parser.value()?.string()?),
            Long("list") => options.choice.list = true,
            Long("long") => options.choice.long = true,
            Long("strict") => options.strict = true,
            Long("help") | Short('h') => options.help = true,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(options)
}

fn list(workspace: &Workspace, choice: &Choice) -> Result<bool, Error> {
    let mut all_well = true;
    for suite in suite::suites(workspace, choice) {
        all_well &= suite.list()?;
    }
    Ok(all_well)
}

/// Prepares, runs and gives back.
fn run_suites(
    workspace: &Workspace,
    options: &Options,
    interrupt: &Interrupt,
) -> Result<Vec<Outcome>, Error> {
    let plan = Plan::probe(&NEEDS);
    let is_partial = options.choice.filter.is_some();
    let _taken =
        if !is_partial && plan.agreed(options.yes) { plan.take() } else { plan.take_nothing() };
    let logs = workspace.target.join("xtask");
    fs::create_dir_all(&logs).map_err(|source| Error::File { path: logs.clone(), source })?;
    let mut outcomes = Vec::new();
    for suite in suite::suites(workspace, &options.choice) {
        if interrupt.is_set() {
            break;
        }
        outcomes.push(suite.run(&logs, interrupt)?);
    }
    println!();
    Ok(outcomes)
}

/// Prints the one summary, whose last line stands alone; whether everything held.
fn summary(outcomes: &[Outcome], policy: &Policy, options: &Options) -> bool {
    let mut total = Counts::default();
    println!("{:12} {:>8} {:>8} {:>8} {:>8}", "suite", "passed", "failed", "skipped", "seconds");
    for Outcome { name, counts, took } in outcomes {
        let (failed, skipped, seconds) = (counts.failed.len(), counts.skips(), took.as_secs());
        println!("{name:12} {:>8} {failed:>8} {skipped:>8} {seconds:>8}", counts.passed);
        total.add(counts);
    }
    for name in &total.failed {
        println!("FAILED   {name}");
    }
    for (reason, count) in &total.skipped {
        println!("skipped  {count} because: {reason}");
    }
    let mut all_well = total.failed.is_empty();
    println!("executed {}; a full machine executes {}", total.executed(), policy.expected);
    if options.strict {
        for complaint in policy.complaints(&total) {
            println!("FAILED   {complaint}");
            all_well = false;
        }
        if all_well && total.executed() > policy.expected {
            println!("note     .ci/expected-tests can be raised to {}", total.executed());
        }
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed.len(), total.skips());
    all_well
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Result<Options, Error> {
        parse(words.iter().map(OsString::from).collect())
    }

    fn outcome(counts: Counts) -> Vec<Outcome> {
        vec![Outcome { name: "workspace", counts, took: std::time::Duration::ZERO }]
    }

    #[test]
    fn options_are_understood_in_both_forms() {
        let options = options(&["--yes", "--filter=ring", "--long", "--strict"]).expect("valid");
        assert!(options.yes && options.strict && options.choice.long && !options.choice.list);
        assert_eq!(options.choice.filter.as_deref(), Some("ring"));
    }

    #[test]
    fn an_unknown_option_is_named() {
        let error = options(&["--fast"]).expect_err("there is no such option");
        assert!(error.to_string().contains("--fast"), "{error}");
    }

    #[test]
    fn too_few_tests_fail_only_when_strict() {
        let policy = Policy { expected: 2, allowed: Vec::new() };
        let few = Counts { passed: 1, ..Counts::default() };
        let strict = Options { strict: true, ..Options::default() };
        assert!(summary(&outcome(few.clone()), &policy, &Options::default()));
        assert!(!summary(&outcome(few), &policy, &strict));
    }

    #[test]
    fn a_failed_test_fails_the_run() {
        let failed = Counts { passed: 9, failed: vec!["a: b".to_owned()], ..Counts::default() };
        assert!(!summary(&outcome(failed), &Policy::default(), &Options::default()));
    }
}
