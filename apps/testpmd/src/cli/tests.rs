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
    let error = parse_line("--forward-mode=noisy").unwrap_err();
    assert!(error.to_string().contains("noisy packet forwarding is not supported"), "{error}");
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
    let options = parse_line("--rss-ip --hot-plug --rss-ip --rxq-share=2 --rxq-share").unwrap();
    assert_eq!(options.no_effect, ["rss-ip", "hot-plug", "rxq-share"]);
}

#[test]
fn offloads_by_bits_and_by_name() {
    let bits = |line: &str| {
        let config = parse_line(line).unwrap().config;
        (config.rx_offloads.bits(), config.tx_offloads.bits())
    };
    assert_eq!(bits("--rx-offloads=0x2010 --tx-offloads 8000"), (0x2010, 0x8000));
    for (option, expected) in [
        ("--enable-scatter", 0x2000),
        ("--enable-lro", 0x10),
        ("--enable-hw-vlan-strip", 1),
        ("--enable-hw-vlan-filter", 0x200),
        ("--enable-hw-vlan-extend", 0x400),
        ("--enable-hw-qinq-strip", 0x20),
        ("--enable-hw-vlan", 0x621),
        ("--enable-rx-cksum", 0xe),
        ("--enable-rx-timestamp", 0x4000),
        ("--disable-crc-strip", 0x10000),
    ] {
        assert_eq!(bits(option), (expected, 0), "{option}");
    }
    assert_eq!(bits("--enable-scatter --enable-hw-vlan-strip"), (0x2001, 0));
}

#[test]
fn ring_settings_lists_and_sizes() {
    let line = "--rxpt=8 --rxht=7 --rxwt=6 --rxfreet=32 --txpt=5 --txht=4 --txwt=3 --txfreet=2 --txrst=1 \
                --rxpkts=64,128 --rxoffs=3 --rxhdrs=eth,ipv4 --max-pkt-len=9000 --mp-alloc=anon --mbuf-size=2176,4096";
    let options = parse_line(line).unwrap();
    let config = options.config;
    let of = |r: crate::config::RingSettings| (r.prefetch, r.host, r.write_back, r.free, r.report);
    assert_eq!((of(config.rx_ring), of(config.tx_ring)), ((8, 7, 6, 32, 0), (5, 4, 3, 2, 1)));
    assert_eq!((config.rx_split.lengths, config.rx_split.offsets), (vec![64, 128], vec![3]));
    assert_eq!(config.rx_split.headers, ["eth", "ipv4"]);
    assert_eq!((config.max_packet_bytes, config.mbuf_bytes), (Some(9000), 2176));
    assert_eq!((config.mp_alloc, options.warnings.len()), ("anon", 2), "both are told of");
}

#[test]
fn processes_and_numa_nodes() {
    assert!(parse_line("--num-procs=1 --proc-id=0").is_ok());
    let cause = |line: &str| parse_line(line).unwrap_err().cause().to_owned();
    assert_eq!(
        cause("--num-procs=2 --proc-id=2"),
        "The multi-process option 'proc-id(2)' should be less than 'num-procs(2)'"
    );
    assert!(cause("--num-procs=2 --proc-id=0").contains("cannot share ports yet"));
    let options = parse_line("--port-numa-config=(0,0),(1,0) --ring-numa-config=(0,3,0)").unwrap();
    assert_eq!(options.port_sockets, [(0, 0), (1, 0)]);
    assert_eq!(options.named_sockets, [0]);
}

#[test]
fn peers_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peers");
    std::fs::write(&path, "00:11:22:33:44:55\n00:11:22:33:44:66\n").unwrap();
    let config = parse_line(&format!("--eth-peers-configfile={}", path.display())).unwrap().config;
    assert_eq!(config.peer_of(pmd_core::PortId(1)).to_string(), "00:11:22:33:44:66");
    std::fs::write(&path, "00:11:22:33:44:55\nnonsense\n").unwrap();
    let error = parse_line(&format!("--eth-peers-configfile={}", path.display())).unwrap_err();
    assert!(error.cause().ends_with("Bad MAC address format on line 2"), "{error}");
    let error = parse_line("--eth-peers-configfile=/no/such/file").unwrap_err();
    assert!(error.cause().contains("/no/such/file: No such file"), "{error}");
}

const RXHDRS: &str = "bad rxhdrs: bogus - there are eth, ipv4, ipv6, ipv4-tcp, ipv4-udp, ipv4-sctp, ipv6-tcp, \
                      ipv6-udp, ipv6-sctp, grenat, inner-eth, inner-ipv4, inner-ipv6, inner-ipv4-tcp, \
                      inner-ipv4-udp, inner-ipv4-sctp, inner-ipv6-tcp, inner-ipv6-udp, inner-ipv6-sctp";

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
        ("--max-pkt-len=10", "Invalid max-pkt-len=10 - should be > 64"),
        ("--mp-alloc=bogus", "mp-alloc bogus invalid - must be: native, anon, xmem or xmemhuge"),
        ("--mbcache=600", "mbcache must be >= 0 and <= 512"),
        ("--rxfreet=64 --rxd=64", "rxd must be > rx_free_thresh(64)"),
        ("--port-numa-config=0,0", "invalid port-numa configuration"),
        ("--rx-mq-mode=0x8", "rx-mq-mode must be >= 0 and <= 7"),
        ("--rx-offloads=no", "rx-offloads no invalid - must be hexadecimal bits, such as 0x8000"),
        ("--rxhdrs=bogus", RXHDRS),
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
    assert!(
        text("--txqflags=0xf01").contains("unrecognized option"),
        "obsolete, as in the reference"
    );
    assert!(text("--rxd").contains("'--rxd' requires an argument: --rxd=N"));
    assert!(text("--help=1").contains("doesn't allow an argument"));
    assert!(text("--latencystats=1").contains("not supported yet: no port here notes the time"));
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
    assert!(!help.contains("--latencystats"));
}

#[test]
fn every_option_of_the_reference_is_known() {
    // app/test-pmd/parameters.c of DPDK 22.11.
    let names = "help interactive cmdline-file auto-start eth-peers-configfile eth-peer tx-first stats-period \
        display-xstats nb-cores nb-ports coremask portmask portlist numa no-numa mp-anon port-numa-config \
        ring-numa-config socket-num mbuf-size total-num-mbufs max-pkt-len max-lro-pkt-size latencystats bitrate-stats \
        disable-crc-strip enable-lro enable-rx-cksum enable-rx-timestamp enable-scatter enable-hw-vlan \
        enable-hw-vlan-filter enable-hw-vlan-strip enable-hw-vlan-extend enable-hw-qinq-strip enable-drop-en \
        disable-rss port-topology forward-mode rss-ip rss-udp rss-level-outer rss-level-inner rxq txq rxd txd hairpinq \
        hairpin-mode burst flowgen-clones flowgen-flows mbcache txpt txht txwt txfreet txrst rxpt rxht rxwt rxfreet \
        no-flush-rx flow-isolate-all rxoffs rxpkts rxhdrs txpkts multi-rx-mempool txonly-multi-flow rxq-share \
        eth-link-speed disable-link-check disable-device-start no-lsc-interrupt no-rmv-interrupt print-event \
        mask-event tx-offloads rx-offloads hot-plug vxlan-gpe-port geneve-parsed-port mlockall no-mlockall mp-alloc \
        tx-ip tx-udp noisy-tx-sw-buffer-size noisy-tx-sw-buffer-flushtime noisy-lkup-memory noisy-lkup-num-writes \
        noisy-lkup-num-reads noisy-lkup-num-reads-writes no-iova-contig rx-mq-mode record-core-cycles \
        record-burst-stats num-procs proc-id";
    for name in names.split_whitespace() {
        assert_eq!(full_name(&format!("--{name}")), Some(name));
    }
    let all: Vec<_> = table::all().map(|spec| spec.name).collect();
    for (at, name) in all.iter().enumerate() {
        assert!(!all[..at].contains(name), "{name} is there twice");
    }
}
