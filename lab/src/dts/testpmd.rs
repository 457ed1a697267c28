//! A testpmd on a terminal, ours or DPDK's.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use crate::Result;
use crate::dpdk;
use crate::dts::command::{Maker, arguments};
use crate::process::{PATIENCE, Process};

const PROMPT: &str = "testpmd> ";
/// What DPDK's virtio-user port says when it listens, and then waits without a prompt.
const WAITING: &str = "waiting for client connection";

/// A running testpmd.
#[derive(Debug)]
pub struct Testpmd {
    /// What the plan calls it.
    pub name: String,
    /// Whose it is.
    pub maker: Maker,
    process: Process,
    /// Lines for a program that has not shown its prompt.
    queued: Option<VecDeque<String>>,
    /// What the last line was answered with.
    answer: String,
}

impl Testpmd {
    /// Launches the program of a plan's command line on these CPUs in `folder` and waits for its prompt, or until it waits for its peer
    /// when that is still to be launched (`is_alone`).
    ///
    /// # Errors
    ///
    /// When it does not come up; with what it said.
    pub fn launch(
        name: &str,
        line: &str,
        (maker, cpus): (Maker, &str),
        folder: &Path,
        is_alone: bool,
    ) -> Result<Self> {
        let mut command = match maker {
            Maker::Ours => Command::new(ours()?),
            Maker::Dpdk => Command::new(dpdk::PROGRAM),
        };
        command.args(arguments(line, maker, cpus)?);
        command.current_dir(folder).env("RUNTIME_DIRECTORY", folder).env("TESTPMD_HISTORY", "");
        let process = Process::start_on_terminal(name, &mut command)?;
        let answer = String::new();
        let mut testpmd = Self { name: name.into(), maker, process, queued: None, answer };
        // Ours says so too, and goes on.
        let waits = if maker == Maker::Dpdk && is_alone {
            testpmd.process.wait_for_either(PROMPT, WAITING, PATIENCE)?.1
        } else {
            testpmd.process.wait_for(PROMPT)?;
            false
        };
        testpmd.queued = waits.then(VecDeque::new);
        Ok(testpmd)
    }

    /// Types a line and waits for the prompt. Lines for a program that waits for its peer are kept until it is up.
    ///
    /// # Errors
    ///
    /// When the prompt does not come back.
    pub fn type_line(&mut self, line: &str) -> Result<&str> {
        match &mut self.queued {
            Some(queued) => queued.push_back(line.to_owned()),
            None => self.ask(line).map(|answer| self.answer = answer)?,
        }
        Ok(&self.answer)
    }

    /// What a command answers, without taking the place of the last answer.
    ///
    /// # Errors
    ///
    /// When the prompt does not come back.
    pub fn ask(&mut self, line: &str) -> Result<String> {
        self.process.say(line)?;
        Ok(self.process.wait_for(PROMPT)?.replace('\r', ""))
    }

    /// What the last typed line was answered with.
    pub fn answer(&self) -> &str {
        &self.answer
    }

    /// Waits for the prompt of one that waited for its peer, and types what was kept.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub fn come_up(&mut self) -> Result<()> {
        if let Some(lines) = self.queued.take() {
            self.process.wait_for(PROMPT)?;
            for line in lines {
                self.type_line(&line)?;
            }
        }
        Ok(())
    }

    /// Listens without waiting; how many bytes it has said so far.
    ///
    /// # Errors
    ///
    /// When it cannot be listened to.
    pub fn hear(&mut self) -> Result<usize> {
        self.process.hear()
    }

    /// Types `quit` and waits for the end, which must be a good one. DPDK's virtio-user port may end by a signal when its peer
    /// is gone.
    ///
    /// # Errors
    ///
    /// When it does not end, or ours not with its last word and success.
    pub fn quit(mut self) -> Result<()> {
        self.process.say("quit")?;
        self.end()
    }

    /// Sends a signal that asks it to end, and waits for the end as [`Testpmd::quit`] does.
    ///
    /// # Errors
    ///
    /// As [`Testpmd::quit`].
    pub fn end_by(mut self, signal: nix::sys::signal::Signal) -> Result<()> {
        self.process.signal(signal)?;
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        let (status, said) = self.process.wait_end(PATIENCE)?;
        let well = status.success() && said.contains("Bye...");
        if self.maker == Maker::Ours && !well {
            return Err(format!("{} ended with {status}; it said:\n{said}", self.name).into());
        }
        Ok(())
    }

    /// Kills it.
    ///
    /// # Errors
    ///
    /// When it cannot be killed.
    pub fn kill(self) -> Result<()> {
        self.process.kill()
    }

    /// All it has said.
    pub fn said(&self) -> &str {
        self.process.said()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

/// Our program, built as this test was, or what `PMD_LAB_TESTPMD` names.
///
/// # Errors
///
/// When it cannot be built.
pub fn ours() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| match std::env::var_os("PMD_LAB_TESTPMD") {
        Some(path) => Ok(path.into()),
        None => build().map_err(|error| error.to_string()),
    });
    Ok(built.clone()?)
}

/// Builds it beside this test's own executable: cargo does not build another package's program for a test.
fn build() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.ancestors().nth(2).ok_or("this test lies nowhere")?;
    let profile = folder.file_name().and_then(|name| name.to_str()).ok_or("no profile")?;
    let target = folder.parent().ok_or("no target folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile = if profile == "debug" { "dev" } else { profile };
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--locked", "--package", "testpmd", "--profile", profile]);
    command.arg("--target-dir").arg(target);
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let began = Instant::now();
    if !command.status()?.success() {
        return Err(format!("testpmd cannot be built ({:?})", began.elapsed()).into());
    }
    Ok(folder.join("testpmd"))
}
