//! However the program ends, it ends cleanly: exit code 0, everything said, nothing left behind.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use nix::sys::signal::Signal;
use support::{Program, left_in};
use tempfile::TempDir;

const PROMPT: &str = "testpmd> ";

const END: &str = "
Primary: Sending 'stop_req' request to secondary...

Stopping port 0...
Stopping ports...
Done

Shutting down port 0...
Closing ports...
Port 0 is closed
Done

Bye...
";

const VHOST: [&str; 7] = [
    "--lcores=0@0,1@0",
    "--no-huge",
    "--no-pci",
    "--in-memory",
    "--vdev=net_vhost0,iface=vhost.sock",
    "--",
    "-i",
];

/// What ends the program.
#[derive(Clone, Copy, Debug)]
enum By {
    Quit,
    EndOfInput,
    Signal(Signal),
}

fn end(by: By, program: &mut Program, terminal: bool) {
    match by {
        By::Quit => program.say("quit"),
        By::EndOfInput if terminal => program.press("\x04"),
        By::EndOfInput => program.end_input(),
        By::Signal(signal) => program.signal(signal),
    }
}

fn ends_well(by: By, forwarding: bool, terminal: bool) {
    let folder = TempDir::new().unwrap();
    let mut program = match terminal {
        true => Program::on_terminal(&VHOST, folder.path()),
        false => Program::on_pipes(&VHOST, folder.path()),
    };
    program.await_out(PROMPT);
    assert!(folder.path().join("vhost.sock").exists());
    if forwarding {
        program.say("start tx_first 3");
        program.await_times(PROMPT, 2);
    }
    end(by, &mut program, terminal);
    let (status, out, err) = program.finish();
    assert_eq!(status.code(), Some(0), "{by:?}: {out}{err}");
    assert!(out.ends_with(END), "{by:?}: {out}");
    assert_eq!(out.contains("Telling cores to stop..."), forwarding, "{by:?}: {out}");
    assert_eq!(left_in(folder.path()), Vec::<String>::new(), "{by:?}");
}

#[test]
fn every_end_of_an_idle_console() {
    for terminal in [false, true] {
        for by in
            [By::Quit, By::EndOfInput, By::Signal(Signal::SIGINT), By::Signal(Signal::SIGTERM)]
        {
            ends_well(by, false, terminal);
        }
    }
}

#[test]
fn every_end_while_forwarding() {
    for terminal in [false, true] {
        for by in
            [By::Quit, By::EndOfInput, By::Signal(Signal::SIGINT), By::Signal(Signal::SIGTERM)]
        {
            ends_well(by, true, terminal);
        }
    }
    ends_well(By::Signal(Signal::SIGHUP), true, true);
    ends_well(By::Signal(Signal::SIGQUIT), true, true);
}

#[test]
fn interrupted_again_and_again() {
    for round in 0..10 {
        let signal = if round % 2 == 0 { Signal::SIGINT } else { Signal::SIGTERM };
        ends_well(By::Signal(signal), round % 3 == 0, true);
    }
}

#[test]
fn a_line_that_is_not_finished_is_not_run() {
    let folder = TempDir::new().unwrap();
    let mut program = Program::on_pipes(&VHOST, folder.path());
    program.await_out(PROMPT);
    program.press("show port summary all");
    program.end_input();
    let (status, out, _) = program.finish();
    assert_eq!(status.code(), Some(0));
    assert!(!out.contains("Number of available ports"), "{out}");
    assert!(out.ends_with(&format!("testpmd> show port summary all{END}")), "{out}");
}

#[test]
fn without_a_console_enter_or_a_signal_ends_it() {
    for by in [By::Quit, By::EndOfInput, By::Signal(Signal::SIGINT)] {
        let folder = TempDir::new().unwrap();
        let args = [&VHOST[..6], &["--forward-mode=rxonly"]].concat();
        let mut program = Program::on_pipes(&args, folder.path());
        program.await_out("Press enter to exit\n");
        end(by, &mut program, false);
        let (status, out, _) = program.finish();
        assert_eq!(status.code(), Some(0), "{out}");
        assert!(out.contains("No commandline core given, start packet forwarding\nrxonly packet"));
        assert!(out.ends_with(&format!("\nDone.\n{END}")), "{out}");
        assert_eq!(left_in(folder.path()), Vec::<String>::new());
    }
}

#[test]
fn statistics_every_second_until_a_signal() {
    let folder = TempDir::new().unwrap();
    let args = [&VHOST[..6], &["--stats-period", "1"]].concat();
    let mut program = Program::on_pipes(&args, folder.path());
    let head = "\u{1b}[2J\u{1b}[1;1H\nPort statistics ====================================\n  ####";
    program.await_times(head, 2);
    program.signal(Signal::SIGTERM);
    let (status, out, _) = program.finish();
    assert_eq!(status.code(), Some(0));
    assert!(out.ends_with(END), "{out}");
}

#[test]
fn statistics_and_the_report_for_a_program() {
    let folder = TempDir::new().unwrap();
    let args = [&VHOST[..6], &["--stats-period=1", "--json"]].concat();
    let mut program = Program::on_pipes(&args, folder.path());
    program.await_times("{\"show\":\"port stats\",\"ports\":[{\"port\":0,", 2);
    program.signal(Signal::SIGTERM);
    let (status, out, _) = program.finish();
    assert_eq!(status.code(), Some(0));
    let report = out.lines().find(|line| line.starts_with("{\"show\":\"fwd stats\",")).unwrap();
    assert!(report.ends_with("\"tx_dropped\":0}]}"), "{report}");
    assert!(!out.contains('\x1b') && !out.contains("Forward statistics"), "{out}");
}

#[test]
fn an_output_that_nobody_reads_ends_it_too() {
    let folder = TempDir::new().unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_testpmd"))
        .args(VHOST)
        .current_dir(folder.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    let _ = std::io::Write::write_all(&mut input, b"show port info all\nshow port stats all\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(left_in(folder.path()), Vec::<String>::new());
}

#[test]
fn a_named_primary_leaves_no_folder() {
    let folder = TempDir::new().unwrap();
    let args = [
        "--lcores=0@0,1@0",
        "--no-huge",
        "--file-prefix=ends",
        "--vdev=net_vhost0,iface=s",
        "--",
        "-i",
    ];
    let mut program = Program::on_pipes(&args, folder.path());
    program.await_out(PROMPT);
    program.say("quit");
    let (status, _, err) = program.finish();
    assert_eq!(status.code(), Some(0), "{err}");
    let left = left_in(folder.path());
    assert!(left.iter().all(|name| !name.ends_with("/s") && !name.contains("socket")), "{left:?}");
}
