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

mod options;
mod values;

use std::ffi::OsString;

use crate::config::{EalConfig, HugePolicy, ProcessType, is_prefix};
use crate::error::Error;
use crate::lcore::{self, LcoreMap};

pub use options::distance;
use options::{Effect, Takes};

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
        line.apply(&shown, spec, value)?;
    }
    let (help, version) = (line.help, line.version);
    Ok(Parsed { program, config: line.finish()?, rest, help, version })
}

/// The text that `-h` asks for, EAL part.
pub fn usage(program: &str) -> String {
    options::usage(program)
}

fn take_value(
    parser: &mut lexopt::Parser,
    shown: &str,
    spec: &options::Spec,
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

/// The command line as far as it has been read.
#[derive(Default)]
struct Line {
    config: EalConfig,
    prefix: Option<String>,
    in_memory: bool,
    no_huge: bool,
    huge_dir: Option<String>,
    lcores_by: Option<String>,
    memory_by: Option<String>,
    help: bool,
    version: bool,
}

impl Line {
    fn apply(
        &mut self,
        shown: &str,
        spec: &options::Spec,
        value: Option<String>,
    ) -> Result<(), Error> {
        let text = value.as_deref().unwrap_or_default();
        let bad = || Error::OptionValue {
            option: shown.into(),
            value: Some(text.into()),
            allowed: spec.form().into(),
        };
        let config = &mut self.config;
        match spec.effect {
            Effect::Help => self.help = true,
            Effect::Version => self.version = true,
            Effect::InMemory => self.in_memory = true,
            Effect::NoHuge => self.no_huge = true,
            Effect::NoPci => config.no_pci = true,
            Effect::CoreList => {
                self.set_lcores(shown, LcoreMap::parse_list(text).ok_or_else(bad)?)?
            }
            Effect::CoreMask => {
                self.set_lcores(shown, LcoreMap::parse_mask(text).ok_or_else(bad)?)?
            }
            Effect::CoreMap => {
                self.set_lcores(shown, LcoreMap::parse_map(text).ok_or_else(bad)?)?
            }
            Effect::MainLcore => {
                config.main_lcore =
                    Some(values::number(text, lcore::MAX_LCORE.into()).ok_or_else(bad)? as u32);
            }
            Effect::Memory => {
                let bytes = values::mebibytes(text).ok_or_else(bad)?;
                self.set_memory(shown, bytes)?;
            }
            Effect::HugeDir => self.huge_dir = Some(values::non_empty(text).ok_or_else(bad)?),
            Effect::Prefix if is_prefix(text) => self.prefix = Some(text.into()),
            Effect::Prefix => return Err(bad()),
            Effect::Process => {
                config.process = match text {
                    "primary" => ProcessType::Primary,
                    "secondary" => ProcessType::Secondary,
                    "auto" => ProcessType::Auto,
                    _ => return Err(bad()),
                };
            }
            Effect::Vdev => config.vdevs.push(values::non_empty(text).ok_or_else(bad)?),
            Effect::Allow => config.allow.push(values::non_empty(text).ok_or_else(bad)?),
            Effect::Block => config.block.push(values::non_empty(text).ok_or_else(bad)?),
            Effect::LogLevel => values::log_level(text, &mut config.log).ok_or_else(bad)?,
            Effect::Simd => config.max_simd_bits = values::simd_bits(text).ok_or_else(bad)?,
            Effect::OneOf(known) => {
                if value.is_some() && !known.contains(&text) {
                    return Err(bad());
                }
                self.note(shown, value.as_deref());
            }
            Effect::Number => {
                values::number(text, u64::MAX).ok_or_else(bad)?;
                self.note(shown, value.as_deref());
            }
            Effect::None => self.note(shown, value.as_deref()),
        }
        Ok(())
    }

    /// Remembers an option that changes nothing here.
    fn note(&mut self, shown: &str, value: Option<&str>) {
        let text = match value {
            Some(value) if shown.starts_with("--") => format!("{shown}={value}"),
            Some(value) => format!("{shown} {value}"),
            None => shown.into(),
        };
        self.config.ignored.push(text);
    }

    fn set_lcores(&mut self, shown: &str, map: LcoreMap) -> Result<(), Error> {
        self.config.lcores = Some(map);
        only_once(&mut self.lcores_by, shown)
    }

    fn set_memory(&mut self, shown: &str, bytes: u64) -> Result<(), Error> {
        self.config.memory_bytes = bytes;
        only_once(&mut self.memory_by, shown)
    }

    fn finish(self) -> Result<EalConfig, Error> {
        let mut config = self.config;
        let clash = |text: &str| Err(Error::Configuration(text.into()));
        if !config.allow.is_empty() && !config.block.is_empty() {
            return clash("options --allow (-a) and --block (-b) cannot be used together");
        }
        config.huge = match (self.no_huge, self.huge_dir) {
            (true, Some(_)) => {
                return clash("options --no-huge and --huge-dir cannot be used together");
            }
            (true, None) => HugePolicy::Never,
            (false, Some(dir)) => HugePolicy::Dir(dir.into()),
            (false, None) => HugePolicy::Auto,
        };
        if self.in_memory && config.process == ProcessType::Secondary {
            return clash("option --in-memory leaves nothing that a secondary process could join");
        }
        if let (Some(main), Some(map)) = (config.main_lcore, &config.lcores)
            && map.cpus(main).is_none()
        {
            return Err(Error::NoLcore { lcore: main });
        }
        config.file_prefix = match (self.in_memory, self.prefix) {
            (true, _) => None,
            (false, prefix) => Some(prefix.unwrap_or_else(|| DEFAULT_PREFIX.into())),
        };
        config.pin_main = true;
        Ok(config)
    }
}

/// Refuses a second option that says the same thing as an earlier one.
fn only_once(earlier: &mut Option<String>, shown: &str) -> Result<(), Error> {
    match earlier.replace(shown.into()) {
        None => Ok(()),
        Some(first) if first == shown => {
            Err(Error::Configuration(format!("option {shown} is given twice")))
        }
        Some(first) => Err(Error::Configuration(format!(
            "options {first} and {shown} cannot be used together"
        ))),
    }
}

#[cfg(test)]
mod tests;
