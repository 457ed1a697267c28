//! The texts of `help`, made from the table.

use std::fmt::Write;

use super::syntax::{Kind, Step, steps};
use super::{Command, Section, all, matching};

/// Section, name, what the overview says, heading.
const SECTIONS: &[(Section, &str, &str, &str)] = &[
    (Section::Control, "control", "Start and stop forwarding.", "Control forwarding"),
    (Section::Display, "display", "Displaying port, stats and config information.", "Display"),
    (Section::Config, "config", "Configuration information.", "Configuration"),
    (Section::Ports, "ports", "Configuring ports.", "Port Operations"),
    (Section::Filters, "filters", "Filters configuration help.", "filters"),
    (
        Section::TrafficManagement,
        "traffic_management",
        "Traffic Management commands.",
        "Traffic Management",
    ),
    (Section::Devices, "devices", "Device related commands.", "Device Operations"),
    (Section::Drivers, "drivers", "Driver specific commands.", "Driver specific"),
];

/// The list of sections.
pub fn overview() -> String {
    let mut text = String::from("\nHelp is available for the following sections:\n\n");
    for (_, name, what, _) in SECTIONS {
        let _ = writeln!(text, "    help {name:<27}: {what}");
    }
    let _ = writeln!(text, "    help {:<27}: All of the above sections.\n", "all");
    text
}

/// One section or, for `all`, every one.
pub fn section(name: &str) -> String {
    let mut text = String::new();
    for (section, own_name, _, heading) in SECTIONS {
        if name == *own_name || name == "all" {
            let rule = "-".repeat(heading.len() + 1);
            let _ = writeln!(text, "\n{heading}:\n{rule}\n");
            describe_section(&mut text, *section);
        }
    }
    text
}

fn describe_section(text: &mut String, section: Section) {
    let mut commands = all().filter(|command| command.section == section).peekable();
    if commands.peek().is_none() {
        text.push_str("None of these is supported yet.\n\n");
    }
    commands.for_each(|command| describe(text, command));
}

/// The commands that begin with the words of `beginning`.
pub fn commands(beginning: &str) -> String {
    let mut text = String::from("\n");
    all()
        .filter(|command| matching::begins(command, beginning))
        .for_each(|command| describe(&mut text, command));
    text
}

fn describe(text: &mut String, command: &'static Command) {
    let _ = writeln!(text, "{}", shown(command));
    for line in command.help.lines() {
        let _ = writeln!(text, "    {line}");
    }
    text.push('\n');
}

/// A syntax as the reference's help writes it.
pub fn shown(command: &'static Command) -> String {
    let words: Vec<String> = steps(command.syntax).map(shown_step).collect();
    words.join(" ")
}

/// A step as the reference's help writes it.
pub fn shown_step(step: Step) -> String {
    let text = match step.kind {
        Kind::Words(words) if words.contains('|') => format!("({words})"),
        Kind::Words(word) => word.into(),
        Kind::Port if step.name == "port" => "(port_id)".into(),
        Kind::Ports => "(port_id|all)".into(),
        _ => format!("({})", step.name),
    };
    if step.optional { format!("[{text}]") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_the_help() {
        let text = section("all");
        for command in all() {
            assert!(text.contains(&format!("\n{}\n    ", shown(command))), "{}", command.syntax);
        }
        for (_, name, _, heading) in SECTIONS {
            assert!(overview().contains(&format!("    help {name} ")), "{name}");
            assert!(section(name).starts_with(&format!("\n{heading}:\n-")), "{name}");
        }
    }

    #[test]
    fn the_shape() {
        let expected = "
set nbport (count)
    Forward between this many ports, the first of the list.

";
        assert_eq!(commands("set nbport"), expected);
        assert!(commands("show port").contains("\nshow port stats (port_id|all) [json]\n"));
        let fwd = "set fwd (io|mac|";
        assert!(commands("set fwd").contains(fwd), "{}", commands("set fwd"));
    }
}
