//! The shape of made packets.

use super::{Command, Section};
use crate::app::App;
use crate::warn_user;

/// The commands of this file.
pub const COMMANDS: &[Command] = &[Command {
    syntax: "set txpkts <lengths:text>",
    help: "Set the length in bytes of each segment of made packets: x[,y]*.",
    section: Section::Config,
    run: |app, args| set_txpkts(app, args.text("lengths")),
}];

fn set_txpkts(app: &mut App, lengths: &str) {
    match app.config.set_segments(lengths) {
        Ok(()) => app.update_settings(),
        Err(problem) => warn_user!(app.out, "{problem}"),
    }
}
