//! DPDK's testpmd as the other end.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::Result;
use crate::process::{Process, is_installed};

/// The program, as Debian installs it.
pub const PROGRAM: &str = "dpdk-testpmd";

/// Why there is no DPDK to test with, if there is none.
pub fn missing() -> Option<String> {
    (!is_installed(PROGRAM))
        .then(|| format!("{PROGRAM} is not installed (Debian package dpdk-dev)"))
}

/// A testpmd of DPDK's with one virtual device, in ordinary memory, on a terminal of its own.
#[derive(Debug)]
pub struct Testpmd {
    process: Process,
    _directory: TempDir,
}

static STARTED: AtomicU32 = AtomicU32::new(0);

impl Testpmd {
    /// Starts it with the device `vdev` and `queues` queue pairs and waits for its prompt.
    ///
    /// # Errors
    ///
    /// When it does not come up; with what it said.
    pub fn start(vdev: &str, queues: u16) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("lab{}-{number}", std::process::id());
        let cpus = cpu_list();
        let mut command = Command::new(PROGRAM);
        command.env("RUNTIME_DIRECTORY", directory.path());
        // Both lcores may run on any CPU, so that tests can share a small machine.
        command.args(["--lcores", &format!("0@({cpus}),1@({cpus})")]);
        command.args(["--no-huge", "-m", "256", "--no-pci", "--no-telemetry"]);
        command.args(["--file-prefix", &prefix, "--vdev", vdev]);
        command.args(["--", "-i", "--nb-cores=1", "--no-flush-rx", "--total-num-mbufs=16384"]);
        command.args([format!("--rxq={queues}"), format!("--txq={queues}")]);
        let process = Process::start_on_terminal(PROGRAM, &mut command)?;
        let mut testpmd = Self { process, _directory: directory };
        testpmd.process.wait_for("testpmd> ")?;
        Ok(testpmd)
    }

    /// Types a command and returns what it printed.
    ///
    /// # Errors
    ///
    /// When the prompt does not come back.
    pub fn command(&mut self, line: &str) -> Result<String> {
        self.process.say(line)?;
        self.process.wait_for("testpmd> ")
    }

    /// Begins to forward: what a queue receives goes out of the same queue.
    ///
    /// # Errors
    ///
    /// As [`Testpmd::command`].
    pub fn forward(&mut self) -> Result<()> {
        self.command("set fwd io")?;
        self.command("start")?;
        Ok(())
    }

    /// Ends it as a user would.
    ///
    /// # Errors
    ///
    /// When it does not end in time, or not with success.
    pub fn quit(mut self) -> Result<()> {
        self.command("stop")?;
        self.process.say("quit")?;
        self.process.wait_for("Bye...")?;
        Ok(())
    }
}

/// The CPUs this process may use, as `0,1`.
pub fn cpu_list() -> String {
    let set = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).unwrap();
    let cpus = (0..nix::sched::CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false));
    cpus.map(|cpu| cpu.to_string()).collect::<Vec<_>>().join(",")
}
