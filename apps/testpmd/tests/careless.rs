//! What careless users type, what they are told, and what is left: nothing behind, nothing changed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use support::Program;
use tempfile::TempDir;

const EAL: [&str; 3] = ["--lcores=0@0,1@0", "--no-huge", "--in-memory"];
const VHOST: &str = "--vdev=net_vhost0,iface=s";

/// A command line and what standard error has to say.
struct Case {
    /// Words behind the EAL's.
    words: &'static [&'static str],
    /// Parts of standard error.
    told: &'static [&'static str],
}

/// Mistakes that end the program.
const FATAL: &[Case] = &[
    Case {
        words: &[VHOST, "--", "-i", "--brust=4"],
        told: &["unrecognized option '--brust=4'; did you mean '--burst'?"],
    },
    Case {
        words: &[VHOST, "--", "-i", "--latencystats=1"],
        told: &["option '--latencystats' is not supported yet: no port here notes the time"],
    },
    Case {
        words: &[VHOST, "--", "-i", "--num-procs=2", "--proc-id=2"],
        told: &[
            "  Cause: The multi-process option 'proc-id(2)' should be less than 'num-procs(2)'\n",
        ],
    },
    Case {
        words: &[VHOST, "--", "-i", "--num-procs=2", "--proc-id=1"],
        told: &["several processes cannot share ports yet"],
    },
    Case {
        words: &[VHOST, "--", "-i", "--coremask=0x8"],
        told: &["lcore 3 not enabled\n", "  Cause: coremask is not valid\n"],
    },
    Case {
        words: &[VHOST, "--", "-i", "--coremask=0x1"],
        told: &["lcore 0 cannot be masked on", "  Cause: coremask is not valid\n"],
    },
    Case {
        words: &[VHOST, "--", "-i", "--socket-num=7"],
        told: &["Invalid socket id, options are: 0\n", "  Cause: Invalid socket id\n"],
    },
    Case {
        words: &[VHOST, "--", "-i", "--port-numa-config=(4,0)"],
        told: &["Invalid port 4\n", "  Cause: invalid port-numa configuration\n"],
    },
    Case {
        words: &[VHOST, "--", "-i", "--hairpinq=1"],
        told: &["can't be greater than max_hairpin_queues (0) of port 0\n"],
    },
    Case {
        words: &[VHOST, "--", "-i", "--print-event=bogus"],
        told: &["  Cause: Invalid event: bogus - there are unknown, intr_lsc, queue_state,"],
    },
    Case {
        words: &[VHOST, "--", "-i", "--eth-peers-configfile=nowhere"],
        told: &["  Cause: eth-peers-configfile nowhere: No such file or directory"],
    },
    Case {
        words: &["--vdev=net_vhots0,iface=s", "--", "-i"],
        told: &[
            "failed to parse device \"net_vhots0\"",
            "known drivers: net_vhost, net_virtio_user",
        ],
    },
    Case {
        words: &[VHOST, "--", "-i", "--total-num-mbufs=4000000000"],
        told: &["  Cause: Creation of mbuf pool for socket 0 failed: "],
    },
];

/// Mistakes that leave the console, with the ports that can be had.
const SURVIVED: &[Case] = &[
    Case {
        words: &["--vdev=net_vhost0,iface=s,queus=2", "--", "-i"],
        told: &["did you mean 'queues'?", "No probed ethernet devices"],
    },
    Case {
        words: &[VHOST, "--", "-i", "--rx-offloads=0x10"],
        told: &[
            "Ethdev port_id=0 requested Rx offloads 0x10 doesn't match Rx offloads capabilities ",
            "Fail to configure port 0\nStart ports failed\n",
        ],
    },
    Case {
        words: &[VHOST, "--", "-i", "--tx-offloads=0x20"],
        told: &["requested Tx offloads 0x20 doesn't match Tx offloads capabilities "],
    },
    Case {
        words: &["--vdev=net_virtio_user0,path=s,server=1,queue_size=1000", "--", "-i"],
        told: &["power of two", "No probed ethernet devices"],
    },
    Case {
        words: &["--vdev=net_virtio_user0,path=s,server=1", "--", "-i", "--txd=16"],
        told: &["16 is out of range: give 32 to 32768", "Fail to configure port 0 tx queues\n"],
    },
    Case {
        words: &["--vdev=net_virtio_user0,path=s,server=1", "--", "-i", "--max-pkt-len=9000"],
        told: &["give --mbuf-size=9128, or --enable-scatter\nFail to configure port 0 rx queues\n"],
    },
    Case {
        words: &["--vdev=net_virtio_user0,path=s,server=1", "--", "-i", "--max-pkt-len=20000"],
        told: &["> device max MTU (", "for port_id 0\nFail to configure port 0\n"],
    },
    Case {
        words: &[VHOST, "--", "-i", "--mp-alloc=xmem", "--rss-ip", "--hot-plug"],
        told: &[
            "--mp-alloc=xmem changes nothing: pools lie in the EAL's memory\n",
            "options without effect here: --rss-ip --hot-plug\n",
        ],
    },
];

/// Runs a line without input in a folder of its own; nothing may be left in it.
fn run(words: &[&str]) -> (Option<i32>, String, String) {
    let folder = TempDir::new().unwrap();
    let mut program = Program::on_pipes(&[&EAL[..], words].concat(), folder.path());
    program.end_input();
    let (status, out, err) = program.finish();
    assert_eq!(support::left_in(folder.path()), Vec::<String>::new(), "{words:?} left files");
    (status.code(), out, err)
}

fn check(case: &Case, code: i32) -> String {
    let (got, out, err) = run(case.words);
    assert_eq!(got, Some(code), "{:?}\n{out}\n{err}", case.words);
    for told in case.told {
        assert!(err.contains(told), "{:?}: no {told:?} in\n{err}", case.words);
    }
    out
}

#[test]
fn mistakes_that_end_it() {
    for case in FATAL {
        check(case, 1);
    }
}

#[test]
fn mistakes_that_leave_the_console() {
    for case in SURVIVED {
        let out = check(case, 0);
        assert!(out.contains("testpmd> "), "{:?}\n{out}", case.words);
    }
}

#[test]
fn an_lcore_that_does_not_exist() {
    let folder = TempDir::new().unwrap();
    let mut program =
        Program::on_pipes(&["-l", "0,77", "--no-huge", "--in-memory", "--", "-i"], folder.path());
    let (status, _, err) = program.finish();
    assert_eq!(status.code(), Some(1), "{err}");
    assert!(err.contains("--lcores"), "a map that works is offered: {err}");
    assert_eq!(support::left_in(folder.path()), Vec::<String>::new());
}

/// Lines of the console, what they write to standard error, in a session with one port.
const LINES: &[(&str, &str)] = &[
    ("port start 9", "Invalid port 9\n"),
    ("port close 0", "Cannot close started device (port 0)\n"),
    ("port detach 0", "Port not stopped\n"),
    ("port attach net_vhost0,iface=t", "EAL: there is a device named 'net_vhost0' already\n"),
    ("port attach net_vhost1,ifase=t", "'iface=' is missing"),
    ("port attach net_vhost1,iface=t,queus=2", "(did you mean 'queues'?)"),
    ("port attach bogus", "known drivers: net_vhost"),
    ("port config all rxq 2", "Please stop all ports first\n"),
    ("port config mtu 9 1400", "Invalid port 9\n"),
    ("set nbcore 0", "nb fwd cores 0"),
    ("set nbport 5", "nb fwd ports 5 > 1"),
    ("set portlist 4", "Invalid port 4\n"),
    ("set corelist 0", "cannot be masked on"),
    ("set burst 600", "maximum packet per burst"),
    ("set txpkts 20", "total packet length=20 < 42 - give up\n"),
    ("set txpkts 3000", "length[0]=3000 > mbuf_data_size=2176 - give up\n"),
    ("mac_addr set 9 00:11:22:33:44:55", "(No such device)\n"),
    ("load nowhere", "No such file or directory"),
];

#[test]
fn console_lines_that_change_nothing() {
    let folder = TempDir::new().unwrap();
    let args = [&EAL[..], &[VHOST, "--", "-i"]].concat();
    let mut program = Program::on_pipes(&args, folder.path());
    program.await_out("testpmd> ");
    let before = support::left_in(folder.path());
    let state = ["show port info all", "show config rxtx", "show config fwd", "show config txpkts"];
    let ask = |program: &mut Program| {
        state.iter().for_each(|line| program.say(line));
    };
    ask(&mut program);
    for (line, _) in LINES {
        program.say(line);
    }
    ask(&mut program);
    program.await_times("testpmd> ", 1 + LINES.len() + 2 * state.len());
    assert_eq!(support::left_in(folder.path()), before, "files");
    program.say("quit");
    let (status, out, err) = program.finish();
    assert_eq!(status.code(), Some(0), "{err}");
    for (line, told) in LINES {
        assert!(err.contains(told), "{line}: no {told:?} in\n{err}");
    }
    for line in state {
        let answers = answers_to(&out, line);
        assert_eq!(answers.len(), 2, "{line}");
        assert_eq!(answers[0], answers[1], "{line} tells of a change");
    }
    assert_eq!(support::left_in(folder.path()), Vec::<String>::new());
}

/// What followed each time that `line` was typed.
fn answers_to(out: &str, line: &str) -> Vec<String> {
    let typed = format!("{line}\n");
    out.split("testpmd> ").filter_map(|part| part.strip_prefix(&typed)).map(str::to_owned).collect()
}

#[test]
fn a_file_of_commands_is_run_first() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("lines"), "set burst 16\nbogus\nset fwd mac\n").unwrap();
    let args = [&EAL[..], &[VHOST, "--", "-i", "--cmdline-file=lines"]].concat();
    let mut program = Program::on_pipes(&args, folder.path());
    program.await_out("testpmd> ");
    program.say("show config rxtx");
    program.say("quit");
    let (status, out, err) = program.finish();
    assert_eq!(status.code(), Some(0), "{err}");
    assert!(out.contains("CLI commands to be read from lines\n"), "{out}");
    assert!(out.contains("Number of packets per burst set to 16\n"), "{out}");
    assert!(out.contains("  mac packet forwarding packets/burst=16\n"), "{out}");
    assert!(err.contains("lines:2: Command not found: bogus"), "{err}");
}
