//! What an `Eal` is to be: plain data, filled in by a host program or by [`crate::args::parse`].

use std::path::PathBuf;

use crate::error::Error;
use crate::gate::FenceMode;
use crate::lcore::LcoreMap;
use crate::logging::LogConfig;

/// Everything that decides how an [`Eal`](crate::Eal) comes up.
///
/// The default touches no file system, runs one lcore on each CPU the process may use, and takes huge pages
/// when there are some and ordinary pages otherwise.
///
/// ```
/// let config = eal::EalConfig { memory_bytes: 64 << 20, ..eal::EalConfig::default() };
/// assert!(config.file_prefix.is_none());
/// ```
#[derive(Clone, Debug)]
pub struct EalConfig {
    /// Names the runtime directory through which secondaries join. `None`: no directory, lock or socket; nobody can join.
    pub file_prefix: Option<String>,
    /// Parent of the runtime directories. `None`: `pmd-rs` in `$RUNTIME_DIRECTORY`, else in `$XDG_RUNTIME_DIR`, else in `/run` for
    /// root, else `pmd-rs-<uid>` in the directory for temporary files.
    pub runtime_dir: Option<PathBuf>,
    /// First process of its prefix or a further one.
    pub process: ProcessType,
    /// Lcores and their CPUs; `None` makes one for each CPU the process may use.
    pub lcores: Option<LcoreMap>,
    /// The lcore of the thread that makes the `Eal`; `None` takes the lowest.
    pub main_lcore: Option<u32>,
    /// Pin the thread that makes the `Eal` to the main lcore's CPUs.
    pub pin_main: bool,
    /// Which pages hold the memory.
    pub huge: HugePolicy,
    /// Bytes committed to the data file at the start, over all memory nodes; more is committed when needed.
    pub memory_bytes: u64,
    /// The same by memory node, node 0 first; when not empty it counts instead of `memory_bytes`.
    pub socket_mem_bytes: Vec<u64>,
    /// Most bytes of the data file on each memory node, node 0 first; 0 and missing entries are no limit.
    pub socket_limit_bytes: Vec<u64>,
    /// What becomes of the names of files in [`HugePolicy::Dir`].
    pub huge_unlink: HugeUnlink,
    /// Addresses reserved for the private file, in bytes: the most it can ever hold.
    pub private_reserve_bytes: u64,
    /// Addresses reserved for the data file, in bytes.
    pub data_reserve_bytes: u64,
    /// IOVA of the data file's first byte; a multiple of 2 MiB.
    pub iova_base: u64,
    /// The mode of IO addresses that was asked for. It changes nothing: peers are told offsets into the data file, never
    /// addresses of this process or of the machine.
    pub iova_mode: Option<IovaMode>,
    /// Stack of each worker lcore's thread in bytes; `None` leaves it to the system.
    pub worker_stack_bytes: Option<usize>,
    /// Where the kernel's description of the machine (CPUs, memory nodes, huge pages) is mounted. Another tree than `/sys` is
    /// only looked at: no memory is bound to the nodes that it describes.
    pub sysfs: PathBuf,
    /// How gates are fenced; `None` asks the kernel, and asking for what it refuses is an error. A secondary does what its
    /// primary does.
    pub fences: Option<FenceMode>,
    /// Virtual devices to create, `name,key=value,...` each.
    pub vdevs: Vec<String>,
    /// PCI devices to use, with their arguments. Empty: all.
    pub allow: Vec<String>,
    /// PCI devices to leave alone.
    pub block: Vec<String>,
    /// Look for no PCI devices.
    pub no_pci: bool,
    /// Widest SIMD registers that data paths may use, in bits.
    pub max_simd_bits: u16,
    /// Log levels by component; for [`logging::init`](crate::logging::init), which the application calls.
    pub log: LogConfig,
    /// Options that were given and change nothing; the start-up logs them.
    pub ignored: Vec<String>,
}

impl Default for EalConfig {
    fn default() -> Self {
        Self {
            file_prefix: None,
            runtime_dir: None,
            process: ProcessType::Primary,
            lcores: None,
            main_lcore: None,
            pin_main: false,
            huge: HugePolicy::Auto,
            memory_bytes: 0,
            socket_mem_bytes: Vec::new(),
            socket_limit_bytes: Vec::new(),
            huge_unlink: HugeUnlink::Always,
            private_reserve_bytes: 8 << 30,
            data_reserve_bytes: 64 << 30,
            iova_base: 4 << 30,
            iova_mode: None,
            worker_stack_bytes: None,
            sysfs: PathBuf::from("/sys"),
            fences: None,
            vdevs: Vec::new(),
            allow: Vec::new(),
            block: Vec::new(),
            no_pci: false,
            max_simd_bits: 256,
            log: LogConfig::default(),
            ignored: Vec::new(),
        }
    }
}

impl EalConfig {
    /// Refuses values that no `Eal` can have.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let bad = |text: String| Err(Error::Configuration(text));
        if let Some(prefix) = self.file_prefix.as_deref().filter(|prefix| !is_prefix(prefix)) {
            return bad(format!("file prefix '{prefix}' is not {PREFIX_FORM}"));
        }
        if !self.iova_base.is_multiple_of(IOVA_ALIGN) || self.iova_base < IOVA_ALIGN {
            return bad(format!("IOVA base {:#x} is no multiple of 2 MiB above 0", self.iova_base));
        }
        let data = self.data_reserve_bytes.max(self.floor_bytes());
        let sizes = [data, self.private_reserve_bytes, self.iova_base];
        if sizes.iter().any(|&size| size > MOST_BYTES) {
            return bad(format!(
                "memory sizes and IOVA base must not exceed {MOST_BYTES:#x} bytes"
            ));
        }
        Ok(())
    }

    /// Bytes of the data file that are committed at the start, over all memory nodes.
    pub(crate) fn floor_bytes(&self) -> u64 {
        if self.socket_mem_bytes.is_empty() {
            return self.memory_bytes;
        }
        self.socket_mem_bytes.iter().fold(0, |sum: u64, &bytes| sum.saturating_add(bytes))
    }
}

/// What a file prefix may look like: it becomes the name of a directory.
pub(crate) const PREFIX_FORM: &str = "a name of at most 64 bytes without '/'";

/// Whether `text` can be a file prefix.
pub(crate) fn is_prefix(text: &str) -> bool {
    let name = !text.is_empty() && text.len() <= 64 && !matches!(text, "." | "..");
    name && !text.contains(['/', '\0'])
}

const IOVA_ALIGN: u64 = 2 << 20;
/// What sums of two sizes can never overflow, and what address spaces are smaller than anyway.
const MOST_BYTES: u64 = 1 << 56;

/// Which pages hold the memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HugePolicy {
    /// Huge pages when enough are free, ordinary ones otherwise; a log line says which.
    Auto,
    /// Ordinary pages (`--no-huge`).
    Never,
    /// Files on the hugetlbfs mounted here (`--huge-dir`), or an error.
    Dir(PathBuf),
}

/// What becomes of the names of files in a hugetlbfs directory ([`HugePolicy::Dir`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HugeUnlink {
    /// They lose their names as soon as they are made: nothing is left behind, however the process ends.
    #[default]
    Always,
    /// They have names as long as the process runs. What an earlier process of the prefix left is removed first.
    Existing,
    /// They keep their names after the process has ended. The next one of the prefix takes them, emptied.
    Never,
}

/// What users mean by IO addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IovaMode {
    /// Physical addresses.
    Pa,
    /// Virtual addresses.
    Va,
}

/// First process of a file prefix, or one that joins it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProcessType {
    /// Makes the memory.
    Primary,
    /// Joins a primary's memory.
    Secondary,
    /// Secondary when a primary is there, primary otherwise.
    Auto,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_values_are_refused() {
        let default = EalConfig::default;
        assert!(default().check().is_ok());
        let with_prefix = |text: &str| EalConfig { file_prefix: Some(text.into()), ..default() };
        assert!(with_prefix("vhost").check().is_ok());
        for text in ["", ".", "..", "a/b", "a\0b", &"x".repeat(65)] {
            assert!(with_prefix(text).check().is_err(), "{text:?}");
        }
        for iova_base in [0, 4096, (4 << 30) + 1, 1 << 60] {
            assert!(EalConfig { iova_base, ..default() }.check().is_err(), "{iova_base:#x}");
        }
        assert!(EalConfig { memory_bytes: u64::MAX, ..default() }.check().is_err());
        let parts = vec![u64::MAX, 1 << 20];
        assert!(EalConfig { socket_mem_bytes: parts, ..default() }.check().is_err());
        assert!(EalConfig { private_reserve_bytes: 1 << 60, ..default() }.check().is_err());
    }
}
