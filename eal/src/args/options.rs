//! Finding an option by what was typed, and the text that lists them all.

use std::fmt::Write;

use crate::error::Error;

use super::table::{OPTIONS, Spec, Takes};

/// The option that was typed, with its full name for messages.
pub(super) fn find(arg: &lexopt::Arg<'_>) -> Result<(String, &'static Spec), Error> {
    match arg {
        lexopt::Arg::Short(letter) => find_short(*letter),
        lexopt::Arg::Long(name) => find_long(name),
        lexopt::Arg::Value(word) => Err(Error::Configuration(format!(
            "unexpected word '{}' before '--'; application options follow '--'",
            word.to_string_lossy()
        ))),
    }
}

fn find_short(letter: char) -> Result<(String, &'static Spec), Error> {
    let shown = format!("-{letter}");
    match OPTIONS.iter().find(|spec| spec.short == Some(letter)) {
        Some(spec) => Ok((shown, spec)),
        None => Err(Error::UnknownOption { option: shown, nearest: None }),
    }
}

fn find_long(name: &str) -> Result<(String, &'static Spec), Error> {
    let named = || OPTIONS.iter().filter(|spec| !spec.long.is_empty());
    let found = |spec: &'static Spec| Ok((format!("--{}", spec.long), spec));
    if let Some(spec) = named().find(|spec| spec.long == name) {
        return found(spec);
    }
    if let Some(spec) = OPTIONS.iter().find(|spec| spec.aliases.contains(&name)) {
        return Ok((format!("--{name}"), spec));
    }
    let starting: Vec<&'static Spec> = named().filter(|spec| spec.long.starts_with(name)).collect();
    match starting.as_slice() {
        [one] => found(one),
        [] => Err(Error::UnknownOption { option: format!("--{name}"), nearest: nearest(name) }),
        several => Err(Error::AmbiguousOption {
            option: format!("--{name}"),
            candidates: several.iter().map(|spec| spec.long).collect(),
        }),
    }
}

/// The option name that takes the fewest edits, when few enough.
fn nearest(name: &str) -> Option<&'static str> {
    let named = OPTIONS.iter().map(|spec| spec.long).filter(|long| !long.is_empty());
    let (edits, best) = named.map(|long| (distance(name, long), long)).min()?;
    (edits <= (name.len() / 3).max(1)).then_some(best)
}

/// How many bytes must be put in, taken out or replaced to turn `one` into `two` (Levenshtein): for "did you mean".
pub fn distance(one: &str, two: &str) -> usize {
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in two.bytes().enumerate() {
            let replace = corner + usize::from(a != b);
            corner = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(corner + 1);
        }
    }
    row[two.len()]
}

/// The help text.
pub(super) fn usage(program: &str) -> String {
    let mut text =
        format!("Usage: {program} [EAL options] [-- application options]\n\nEAL options:\n");
    for spec in OPTIONS {
        let _ = writeln!(text, "  {:<26} {}", names(spec), spec.help);
        if let Takes::Value(form) | Takes::Maybe(form) = spec.takes {
            let _ = writeln!(text, "  {:<26}   value: {form}", "");
        }
    }
    text
}

/// All names of an option, as in `-m, --memory-size`.
fn names(spec: &Spec) -> String {
    let letter = spec.short.map(|letter| format!("-{letter}"));
    let long = Some(spec.long).filter(|long| !long.is_empty());
    let long = long.into_iter().chain(spec.aliases.iter().copied());
    let all: Vec<String> = letter.into_iter().chain(long.map(|name| format!("--{name}"))).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("file-prefix", "file-prefix"), 0);
        assert_eq!(distance("fil-prefx", "file-prefix"), 2);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn names_and_letters_are_unique() {
        let long = OPTIONS.iter().map(|spec| spec.long).filter(|long| !long.is_empty());
        let mut all: Vec<String> = long.map(Into::into).collect();
        all.extend(OPTIONS.iter().flat_map(|spec| spec.aliases).map(|alias| alias.to_string()));
        all.extend(OPTIONS.iter().filter_map(|spec| spec.short).map(String::from));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn help_names_every_option() {
        let text = usage("testpmd");
        assert!(OPTIONS.iter().all(|spec| text.contains(&names(spec)) && !names(spec).is_empty()));
        assert!(text.starts_with("Usage: testpmd [EAL options]"));
    }
}
