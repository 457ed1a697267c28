//! The EAL's command line, as DPDK's users type it, turned into an [`EalConfig`].
//!
//! `program [EAL options] [-- application options]`. What follows `--` is handed back untouched. Long options may be
//! shortened as long as they stay unique, and take their value as `--option=value` or `--option value`; short ones as `-l1-2` or
//! `-l 1-2`. Nothing is ignored silently: options without effect here are listed in [`EalConfig::ignored`],
//! and everything else that is not understood is an error that says what would be.
//!
//! ```
//! let line = ["testpmd", "-l", "1-2", "--vdev", "net_vhost0,iface=/tmp/s0", "--no-pci", "--", "-i"];
//! let parsed = eal::args::parse(line.map(Into::into)).unwrap();
//! assert_eq!(parsed.config.vdevs, ["net_vhost0,iface=/tmp/s0"]);
//! assert_eq!(parsed.config.lcores.unwrap().to_string(), "1@1,2@2");
//! assert_eq!(parsed.rest, ["-i"]);
//! ```

mod apply;
mod levels;
mod line;
mod options;
mod table;
mod values;

use std::ffi::OsString;

use crate::config::EalConfig;
use crate::error::Error;

use apply::Given;
use line::Line;
pub use options::distance;
use table::{Spec, Takes};

/// File prefix when none is given.
pub const DEFAULT_PREFIX: &str = "rte";

/// What a command line asked for.
#[derive(Debug)]
pub struct Parsed {
    /// The program's name, the first word.
    pub program: String,
    /// What the EAL options say.
    pub config: EalConfig,
    /// Everything after `--`.
    pub rest: Vec<OsString>,
    /// `-h`: the application prints [`usage`] and ends.
    pub help: bool,
    /// `--log-level=help`: the application prints this and ends.
    pub log_help: Option<String>,
    /// `-v`: the application prints its version and goes on.
    pub version: bool,
}

/// Parses a whole command line, program name first.
///
/// # Errors
///
/// [`Error::UnknownOption`], [`Error::AmbiguousOption`], [`Error::OptionValue`], or
/// [`Error::Configuration`] for options that contradict each other.
pub fn parse(argv: impl IntoIterator<Item = OsString>) -> Result<Parsed, Error> {
    let mut words = argv.into_iter();
    let program = words.next().map_or_else(String::new, |word| word.to_string_lossy().into_owned());
    let mut before: Vec<OsString> = Vec::new();
    let mut rest = Vec::new();
    while let Some(word) = words.next() {
        if word == "--" {
            rest = words.collect();
            break;
        }
        before.push(word);
    }
    let mut line = Line::default();
    let mut parser = lexopt::Parser::from_args(before);
    while let Some(arg) = parser.next().map_err(|error| Error::Configuration(error.to_string()))? {
        let (shown, spec) = options::find(&arg)?;
        let value = take_value(&mut parser, &shown, spec)?;
        (spec.apply)(&mut line, &Given { shown: &shown, value: value.as_deref(), spec })?;
    }
    let (help, version) = (line.help, line.version);
    let log_help = line.log_help.then(levels::help);
    Ok(Parsed { program, config: line.finish()?, rest, help, log_help, version })
}

/// The text that `-h` asks for, EAL part.
pub fn usage(program: &str) -> String {
    options::usage(program)
}

fn take_value(
    parser: &mut lexopt::Parser,
    shown: &str,
    spec: &Spec,
) -> Result<Option<String>, Error> {
    let bad = |value: Option<String>, allowed: &str| Error::OptionValue {
        option: shown.into(),
        value,
        allowed: allowed.into(),
    };
    let value = match spec.takes {
        Takes::Nothing => match parser.optional_value() {
            Some(value) => {
                return Err(bad(Some(value.to_string_lossy().into_owned()), "no value at all"));
            }
            None => return Ok(None),
        },
        Takes::Maybe(_) => parser.optional_value(),
        Takes::Value(form) => Some(parser.value().map_err(|_| bad(None, form))?),
    };
    let text = |value: OsString| {
        value.into_string().map_err(|raw| bad(Some(raw.to_string_lossy().into_owned()), "UTF-8"))
    };
    value.map(text).transpose()
}

#[cfg(test)]
mod tests;
