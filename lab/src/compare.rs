//! One console script, typed into DPDK's testpmd and into ours, and what they answer compared.
//!
//! # The script
//!
//! A line that begins with `@` starts both programs with these arguments (`{DIR}` is a folder of each program's own); each
//! following line is typed at the prompt; `~` before it says that numbers in its answer vary from run to run. `##` begins a
//! remark, and an empty line is none.
//!
//! # What may differ
//!
//! A list says for a line typed what may differ in the answer, and why; see [`differences`]. Any other difference is a fault, and
//! so is an entry of the list that is not needed any more.
//!
//! # Example
//!
//! ```
//! let script = lab::compare::Script::parse("@ -l 0-1 --no-pci -- -i\nset burst 32\n~ show port stats all\n").unwrap();
//! assert_eq!(script.sessions[0].lines.len(), 2);
//! ```

pub mod differences;

use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::dpdk;
use crate::dts::command::Maker;
use crate::dts::testpmd::ours;
use crate::process::{PATIENCE, Process};

const PROMPT: &str = "testpmd> ";
/// What stands in place of a typed line for what is said before the first prompt.
pub const START: &str = "(start)";

/// What is typed.
#[derive(Debug, Default)]
pub struct Script {
    /// One after the other.
    pub sessions: Vec<Session>,
}

/// A run of both programs.
#[derive(Debug)]
pub struct Session {
    /// What they are started with.
    pub arguments: Vec<String>,
    /// What is typed then.
    pub lines: Vec<Line>,
}

/// A line to type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its text.
    pub text: String,
    /// Whether numbers in the answer vary.
    pub varies: bool,
}

/// What was said to a line, in lines.
#[derive(Debug)]
pub struct Answer {
    /// The line typed.
    pub line: Line,
    /// What came before the next prompt.
    pub said: Vec<String>,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    ///
    /// When something is typed before a program is started.
    pub fn parse(text: &str) -> Result<Self> {
        let mut script = Self::default();
        let remark = |line: &&str| line.is_empty() || line.starts_with("##");
        for line in text.lines().map(str::trim_end).filter(|line| !remark(line)) {
            if let Some(arguments) = line.strip_prefix('@') {
                let arguments = arguments.split_whitespace().map(str::to_owned).collect();
                script.sessions.push(Session { arguments, lines: Vec::new() });
                continue;
            }
            let session =
                script.sessions.last_mut().ok_or_else(|| format!("no @ before: {line}"))?;
            let varying = line.strip_prefix('~').map(str::trim_start);
            let text = varying.unwrap_or(line).to_owned();
            session.lines.push(Line { text, varies: varying.is_some() });
        }
        Ok(script)
    }
}

impl Session {
    /// Runs it with one of the programs. The last answer is that to `quit`, which is typed behind the script's lines.
    ///
    /// # Errors
    ///
    /// When the program does not come up, does not come back to its prompt, or does not end well.
    pub fn run(&self, maker: Maker) -> Result<Vec<Answer>> {
        let folder = tempfile::tempdir()?;
        let mut process = self.start(maker, folder.path())?;
        let line = |text: &str| Line { text: text.into(), varies: false };
        let said = process.wait_for(PROMPT)?;
        let mut answers = vec![answer(line(START), &said, folder.path())];
        for line in &self.lines {
            process.say(&line.text)?;
            let said = process.wait_for(PROMPT)?;
            answers.push(answer(line.clone(), &said, folder.path()));
        }
        process.say("quit")?;
        let (status, said) = process.wait_end(PATIENCE)?;
        if !status.success() {
            return Err(format!("{maker:?} ended with {status}; it said:\n{said}").into());
        }
        let last = said.rsplit(PROMPT).next().unwrap_or_default();
        answers.push(answer(line("quit"), last, folder.path()));
        Ok(answers)
    }

    fn start(&self, maker: Maker, folder: &Path) -> Result<Process> {
        let mut command = match maker {
            Maker::Ours => Command::new(ours()?),
            Maker::Dpdk => Command::new(dpdk::PROGRAM),
        };
        let cpus = dpdk::cpu_list();
        let fill = |word: &String| {
            let word = word.replace("{DIR}", &folder.display().to_string());
            word.replace("{CPUS}", &cpus)
        };
        command.args(["--file-prefix", &format!("compare{}", std::process::id())]);
        command.args(self.arguments.iter().map(fill));
        command.current_dir(folder).env("RUNTIME_DIRECTORY", folder).env("TESTPMD_HISTORY", "");
        Process::start_on_terminal(&format!("{maker:?}"), &mut command)
    }
}

/// The lines of an answer, without what differs from run to run.
fn answer(line: Line, said: &str, folder: &Path) -> Answer {
    let said = said.replace('\r', "").replace(&folder.display().to_string(), "{DIR}");
    let mut kept: Vec<&str> = said.lines().filter(|text| !is_log(text)).collect();
    // The line typed is repeated in front of the answer, or behind what was logged meanwhile.
    match kept.iter().position(|text| *text == line.text) {
        Some(echo) => drop(kept.remove(echo)),
        None => kept.first_mut().map_or((), |first| {
            *first = first.strip_prefix(&line.text).unwrap_or(first);
        }),
    }
    let numbers = |text: String| if line.varies { without_numbers(&text) } else { text };
    let said = kept.into_iter().map(|text| numbers(steady(text)));
    let said: Vec<String> = said.collect();
    Answer { line, said }
}

/// Log lines are each program's own.
fn is_log(line: &str) -> bool {
    const TARGETS: [&str; 6] = ["EAL", "VHOST_CONFIG", "ETHDEV", "eal", "pmd", "TELEMETRY"];
    line.split_once(':').is_some_and(|(target, _)| {
        let target = target.split(['.', ' ']).next().unwrap_or_default();
        TARGETS.contains(&target)
    })
}

/// With random Ethernet addresses replaced: those that are local and neither a vhost port's nor a default peer's.
fn steady(line: &str) -> String {
    let words = line.split(' ').map(|word| if is_random_mac(word) { "MAC" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

fn is_random_mac(word: &str) -> bool {
    let bytes: Vec<Option<u8>> =
        word.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    match bytes.as_slice() {
        [Some(0x56), Some(0x48), Some(0x4f), ..] | [Some(2), Some(0), ..] => false,
        [Some(first), _, _, _, _, Some(_)] => first & 2 == 2,
        _ => false,
    }
}

/// With numbers replaced and blanks joined.
fn without_numbers(line: &str) -> String {
    let mut text = String::new();
    for c in line.chars() {
        match c {
            '0'..='9' if text.ends_with('N') => {}
            '0'..='9' => text.push('N'),
            ' ' if text.ends_with(' ') => {}
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script() {
        let text = "## remark\n@ -- -i\nstart\n\n~ stop\n# typed comment\n@ -l 0 -- -i\n";
        let script = Script::parse(text).unwrap();
        assert_eq!(script.sessions.len(), 2);
        let lines = &script.sessions[0].lines;
        assert_eq!(lines[0], Line { text: "start".into(), varies: false });
        assert_eq!(lines[1], Line { text: "stop".into(), varies: true });
        assert_eq!(lines[2].text, "# typed comment");
        assert!(Script::parse("start\n").is_err());
    }

    #[test]
    fn what_differs_from_run_to_run_is_taken_out() {
        let line = Line { text: "x".into(), varies: false };
        let said = "x\r\r\nEAL: a log\r\nPort 0: 56:6C:2C:B9:22:44\r\nPort 1: 56:48:4F:53:54:00\r\n/d/s\r\n";
        let answer = super::answer(line, said, Path::new("/d"));
        assert_eq!(answer.said, ["Port 0: MAC", "Port 1: 56:48:4F:53:54:00", "{DIR}/s"]);
        let line = Line { text: "x".into(), varies: true };
        let answer =
            super::answer(line, "x\nRX-packets: 12345      RX-missed: 0\n", Path::new("/d"));
        assert_eq!(answer.said, ["RX-packets: N RX-missed: N"]);
        let line = Line { text: "x".into(), varies: false };
        let answer =
            super::answer(line, "VHOST_CONFIG: late\nx\nx is not there\n", Path::new("/d"));
        assert_eq!(answer.said, ["x is not there"]);
        assert!(is_log("pmd.net.vhost: connected") && !is_log("Port 0: link state change event"));
    }
}
