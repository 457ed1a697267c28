//! The one error type of this crate.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::mem::FileKind;

/// Why something this crate was asked for did not happen. The text says what to do about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed.
    Io {
        /// What was being done, as in "cannot {action}".
        action: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The huge page pool has too few free pages.
    HugePages {
        /// Bytes that were asked for.
        wanted_bytes: u64,
        /// Bytes of huge pages that are free.
        free_bytes: u64,
        /// Size of one page in bytes.
        page_bytes: u64,
    },
    /// The process may not reserve enough addresses.
    AddressSpace {
        /// The smallest reservation that was tried, in bytes.
        bytes: u64,
    },
    /// A file's reservation has no room for an extent.
    Reservation {
        /// Which file.
        file: FileKind,
        /// Bytes asked for.
        wanted_bytes: u64,
        /// Bytes reserved in all.
        reserved_bytes: u64,
    },
    /// An extent was asked for with length 0 or an alignment that is no power of two.
    Extent {
        /// Length asked for in bytes.
        len: u64,
        /// Alignment asked for in bytes.
        align: u64,
    },
    /// A ring cannot have this capacity.
    RingCapacity {
        /// Elements asked for.
        capacity: usize,
    },
    /// Only the primary process can do this.
    PrimaryOnly,
    /// A name is empty, too long, or taken.
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A fixed table is full.
    TableFull {
        /// Which table.
        table: &'static str,
        /// How many entries it has.
        limit: usize,
    },
    /// Another primary holds the lock of this file prefix.
    PrimaryRunning {
        /// The lock file.
        lock: PathBuf,
    },
    /// Secondary processes of an earlier primary still run.
    SecondariesRunning {
        /// The runtime directory.
        dir: PathBuf,
        /// Their process ids.
        pids: Vec<u32>,
    },
    /// No primary answers for this file prefix.
    NoPrimary {
        /// The runtime directory.
        dir: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Primary and secondary do not fit together.
    Mismatch {
        /// What differs.
        what: &'static str,
        /// The primary's value.
        primary: String,
        /// This process's value.
        ours: String,
    },
    /// Gates are to be fenced by `membarrier`, which the kernel refuses to this process.
    NoBarrier,
    /// No such lcore in this `Eal`.
    NoLcore {
        /// The lcore id.
        lcore: u32,
    },
    /// The lcore is the main one, which runs no launched jobs.
    MainLcore {
        /// The lcore id.
        lcore: u32,
    },
    /// The lcore still runs a job.
    LcoreBusy {
        /// The lcore id.
        lcore: u32,
    },
    /// The job of an lcore panicked.
    LcorePanicked {
        /// The lcore id.
        lcore: u32,
        /// The panic message.
        message: String,
    },
    /// An lcore is to run on a CPU that the machine lacks.
    NoCpu {
        /// The lcore id.
        lcore: u32,
        /// The CPU.
        cpu: u32,
        /// The CPUs there are, as a list.
        online: String,
        /// The same lcores on CPUs that there are, for `--lcores`.
        instead: String,
    },
    /// A command line option that does not exist.
    UnknownOption {
        /// As typed.
        option: String,
        /// The known option that looks most like it.
        nearest: Option<&'static str>,
    },
    /// An abbreviation that several options share.
    AmbiguousOption {
        /// As typed.
        option: String,
        /// The options it may stand for.
        candidates: Vec<&'static str>,
    },
    /// An option without the value it needs, or with one it does not take.
    OptionValue {
        /// The option.
        option: String,
        /// The value as typed; `None` when it is missing.
        value: Option<String>,
        /// What is allowed.
        allowed: String,
    },
    /// The options contradict each other or the situation.
    Configuration(String),
}

impl Error {
    /// For `map_err`: wraps what a system call said.
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { action, source: source.into() }
    }
}

const MIB: u64 = 1 << 20;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { .. } | Self::NoPrimary { .. } | Self::NoBarrier => self.fmt_system(f),
            Self::HugePages { .. }
            | Self::AddressSpace { .. }
            | Self::Reservation { .. }
            | Self::Extent { .. }
            | Self::Name { .. }
            | Self::RingCapacity { .. }
            | Self::TableFull { .. } => self.fmt_memory(f),
            Self::PrimaryOnly
            | Self::PrimaryRunning { .. }
            | Self::SecondariesRunning { .. }
            | Self::Mismatch { .. } => self.fmt_process(f),
            Self::NoLcore { .. }
            | Self::MainLcore { .. }
            | Self::LcoreBusy { .. }
            | Self::LcorePanicked { .. }
            | Self::NoCpu { .. } => self.fmt_lcore(f),
            _ => self.fmt_option(f),
        }
    }
}

impl Error {
    fn fmt_system(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, source } => write!(f, "cannot {action}: {source}"),
            Self::NoPrimary { dir, source } => write!(
                f,
                "no primary process answers in '{}' ({source}); start it first, with the same --file-prefix",
                dir.display()
            ),
            _ => f.write_str(
                "gates are fenced by membarrier, by configuration or because the primary process does so, \
                 but the kernel refuses it to this process; allow the system call (seccomp rules), \
                 or have the primary use full fences",
            ),
        }
    }

    fn fmt_memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HugePages { wanted_bytes, free_bytes, page_bytes } => {
                let missing = wanted_bytes.saturating_sub(*free_bytes).div_ceil(*page_bytes);
                write!(
                    f,
                    "{} MiB of huge pages wanted, {} MiB free: {missing} pages of {} MiB are missing; \
                     'sysctl -w vm.nr_hugepages=N' adds some, --no-huge does without",
                    wanted_bytes / MIB,
                    free_bytes / MIB,
                    page_bytes / MIB
                )
            }
            Self::AddressSpace { bytes } => write!(
                f,
                "cannot reserve {} MiB of addresses; raise the limit ('ulimit -v unlimited')",
                bytes / MIB
            ),
            Self::Reservation { file, wanted_bytes, reserved_bytes } => write!(
                f,
                "no room for {wanted_bytes} bytes in the {file} file, whose reservation is {} MiB; \
                 reserve more in the configuration",
                reserved_bytes / MIB
            ),
            Self::Extent { len, align } => write!(
                f,
                "an extent of {len} bytes aligned to {align} cannot be: \
                 the length must be above 0, the alignment a power of two"
            ),
            Self::Name { name, problem } => write!(f, "name '{name}': {problem}"),
            Self::RingCapacity { capacity } => {
                write!(f, "a ring of {capacity} elements cannot be: it has from 1 to {}", 1 << 30)
            }
            Self::TableFull { table, limit } => {
                write!(f, "the table of {table} is full ({limit} entries)")
            }
            _ => Ok(()),
        }
    }

    fn fmt_process(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrimaryOnly => f.write_str("only the primary process can do this"),
            Self::PrimaryRunning { lock } => write!(
                f,
                "Cannot create lock on '{}'. Is another primary process running?",
                lock.display()
            ),
            Self::SecondariesRunning { dir, pids } => write!(
                f,
                "secondary processes of an earlier primary still use '{}': {pids:?}; \
                 end them or choose another --file-prefix",
                dir.display()
            ),
            Self::Mismatch { what, primary, ours } => write!(
                f,
                "{what} differs: the primary has {primary}, this process {ours}; \
                 run the same build with the same options"
            ),
            _ => Ok(()),
        }
    }

    fn fmt_lcore(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLcore { lcore } => {
                write!(f, "lcore {lcore} is not one of this process's lcores")
            }
            Self::MainLcore { lcore } => {
                write!(f, "lcore {lcore} is the main lcore; jobs are launched on the others")
            }
            Self::LcoreBusy { lcore } => write!(f, "lcore {lcore} is busy; wait for its job first"),
            Self::LcorePanicked { lcore, message } => {
                write!(f, "the job of lcore {lcore} panicked: {message}")
            }
            Self::NoCpu { lcore, cpu, online, instead } => write!(
                f,
                "lcore {lcore} is to run on CPU {cpu}, which this machine does not offer (it has {online}); \
                 map lcores to CPUs, for example --lcores '{instead}'"
            ),
            _ => Ok(()),
        }
    }

    fn fmt_option(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownOption { option, nearest: Some(nearest) } => {
                write!(f, "unknown option '{option}'; did you mean '--{nearest}'?")
            }
            Self::UnknownOption { option, nearest: None } => {
                write!(f, "unknown option '{option}'; -h lists them")
            }
            Self::AmbiguousOption { option, candidates } => {
                write!(f, "option '{option}' is ambiguous: --{}", candidates.join(", --"))
            }
            Self::OptionValue { option, value: Some(value), allowed } => {
                write!(f, "option {option}: invalid value '{value}'; allowed: {allowed}")
            }
            Self::OptionValue { option, value: None, allowed } => {
                write!(f, "option {option} needs a value: {allowed}")
            }
            Self::Configuration(text) => f.write_str(text),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::NoPrimary { source, .. } => Some(source),
            _ => None,
        }
    }
}
