//! What errors say.

use std::fmt;
use std::path::Path;

use super::{Error, HugeRemedy};

const MIB: u64 = 1 << 20;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { .. } | Self::NoPrimary { .. } | Self::NoBarrier => self.fmt_system(f),
            Self::HugePages { .. } => self.fmt_huge_pages(f),
            Self::Machine { .. } | Self::NoSocket { .. } | Self::SocketLimit { .. } => {
                self.fmt_too_much(f)
            }
            Self::AddressSpace { .. }
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
            | Self::NoMainLcore { .. }
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
            Self::Io { action, source } if source.raw_os_error() == Some(libc::EMFILE) => {
                write!(f, "cannot {action}: {source}; allow more with 'ulimit -n'")
            }
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
            Self::AddressSpace { bytes } => write!(
                f,
                "cannot reserve {} MiB of addresses; raise the limit ('ulimit -v unlimited')",
                bytes / MIB
            ),
            Self::Reservation { file, wanted_bytes, reserved_bytes } => write!(
                f,
                "no room for {wanted_bytes} bytes in the {file} file, whose reservation is {} MiB; \
                 ask for less, or reserve more in the configuration",
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

    /// More than there is or may be had.
    fn fmt_too_much(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine { wanted_bytes, has_bytes } => {
                fmt_shortage(f, None, *wanted_bytes, *has_bytes)?;
                f.write_str(
                    ": that is all memory and swap there is; ask for less (-m, --socket-mem)",
                )
            }
            Self::NoSocket { socket, wanted_bytes, sockets } => {
                fmt_shortage(f, Some(*socket), *wanted_bytes, 0)?;
                let sockets: Vec<String> = sockets.iter().map(u32::to_string).collect();
                let sockets = sockets.join(", ");
                write!(f, ": this machine has only socket {sockets}; ask for the memory there")
            }
            Self::SocketLimit { socket, has_bytes, wanted_bytes, limit_bytes } => {
                let left = limit_bytes.saturating_sub(*has_bytes);
                fmt_shortage(f, Some(*socket), *wanted_bytes, left)?;
                write!(f, ": --socket-limit allows {} MiB there; raise it", limit_bytes / MIB)
            }
            _ => Ok(()),
        }
    }

    fn fmt_huge_pages(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::HugePages { wanted_bytes, free_bytes, page_bytes, socket, remedy } = self else {
            return Ok(());
        };
        fmt_shortage(f, *socket, *wanted_bytes, *free_bytes)?;
        let missing = wanted_bytes.saturating_sub(*free_bytes).div_ceil((*page_bytes).max(1));
        write!(f, ": {missing} pages of {} MiB are missing; ", page_bytes / MIB)?;
        match remedy {
            HugeRemedy::Pool { pages } if *page_bytes == 2 * MIB => {
                write!(f, "'sysctl -w vm.nr_hugepages={pages}' adds them, {WITHOUT}")
            }
            HugeRemedy::Pool { pages } => {
                let pool = format!("hugepages-{}kB/nr_hugepages", page_bytes / 1024);
                fmt_echo(f, *pages, &Path::new("/sys/kernel/mm/hugepages").join(pool))
            }
            HugeRemedy::Node { file, pages } => fmt_echo(f, *pages, file),
            HugeRemedy::Group { file, bytes } => {
                let file = file.display();
                write!(f, "the control group allows no more: 'echo {bytes} > {file}', {WITHOUT}")
            }
            HugeRemedy::Mount { dir, size_bytes } => {
                let (dir, size) = (dir.display(), size_bytes / MIB);
                write!(f, "mount '{dir}' with '-o size={size}M' or more")
            }
        }
    }

    fn fmt_process(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrimaryOnly => f.write_str("only the primary process can do this"),
            Self::PrimaryRunning { lock, pid } => {
                let lock = lock.display();
                write!(f, "Cannot create lock on '{lock}'. Is another primary process running? ")?;
                match pid {
                    Some(pid) => write!(f, "Process {pid} holds it; end it or ")?,
                    None => f.write_str("End it or ")?,
                }
                f.write_str("choose another --file-prefix")
            }
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
            Self::NoMainLcore { lcore, lcores } => write!(
                f,
                "--main-lcore {lcore} is none of the lcores {lcores}; choose one of them, or name it in -l or --lcores"
            ),
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

/// The way out when there are no huge pages to be had.
const WITHOUT: &str = "--no-huge (and no --huge-dir) does without";

/// The words that scripts look for.
fn fmt_shortage(
    f: &mut fmt::Formatter<'_>,
    socket: Option<u32>,
    wanted_bytes: u64,
    available_bytes: u64,
) -> fmt::Result {
    let (wanted, available) = (wanted_bytes / MIB, available_bytes / MIB);
    f.write_str("Not enough memory available")?;
    if let Some(socket) = socket {
        write!(f, " on socket {socket}")?;
    }
    write!(f, "! Requested: {wanted}MB, available: {available}MB")
}

fn fmt_echo(f: &mut fmt::Formatter<'_>, pages: u64, file: &Path) -> fmt::Result {
    write!(f, "'echo {pages} > {}' adds them, {WITHOUT}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_out_of_descriptors_is_told_how_to_get_more() {
        let said = |errno| {
            let source = std::io::Error::from_raw_os_error(errno);
            Error::Io { action: "listen for secondary processes", source }.to_string()
        };
        let text = said(libc::EMFILE);
        assert!(text.starts_with("cannot listen for secondary processes: Too many open"), "{text}");
        assert!(text.ends_with("; allow more with 'ulimit -n'"), "{text}");
        assert!(!said(libc::EACCES).contains("ulimit"));
    }
}
