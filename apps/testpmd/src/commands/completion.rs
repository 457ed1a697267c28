//! What may follow the beginning of a line.

use std::fs;
use std::path::Path;

use pmd_core::PortId;

use super::matching::{self, Fit, fit, next_word};
use super::syntax::{Kind, Step, steps};
use super::{Command, all, help};
use crate::console::Completion;

/// Most commands whose help is shown in a list; of more only the words.
const MOST_DESCRIBED: usize = 24;

/// Something that may come next: a word to insert, or what stands for it.
struct Candidate {
    word: String,
    /// Whether it is to be typed as it stands.
    literal: bool,
    commands: Vec<&'static Command>,
}

/// What may follow `text`, which ends at the cursor, while these ports are there.
pub fn of(text: &str, ports: &[PortId]) -> Completion {
    let text = text.trim_ascii_start();
    if text.contains('#') {
        return Completion::default();
    }
    let cut = text.rfind(|c: char| c.is_ascii_whitespace()).map_or(0, |at| at + 1);
    let (done, begun) = text.split_at(cut);
    let candidates = candidates(done, begun, ports);
    Completion { insert: insertion(begun, &candidates), list: list(&candidates) }
}

fn candidates(done: &str, begun: &str, ports: &[PortId]) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for command in all() {
        let fit = fit(command, done);
        if !fit.surplus.trim_ascii().is_empty() {
            continue;
        }
        if begun.is_empty() && fit.complete && !done.is_empty() {
            add(&mut candidates, "[RETURN]".into(), false, command);
        }
        for step in next_steps(command, &fit) {
            for (word, literal) in words(step, begun, ports) {
                add(&mut candidates, word, literal, command);
            }
        }
    }
    // What `help` explains is a command's beginning.
    if let Some(("help", rest)) = next_word(done) {
        candidates.extend(self::candidates(rest.trim_ascii_start(), begun, ports));
    }
    candidates
}

/// The steps of which one comes next: those that may be left out, and the first that may not.
fn next_steps(command: &'static Command, fit: &Fit<'_>) -> Vec<Step> {
    let mut next = Vec::new();
    for step in steps(command.syntax).skip(fit.next) {
        next.push(step);
        if !step.optional {
            break;
        }
    }
    next
}

fn add(candidates: &mut Vec<Candidate>, word: String, literal: bool, command: &'static Command) {
    match candidates.iter_mut().find(|other| other.word == word) {
        Some(same) => same.commands.push(command),
        None => candidates.push(Candidate { word, literal, commands: vec![command] }),
    }
}

/// What may be typed at a step, with whether it is the very word.
fn words(step: Step, begun: &str, ports: &[PortId]) -> Vec<(String, bool)> {
    let mut words: Vec<String> = step.kind.words().map(str::to_owned).collect();
    match step.kind {
        Kind::Port | Kind::Ports => words.extend(ports.iter().map(PortId::to_string)),
        Kind::File => words.extend(files(begun)),
        _ => {}
    }
    words.retain(|word| word.starts_with(begun));
    let mut words: Vec<_> = words.into_iter().map(|word| (word, true)).collect();
    let open = !matches!(step.kind, Kind::Words(_) | Kind::Ports | Kind::Port | Kind::Command);
    if open && begun.is_empty() {
        words.insert(0, (help::shown_step(step), false));
    }
    words
}

/// The files whose names begin like this; folders with a slash.
fn files(begun: &str) -> Vec<String> {
    let (folder, name) = match begun.rfind('/') {
        Some(slash) => begun.split_at(slash + 1),
        None => ("", begun),
    };
    let Ok(entries) =
        fs::read_dir(if folder.is_empty() { Path::new(".") } else { Path::new(folder) })
    else {
        return Vec::new();
    };
    let mut files: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let own = entry.file_name().into_string().ok()?;
            let hidden = own.starts_with('.') && !name.starts_with('.');
            let typable = !own
                .contains(|c: char| c.is_whitespace() || c.is_control() || c == '#' || c == '?');
            let slash = if entry.path().is_dir() { "/" } else { "" };
            (!hidden && typable && own.starts_with(name)).then(|| format!("{folder}{own}{slash}"))
        })
        .collect();
    files.sort();
    files
}

/// What all candidates begin with beyond what is typed; and a blank when there is only one.
fn insertion(begun: &str, candidates: &[Candidate]) -> String {
    let [first, rest @ ..] = candidates else { return String::new() };
    if candidates.iter().any(|candidate| !candidate.literal) {
        return String::new();
    }
    let mut common = first.word.as_str();
    for other in rest {
        let same = common.chars().zip(other.word.chars()).take_while(|(a, b)| a == b);
        common = &common[..same.map(|(c, _)| c.len_utf8()).sum()];
    }
    let blank = if rest.is_empty() && !common.ends_with('/') { " " } else { "" };
    common.strip_prefix(begun).map(|more| format!("{more}{blank}")).unwrap_or_default()
}

/// A line for each candidate: what it is, and its help when it leads to one command.
fn list(candidates: &[Candidate]) -> Vec<String> {
    let described = candidates.len() <= MOST_DESCRIBED;
    let line = |candidate: &Candidate| match candidate.commands.as_slice() {
        [command] if described => {
            let help = command.help.lines().next().unwrap_or_default();
            format!("{}: {}: {help}", candidate.word, help::shown(command))
        }
        commands if described => {
            format!("{}: {} commands", candidate.word, commands.len())
        }
        _ => candidate.word.clone(),
    };
    candidates.iter().map(line).collect()
}

/// What to tell somebody whose line is no command.
pub fn hint(line: &str) -> Option<String> {
    let text = matching::without_comment(line);
    match next_word(text) {
        Some(("help", rest)) if !rest.trim_ascii().is_empty() => {
            Some(format!("no command begins with '{}'", rest.trim_ascii()))
        }
        _ => nearest(text).map(|meant| format!("did you mean '{meant}'?")),
    }
}

/// The command that a line which is none may have meant, as it is typed.
fn nearest(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let scored = all().filter_map(|command| Some((distance(command, &words)?, command)));
    let (score, command) = scored.min_by_key(|(score, _)| *score)?;
    (score <= 2 + words.len()).then(|| help::shown(command))
}

/// How much a line differs from a command, or nothing when it begins quite differently.
fn distance(command: &'static Command, words: &[&str]) -> Option<usize> {
    let steps: Vec<Step> = steps(command.syntax).collect();
    let (first, rest) = words.split_first()?;
    let begins = cost(*steps.first()?, first);
    (begins <= 2 && begins < first.len()).then(|| begins + alignment(&steps[1..], rest))
}

/// The least cost of laying words along steps, where steps may lack their word and words may be too many.
fn alignment(steps: &[Step], words: &[&str]) -> usize {
    let surplus = |count: usize| 4 * count;
    let mut row: Vec<usize> = (0..=words.len()).map(surplus).collect();
    for step in steps {
        let missing = match step.kind {
            _ if step.optional => 0,
            Kind::Words(_) => 2,
            _ => 1,
        };
        let mut diagonal = row[0];
        row[0] += missing;
        for (at, word) in words.iter().enumerate() {
            let fits = diagonal + cost(*step, word);
            diagonal = row[at + 1];
            row[at + 1] = fits.min(diagonal + missing).min(row[at] + surplus(1));
        }
    }
    row[words.len()]
}

/// How badly a word fits a step: letters that differ from a fixed word, at most 4. What fits everything says little.
fn cost(step: Step, word: &str) -> usize {
    let letters = |own: &str| if own.starts_with(word) { 1 } else { edits(own, word).min(4) };
    match step.kind {
        Kind::Text | Kind::File | Kind::Rest => 1,
        kind if kind.accepts(word) => 0,
        Kind::Words(_) => step.kind.words().map(letters).min().unwrap_or(4),
        _ => 1,
    }
}
/// Letters to change, add or remove to make one word of the other.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(text: &str) -> String {
        of(text, &[PortId(0), PortId(12)]).insert
    }

    fn listed(text: &str) -> Vec<String> {
        let first = |line: String| line.split(": ").next().unwrap_or_default().to_owned();
        of(text, &[PortId(0), PortId(12)]).list.into_iter().map(first).collect()
    }

    #[test]
    fn words_are_completed() {
        for (text, more) in [
            ("sta", "rt "),
            ("start ", "tx_first "),
            ("st", ""),
            ("set bu", "rst "),
            ("  show   po", "rt "),
            ("show config rxt", "x "),
            ("set promisc a", "ll "),
            ("port stop 1", "2 "),
            ("help se", "t "),
            ("help cont", "rol "),
            ("help set bur", "st "),
            ("foo b", ""),
            ("# sta", ""),
        ] {
            let more = if text == "start " { "" } else { more };
            assert_eq!(insert(text), more, "{text:?}");
        }
    }

    #[test]
    fn candidates_are_listed() {
        assert_eq!(listed("start "), ["[RETURN]", "tx_first"]);
        assert_eq!(listed("port stop "), ["all", "0", "12"]);
        assert_eq!(listed("set burst "), ["(count)", "tx"]);
        assert!(listed("").contains(&"start".to_owned()));
        assert_eq!(listed("nonsense "), Vec::<String>::new());
        let list = of("set nbp", &[]).list;
        let help = "Forward between this many ports, the first of the list.";
        assert_eq!(list, [format!("nbport: set nbport (count): {help}")]);
    }

    #[test]
    fn files_are_completed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        fs::write(folder.path().join("commands.txt"), "").unwrap();
        fs::write(folder.path().join(".hidden"), "").unwrap();
        fs::create_dir(folder.path().join("scripts")).unwrap();
        assert_eq!(insert(&format!("load {path}/com")), "mands.txt ");
        assert_eq!(insert(&format!("load {path}/sc")), "ripts/");
        assert_eq!(files(&format!("{path}/")).len(), 2);
        assert_eq!(insert("load /no/such/folder/x"), "");
    }

    #[test]
    fn what_was_meant() {
        for (line, meant) in [
            ("strat", Some("start")),
            ("start tx_frist 2", Some("start tx_first [(bursts)]")),
            ("show port sats all", Some("show port stats (port_id|all) [json]")),
            ("set brust 32", Some("set burst (count)")),
            ("start tx", Some("start tx_first [(bursts)]")),
            ("clear stats", Some("clear port stats (port_id|all)")),
            ("show stats 0", Some("show port stats (port_id|all) [json]")),
            ("laod file", Some("load (file)")),
            ("x", None),
            ("complete nonsense that is no command at all", None),
        ] {
            assert_eq!(nearest(line).as_deref(), meant, "{line}");
        }
        assert_eq!(hint("strat").as_deref(), Some("did you mean 'start'?"));
        assert_eq!(hint("help no such").as_deref(), Some("no command begins with 'no such'"));
    }
}
