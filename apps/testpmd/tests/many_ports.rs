//! Very many ports in one process: DTS's vhost_1024_ethports.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::time::Instant;

use support::Program;
use tempfile::TempDir;

/// Ports that one process holds.
const PORTS: usize = 1023;

#[test]
fn a_thousand_and_twenty_three_vhost_ports() {
    let folder = TempDir::new().unwrap();
    let mut args: Vec<String> =
        ["--lcores=0@0,1@0", "--no-huge", "--in-memory"].map(String::from).into();
    args.extend((0..PORTS).map(|n| format!("--vdev=net_vhost{n},iface=s{n}")));
    args.extend(["--", "-i"].map(String::from));
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let started = Instant::now();
    let mut program = Program::on_pipes(&words, folder.path());
    program.await_out("testpmd> ");
    println!("{PORTS} ports in {:?}", started.elapsed());
    let sockets = support::left_in(folder.path());
    assert_eq!(sockets.len(), PORTS, "a socket for each");
    program.say("show port summary all");
    program.await_out(&format!("\n{} ", PORTS - 1));
    assert!(program.out().contains(&format!("Number of available ports: {PORTS}\n")));
    program.say(&format!("port attach net_vhost{PORTS},iface=s{PORTS}"));
    program.say(&format!("port start {PORTS}"));
    program.await_times("testpmd> ", 4);
    assert!(program.err().contains("failed to add listen fd"), "{}", program.err());
    assert_eq!(support::left_in(folder.path()).len(), PORTS, "no socket for one too many");
    program.say("quit");
    let (status, out, err) = program.finish();
    assert_eq!(status.code(), Some(0), "{err}");
    assert_eq!(out.matches(" is closed\n").count(), PORTS + 1);
    assert_eq!(support::left_in(folder.path()), Vec::<String>::new(), "sockets are gone");
}
