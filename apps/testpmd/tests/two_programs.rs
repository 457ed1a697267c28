//! Two programs, a vhost-user port and a virtio-user port, as DPDK's users run them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use support::{LONG, Program};
use tempfile::TempDir;

const PROMPT: &str = "testpmd> ";
const LINK_EVENT: &str = "\nPort 0: link state change event\n";

fn start(folder: &Path, cpu: usize, vdev: &str, options: &[&str]) -> Program {
    let lcores = format!("--lcores=0@{cpu},1@{cpu},2@{cpu}");
    let args =
        [&[lcores.as_str(), "--no-huge", "--in-memory", "--vdev", vdev, "--", "-i"], options];
    let program = Program::on_terminal(&args.concat(), folder);
    program.await_out(PROMPT);
    program
}

/// What the console answers to `line`, without its echo and the next prompt.
///
/// A change of the link is told whenever it happens, also before the echo or behind the prompt: it is no part of the answer.
fn ask(program: &mut Program, line: &str) -> String {
    let before = program.out().len();
    program.say(line);
    let echo = format!("{line}\n");
    let begin = Instant::now();
    loop {
        let said = program.out()[before..].replace(LINK_EVENT, "");
        let answer = said.split_once(&echo).and_then(|(_, rest)| rest.split_once(PROMPT));
        if let Some((answer, _)) = answer {
            return answer.to_owned();
        }
        assert!(begin.elapsed() < LONG, "no answer to {line}: {said}\n{}", program.err());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn await_link(program: &mut Program) {
    let begin = Instant::now();
    while !ask(program, "show port summary all").contains(" up ") {
        assert!(begin.elapsed() < LONG, "no link: {}", program.err());
    }
}

fn rx_packets(stats: &str) -> u64 {
    let (_, rest) = stats.split_once("RX-packets: ").unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

fn pair(folder: &Path, queues: u16, options: &[&str]) -> (Program, Program) {
    let vhost = format!("net_vhost0,iface=v.sock,queues={queues}");
    let virtio = format!("net_virtio_user0,path=v.sock,queues={queues},queue_size=1024");
    let mut a = start(folder, 0, &vhost, options);
    let mut b = start(folder, 0, &virtio, options);
    await_link(&mut a);
    await_link(&mut b);
    (a, b)
}

fn quit(programs: [Program; 2]) {
    for mut program in programs {
        program.say("quit");
        let (status, out, err) = program.finish();
        assert_eq!(status.code(), Some(0), "{out}\n{err}");
        assert!(out.ends_with("\nBye...\n"), "{out}");
    }
}

#[test]
fn packets_go_round_and_rates_are_shown() {
    let folder = TempDir::new().unwrap();
    let (mut vhost, mut virtio) =
        pair(folder.path(), 1, &["--nb-cores=1", "--txd=1024", "--rxd=1024"]);
    ask(&mut vhost, "set fwd io");
    ask(&mut vhost, "start");
    let started = ask(&mut virtio, "start tx_first 8");
    assert!(started.contains("      RX desc=1024 - RX free threshold=0\n"), "{started}");
    ask(&mut virtio, "show port stats all");
    let begin = Instant::now();
    while rx_packets(&ask(&mut virtio, "show port stats all")) < 10_000 {
        assert!(begin.elapsed() < LONG, "too slow");
    }
    let stop = ask(&mut virtio, "stop");
    assert!(
        stop.contains("Accumulated forward statistics") && stop.ends_with("\nDone.\n"),
        "{stop}"
    );
    ask(&mut vhost, "stop");
    quit([virtio, vhost]);
}

#[test]
fn exact_counts_on_two_queues() {
    let folder = TempDir::new().unwrap();
    let options = ["--rxq=2", "--txq=2", "--nb-cores=2", "--burst=3"];
    let (mut vhost, mut virtio) = pair(folder.path(), 2, &options);
    ask(&mut vhost, "set fwd rxonly");
    ask(&mut vhost, "start");
    ask(&mut virtio, "set fwd rxonly");
    ask(&mut virtio, "start tx_first 2");
    let begin = Instant::now();
    while rx_packets(&ask(&mut vhost, "show port stats 0")) < 12 {
        assert!(begin.elapsed() < LONG);
    }
    let stop = ask(&mut vhost, "stop");
    for queue in 0..2 {
        let block = format!(
            "  ------- Forward Stats for RX Port= 0/Queue= {queue} -> TX Port= 0/Queue= {queue} -------\n  \
             RX-packets: 6              TX-packets: 0              TX-dropped: 0             \n"
        );
        assert!(stop.contains(&block), "{stop}");
    }
    assert_eq!(
        stop.matches("  RX-packets: 12             RX-dropped: 0             RX-total: 12\n")
            .count(),
        2
    );
    quit([virtio, vhost]);
}

#[test]
fn a_ring_that_nobody_empties_takes_its_size() {
    let folder = TempDir::new().unwrap();
    let (vhost, mut virtio) = pair(folder.path(), 1, &[]);
    ask(&mut virtio, "start tx_first 40");
    let stop = ask(&mut virtio, "stop");
    assert!(
        stop.contains("  TX-packets: 1024           TX-dropped: 256           TX-total: 1280\n"),
        "{stop}"
    );
    quit([virtio, vhost]);
}

#[test]
fn several_segments_and_other_lengths_arrive_whole() {
    let folder = TempDir::new().unwrap();
    let (mut vhost, mut virtio) = pair(folder.path(), 1, &["--tx-offloads=0x8000"]);
    ask(&mut vhost, "set fwd rxonly");
    ask(&mut vhost, "start");
    ask(&mut virtio, "set fwd rxonly");
    let mut bytes = 0;
    for (list, length) in [("64", 64), ("1518", 1518), ("64,128,256", 448), ("2000,2000", 4000)] {
        ask(&mut virtio, &format!("set txpkts {list}"));
        ask(&mut virtio, "start tx_first 1");
        bytes += 32 * length;
        let shown = format!("RX-bytes:  {bytes}\n");
        let begin = Instant::now();
        while !ask(&mut vhost, "show port stats 0").contains(&shown) {
            assert!(
                begin.elapsed() < LONG,
                "{list}: no {shown}: {}",
                ask(&mut vhost, "show port stats 0")
            );
        }
        ask(&mut virtio, "stop");
    }
    quit([virtio, vhost]);
}

#[test]
fn a_port_that_was_stopped_and_started_passes_packets_again() {
    let folder = TempDir::new().unwrap();
    let (mut vhost, mut virtio) = pair(folder.path(), 1, &[]);
    ask(&mut virtio, "set fwd rxonly");
    for round in 1..=3_u64 {
        ask(&mut vhost, "port stop all");
        ask(&mut vhost, "port start all");
        await_link(&mut vhost);
        await_link(&mut virtio);
        ask(&mut vhost, "set fwd rxonly");
        ask(&mut vhost, "start");
        ask(&mut virtio, "start tx_first 1");
        let begin = Instant::now();
        while rx_packets(&ask(&mut vhost, "show port stats 0")) < 32 * round {
            assert!(begin.elapsed() < LONG, "round {round}");
        }
        ask(&mut virtio, "stop");
        ask(&mut vhost, "stop");
    }
    quit([vhost, virtio]);
}
