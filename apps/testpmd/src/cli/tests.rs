use super::*;
use crate::engine::{Mode, Topology};

fn parse_line(line: &str) -> Result<Options, CliError> {
    parse(line.split_whitespace().map(OsString::from))
}

#[test]
fn the_loopback_bench_s_lines() {
    let options = parse_line("-i --nb-cores=1 --txd=1024 --rxd=1024").unwrap();
    assert!(options.interactive);
    assert_eq!(options.nb_cores.as_deref(), Some("1"));
    assert_eq!((options.config.tx_descriptors, options.config.rx_descriptors), (1024, 1024));
}

#[test]
fn values_after_a_blank_or_an_equals_sign_and_abbreviations() {
    let options =
        parse_line("-ia --rxq 2 --txq=2 --forw=mac --burst 4 --port-t chained --no-flush").unwrap();
    assert!(options.interactive && options.auto_start && !options.config.flush_rx);
    assert_eq!((options.config.rx_queues, options.config.tx_queues), (2, 2));
    assert_eq!((options.config.mode, options.config.topology), (Mode::Mac, Topology::Chained));
    assert_eq!(options.config.settings.burst, 4);
}

#[test]
fn loopback_with_and_without_seconds() {
    assert_eq!(parse_line("--loopback").unwrap().loopback, Some(None));
    let options = parse_line("--loopback=5 --size 1518 --burst 64 --json").unwrap();
    assert_eq!(options.loopback, Some(Some(5.0)));
    assert_eq!((options.size, options.config.settings.burst, options.json), (Some(1518), 64, true));
    assert_eq!(parse_line("--loopback 5").unwrap_err(), CliError::Stray("5".into()));
}

#[test]
fn what_is_announced_in_the_order_of_the_options() {
    let options = parse_line("-a -i --forward-mode=mac --tx-first").unwrap();
    let expected = [
        "Auto-start selected",
        "Interactive-mode selected",
        "Set mac packet forwarding mode",
        "Ports to start sending a burst of packets first",
    ];
    assert_eq!(options.announcements, expected);
    let error = parse_line("--forward-mode=csum").unwrap_err();
    assert!(error.to_string().contains("csum packet forwarding is not supported yet"), "{error}");
}

#[test]
fn ports_and_peers() {
    let options = parse_line("--portmask=0x5 --eth-peer=1,00:11:22:33:44:55").unwrap();
    assert_eq!(options.ports, Some(vec![0, 2]));
    assert_eq!(options.config.peer_of(pmd_core::PortId(1)).to_string(), "00:11:22:33:44:55");
    assert_eq!(parse_line("--portlist=1,0").unwrap().ports, Some(vec![1, 0]));
}

#[test]
fn what_changes_nothing_is_remembered_once() {
    let options = parse_line("--rss-ip --numa --rss-ip --socket-num=0").unwrap();
    assert_eq!(options.no_effect, ["rss-ip", "numa", "socket-num"]);
}

#[test]
fn refusals_in_the_reference_s_words() {
    for (line, cause) in [
        ("--burst=9999", "burst must be between1 and 512"),
        (
            "--burst=0",
            "PMD does not recommend a burst size. Provided value must be between 1 and 512",
        ),
        ("--rxd=0", "rxd(0) invalid - must be > 0"),
        ("--txd=abc", "txd(abc) invalid - must be > 0"),
        ("--mbuf-size=0", "mbuf-size should be > 0 and < 65536"),
        ("--mbuf-size=70000", "mbuf-size should be > 0 and < 65536"),
        ("--total-num-mbufs=10", "total-num-mbufs should be > 1024"),
        ("--port-topology=chain", "port-topology chain invalid - must be: paired, chained or loop"),
        ("--eth-peer=0,zz", "Invalid ethernet address: zz"),
        ("stray", "Command line is incorrect"),
        ("--bogus", "Command line is incomplete or incorrect"),
        ("--rxd", "Command line is incomplete or incorrect"),
        ("-Z", "Command line is incomplete or incorrect"),
    ] {
        assert_eq!(parse_line(line).unwrap_err().cause(), cause, "{line}");
    }
}

#[test]
fn mistakes_are_named_and_the_right_word_is_offered() {
    let text = |line: &str| parse_line(line).unwrap_err().to_string();
    assert!(text("--brust=4").contains("did you mean '--burst'?"), "{}", text("--brust=4"));
    assert!(text("--qqqqqqqqqq").ends_with("option '--qqqqqqqqqq'\nInvalid option: --qqqqqqqqqq"));
    assert!(text("--rx=1").contains("'--rxq' '--rxd'"), "{}", text("--rx=1"));
    assert!(text("--rxd").contains("'--rxd' requires an argument: --rxd=N"));
    assert!(text("--help=1").contains("doesn't allow an argument"));
    assert!(text("--hot-plug").contains("not supported yet"));
    assert_eq!(text("stray"), "Invalid parameter: stray");
}

#[test]
fn the_help_names_every_option_that_works() {
    let help = usage();
    for word in [
        "--nb-cores=N",
        "--txpkts=LIST",
        "--loopback[=SECONDS]",
        "--port-topology=paired|chained|loop",
    ] {
        assert!(help.contains(word), "{word}");
    }
    assert!(!help.contains("--mp-alloc"));
}
