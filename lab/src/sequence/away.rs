//! A port of ours in a process that is killed, frozen and started again.

use std::path::PathBuf;
use std::process::Command;

use crate::Result;
use crate::endpoint::Settings;
use crate::process::{PATIENCE, Process};
use crate::sequence::act::Act;

/// The process: `lab-peer forward`.
#[derive(Debug)]
pub struct Away {
    settings: Settings,
    process: Option<Process>,
    is_frozen: bool,
    /// What is left behind when it is killed, and what a person would remove.
    leaves: Option<PathBuf>,
}

impl Away {
    /// Starts the process.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub fn start(settings: Settings, leaves: Option<PathBuf>) -> Result<Self> {
        let mut away = Self { settings, process: None, is_frozen: false, leaves };
        away.launch()?;
        Ok(away)
    }

    fn launch(&mut self) -> Result<()> {
        let mut command = Command::new(std::env::current_exe()?);
        let queues = self.settings.queues.to_string();
        command.args(["forward", &self.settings.devargs, &queues]);
        let mut process = Process::start("forwarder", &mut command)?;
        process.wait_for("ready")?;
        self.process = Some(process);
        Ok(())
    }

    /// Does `act` to the process.
    ///
    /// # Errors
    ///
    /// When it does not end or come up.
    pub fn act(&mut self, act: Act) -> Result<()> {
        match act {
            Act::Kill => {
                self.process.take().ok_or("there is no process")?.kill()?;
                self.is_frozen = false;
                if let Some(file) = &self.leaves {
                    // It may have died before it made the file.
                    let _ = std::fs::remove_file(file);
                }
                self.launch()
            }
            Act::Freeze(on) => self.freeze(on),
            Act::Queues(_, queues) => {
                self.settings.queues = queues;
                self.restart()
            }
            Act::Restart(_) => self.restart(),
            _ => Ok(()),
        }
    }

    fn freeze(&mut self, on: bool) -> Result<()> {
        if self.is_frozen != on {
            self.process.as_ref().ok_or("there is no process")?.freeze(on)?;
            self.is_frozen = on;
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.end()?;
        self.launch()
    }

    fn end(&mut self) -> Result<()> {
        self.freeze(false)?;
        self.process.take().ok_or("there is no process")?.finish(PATIENCE)?;
        Ok(())
    }

    /// As at the beginning: running with `queues` queue pairs.
    ///
    /// # Errors
    ///
    /// When it does not end or come up.
    pub fn rest(&mut self, queues: u16) -> Result<()> {
        self.freeze(false)?;
        if self.settings.queues != queues {
            self.settings.queues = queues;
            self.restart()?;
        }
        Ok(())
    }

    /// Ends the process, whose pool must be whole then.
    ///
    /// # Errors
    ///
    /// When it does not end well.
    pub fn finish(mut self) -> Result<()> {
        self.end()
    }
}
