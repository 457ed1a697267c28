//! What each option does to the configuration.

use crate::config::{HugeUnlink, IovaMode, ProcessType, is_prefix};
use crate::error::Error;
use crate::lcore::{self, LcoreMap};

use super::line::Line;
use super::table::Spec;
use super::{levels, values};

/// One option as it was given.
pub(super) struct Given<'a> {
    /// The option's full name with its dashes.
    pub shown: &'a str,
    pub value: Option<&'a str>,
    pub spec: &'static Spec,
}

/// Does what an option says.
pub(super) type Apply = fn(&mut Line, &Given<'_>) -> Result<(), Error>;

impl Given<'_> {
    pub fn text(&self) -> &str {
        self.value.unwrap_or_default()
    }

    /// The error that names the value and what is allowed.
    pub fn refused(&self) -> Error {
        Error::OptionValue {
            option: self.shown.into(),
            value: self.value.map(Into::into),
            allowed: self.spec.form().into(),
        }
    }

    /// The value as `parse` understands it.
    fn parse<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Error> {
        parse(self.text()).ok_or_else(|| self.refused())
    }

    /// As the words that were typed.
    fn words(&self) -> String {
        match self.value {
            Some(value) if self.shown.starts_with("--") => format!("{}={value}", self.shown),
            Some(value) => format!("{} {value}", self.shown),
            None => self.shown.into(),
        }
    }
}

/// The option asks for what is so anyway.
pub(super) fn nothing(_: &mut Line, _: &Given<'_>) -> Result<(), Error> {
    Ok(())
}

/// The option changes nothing here, which the start-up says.
pub(super) fn unused(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    line.config.ignored.push(given.words());
    Ok(())
}

/// As [`unused`] for a value that `parse` must understand.
fn unused_after<T>(
    line: &mut Line,
    given: &Given<'_>,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<(), Error> {
    given.parse(parse)?;
    unused(line, given)
}

pub(super) fn number(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    unused_after(line, given, |text| values::number(text, u64::MAX))
}

pub(super) fn address(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    unused_after(line, given, values::address)
}

pub(super) fn service_list(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    unused_after(line, given, LcoreMap::parse_list)
}

pub(super) fn service_mask(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    unused_after(line, given, LcoreMap::parse_mask)
}

pub(super) fn trace_mode(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    unused_after(line, given, |text| values::one_of(text, &["overwrite", "discard"]))
}

pub(super) fn vfio_intr(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    unused_after(line, given, |text| values::one_of(text, &["legacy", "msi", "msix"]))
}

pub(super) fn uuid(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    unused_after(line, given, values::uuid)
}

/// Pool operations that users of DPDK choose from.
const POOL_OPS: &[&str] = &[
    "ring_mp_mc",
    "ring_sp_sc",
    "ring_mp_sc",
    "ring_sp_mc",
    "ring_mt_rts",
    "ring_mt_hts",
    "stack",
    "lf_stack",
    "bucket",
];

pub(super) fn pool_ops(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    unused_after(line, given, |text| values::one_of(text, POOL_OPS))
}

pub(super) fn help(line: &mut Line, _: &Given<'_>) -> Result<(), Error> {
    line.help = true;
    Ok(())
}

pub(super) fn version(line: &mut Line, _: &Given<'_>) -> Result<(), Error> {
    line.version = true;
    Ok(())
}

pub(super) fn in_memory(line: &mut Line, _: &Given<'_>) -> Result<(), Error> {
    line.in_memory = true;
    Ok(())
}

pub(super) fn no_huge(line: &mut Line, _: &Given<'_>) -> Result<(), Error> {
    line.no_huge = true;
    Ok(())
}

pub(super) fn no_pci(line: &mut Line, _: &Given<'_>) -> Result<(), Error> {
    line.config.no_pci = true;
    Ok(())
}

pub(super) fn core_list(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    line.set_lcores(given.shown, given.parse(LcoreMap::parse_list)?)
}

pub(super) fn core_mask(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    line.set_lcores(given.shown, given.parse(LcoreMap::parse_mask)?)
}

pub(super) fn core_map(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    line.set_lcores(given.shown, given.parse(LcoreMap::parse_map)?)
}

pub(super) fn main_lcore(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    let id = given.parse(|text| values::number(text, lcore::MAX_LCORE.into()))?;
    line.config.main_lcore = u32::try_from(id).ok();
    Ok(())
}

pub(super) fn memory(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    let bytes = given.parse(values::mebibytes)?;
    line.set_memory(given.shown, bytes, Vec::new())
}

pub(super) fn socket_mem(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    let parts = given.parse(values::mebibytes_by_node)?;
    let sum = parts.iter().sum();
    if sum == 0 {
        return Err(given.refused());
    }
    line.set_memory(given.shown, sum, parts)
}

pub(super) fn socket_limit(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    line.config.socket_limit_bytes = given.parse(values::mebibytes_by_node)?;
    Ok(())
}

pub(super) fn huge_dir(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    line.huge_dir = Some(given.parse(values::non_empty)?);
    Ok(())
}

pub(super) fn huge_unlink(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    let mode = match given.value {
        None | Some("always") => HugeUnlink::Always,
        Some("existing") => HugeUnlink::Existing,
        Some("never") => HugeUnlink::Never,
        Some(_) => return Err(given.refused()),
    };
    line.huge_unlink = Some((mode, given.words()));
    Ok(())
}

pub(super) fn prefix(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    line.prefix = Some(given.parse(|text| is_prefix(text).then(|| text.into()))?);
    Ok(())
}

pub(super) fn process(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    line.config.process = match given.text() {
        "primary" => ProcessType::Primary,
        "secondary" => ProcessType::Secondary,
        "auto" => ProcessType::Auto,
        _ => return Err(given.refused()),
    };
    Ok(())
}

pub(super) fn vdev(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    line.config.vdevs.push(given.parse(values::non_empty)?);
    Ok(())
}

/// A PCI device, or a virtual one, which is then made as by `--vdev`.
pub(super) fn allow(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    let device = given.parse(values::device)?;
    line.allowed = true;
    match device {
        values::Device::Pci(text) => line.config.allow.push(text),
        values::Device::Named(text) => line.config.vdevs.push(text),
    }
    Ok(())
}

pub(super) fn block(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    let (values::Device::Pci(text) | values::Device::Named(text)) = given.parse(values::device)?;
    line.config.block.push(text);
    Ok(())
}

pub(super) fn log_level(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    if given.text() == "help" {
        line.log_help = true;
        return Ok(());
    }
    given.parse(|text| levels::apply(text, &mut line.config.log))
}

pub(super) fn syslog(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    line.config.log.syslog = Some(given.parse(levels::facility)?);
    Ok(())
}

pub(super) fn simd(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    line.config.max_simd_bits = given.parse(values::simd_bits)?;
    Ok(())
}

pub(super) fn worker_stack(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    let bytes = match given.value {
        None => values::DEFAULT_STACK_BYTES,
        Some(_) => given.parse(values::stack_bytes)?,
    };
    line.config.worker_stack_bytes = Some(bytes);
    Ok(())
}

pub(super) fn iova_mode(line: &mut Line, given: &Given<'_>) -> Result<(), Error> {
    line.config.iova_mode = Some(match given.text() {
        "pa" => IovaMode::Pa,
        "va" => IovaMode::Va,
        _ => return Err(given.refused()),
    });
    Ok(())
}
