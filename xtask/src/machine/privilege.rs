//! How something that only root may do is done.

use std::io::IsTerminal;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

/// The way to root that this user has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// We are root.
    Root,
    /// `sudo` works, or may work once it has asked for a password.
    Sudo,
    /// There is none.
    None,
}

impl Privilege {
    /// Finds out without asking for a password.
    pub fn probe() -> Self {
        if geteuid().is_root() {
            Self::Root
        } else if sudo_works(&["-n", "true"])
            || (std::io::stdin().is_terminal() && sudo_works(&["--version"]))
        {
            Self::Sudo
        } else {
            Self::None
        }
    }

    /// A command that will run as root, or `None` when there is no way to.
    pub fn command(self, program: &str) -> Option<Command> {
        match self {
            Self::Root => Some(Command::new(program)),
            Self::Sudo => {
                let mut command = Command::new("sudo");
                command.arg(program);
                Some(command)
            }
            Self::None => None,
        }
    }

    /// How the plan names it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Root => "as root",
            Self::Sudo => "with sudo",
            Self::None => "not possible: this user is not root and sudo does not work",
        }
    }
}

fn sudo_works(arguments: &[&str]) -> bool {
    let mut command = Command::new("sudo");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
