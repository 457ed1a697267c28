//! All options, by theme, and their help.

use std::fmt::Write;

use super::spec::{Effect, Spec, Takes};
use super::{loopback, memory, offloads, ports, queues, session, traffic};

/// The options of each theme with its heading, in the order of the help.
const THEMES: [(&str, &[Spec]); 7] = [
    ("The run", session::OPTIONS),
    ("Forwarding", traffic::OPTIONS),
    ("Ports", ports::OPTIONS),
    ("Queues", queues::OPTIONS),
    ("Offloads", offloads::OPTIONS),
    ("Lcores and memory", memory::OPTIONS),
    ("Loopback", loopback::OPTIONS),
];

/// All options.
pub fn all() -> impl Iterator<Item = &'static Spec> {
    THEMES.iter().flat_map(|(_, options)| options.iter())
}

/// The help, one line an option, without those that are refused.
pub fn usage() -> String {
    let mut text = String::new();
    for (heading, options) in THEMES {
        let _ = writeln!(text, " {heading}:");
        for spec in options.iter().filter(|spec| !matches!(spec.effect, Effect::Refused(_))) {
            line(&mut text, spec);
        }
    }
    text
}

fn line(text: &mut String, spec: &Spec) {
    let name = match spec.takes {
        Takes::Nothing => format!("--{}", spec.name),
        Takes::Value(value) => format!("--{}={value}", spec.name),
        Takes::Maybe(value) => format!("--{}[={value}]", spec.name),
    };
    let without = if matches!(spec.effect, Effect::None) { "changes nothing: " } else { "" };
    let _ = writeln!(text, "  {name:<26} {without}{}", spec.help);
}
