//! Reading what `cargo test -- --show-output` prints.
//!
//! A test that lacks what it needs prints `SKIP <test>: <reason>` and returns; it is counted as
//! skipped and not as passed. A test binary that ends without a result line has crashed.

use std::collections::{BTreeMap, BTreeSet};

/// What a run of cargo amounted to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that ran and held.
    pub passed: usize,
    /// What failed, by name; a crashed binary and a failed build count as one each.
    pub failed: Vec<String>,
    /// How many tests were skipped, by reason.
    pub skipped: BTreeMap<String, usize>,
}

impl Counts {
    /// The number of skipped tests.
    pub fn skips(&self) -> usize {
        self.skipped.values().sum()
    }

    /// The number of tests that ran.
    pub fn executed(&self) -> usize {
        self.passed + self.failed.len()
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed.extend(other.failed.iter().cloned());
        for (reason, count) in &other.skipped {
            *self.skipped.entry(reason.clone()).or_default() += count;
        }
    }
}

/// Reads the merged output of cargo and the test binaries, a line at a time.
#[derive(Debug, Default)]
pub struct Reader {
    counts: Counts,
    binary: Option<Binary>,
}

/// The test binary whose output is being read.
#[derive(Debug, Default)]
struct Binary {
    name: String,
    /// A result line was seen.
    is_done: bool,
    /// Inside the part that repeats what passing tests printed.
    in_successes: bool,
    /// The test whose output is being repeated.
    section: String,
    failed: BTreeSet<String>,
    /// Reason by skipped test.
    skipped: BTreeMap<String, String>,
}

impl Reader {
    /// Takes one line; whether a person at the terminal wants to see it.
    pub fn line(&mut self, line: &str) -> bool {
        if let Some(name) = binary_name(line) {
            self.close_binary();
            self.binary = Some(Binary { name, ..Binary::default() });
            return true;
        }
        let Some(binary) = &mut self.binary else { return !is_progress(line) };
        match line {
            "successes:" => binary.in_successes = true,
            "failures:" => binary.in_successes = false,
            _ => {}
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            binary.in_successes = false;
            binary.is_done = true;
            let passed = count(result, "passed");
            let ignored = count(result, "ignored");
            self.counts.close_result(binary, passed, count(result, "failed"), ignored);
            return true;
        }
        binary.note(line);
        !binary.in_successes && !is_passing(line)
    }

    /// Ends the reading; `ended_well` is cargo's own verdict.
    pub fn finish(mut self, ended_well: bool) -> Counts {
        self.close_binary();
        if !ended_well && self.counts.failed.is_empty() {
            self.counts.failed.push("the build, or cargo itself".to_owned());
        }
        self.counts
    }

    fn close_binary(&mut self) {
        if let Some(binary) = self.binary.take().filter(|binary| !binary.is_done) {
            self.counts.failed.push(format!("{} crashed or was ended", binary.name));
        }
    }
}

impl Binary {
    fn note(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("---- ") {
            self.section = rest.split(" stdout").next().unwrap_or(rest).to_owned();
        } else if let Some(test) = failed_test(line) {
            self.failed.insert(test.to_owned());
        } else if let Some((test, reason)) = skip(line) {
            // The heading names the test for certain; the line itself is what a test says of itself.
            let test = if self.in_successes { self.section.as_str() } else { test };
            self.skipped.entry(test.to_owned()).or_insert_with(|| reason.to_owned());
        }
    }
}

impl Counts {
    /// Adds one result line. Documentation tests may print several under one heading.
    fn close_result(&mut self, binary: &mut Binary, passed: usize, failed: usize, ignored: usize) {
        let names = std::mem::take(&mut binary.failed);
        let unnamed = failed.saturating_sub(names.len());
        self.failed.extend(names.into_iter().map(|test| format!("{}: {test}", binary.name)));
        self.failed.extend((0..unnamed).map(|_| format!("{}: a test", binary.name)));
        let skipped = std::mem::take(&mut binary.skipped);
        self.passed += passed.saturating_sub(skipped.len());
        for reason in skipped.into_values() {
            *self.skipped.entry(reason).or_default() += 1;
        }
        if ignored > 0 {
            *self.skipped.entry("marked as ignored in the source".to_owned()).or_default() +=
                ignored;
        }
    }
}

/// The name in cargo's line that announces a test binary.
fn binary_name(line: &str) -> Option<String> {
    if let Some(package) = line.strip_prefix("   Doc-tests ") {
        return Some(format!("documentation of {package}"));
    }
    let rest = line.strip_prefix("     Running ")?;
    let (what, binary) = rest.split_once(" (")?;
    let file = binary.trim_end_matches(')').rsplit('/').next().unwrap_or(binary);
    let package = file.rsplit_once('-').map_or(file, |(name, _hash)| name);
    Some(format!("{package} ({})", what.trim_start_matches("unittests ")))
}

/// The number before `word` in `ok. 12 passed; 0 failed; ...`.
fn count(result: &str, word: &str) -> usize {
    let words: Vec<&str> = result.split([' ', ';']).collect();
    let number =
        words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok());
    number.unwrap_or(0)
}

fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

fn is_passing(line: &str) -> bool {
    line.starts_with("test ") && line.ends_with(" ... ok")
}

/// Whether cargo only says which package it has come to.
fn is_progress(line: &str) -> bool {
    ["   Compiling ", "    Checking ", "  Downloaded "].iter().any(|word| line.starts_with(word))
}

/// The test and the reason of a `SKIP` line.
fn skip(line: &str) -> Option<(&str, &str)> {
    let rest = line.trim_start().strip_prefix("SKIP ")?;
    let (test, reason) = rest.split_once(": ").unwrap_or((rest, rest));
    Some((test, reason.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, ended_well: bool) -> (Counts, Vec<String>) {
        let mut reader = Reader::default();
        let shown = text.lines().filter(|line| reader.line(line)).map(str::to_owned).collect();
        (reader.finish(ended_well), shown)
    }

    const GOOD: &str = "
     Running unittests src/lib.rs (target/debug/deps/eal-0a1b2c)

running 3 tests
test mem::grows ... ok
test mem::huge ... ok
test ring::wraps ... ok

successes:

---- mem::huge stdout ----
SKIP huge: no huge pages of 2 MiB
SKIP huge: no second NUMA node

successes:
    mem::grows
    mem::huge
    ring::wraps

test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

   Doc-tests eal
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

    #[test]
    fn a_test_that_skips_is_not_counted_as_passed() {
        let (counts, shown) = read(GOOD, true);
        assert_eq!(counts.passed, 5);
        assert_eq!(counts.failed, [""; 0]);
        assert_eq!(counts.skipped["no huge pages of 2 MiB"], 1);
        assert_eq!(counts.skips(), 2, "one skip, one ignored: {:?}", counts.skipped);
        assert!(shown.iter().any(|line| line.contains("3 passed")));
        assert!(!shown.iter().any(|line| line.contains("mem::grows")), "noise: {shown:?}");
    }

    const BAD: &str = "
     Running tests/kill.rs (target/stress/deps/kill-99)
test survives ... FAILED

failures:

---- survives stdout ----
thread 'survives' panicked at tests/kill.rs:9:5:
link still up

failures:
    survives

test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s

     Running tests/crash.rs (target/stress/deps/crash-99)
test dies ...
     Running tests/next.rs (target/stress/deps/next-99)
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s
error: 2 targets failed:
";

    #[test]
    fn failures_and_crashes_are_named_and_shown() {
        let (counts, shown) = read(BAD, false);
        assert_eq!(counts.passed, 5);
        assert_eq!(
            counts.failed,
            ["kill (tests/kill.rs): survives", "crash (tests/crash.rs) crashed or was ended"]
        );
        assert!(shown.iter().any(|line| line == "link still up"));
    }

    #[test]
    fn a_build_that_fails_is_a_failure() {
        let (counts, shown) = read("   Compiling a v1\nerror[E0432]: unresolved import\n", false);
        assert_eq!(counts.failed.len(), 1);
        assert_eq!(shown, ["error[E0432]: unresolved import"]);
    }

    #[test]
    fn a_skip_printed_past_the_capture_is_still_seen() {
        let text = "     Running tests/a.rs (t/a-1)\nSKIP far::end: no dpdk-testpmd\n\
                    test result: ok. 1 passed; 0 failed; 0 ignored;";
        let (counts, _) = read(text, true);
        assert_eq!((counts.passed, counts.skips()), (0, 1));
    }
}
