use super::syntax::{Kind, Step, step, steps};
use super::*;
use crate::console::Session;
use crate::console::bench::Bench;
use crate::signals::Signals;

/// Runs `test` with a session, in a thread whose signal mask it may change.
fn with_session(test: impl FnOnce(&Session<'_>) + Send + 'static) {
    let body = || test(&Session::new(&Signals::block().unwrap()));
    std::thread::spawn(body).join().unwrap();
}

/// What may be typed at a step, one for each way to take it.
fn samples(step: Step) -> Vec<&'static str> {
    let mut samples: Vec<&str> = match step.kind {
        Kind::Words(words) => words.split('|').collect(),
        Kind::Number(_) | Kind::Text => vec!["1"],
        Kind::Port => vec!["0"],
        Kind::Ports => vec!["all", "0"],
        Kind::Mac => vec!["00:11:22:33:44:55"],
        Kind::File => vec!["no-such-folder/file"],
        Kind::Rest => vec!["one two"],
        Kind::Command => vec!["show port"],
    };
    if step.optional {
        samples.push("");
    }
    samples
}

/// Every line that a syntax describes, a sample for each thing to fill in.
fn lines(command: &'static Command) -> Vec<String> {
    steps(command.syntax).fold(vec![String::new()], |lines, step| {
        let with =
            |line: &String| samples(step).into_iter().map(|s| format!("{line} {s}")).collect();
        lines.iter().flat_map(|line| -> Vec<String> { with(line) }).collect()
    })
}

#[test]
fn every_entry_is_well_formed() {
    let mut seen = std::collections::BTreeSet::new();
    for Command { syntax, help, .. } in all() {
        assert!(syntax.split(' ').all(|text| step(text).is_some()), "{syntax:?} is malformed");
        assert!(seen.insert(*syntax), "{syntax:?} is there twice");
        assert!(help.ends_with('.') && help.trim() == *help, "{syntax:?}: {help:?}");
        let steps: Vec<Step> = steps(syntax).collect();
        let first_optional = steps.iter().position(|s| s.optional).unwrap_or(steps.len());
        assert!(steps[first_optional..].iter().all(|s| s.optional), "{syntax:?}: [] comes last");
        let rest = steps.iter().position(|s| s.kind.takes_rest()).unwrap_or(steps.len());
        assert!(rest + 1 >= steps.len(), "{syntax:?}: something after the rest");
        let mut names: Vec<&str> = steps.iter().map(|s| s.name).filter(|n| !n.is_empty()).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "{syntax:?} has a name twice");
    }
}

#[test]
fn every_line_reaches_its_own_command() {
    with_session(|session| {
        for command in all() {
            for line in lines(command) {
                let found = parse(&line, session).ok().flatten().map(|args| args.command.syntax);
                assert_eq!(found, Some(command.syntax), "{line}");
            }
        }
    });
}

/// Runs all of them on a port in memory: accessors that do not exist panic in tests.
#[test]
fn every_command_asks_for_what_its_syntax_has() {
    let mut bench = Bench::one();
    for line in all().flat_map(lines) {
        if bench.app.ports.is_empty() {
            bench = Bench::one();
        }
        bench.type_in(&line);
        if bench.app.is_forwarding() {
            bench.app.stop_forwarding();
        }
    }
}

#[test]
fn modes_of_the_engine_are_words_of_the_command() {
    with_session(|session| {
        for mode in crate::engine::Mode::ALL {
            let line = format!("set fwd {}", mode.name());
            assert!(matches!(parse(&line, session), Ok(Some(_))), "{line}");
        }
    });
}

#[test]
fn what_is_typed_arrives() {
    with_session(|session| {
        let parse = |line| parse(line, session).unwrap().unwrap();
        assert_eq!(parse("start tx_first").number_or("bursts", 7u32), 7);
        assert_eq!(parse("start tx_first 32").number_or("bursts", 7u32), 32);
        let args = parse("  show  port   stats 0x1  # c");
        assert_eq!((args.which("ports"), args.word(2)), (Which::One(1), "stats"));
        assert!(!args.has("all"));
        assert_eq!(parse("port close all").which("ports"), Which::All);
        let args = parse("set fwd mac retry");
        assert!(args.text("mode") == "mac" && args.has("mac") && args.has("retry"));
        assert!(!parse("set fwd mac").has("retry"));
        assert_eq!(parse("set eth-peer 3 x").port("port"), pmd_core::PortId(3));
        assert_eq!(parse("help  set  burst #").text("command"), "set  burst");
        assert_eq!(parse("set txpkts 64,64").text("lengths"), "64,64");
    });
}

#[test]
fn nothing_to_do() {
    with_session(|session| {
        for line in ["", "   ", "# comment", "\t#"] {
            assert!(matches!(parse(line, session), Ok(None)), "{line:?}");
        }
    });
}

#[test]
fn refusals_are_the_reference_s() {
    with_session(|session| {
        let refusal = |line| parse(line, session).err();
        for line in ["foo", "sta", "sto", "START", "quit!"] {
            assert_eq!(refusal(line), Some(Refusal::NotFound), "{line}");
        }
        let bad = [
            "show",
            "show port",
            "set",
            "set mac fwd",
            "start foo",
            "stop now",
            "show port stats -1",
            "show port stats abc",
            "show port stats 0 0",
            "show port stats",
            "set burst abc",
            "set fwd bogus",
            "set fwd ieee1588",
            "start tx_first x",
            "show bogus",
            "set txpkts",
            "show port info",
            "set burst +1",
            "set burst 65536",
            "port stop",
            "help me",
            "start tx_first 4294967296",
            "show port stats 0x",
            "show port stats 0x+1",
        ];
        for line in bad {
            assert_eq!(refusal(line), Some(Refusal::BadArguments), "{line}");
        }
    });
}
