//! What an `Eal` is to be: plain data, filled in by a host program or by [`crate::args::parse`].

use std::path::PathBuf;

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
    /// Parent of the runtime directories; `None` chooses it as the README says.
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
    /// Bytes committed to the data file at the start; more is committed when needed.
    pub memory_bytes: u64,
    /// Addresses reserved for the private file, in bytes: the most it can ever hold.
    pub private_reserve_bytes: u64,
    /// Addresses reserved for the data file, in bytes.
    pub data_reserve_bytes: u64,
    /// IOVA of the data file's first byte; a multiple of 2 MiB.
    pub iova_base: u64,
    /// How gates are fenced; `None` asks the kernel. A secondary does what its primary does.
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
            private_reserve_bytes: 8 << 30,
            data_reserve_bytes: 64 << 30,
            iova_base: 4 << 30,
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
