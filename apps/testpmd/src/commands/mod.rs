//! The console's commands, as data.
//!
//! A command is an entry of a table: what is typed, what it does in a sentence, and the function that does it. Reading lines,
//! help and completion all work from the table, so an entry is all there is to add.
//!
//! # Adding a command
//!
//! ```text
//! pub const COMMANDS: &[Command] = &[Command {
//!     syntax: "set burst <count:u16>",
//!     help: "Choose how many packets a burst takes at most: 1 to 512.",
//!     section: Section::Config,
//!     run: |app, args| set_burst(app, args.number("count")),
//! }];
//! ```
//!
//! and the file's `COMMANDS` in [`TABLES`]. A syntax is words with a blank between them:
//!
//! | written | typed | read with |
//! |---|---|---|
//! | `start` | that word | |
//! | `on\|off` | one of them | `args.has("on")`, `args.word(n)` |
//! | `<mode:io\|mac>` | one of them | `args.text("mode")`, `args.has("io")` |
//! | `<count:u16>`, also u8 u32 u64 | a number: 10, 0xa, 0b1010, 012 | `args.number("count")`, `args.number_or("count", 1)` |
//! | `<port>`, `<peer:port>` | a port's number, whether it exists or not | `args.port("port")` |
//! | `<ports>` | `all` or a port's number | `args.which("ports")` |
//! | `<mac>`, `<address:mac>` | an Ethernet address | `args.mac("mac")` |
//! | `<text>`, `<list:text>` | any word | `args.text("list")` |
//! | `<file>` | any word, completed as a file's name | `args.text("file")` |
//! | `<rest>`, `<devargs:rest>` | all that follows, one word at least | `args.text("rest")` |
//! | `<command>` | the beginning of a command | `args.text("command")` |
//! | `[json]`, `[<bursts:u32>]` | the same or nothing; only at the end | `args.json()`, `args.has("bursts")` |
//!
//! A line that begins like some command and does not go on like it is answered with `Bad arguments`, any other with `Command
//! not found`. The first entry that fits a line is run. The tests of this module try every entry: an accessor that asks for
//! what the syntax does not have fails there, and answers zero or nothing in the program.

mod absent;
mod args;
mod attach;
pub mod completion;
mod csum;
mod display;
mod dump;
mod forwarding;
mod help;
mod link;
mod mac;
mod matching;
mod offloads;
mod port_config;
mod ports;
mod queues;
mod refusal;
mod rss;
mod session;
mod settings;
mod syntax;
mod txpkts;
mod verbose;
mod vlan;
mod xstats;

pub use args::{Args, Which};
pub use matching::{Refusal, parse};

use crate::app::App;

/// A command of the console.
pub struct Command {
    /// What is typed; see the module's page.
    pub syntax: &'static str,
    /// What it does, in a sentence or more.
    pub help: &'static str,
    /// Where the help shows it.
    pub section: Section,
    /// Does it.
    pub run: fn(&mut App, &Args<'_>),
}

/// A part of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Starting, stopping, leaving.
    Control,
    /// What is shown and cleared.
    Display,
    /// How packets are forwarded and made.
    Config,
    /// Ports and their queues.
    Ports,
    /// Which packets go where.
    Filters,
    /// How much of what goes when.
    TrafficManagement,
    /// Devices and their attachment.
    Devices,
    /// What single drivers add.
    Drivers,
}

/// The commands of each file, in the order of the help.
pub const TABLES: &[&[Command]] = &[
    session::COMMANDS,
    forwarding::COMMANDS,
    display::COMMANDS,
    xstats::COMMANDS,
    settings::COMMANDS,
    txpkts::COMMANDS,
    csum::COMMANDS,
    verbose::COMMANDS,
    link::COMMANDS,
    mac::COMMANDS,
    vlan::COMMANDS,
    ports::COMMANDS,
    port_config::COMMANDS,
    offloads::COMMANDS,
    queues::COMMANDS,
    rss::COMMANDS,
    attach::COMMANDS,
    dump::COMMANDS,
    absent::COMMANDS,
];

/// All commands.
pub fn all() -> impl Iterator<Item = &'static Command> {
    TABLES.iter().copied().flatten()
}

#[cfg(test)]
mod port_tests;
#[cfg(test)]
mod tests;
