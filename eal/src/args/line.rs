//! The command line as far as it has been read, and the configuration that comes of it.

use crate::config::{EalConfig, HugePolicy, HugeUnlink, ProcessType};
use crate::error::Error;
use crate::lcore::LcoreMap;

use super::DEFAULT_PREFIX;

#[derive(Default)]
pub(super) struct Line {
    pub config: EalConfig,
    pub prefix: Option<String>,
    pub in_memory: bool,
    pub no_huge: bool,
    pub huge_dir: Option<String>,
    /// The mode, and the words that asked for it.
    pub huge_unlink: Option<(HugeUnlink, String)>,
    /// Whether some device was allowed, of whatever kind.
    pub allowed: bool,
    pub help: bool,
    pub log_help: bool,
    pub version: bool,
    lcores_by: Option<String>,
    memory_by: Option<String>,
}

impl Line {
    pub fn set_lcores(&mut self, shown: &str, map: LcoreMap) -> Result<(), Error> {
        self.config.lcores = Some(map);
        only_once(&mut self.lcores_by, shown)
    }

    pub fn set_memory(&mut self, shown: &str, bytes: u64, parts: Vec<u64>) -> Result<(), Error> {
        self.config.memory_bytes = bytes;
        self.config.socket_mem_bytes = parts;
        only_once(&mut self.memory_by, shown)
    }

    /// The configuration that the whole line asks for.
    pub fn finish(mut self) -> Result<EalConfig, Error> {
        self.settle_pages()?;
        self.settle_devices()?;
        self.settle_processes()?;
        let config = &mut self.config;
        if let (Some(main), Some(map)) = (config.main_lcore, &config.lcores) {
            map.check_main(main)?;
        }
        config.pin_main = true;
        Ok(self.config)
    }

    fn settle_pages(&mut self) -> Result<(), Error> {
        let config = &mut self.config;
        config.huge = match (self.no_huge, self.huge_dir.take()) {
            (true, Some(_)) => {
                return clash("options --no-huge and --huge-dir cannot be used together");
            }
            (true, None) => HugePolicy::Never,
            (false, Some(dir)) => HugePolicy::Dir(dir.into()),
            (false, None) => HugePolicy::Auto,
        };
        let Some((mode, words)) = self.huge_unlink.take() else { return Ok(()) };
        if self.in_memory && mode == HugeUnlink::Never {
            return clash("options --in-memory and --huge-unlink=never cannot be used together");
        }
        let files_have_names = matches!(config.huge, HugePolicy::Dir(_)) && !self.in_memory;
        if files_have_names {
            config.huge_unlink = mode;
        } else if mode != HugeUnlink::Always {
            // Files without names are what --huge-unlink=always asks for.
            config.ignored.push(words);
        }
        Ok(())
    }

    fn settle_devices(&mut self) -> Result<(), Error> {
        let config = &mut self.config;
        if self.allowed && !config.block.is_empty() {
            return clash("options --allow (-a) and --block (-b) cannot be used together");
        }
        let blocked =
            |vdev: &String| config.block.iter().any(|name| name_of(name) == name_of(vdev));
        config.vdevs.retain(|vdev| !blocked(vdev));
        Ok(())
    }

    fn settle_processes(&mut self) -> Result<(), Error> {
        let config = &mut self.config;
        if self.in_memory && config.process == ProcessType::Secondary {
            return clash("option --in-memory leaves nothing that a secondary process could join");
        }
        config.file_prefix = match (self.in_memory, self.prefix.take()) {
            (true, _) => None,
            (false, prefix) => Some(prefix.unwrap_or_else(|| DEFAULT_PREFIX.into())),
        };
        Ok(())
    }
}

/// The name of a device without its arguments.
fn name_of(device: &str) -> &str {
    device.split(',').next().unwrap_or_default()
}

fn clash<T>(text: &str) -> Result<T, Error> {
    Err(Error::Configuration(text.into()))
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
