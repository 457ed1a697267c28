//! The program's own options: what follows `--`, or `--loopback` and what goes with it.
//!
//! Long options may be shortened while they stay unique, and take their value as `--option=value` or `--option value`.

mod loopback;
mod memory;
mod offloads;
mod options;
mod ports;
pub mod queues;
mod session;
mod spec;
mod table;
mod traffic;

use std::ffi::OsString;
use std::fmt;

use crate::config::parse_list;
pub use options::{Options, Processes};
use spec::{Effect, Spec, Takes};

/// What may be said together with `--loopback`.
const LOOPBACK: [&str; 6] = ["loopback", "size", "burst", "queues", "json", "help"];

/// Why a command line was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum CliError {
    /// No such option.
    Unknown {
        /// As typed.
        option: String,
        /// The one that looks most like it.
        nearest: Option<&'static str>,
    },
    /// An abbreviation of several options.
    Ambiguous {
        /// As typed.
        option: String,
        /// What it may stand for.
        candidates: Vec<&'static str>,
    },
    /// An option needs a value.
    NoValue {
        /// The option.
        option: String,
        /// What the value is.
        value: &'static str,
    },
    /// An option takes no value.
    SurplusValue {
        /// The option.
        option: String,
    },
    /// A word that is no option.
    Stray(String),
    /// An option of the reference that cannot be had here.
    Refused {
        /// The option.
        name: &'static str,
        /// Why, and what to do instead.
        why: &'static str,
    },
    /// A value that will not do; the text says what would.
    Value(String),
}

impl CliError {
    /// The cause that the exit message gives.
    pub fn cause(&self) -> &str {
        match self {
            Self::Value(text) => text,
            Self::Stray(_) => "Command line is incorrect",
            _ => "Command line is incomplete or incorrect",
        }
    }

    /// Lines to print before the exit message, with a pointer to the help; none when the cause says all.
    pub fn details(&self) -> String {
        match self {
            Self::Value(_) => String::new(),
            _ => format!("{self}\nTry 'testpmd --help' for all options.\n"),
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { option, nearest } => {
                write!(f, "testpmd: unrecognized option '{option}'")?;
                if let Some(nearest) = nearest {
                    write!(f, "; did you mean '--{nearest}'?")?;
                }
                write!(f, "\nInvalid option: {option}")
            }
            Self::Ambiguous { option, candidates } => {
                write!(f, "testpmd: option '{option}' is ambiguous; possibilities:")?;
                candidates.iter().try_for_each(|name| write!(f, " '--{name}'"))
            }
            Self::NoValue { option, value } => {
                write!(f, "testpmd: option '{option}' requires an argument: {option}={value}")
            }
            Self::SurplusValue { option } => {
                write!(f, "testpmd: option '{option}' doesn't allow an argument")
            }
            Self::Stray(word) => write!(f, "Invalid parameter: {word}"),
            Self::Refused { name, why } => {
                write!(f, "testpmd: option '--{name}' is not supported yet: {why}")
            }
            Self::Value(text) => f.write_str(text),
        }
    }
}

/// Reads the options.
///
/// # Errors
///
/// [`CliError`].
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Options, CliError> {
    let mut options = Options::default();
    let mut words = args.into_iter().map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            let (name, inline) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let spec = find(name, &word)?;
            let value = value_of(spec, inline, || words.next())?;
            apply(&mut options, spec, value.as_deref())?;
        } else if word.len() > 1 && word.starts_with('-') {
            word.chars().skip(1).try_for_each(|letter| short(&mut options, letter))?;
        } else {
            return Err(CliError::Stray(word));
        }
    }
    check_processes(options.processes)?;
    check_loopback(&options)?;
    Ok(options)
}

/// Refuses what the loopback would pass over.
fn check_loopback(options: &Options) -> Result<(), CliError> {
    let other = options.given.iter().find(|name| !LOOPBACK.contains(name));
    match other {
        Some(name) if options.loopback.is_some() && !options.help => Err(CliError::Value(format!(
            "option '--{name}' changes nothing with --loopback: leave it out; known there: --{}",
            LOOPBACK.join(", --")
        ))),
        _ => Ok(()),
    }
}

/// Refuses what several processes would have to share.
fn check_processes(Processes { count, id }: Processes) -> Result<(), CliError> {
    if id >= count {
        return Err(CliError::Value(format!(
            "The multi-process option 'proc-id({id})' should be less than 'num-procs({count})'"
        )));
    }
    if count > 1 {
        return Err(CliError::Value(format!(
            "num-procs {count} invalid - several processes cannot share ports yet: leave it out, \
             or give each process its own --file-prefix and ports"
        )));
    }
    Ok(())
}

fn short(options: &mut Options, letter: char) -> Result<(), CliError> {
    match letter {
        'i' => {
            options.given.push("interactive");
            session::interactive(options);
        }
        'a' => {
            options.given.push("auto-start");
            session::auto_start(options);
        }
        'h' => options.help = true,
        _ => return Err(CliError::Unknown { option: format!("-{letter}"), nearest: None }),
    }
    Ok(())
}

/// The full name of the option that `typed` stands for, without its dashes; nothing when there is none.
pub fn full_name(typed: &str) -> Option<&'static str> {
    match typed.strip_prefix("--") {
        Some(name) => find(name, typed).ok().map(|spec| spec.name),
        None => ["interactive", "auto-start", "help"]
            .into_iter()
            .find(|name| typed.strip_prefix('-') == name.get(..1)),
    }
}

/// The option that `name` stands for; `typed` is the whole word.
fn find(name: &str, typed: &str) -> Result<&'static Spec, CliError> {
    if let Some(spec) = table::all().find(|spec| spec.name == name) {
        return Ok(spec);
    }
    let option = typed.to_owned();
    let begins = |spec: &&Spec| !name.is_empty() && spec.name.starts_with(name);
    let candidates: Vec<&'static Spec> = table::all().filter(begins).collect();
    match candidates[..] {
        [spec] => Ok(spec),
        [] => Err(CliError::Unknown { option, nearest: nearest(name) }),
        _ => {
            let candidates = candidates.iter().map(|spec| spec.name).collect();
            Err(CliError::Ambiguous { option, candidates })
        }
    }
}

/// The option that looks most like `name`, or that has all its letters in their order, as forward-mode has those of fwd.
pub fn nearest(name: &str) -> Option<&'static str> {
    let names = || table::all().map(|spec| spec.name);
    let differs = |known: &&str| eal::args::distance(known, name);
    let close = |known: &&str| differs(known) <= (name.len() / 2).min(2 + name.len() / 3);
    names().min_by_key(differs).filter(close).or_else(|| {
        let shortens = |known: &&str| {
            let mut letters = known.chars();
            name.len() > 2
                && known.get(..1) == name.get(..1)
                && name.chars().all(|c| letters.any(|l| l == c))
        };
        names().find(shortens)
    })
}

fn value_of(
    spec: &'static Spec,
    inline: Option<String>,
    next: impl FnOnce() -> Option<String>,
) -> Result<Option<String>, CliError> {
    let option = || format!("--{}", spec.name);
    match (spec.takes, inline) {
        (Takes::Nothing, Some(_)) => Err(CliError::SurplusValue { option: option() }),
        (Takes::Nothing, None) => Ok(None),
        (Takes::Maybe(_), inline) => Ok(inline),
        (Takes::Value(_), Some(value)) => Ok(Some(value)),
        (Takes::Value(value), None) => {
            next().map(Some).ok_or_else(|| CliError::NoValue { option: option(), value })
        }
    }
}

fn apply(options: &mut Options, spec: &Spec, value: Option<&str>) -> Result<(), CliError> {
    options.given.push(spec.name);
    match spec.effect {
        Effect::Flag(set) => set(options),
        Effect::Set(set) => {
            set(options, value.unwrap_or_default()).map_err(CliError::Value)?;
        }
        Effect::Maybe(set) => set(options, value).map_err(CliError::Value)?,
        Effect::None => {
            if !options.no_effect.contains(&spec.name) {
                options.no_effect.push(spec.name);
            }
        }
        Effect::Refused(why) => return Err(CliError::Refused { name: spec.name, why }),
    }
    Ok(())
}

/// The options' part of the help.
pub fn usage() -> String {
    table::usage()
}

/// Reads a list of port numbers, `0,1`.
///
/// # Errors
///
/// What is wrong with it.
pub fn port_list(text: &str) -> Result<Vec<u16>, String> {
    let ids = parse_list(text).map_err(|bad| bad.to_string())?;
    ids.into_iter().map(|id| u16::try_from(id).map_err(|_| format!("Invalid port {id}"))).collect()
}

#[cfg(test)]
mod tests;
