//! What must have run on a full machine, and which skips are excused: two lists in `.ci`.

use std::fs;
use std::path::Path;

use super::libtest::Counts;
use crate::error::Error;

/// What the repository expects of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Tests that run on a machine that has everything.
    pub expected: usize,
    /// Patterns of reasons for which a test may be skipped; `*` stands for anything.
    pub allowed: Vec<String>,
}

impl Policy {
    /// Reads `.ci/expected-tests` and `.ci/allowed-skips`.
    pub fn load(root: &Path) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = root.join(".ci").join(name);
            fs::read_to_string(&path).map_err(|source| Error::File { path, source })
        };
        let expected = significant(&read("expected-tests")?).next().map_or(0, |line| {
            line.parse().unwrap_or(usize::MAX) // a number that cannot be read excuses nothing
        });
        let allowed = significant(&read("allowed-skips")?).map(str::to_owned).collect();
        Ok(Self { expected, allowed })
    }

    /// What is wrong with `counts` beside failed tests; empty when nothing is.
    pub fn complaints(&self, counts: &Counts) -> Vec<String> {
        let mut found = Vec::new();
        if counts.executed() < self.expected {
            found.push(format!(
                "{} tests ran, fewer than the {} of .ci/expected-tests",
                counts.executed(),
                self.expected
            ));
        }
        for (reason, count) in &counts.skipped {
            if !self.allowed.iter().any(|pattern| matches(pattern, reason)) {
                found.push(format!(
                    "{count} skipped, which .ci/allowed-skips does not excuse: {reason}"
                ));
            }
        }
        found
    }
}

/// Lines that are neither empty nor comments.
fn significant(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Whether `pattern`, in which `*` stands for anything, is the whole of `text`.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    (0..=rest.len()).filter(|&at| rest.is_char_boundary(at)).any(|at| matches(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy { expected: 10, allowed: vec!["no huge pages*".to_owned()] }
    }

    fn counts(passed: usize, reason: Option<&str>) -> Counts {
        let skipped = reason.map(|reason| (reason.to_owned(), 1)).into_iter().collect();
        Counts { passed, failed: Vec::new(), skipped }
    }

    #[test]
    fn enough_tests_and_excused_skips_are_no_complaint() {
        assert_eq!(policy().complaints(&counts(10, Some("no huge pages of 2 MiB"))), [""; 0]);
    }

    #[test]
    fn too_few_tests_and_other_skips_are() {
        let found = policy().complaints(&counts(9, Some("no dpdk-testpmd")));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("9 tests ran") && found[1].contains("no dpdk-testpmd"));
    }

    #[test]
    fn a_star_stands_for_anything_and_nothing_else_does() {
        assert!(matches("no * here", "no page here") && matches("*", "") && matches("a*", "a"));
        assert!(!matches("no huge pages", "no huge pages of 2 MiB") && !matches("b*", "ab"));
    }

    #[test]
    fn the_lists_of_this_repository_can_be_read() {
        let policy = Policy::load(&crate::workspace::root()).expect("both lists are there");
        assert!(policy.expected > 0 && policy.expected < 1_000_000, "{}", policy.expected);
    }

    #[test]
    fn a_number_that_cannot_be_read_excuses_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let lists = folder.path().join(".ci");
        fs::create_dir(&lists).expect("writable");
        fs::write(lists.join("expected-tests"), "# how many\nmany\n").expect("writable");
        fs::write(lists.join("allowed-skips"), "# why\nno *\n\n").expect("writable");
        let policy = Policy::load(folder.path()).expect("both are there");
        assert_eq!(policy, Policy { expected: usize::MAX, allowed: vec!["no *".to_owned()] });
    }
}
