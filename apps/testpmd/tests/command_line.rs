//! Command lines that are refused, and what is said about them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use support::Program;
use tempfile::TempDir;

const EAL: [&str; 4] =
    ["--lcores=0@0,1@0", "--no-huge", "--in-memory", "--vdev=net_vhost0,iface=s"];

/// Exit code and both streams of a run without input.
fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let folder = TempDir::new().unwrap();
    let mut program = Program::on_pipes(args, folder.path());
    program.end_input();
    let (status, out, err) = program.finish();
    assert_eq!(support::left_in(folder.path()), Vec::<String>::new(), "{args:?}");
    (status.code(), out, err)
}

#[test]
fn mistakes_end_with_1_and_a_cause() {
    for (option, cause) in [
        ("--bogus", "Command line is incomplete or incorrect"),
        ("stray", "Command line is incorrect"),
        (
            "--burst=0",
            "PMD does not recommend a burst size. Provided value must be between 1 and 512",
        ),
        ("--nb-cores=9", "nb-cores should be > 0 and <= 1"),
        ("--nb-cores=0", "nb-cores should be > 0 and <= 1"),
        ("--rxq=9", "rxq 9 invalid - must be >= 0 && <= 1"),
        ("--nb-ports=9", "Invalid port 9"),
        ("--txpkts=abc", "bad txpkts"),
        ("--total-num-mbufs=10", "total-num-mbufs should be > 1024"),
    ] {
        let args = [&EAL[..], &["--", "-i", option]].concat();
        let (code, _, err) = run(&args);
        assert_eq!(code, Some(1), "{option}: {err}");
        let end = format!("EAL: Error - exiting with code: 1\n  Cause: {cause}\n");
        assert!(err.ends_with(&end), "{option}: {err}");
    }
}

#[test]
fn the_nearest_option_is_offered() {
    let (_, _, err) = run(&[&EAL[..], &["--", "--brust=4"]].concat());
    assert!(err.contains("did you mean '--burst'?") && err.contains("--help"), "{err}");
    let (code, _, err) = run(&["--file-prefx=a", "--"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("did you mean '--file-prefix'?"), "{err}");
}

#[test]
fn mistakes_that_are_told_and_survived() {
    for (option, told) in [
        ("--txpkts=20", "total packet length=20 < 42 - give up"),
        ("--txpkts=3000", "length[0]=3000 > mbuf_data_size=2176 - give up"),
        ("--forward-mode=bogus", "Invalid bogus packet forwarding mode"),
    ] {
        let (code, out, err) = run(&[&EAL[..], &["--", "-i", option]].concat());
        assert_eq!(code, Some(0), "{option}: {err}");
        assert!(err.contains(told), "{option}: {err}");
        assert!(out.contains("testpmd> "), "{option}: {out}");
    }
}

#[test]
fn devices_that_cannot_be_made() {
    let (code, _, err) = run(&["--lcores=0@0,1@0", "--in-memory", "--vdev=net_bogus0", "--", "-i"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("failed to parse device \"net_bogus0\""), "{err}");
    let (code, out, err) =
        run(&["--lcores=0@0,1@0", "--in-memory", "--vdev=net_vhost0,iface=s,queue=2", "--", "-i"]);
    assert_eq!(code, Some(0), "the prompt comes up without the port: {err}");
    assert!(
        err.contains("did you mean 'queues'?") && err.contains("No probed ethernet devices"),
        "{err}"
    );
    assert!(out.contains("testpmd> "), "{out}");
}

#[test]
fn ports_that_cannot_start_end_it_without_a_console() {
    let line = ["--lcores=0@0,1@0", "--in-memory", "--no-huge", "--vdev=net_vhost0,iface=no/dir/s"];
    let (code, out, err) = run(&[&line[..], &["--"]].concat());
    assert_eq!(code, Some(1), "{out}{err}");
    let end = "EAL: Error - exiting with code: 1\n  Cause: Start ports failed\n";
    assert!(err.ends_with(end) && err.contains("no/dir/s"), "{err}");
    assert_eq!(err.matches("Start ports failed").count(), 1, "{err}");
    let (code, out, err) = run(&[&line[..], &["--", "-i"]].concat());
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("testpmd> ") && err.contains("Start ports failed\n"), "{out}{err}");
}

#[test]
fn options_in_the_wrong_place_are_told_where_they_go() {
    for (args, told) in [
        (&["--rxq=2"][..], "option '--rxq' is no EAL option: it goes after '--'\n"),
        (&["-i"], "option '-i' is no EAL option: it goes after '--'\n"),
        (&["--json"], "option '--json' is no EAL option: it goes after '--loopback' or '--'\n"),
        (&["--no-huge", "--loopback=1"], "--loopback comes first and takes no EAL options"),
        (&["--loopback=1", "--no-huge"], "takes no EAL options; to give some, put it after '--'"),
        (&["--lopback"], "unknown option '--lopback'; did you mean '--loopback'?\n"),
        (&["--loopbak=1"], "did you mean '--loopback'?\n"),
        (&["--forwad-mode=io"], "did you mean '--forward-mode' (after '--')?\n"),
        (&["--", "--fwd=io"], "did you mean '--forward-mode'?\n"),
        (&["--loopback", "5"], "write --loopback=5\n"),
        (&["--loopback=1", "-i"], "option '--interactive' changes nothing with --loopback"),
        (&["--loopback=1", "--nb-cores=1"], "option '--nb-cores' changes nothing with --loopback"),
        (&["--loopback=1", "-l", "0"], "takes no EAL options; to give some, put it after '--'"),
    ] {
        let (code, _, err) = run(args);
        assert_eq!(code, Some(1), "{args:?}: {err}");
        assert!(err.contains(told), "{args:?}: {err}");
    }
    let (_, _, err) = run(&["--loopback=1", "--bogus"]);
    assert!(!err.contains("EAL options"), "{err}");
}

#[test]
fn a_secondary_process_is_refused() {
    let (code, out, err) = run(&["--lcores=0@0,1@0", "--proc-type=secondary", "--", "-i"]);
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("testpmd as a secondary process is not there yet"), "{err}");
}

#[test]
fn pci_devices_and_absent_servers_are_told_of() {
    let virtio = "--vdev=net_virtio_user0,path=nobody";
    let args = ["--lcores=0@0,1@0", "--no-huge", "--in-memory", "-a", "0:1.0", virtio, "--", "-i"];
    let (code, _, err) = run(&args);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("there are no PCI devices yet: --allow (-a) 0000:00:01.0"), "{err}");
    assert_eq!(err.matches("(nobody) nobody listens yet; trying again\n").count(), 1, "{err}");
}

#[test]
fn a_directory_for_huge_pages_that_will_not_do_is_named() {
    let (code, _, err) = run(&["--lcores=0@0,1@0", "--in-memory", "--huge-dir=/no/such", "--"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("--huge-dir: cannot make a file in '/no/such'"), "{err}");
}

#[test]
fn one_lcore_cannot_forward() {
    let (code, _, err) = run(&["--lcores=0@0", "--in-memory", "--", "-i"]);
    assert_eq!(code, Some(1));
    let end = "  Cause: No cores defined for forwarding\nCheck the core mask argument\n";
    assert!(err.ends_with(end), "{err}");
    assert!(err.contains("'--lcores 0@0,1@0' makes two on one CPU\n"), "{err}");
}

#[test]
fn too_little_memory_and_too_small_mbufs_are_told_with_the_option_that_mends_it() {
    for (device, option, told) in [
        ("net_null0", "--total-num-mbufs=100000000", "give --total-num-mbufs fewer: about "),
        ("net_null0,size=65535", "--burst=4", "--mbuf-size)\n"),
    ] {
        let vdev = format!("--vdev={device}");
        let (_, out, err) =
            run(&["--lcores=0@0,1@0", "--no-huge", "--in-memory", &vdev, "--", "-i", option]);
        assert!(err.contains(told), "{out}{err}");
    }
}

#[test]
fn help_says_everything() {
    for args in [&["--help"][..], &["-h"], &["--", "--help"], &["--loopback", "--help"]] {
        let (code, out, err) = run(args);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{args:?}");
        for word in ["--lcores", "--vdev", "--nb-cores=N", "--loopback[=SECONDS]", "Examples:"] {
            assert!(out.contains(word), "{args:?}: no {word} in {out}");
        }
    }
}

#[test]
fn nothing_to_do_still_ends_well() {
    let (code, out, err) = run(&["--lcores=0@0,1@0", "--in-memory", "--", "-i"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("make one with --vdev") && err.contains("--loopback"), "{err}");
    let expected = "Interactive-mode selected\nDone\ntestpmd> \n\
                    Primary: Sending 'stop_req' request to secondary...\n\nBye...\n";
    assert_eq!(out, expected);
}
