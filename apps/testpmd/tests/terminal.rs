//! The console on a terminal: what is written is the reference's to the byte, and lines can be edited.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::termios::LocalFlags;
use support::{LONG, Program};
use tempfile::TempDir;

const PROMPT: &str = "testpmd> ";

const ARGS: [&str; 7] = [
    "--lcores=0@0,1@0",
    "--no-huge",
    "--no-pci",
    "--in-memory",
    "--vdev=net_vhost0,iface=vhost.sock",
    "--",
    "-i",
];

fn start(folder: &Path) -> Program {
    let program = Program::on_terminal(&ARGS, folder);
    program.await_out(PROMPT);
    program
}

/// Presses keys and waits until exactly `expected` has been written since.
fn echo(program: &mut Program, keys: &str, expected: &str) {
    let before = program.raw_out().len();
    program.press(keys);
    let start = Instant::now();
    loop {
        let out = program.raw_out();
        let written = &out[before..];
        if written == expected {
            return;
        }
        let hopeless = !expected.starts_with(written) || start.elapsed() > LONG;
        assert!(!hopeless, "{keys:?} wrote {written:?}, not {expected:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs a line and waits for what it says.
fn answer(program: &mut Program, keys: &str, text: &str) {
    let times = program.out().matches(text).count();
    program.press(keys);
    program.await_times(text, times + 1);
}

fn quit(mut program: Program) -> String {
    program.say("quit");
    let (status, out, err) = program.finish();
    assert_eq!(status.code(), Some(0), "{out}{err}");
    out
}

/// Bytes recorded from the reference on a terminal of the same kind.
#[test]
fn the_bytes_of_the_reference() {
    let folder = TempDir::new().unwrap();
    let mut program = start(folder.path());
    for (keys, bytes) in [
        ("show", "show"),
        ("\x7f", "\x08\x1b[0K"),
        ("\x08", "\x08\x1b[0K"),
        ("\x1b[D", "\x1b[D"),
        ("X", "X\x1b[0Kh\x1b[1D"),
        ("\x01", "\x1b[2D"),
        ("\x05", "\x1b[3C"),
        ("\x03", "\r\r\ntestpmd> "),
        ("abc\x03", "abc\r\r\ntestpmd> "),
        ("sta\t", "start \x1b[0K"),
        ("\x03", "\r\r\ntestpmd> "),
        ("foo\r", "foo\r\r\nCommand not found\r\ntestpmd> "),
        ("foo\r\n", "foo\r\r\nCommand not found\r\ntestpmd> \r\r\ntestpmd> "),
        ("\x1b[A", "\x1bM\x1bEtestpmd> foo\x1b[0K"),
        ("\x1b[B", "\x1bM\x1bEtestpmd> \x1b[0K"),
        ("\x0c", "\x1bM\x1bEtestpmd> \x1b[0K"),
        ("\x01\x0b", "\x1b[0K"),
        ("\x10", "\x1bM\x1bEtestpmd> foo\x1b[0K"),
        ("\x01\x0b", "\x1b[3D\x1b[0K"),
        (
            "foo\nbar\n",
            "foo\r\r\nCommand not found\r\ntestpmd> bar\r\r\nCommand not found\r\ntestpmd> ",
        ),
        ("set burst\n", "set burst\r\r\nBad arguments\r\ntestpmd> "),
        ("set burst 8\n", "set burst 8\r\r\nNumber of packets per burst set to 8\r\ntestpmd> "),
        ("st\x04", "st"),
        ("\x01\x0b", "\x1b[2D\x1b[0K"),
    ] {
        echo(&mut program, keys, bytes);
    }
    quit(program);
}

/// Nobody who only types and reads sees a control sequence.
#[test]
fn a_plain_session_is_plain() {
    let folder = TempDir::new().unwrap();
    let mut program = start(folder.path());
    for line in ["show port summary all", "start tx_first", "stop", "# nothing", ""] {
        let prompts = program.out().matches(PROMPT).count();
        program.say(line);
        program.await_times(PROMPT, prompts + 1);
    }
    program.say("quit");
    let (_, _, err) = program.finish();
    let raw = program.raw_out();
    assert!(raw.contains("testpmd> show port summary all\r\r\nNumber of available ports: 1\r\n"));
    assert!(!raw.contains('\x1b') && !err.contains('\x1b'), "{raw:?}");
}

#[test]
fn what_was_typed_too_early_is_not_lost() {
    let folder = TempDir::new().unwrap();
    let mut program = Program::on_terminal(&ARGS, folder.path());
    program.say("show port summary all");
    program.await_out("testpmd> show port summary all\nNumber of available ports: 1\n");
    quit(program);
}

#[test]
fn a_line_is_edited_and_run() {
    let folder = TempDir::new().unwrap();
    let mut program = start(folder.path());
    let burst = |count| format!("Number of packets per burst set to {count}\n");
    // Left four times, a letter put in; a word removed; the begin of the line.
    answer(&mut program, "set brst 1\x1b[D\x1b[D\x1b[D\x1b[D\x1b[Du\n", &burst(1));
    answer(&mut program, "set burst 9999\x172\n", &burst(2));
    answer(&mut program, "burst 3\x01set \n", &burst(3));
    answer(&mut program, "nonsense\x15set burst 4 rubbish\x1bb\x0b\n", &burst(4));
    answer(&mut program, "dropped\x03set burst 5\n", &burst(5));
    answer(&mut program, "\x10\x7f6\n", &burst(6));
    answer(&mut program, "x\x12burst 3\n", &burst(3));
    quit(program);
}

#[test]
fn words_are_completed_and_listed() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("commands.txt"), "set burst 7\n").unwrap();
    let mut program = start(folder.path());
    answer(&mut program, "sh\tpo\tsu\t0\n", "Number of available ports: 1\n");
    answer(&mut program, "load comm\t\n", "Read CLI commands from commands.txt\n");
    answer(
        &mut program,
        "set nbp?",
        " nbport: set nbport (count): Forward between this many ports, the first of the list.",
    );
    answer(&mut program, "\t1\n", "Number of forwarding ports set to 1\n");
    answer(
        &mut program,
        "port stop \t",
        "\n 0: port stop (port_id|all): Stop port_id, or every port; it keeps its settings and its peer.\n",
    );
    program.press("\x03");
    quit(program);
}

#[test]
fn lines_are_remembered_from_run_to_run() {
    let folder = TempDir::new().unwrap();
    let history = folder.path().join("state/history");
    let run = || {
        let program = Program::on_terminal_with_history(&ARGS, folder.path(), &history);
        program.await_out(PROMPT);
        program
    };
    let mut first = run();
    answer(&mut first, "set burst 48\n", "burst set to 48\n");
    quit(first);
    assert_eq!(std::fs::read_to_string(&history).unwrap(), "set burst 48\nquit\n");
    let mut second = run();
    answer(&mut second, "\x1b[A\x1b[A\n", "burst set to 48\n");
    quit(second);
    let mut pipes = Program::on_pipes(&ARGS, folder.path());
    pipes.await_out(PROMPT);
    pipes.say("set burst 1");
    quit(pipes);
    let remembered = std::fs::read_to_string(&history).unwrap();
    assert_eq!(remembered, "set burst 48\nquit\nset burst 48\nquit\n");
}

#[test]
fn the_terminal_is_left_as_it_was_found() {
    let keys = LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG;
    for by in ["quit\n", "\x04", "signal"] {
        let folder = TempDir::new().unwrap();
        let mut program = start(folder.path());
        assert!(!program.terminal().local_flags.intersects(keys), "{by:?}");
        // A key that is a signal elsewhere.
        program.press("abc\x03");
        program.await_times(PROMPT, 2);
        match by {
            "signal" => program.signal(Signal::SIGTERM),
            keys => program.press(keys),
        }
        program.await_out("Bye...");
        let start = Instant::now();
        while !program.terminal().local_flags.contains(keys) {
            assert!(start.elapsed() < LONG, "{by:?}: not restored");
            std::thread::sleep(Duration::from_millis(2));
        }
        let (status, ..) = program.finish();
        assert_eq!(status.code(), Some(0), "{by:?}");
    }
}

/// Bursts without a peer to take them go on for minutes.
#[test]
fn the_interrupt_key_ends_a_command_that_takes_long() {
    let folder = TempDir::new().unwrap();
    let mut program = Program::on_own_terminal(&ARGS, folder.path());
    program.await_out(PROMPT);
    program.say("start tx_first 4000000000");
    let start = Instant::now();
    while !program.terminal().local_flags.contains(LocalFlags::ISIG) {
        assert!(start.elapsed() < LONG, "the command does not begin");
        std::thread::sleep(Duration::from_millis(2));
    }
    program.press("\x03");
    program.await_times(PROMPT, 2);
    answer(&mut program, "stop\n", "\nDone.\n");
    answer(&mut program, "set burst 8\n", "burst set to 8\n");
    quit(program);
}

#[test]
fn a_hint_is_for_people_only() {
    let folder = TempDir::new().unwrap();
    let mut program = start(folder.path());
    answer(&mut program, "strat\n", "Command not found\n");
    answer(&mut program, "\x10\n", "Command not found\n");
    program.say("quit");
    let (_, out, err) = program.finish();
    // Standard error is a pipe here: whoever reads it is a program.
    assert!(!out.contains("did you mean") && !err.contains("did you mean"), "{out}{err}");
}
