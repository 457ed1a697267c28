//! What is told about packets.

use super::{Command, Section};
use crate::app::App;
use crate::{say, warn_user};

/// The commands of this file.
pub const COMMANDS: &[Command] = &[Command {
    syntax: "set verbose <level:u16>",
    help: "Set the debug verbosity level.",
    section: Section::Config,
    run: |app, args| set_verbose(app, args.number("level")),
}];

fn set_verbose(app: &mut App, level: u16) {
    if level > 0 {
        warn_user!(app.out, "verbose level {level} is not supported yet: it stays 0");
    } else {
        say!(app.out, "Change verbose level from 0 to 0");
    }
}
