//! What may differ between the answers of two programs.
//!
//! An entry names a line of the script, says why the answers differ, and then how: what DPDK says and we do not (`-`), what we
//! say and DPDK does not (`+`), in the order of the answers; or `*` when the answers have nothing to do with each other.
//!
//! ```text
//! == show config rxpkts
//! because Received packets are not split.
//! - Number of segments: 0
//! + Bad arguments
//! ```

use std::cell::Cell;

use super::{Answer, Script};
use crate::Result;
use crate::dts::command::Maker;

/// The list.
#[derive(Debug, Default)]
pub struct Differences(Vec<Entry>);

#[derive(Debug, Default)]
struct Entry {
    line: String,
    reason: String,
    /// Lines with `-` or `+`; the one line `*` for any.
    difference: Vec<String>,
    used: Cell<bool>,
}

impl Differences {
    /// Reads the list.
    ///
    /// # Errors
    ///
    /// When a line belongs to no entry, or an entry has no reason or no difference.
    pub fn parse(text: &str) -> Result<Self> {
        let mut entries: Vec<Entry> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(typed) = line.strip_prefix("== ") {
                entries.push(Entry { line: typed.into(), ..Entry::default() });
                continue;
            }
            let entry = entries.last_mut().ok_or_else(|| format!("no == before: {line}"))?;
            match line.strip_prefix("because ") {
                Some(reason) => entry.reason = reason.into(),
                None => entry.difference.push(line.trim_end().into()),
            }
        }
        let empty = |entry: &&Entry| entry.reason.is_empty() || entry.difference.is_empty();
        match entries.iter().find(empty) {
            Some(entry) => Err(format!("no reason or no difference: {}", entry.line).into()),
            None => Ok(Self(entries)),
        }
    }

    /// Runs the whole script with both programs. The faults: differences that the list does not have, written as it would have
    /// them, and entries that nothing needed.
    ///
    /// # Errors
    ///
    /// When a program fails.
    pub fn faults(&self, script: &Script) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        for session in &script.sessions {
            let (theirs, own) = (session.run(Maker::Dpdk)?, session.run(Maker::Ours)?);
            let pairs = theirs.iter().zip(&own);
            faults.extend(pairs.filter_map(|(theirs, own)| self.fault(theirs, own)));
        }
        faults.dedup();
        let unused = self.0.iter().filter(|entry| !entry.used.get());
        faults.extend(unused.map(|entry| format!("not needed any more: {}", entry.line)));
        Ok(faults)
    }

    fn fault(&self, theirs: &Answer, own: &Answer) -> Option<String> {
        let difference = between(&theirs.said, &own.said);
        if difference.is_empty() {
            return None;
        }
        let line = &theirs.line.text;
        let fits = |entry: &&Entry| {
            entry.line == *line && (entry.difference == difference || entry.difference == ["*"])
        };
        match self.0.iter().find(fits) {
            Some(entry) => {
                entry.used.set(true);
                None
            }
            None => Some(format!("== {line}\n{}\n", difference.join("\n"))),
        }
    }
}

/// The lines that only one of two texts has, in order, with the fewest such lines. Blanks at the end of a line do not count.
fn between(theirs: &[String], own: &[String]) -> Vec<String> {
    let (theirs, own) = (trimmed(theirs), trimmed(own));
    // same[i][j]: the most lines in common from line i of theirs and line j of ours on.
    let mut same = vec![vec![0usize; own.len() + 1]; theirs.len() + 1];
    for (i, a) in theirs.iter().enumerate().rev() {
        for (j, b) in own.iter().enumerate().rev() {
            let skip = same[i + 1][j].max(same[i][j + 1]);
            same[i][j] = if a == b { same[i + 1][j + 1] + 1 } else { skip };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < theirs.len() || j < own.len() {
        let left = i < theirs.len() && (j == own.len() || same[i + 1][j] >= same[i][j + 1]);
        if i < theirs.len() && j < own.len() && theirs[i] == own[j] {
            (i, j) = (i + 1, j + 1);
        } else if left {
            lines.push(format!("- {}", theirs[i]).trim_end().into());
            i += 1;
        } else {
            lines.push(format!("+ {}", own[j]).trim_end().into());
            j += 1;
        }
    }
    lines
}

fn trimmed(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.trim_end()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Line;
    use super::*;

    fn answer(text: &str, said: &str) -> Answer {
        let line = Line { text: text.into(), varies: false };
        Answer { line, said: said.lines().map(str::to_owned).collect() }
    }

    #[test]
    fn the_lines_of_one_text_only() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(between(&lines("a\nb\nc"), &lines("a\nx\nc\nd")), ["- b", "+ x", "+ d"]);
        assert_eq!(between(&lines("a "), &lines("a")), Vec::<String>::new());
        assert_eq!(between(&lines(""), &lines("a")), ["+ a"]);
    }

    #[test]
    fn only_what_is_listed_may_differ_and_all_that_is_listed_must() {
        let text =
            "== one\nbecause A.\n- x\n+ y\n\n== two\nbecause B.\n*\n== three\nbecause C.\n+ z\n";
        let list = Differences::parse(text).unwrap();
        assert_eq!(list.fault(&answer("one", "x"), &answer("one", "y")), None);
        assert_eq!(list.fault(&answer("one", "x"), &answer("one", "x")), None);
        let fault = list.fault(&answer("one", "x"), &answer("one", "q")).unwrap();
        assert_eq!(fault, "== one\n- x\n+ q\n");
        assert_eq!(list.fault(&answer("two", "any"), &answer("two", "thing")), None);
        let used: Vec<bool> = list.0.iter().map(|entry| entry.used.get()).collect();
        assert_eq!(used, [true, true, false]);
        assert!(Differences::parse("== one\n- x\n").is_err(), "no reason");
        assert!(Differences::parse("- x\n").is_err(), "no entry");
    }
}
