//! The one error type of this crate.

mod text;

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
        /// The memory node, when the amount was asked for on one.
        socket: Option<u32>,
        /// What gives more.
        remedy: HugeRemedy,
    },
    /// More memory was asked for than the machine has.
    Machine {
        /// Bytes that were asked for.
        wanted_bytes: u64,
        /// Bytes of memory and swap.
        has_bytes: u64,
    },
    /// The machine has no such memory node (socket).
    NoSocket {
        /// The node.
        socket: u32,
        /// Bytes that were asked for.
        wanted_bytes: u64,
        /// The nodes there are.
        sockets: Vec<u32>,
    },
    /// A memory node would have more than it is allowed to.
    SocketLimit {
        /// The node.
        socket: u32,
        /// Bytes it has.
        has_bytes: u64,
        /// Bytes that were asked for.
        wanted_bytes: u64,
        /// Bytes it may have.
        limit_bytes: u64,
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
        /// The process that holds it, when it said.
        pid: Option<u32>,
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
    /// The main lcore is to be one that there is not.
    NoMainLcore {
        /// The lcore id.
        lcore: u32,
        /// The lcores there are, as a list.
        lcores: String,
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

/// What gives more huge pages.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HugeRemedy {
    /// Setting so many pages aside on the machine.
    Pool {
        /// Pages in all.
        pages: u64,
    },
    /// Setting so many pages aside on one memory node.
    Node {
        /// The kernel's file for the number.
        file: PathBuf,
        /// Pages in all.
        pages: u64,
    },
    /// Mounting the hugetlbfs with a larger `size=`.
    Mount {
        /// Where it is mounted.
        dir: PathBuf,
        /// The size in bytes.
        size_bytes: u64,
    },
    /// Allowing the control group so much.
    Group {
        /// The file that sets its limit.
        file: PathBuf,
        /// The limit in bytes.
        bytes: u64,
    },
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::NoPrimary { source, .. } => Some(source),
            _ => None,
        }
    }
}
