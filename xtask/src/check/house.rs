//! House rules that can be seen in the text of a source file.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// A file longer than this holds more than one concept.
const LINES_MAX: usize = 800;
/// How far above an unsafe block its SAFETY note may begin.
const NOTE_WITHIN_LINES: usize = 8;
/// Words that say "not done", in two parts so that this file does not hold them.
const LEFT_OVERS: [(&str, &str); 4] = [("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("#[ign", "ore")];

/// Every complaint about the Rust sources below `root`.
pub fn complaints(root: &Path) -> Result<Vec<String>, Error> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort_unstable();
    let mut found = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path)
            .map_err(|source| Error::File { path: path.clone(), source })?;
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        found.extend(of_file(&name, &text));
    }
    Ok(found)
}

/// Finds `.rs` files, passing over hidden folders and what cargo builds.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let file_error = |source| Error::File { path: folder.to_path_buf(), source };
    for entry in fs::read_dir(folder).map_err(file_error)? {
        let path = entry.map_err(file_error)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn of_file(name: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    if lines.len() > LINES_MAX {
        found.push(format!("{name}: {} lines, at most {LINES_MAX}: split it", lines.len()));
    }
    for (at, line) in lines.iter().enumerate() {
        let place = format!("{name}:{}", at + 1);
        if let Some((head, tail)) = LEFT_OVERS.iter().find(|word| has_left_over(line, word)) {
            found.push(format!("{place}: {head}{tail}: do it or take it out"));
        }
        let from = at.saturating_sub(NOTE_WITHIN_LINES);
        if is_unsafe(line) && !lines[from..=at].iter().any(|above| above.contains("SAFETY:")) {
            found.push(format!("{place}: no SAFETY note within {NOTE_WITHIN_LINES} lines above"));
        }
    }
    found
}

/// Whether `line` has the word, and not as a part of a longer one.
fn has_left_over(line: &str, (head, tail): &(&str, &str)) -> bool {
    let word = format!("{head}{tail}");
    line.match_indices(&word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        ![before, after].into_iter().flatten().any(|c| c.is_alphanumeric() || c == '_')
    })
}

/// Whether code on `line` opens an unsafe block or an unsafe implementation.
fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or(line);
    code.match_indices("unsafe").any(|(at, word)| {
        let rest = code[at + word.len()..].trim_start();
        let starts_a_word =
            !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"');
        starts_a_word && (rest.starts_with('{') || rest.starts_with("impl"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsafe_block_wants_its_note_near() {
        let near = "// SAFETY: the range was checked by `new`.\nlet x = unsafe { *p };\n";
        assert_eq!(of_file("a.rs", near), [""; 0]);
        let far = format!("// SAFETY: checked.\n{}let x = unsafe {{ *p }};\n", "\n".repeat(8));
        assert_eq!(of_file("a.rs", &far).len(), 1);
        assert!(of_file("a.rs", "unsafe impl Send for X {}\n")[0].starts_with("a.rs:1:"));
    }

    #[test]
    fn only_code_counts_as_unsafe() {
        for harmless in ["// unsafe { }", "#![deny(unsafe_code)]", "unsafe fn f();", "\"unsafe {\""]
        {
            assert!(!is_unsafe(harmless), "{harmless}");
        }
    }

    #[test]
    fn left_overs_are_found_as_whole_words() {
        let word = concat!("TO", "DO");
        assert_eq!(of_file("a.rs", &format!("// {word}: later\n")).len(), 1);
        assert_eq!(of_file("a.rs", &format!("let MAS{word}NT = 1;\n")), [""; 0]);
        assert_eq!(of_file("a.rs", concat!("#[ign", "ore]\n")).len(), 1);
    }

    #[test]
    fn a_file_that_is_too_long_is_named_with_its_length() {
        let found = of_file("long.rs", &"\n".repeat(LINES_MAX + 1));
        assert!(found[0].contains("long.rs: 801 lines"), "{found:?}");
    }

    #[test]
    fn what_cargo_builds_is_passed_over() {
        let root = tempfile::tempdir().expect("a temporary folder");
        for folder in ["target", ".hidden", "src"] {
            fs::create_dir(root.path().join(folder)).expect("writable");
            let text = format!("// {}{}\n", "FIX", "ME");
            fs::write(root.path().join(folder).join("lib.rs"), text).expect("writable");
        }
        let found = complaints(root.path()).expect("readable");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("src/lib.rs:1:"));
    }
}
