//! The table of EAL options, and finding one by what was typed.

use std::fmt::Write;

use crate::config::PREFIX_FORM;
use crate::error::Error;
use crate::lcore::{LIST_FORM, MAP_FORM, MASK_FORM};

/// Whether an option takes a value, and in which form.
pub(super) enum Takes {
    Nothing,
    /// Only as `--option=value`.
    Maybe(&'static str),
    Value(&'static str),
}

/// What an option does.
pub(super) enum Effect {
    Help,
    Version,
    CoreList,
    CoreMask,
    CoreMap,
    MainLcore,
    Memory,
    HugeDir,
    NoHuge,
    InMemory,
    Prefix,
    Process,
    Vdev,
    Allow,
    Block,
    NoPci,
    LogLevel,
    Simd,
    /// Nothing, but the value must be one of these.
    OneOf(&'static [&'static str]),
    /// Nothing, but the value must be a number.
    Number,
    /// Nothing.
    None,
}

/// One option.
pub(super) struct Spec {
    long: &'static str,
    short: Option<char>,
    pub takes: Takes,
    pub effect: Effect,
    help: &'static str,
}

impl Spec {
    /// What values are allowed.
    pub fn form(&self) -> &'static str {
        match self.takes {
            Takes::Value(form) | Takes::Maybe(form) => form,
            Takes::Nothing => "no value at all",
        }
    }
}

const fn spec(
    long: &'static str,
    short: Option<char>,
    takes: Takes,
    effect: Effect,
    help: &'static str,
) -> Spec {
    Spec { long, short, takes, effect, help }
}

const UNUSED: &str = "accepted, without effect here";
const LEVEL_FORM: &str =
    "LEVEL, or PATTERN,LEVEL or REGEX:LEVEL, with a level from 1 (emergency) to 8 (debug)";

/// All options; those with both a name and a letter stand once.
static OPTIONS: &[Spec] = &[
    spec(
        "",
        Some('l'),
        Takes::Value(LIST_FORM),
        Effect::CoreList,
        "cores to run on, an lcore each",
    ),
    spec(
        "",
        Some('c'),
        Takes::Value(MASK_FORM),
        Effect::CoreMask,
        "the same as a hexadecimal mask",
    ),
    spec("lcores", None, Takes::Value(MAP_FORM), Effect::CoreMap, "lcores and the CPUs of each"),
    spec(
        "main-lcore",
        None,
        Takes::Value("an lcore id"),
        Effect::MainLcore,
        "lcore of the main thread",
    ),
    spec("", Some('m'), Takes::Value("mebibytes, above 0"), Effect::Memory, "memory to begin with"),
    spec(
        "socket-mem",
        None,
        Takes::Value("mebibytes for each node, such as 1024 or 1024,0"),
        Effect::Memory,
        "the same by memory node; the sum is used",
    ),
    spec("huge-dir", None, Takes::Value("a directory"), Effect::HugeDir, "hugetlbfs mount to use"),
    spec("no-huge", None, Takes::Nothing, Effect::NoHuge, "use ordinary pages"),
    spec("in-memory", None, Takes::Nothing, Effect::InMemory, "no files; nobody can join"),
    spec("no-shconf", None, Takes::Nothing, Effect::InMemory, "the same as --in-memory"),
    spec(
        "file-prefix",
        None,
        Takes::Value(PREFIX_FORM),
        Effect::Prefix,
        "name that sets independent programs apart",
    ),
    spec(
        "proc-type",
        None,
        Takes::Value("primary, secondary or auto"),
        Effect::Process,
        "first process of its prefix, or one that joins it",
    ),
    spec("vdev", None, Takes::Value("name[,key=value...]"), Effect::Vdev, "add a virtual device"),
    spec(
        "allow",
        Some('a'),
        Takes::Value("a PCI address[,key=value...]"),
        Effect::Allow,
        "use this PCI device",
    ),
    spec(
        "block",
        Some('b'),
        Takes::Value("a PCI address"),
        Effect::Block,
        "leave this PCI device alone",
    ),
    spec("no-pci", None, Takes::Nothing, Effect::NoPci, "look for no PCI devices"),
    spec("log-level", None, Takes::Value(LEVEL_FORM), Effect::LogLevel, "what to log, 1 to 8"),
    spec(
        "force-max-simd-bitwidth",
        None,
        Takes::Value("0 (no limit), 64, 128, 256, 512 or a larger power of two up to 32768"),
        Effect::Simd,
        "widest SIMD registers to use, in bits",
    ),
    spec("version", Some('v'), Takes::Nothing, Effect::Version, "print the version"),
    spec("help", Some('h'), Takes::Nothing, Effect::Help, "print this text"),
    spec("iova-mode", None, Takes::Value("va"), Effect::OneOf(&["va"]), "va is the only mode"),
    spec(
        "huge-unlink",
        None,
        Takes::Maybe("existing or always"),
        Effect::OneOf(&["existing", "always"]),
        "files in hugetlbfs never keep a name here",
    ),
    spec("", Some('n'), Takes::Value("a number"), Effect::Number, UNUSED),
    spec("", Some('r'), Takes::Value("a number"), Effect::Number, UNUSED),
    spec("", Some('d'), Takes::Value("a file"), Effect::None, UNUSED),
    spec("single-file-segments", None, Takes::Nothing, Effect::None, "always so here"),
    spec("legacy-mem", None, Takes::Nothing, Effect::None, UNUSED),
    spec("match-allocations", None, Takes::Nothing, Effect::None, UNUSED),
    spec("socket-limit", None, Takes::Value("mebibytes for each node"), Effect::None, UNUSED),
    spec(
        "base-virtaddr",
        None,
        Takes::Value("an address"),
        Effect::None,
        "no address is fixed here",
    ),
    spec("mbuf-pool-ops-name", None, Takes::Value("a name"), Effect::None, UNUSED),
    spec("telemetry", None, Takes::Nothing, Effect::None, UNUSED),
    spec("no-telemetry", None, Takes::Nothing, Effect::None, UNUSED),
    spec("no-hpet", None, Takes::Nothing, Effect::None, UNUSED),
    spec("syslog", None, Takes::Value("a facility"), Effect::None, UNUSED),
    spec("create-uio-dev", None, Takes::Nothing, Effect::None, UNUSED),
    spec("vmware-tsc-map", None, Takes::Nothing, Effect::None, UNUSED),
    spec("huge-worker-stack", None, Takes::Maybe("KiB"), Effect::None, UNUSED),
];

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

/// How many bytes must be put in, taken out or replaced to make `one` of `two` (Levenshtein): for "did you mean". the edits that turn one word into the other, for "did you mean".
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
        let name = match (spec.short, spec.long) {
            (Some(letter), "") => format!("-{letter}"),
            (Some(letter), long) => format!("-{letter}, --{long}"),
            (None, long) => format!("--{long}"),
        };
        let _ = writeln!(text, "  {name:<26} {}", spec.help);
        if let Takes::Value(form) | Takes::Maybe(form) = spec.takes {
            let _ = writeln!(text, "  {:<26}   value: {form}", "");
        }
    }
    text
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
        for (index, spec) in OPTIONS.iter().enumerate() {
            for other in &OPTIONS[index + 1..] {
                assert!(spec.long.is_empty() || spec.long != other.long, "{}", spec.long);
                assert!(spec.short.is_none() || spec.short != other.short, "{:?}", spec.short);
            }
        }
    }

    #[test]
    fn help_names_every_option() {
        let text = usage("testpmd");
        assert!(OPTIONS.iter().all(|spec| text.contains(spec.long)));
        assert!(text.starts_with("Usage: testpmd [EAL options]"));
    }
}
