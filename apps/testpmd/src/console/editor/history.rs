//! Lines typed before, in this session and in earlier ones.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Lines that are remembered.
const MOST_LINES: usize = 1000;
/// Longest file that is read; of a longer one nothing is.
const LONGEST_FILE_BYTES: u64 = 4 << 20;
/// Names the file, or says with nothing that there is none.
const VARIABLE: &str = "TESTPMD_HISTORY";

/// Lines, oldest first, and the one that is looked at.
#[derive(Debug, Default)]
pub struct History {
    lines: Vec<String>,
    /// The line shown; past the end is the one being typed.
    at: usize,
    /// What was being typed when the looking began.
    draft: String,
    file: Option<PathBuf>,
}

impl History {
    /// The history of the user: the file that the environment variable `TESTPMD_HISTORY` names (none if it is empty), else
    /// `pmd-rs/testpmd_history` in the user's folder for state.
    pub fn of_user() -> Self {
        Self::in_file(user_file())
    }

    /// The history in a file, which need not exist. What cannot be read or written is done without.
    pub fn in_file(file: Option<PathBuf>) -> Self {
        let text = file.as_deref().and_then(read).unwrap_or_default();
        let mut lines: Vec<String> = text.lines().map(printable).collect();
        let surplus = lines.len().saturating_sub(MOST_LINES);
        lines.drain(..surplus);
        if let (Some(file), true) = (&file, surplus > 0) {
            let _ = rewrite(file, &lines);
        }
        Self { at: lines.len(), lines, draft: String::new(), file }
    }

    /// Remembers a line, unless it is blank or the last one again.
    pub fn add(&mut self, line: &str) {
        let line = line.trim();
        if !line.is_empty() && self.lines.last().map(String::as_str) != Some(line) {
            self.lines.push(line.to_owned());
            if let Some(file) = &self.file {
                let _ = append(file, line);
            }
        }
        self.at = self.lines.len();
    }

    /// The line before the one shown. `typed` is what stands in the line now.
    pub fn older(&mut self, typed: &str) -> Option<&str> {
        let older = self.at.checked_sub(1)?;
        if self.at == self.lines.len() {
            self.draft = typed.to_owned();
        }
        self.at = older;
        self.lines.get(older).map(String::as_str)
    }

    /// The line after the one shown; after the last, what was being typed.
    pub fn newer(&mut self) -> Option<&str> {
        if self.at == self.lines.len() {
            return None;
        }
        self.at += 1;
        Some(self.lines.get(self.at).map_or(self.draft.as_str(), String::as_str))
    }

    /// The newest line before position `before` that contains `text`, with its position.
    pub fn find(&self, text: &str, before: usize) -> Option<(usize, &str)> {
        let lines = self.lines.iter().enumerate().take(before).rev();
        let mut found = lines.filter(|(_, line)| line.contains(text));
        found.next().map(|(at, line)| (at, line.as_str()))
    }

    /// Lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }
}

fn user_file() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return (!named.is_empty()).then(|| PathBuf::from(named));
    }
    let folder = |name: &str| {
        std::env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute())
    };
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")))?;
    Some(state.join("pmd-rs/testpmd_history"))
}

/// A line without what a terminal would obey.
fn printable(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).collect()
}

fn read(file: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(file).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > LONGEST_FILE_BYTES {
        return None;
    }
    file.take(LONGEST_FILE_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Opens it for appending, and makes its folder; nobody else may read either.
fn open(file: &Path) -> std::io::Result<File> {
    if let Some(folder) = file.parent().filter(|folder| !folder.exists()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(nix::libc::O_NONBLOCK).open(file)
}

fn append(file: &Path, line: &str) -> std::io::Result<()> {
    open(file)?.write_all(format!("{line}\n").as_bytes())
}

/// Replaces the file by one with these lines in one step, so that another console never sees half of it.
fn rewrite(file: &Path, lines: &[String]) -> std::io::Result<()> {
    let new = file.with_extension(format!("new.{}", std::process::id()));
    let mut text = lines.join("\n");
    text.push('\n');
    open(&new)?.write_all(text.as_bytes())?;
    fs::rename(new, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn up_and_down() {
        let mut history = History::default();
        for line in ["one", "two", "two", "  ", "three"] {
            history.add(line);
        }
        assert_eq!(history.older("dra"), Some("three"));
        assert_eq!(history.older(""), Some("two"));
        assert_eq!(history.older(""), Some("one"));
        assert_eq!(history.older(""), None);
        assert_eq!(history.newer(), Some("two"));
        assert_eq!(history.newer(), Some("three"));
        assert_eq!(history.newer(), Some("dra"), "what was being typed");
        assert_eq!(history.newer(), None);
        assert_eq!(history.find("o", 3), Some((1, "two")));
        assert_eq!(history.find("o", 1), Some((0, "one")));
        assert_eq!(history.find("x", 3), None);
    }

    #[test]
    fn what_a_terminal_would_obey_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history");
        fs::write(&file, "set\x1b[2J burst\x07 8\n\u{9b}2J\n").unwrap();
        let mut history = History::in_file(Some(file));
        assert_eq!(history.older(""), Some("2J"));
        assert_eq!(history.older(""), Some("set[2J burst 8"));
    }

    #[test]
    fn the_file_is_the_user_s_alone_and_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b/history");
        let mut history = History::in_file(Some(file.clone()));
        for number in 0..MOST_LINES + 10 {
            history.add(&format!("set burst {number}"));
        }
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let again = History::in_file(Some(file.clone()));
        assert_eq!(again.len(), MOST_LINES);
        assert_eq!(again.find("set", 1).unwrap().1, "set burst 10");
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), MOST_LINES);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing beside it");
    }

    #[test]
    fn a_place_that_cannot_be_written_does_no_harm() {
        let mut history = History::in_file(Some("/dev/null/history".into()));
        history.add("start");
        assert_eq!(history.older(""), Some("start"));
    }
}
