//! `help`, `load` and `quit`.

use super::{Command, Section, help};
use crate::console;

/// The commands of this file.
pub const COMMANDS: &[Command] = &[
    Command {
        syntax: "help",
        help: "List the sections of the help.",
        section: Section::Control,
        run: |app, _| app.out.say(format_args!("{}", help::overview())),
    },
    Command {
        syntax: "help <section:control|display|config|ports|filters|traffic_management|devices|drivers|all>",
        help: "Show the commands of a section, or of all.",
        section: Section::Control,
        run: |app, args| app.out.say(format_args!("{}", help::section(args.text("section")))),
    },
    Command {
        syntax: "help <command>",
        help: "Show the commands that begin with these words, and what they do.",
        section: Section::Control,
        run: |app, args| app.out.say(format_args!("{}", help::commands(args.text("command")))),
    },
    Command {
        syntax: "load <file>",
        help: "Run the commands of a file. quit ends the file only.",
        section: Section::Control,
        run: |app, args| console::load(app, args.session(), args.text("file")),
    },
    Command {
        syntax: "quit",
        help: "Close all ports and leave.",
        section: Section::Control,
        run: |_, args| args.session().end(),
    },
];
