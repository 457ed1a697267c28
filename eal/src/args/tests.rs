use super::*;
use crate::config::{HugePolicy, HugeUnlink, IovaMode, ProcessType};
use proptest::prelude::*;

fn parse_line(line: &str) -> Result<Parsed, Error> {
    let words = line.split_ascii_whitespace().map(OsString::from);
    parse(std::iter::once("testpmd".into()).chain(words))
}

fn config(line: &str) -> EalConfig {
    parse_line(line).unwrap().config
}

fn refusal(line: &str) -> String {
    parse_line(line).unwrap_err().to_string()
}

#[test]
fn a_line_of_the_loopback_plan() {
    let line = "-l 1-2 -n 4 --no-pci --file-prefix=vhost \
                --vdev net_vhost0,iface=vhost-net,queues=1,client=0 -- -i --nb-cores=1 --txd=1024";
    let parsed = parse_line(line).unwrap();
    let config = parsed.config;
    assert_eq!(config.lcores.unwrap().ids().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(config.file_prefix.as_deref(), Some("vhost"));
    assert!(config.no_pci && config.pin_main);
    assert_eq!(config.vdevs, ["net_vhost0,iface=vhost-net,queues=1,client=0"]);
    assert_eq!(config.ignored, ["-n 4"]);
    assert_eq!(parsed.rest, ["-i", "--nb-cores=1", "--txd=1024"]);
    assert_eq!(parsed.program, "testpmd");
}

#[test]
fn defaults() {
    let config = config("");
    assert_eq!(config.file_prefix.as_deref(), Some(DEFAULT_PREFIX));
    assert_eq!(config.huge, HugePolicy::Auto);
    assert_eq!((config.process, config.memory_bytes), (ProcessType::Primary, 0));
    assert!(config.lcores.is_none());
}

#[test]
fn short_values_attached_or_apart() {
    assert_eq!(config("-cff").lcores.unwrap().ids().count(), 8);
    assert_eq!(config("-l1-2 -m256").memory_bytes, 256 << 20);
    assert_eq!(config("-l 1-2 -m 256").lcores.unwrap().to_string(), "1@1,2@2");
    assert_eq!(config("-a 0000:00:03.0,vectorized=1").allow, ["0000:00:03.0,vectorized=1"]);
}

#[test]
fn unique_beginnings_are_enough() {
    assert_eq!(config("--iova=va").iova_mode, Some(IovaMode::Va));
    assert_eq!(config("--proc=secondary").process, ProcessType::Secondary);
    assert_eq!(refusal("--no-h"), "option '--no-h' is ambiguous: --no-huge, --no-hpet");
    assert_eq!(config("--huge-u --socket-mem 64,0").memory_bytes, 64 << 20);
    assert_eq!(config("--log=4 --forc 128").max_simd_bits, 128);
}

/// DPDK 22.11's whole list, each option with a value that its users type.
const EVERY_OPTION: &[&str] = &[
    "-a 00:03.0",
    "-b 00:03.0",
    "-c 3",
    "-s 2",
    "-d librte_net_ring.so",
    "-h",
    "-l 0-1",
    "-S 1",
    "-m 64",
    "-n 4",
    "-r 2",
    "-v",
    "--base-virtaddr=0x100000000",
    "--create-uio-dev",
    "--file-prefix=a",
    "--help",
    "--huge-dir=/mnt/huge",
    "--huge-unlink",
    "--huge-unlink=existing",
    "--iova-mode=pa",
    "--lcores=0@0,1@0",
    "--log-level=8",
    "--trace=eal",
    "--trace-dir=/tmp",
    "--trace-bufsz=64K",
    "--trace-mode=discard",
    "--main-lcore=0",
    "--mbuf-pool-ops-name=ring_mp_mc",
    "--no-hpet",
    "--no-huge",
    "--no-pci",
    "--no-shconf",
    "--in-memory",
    "--block=00:03.0",
    "--allow=00:03.0",
    "--proc-type=auto",
    "--socket-mem=64",
    "--socket-limit=64",
    "--syslog=daemon",
    "--vdev=net_null0",
    "--vfio-intr=msix",
    "--vfio-vf-token=14d63f20-8445-11ea-8900-1f9ce7d5650d",
    "--vmware-tsc-map",
    "--legacy-mem",
    "--single-file-segments",
    "--match-allocations",
    "--telemetry",
    "--no-telemetry",
    "--force-max-simd-bitwidth=512",
    "--huge-worker-stack",
    "--huge-worker-stack=2048",
];

#[test]
fn every_option_of_the_reference_is_known() {
    for line in EVERY_OPTION {
        assert!(parse_line(line).is_ok(), "{line}: {:?}", parse_line(line));
    }
}

#[test]
fn options_without_effect_are_kept_to_be_named() {
    let line = "-n 4 -r 2 -d lib.so --legacy-mem --no-hpet --no-shconf --match-allocations --base-virtaddr 0x10";
    let ignored = config(line).ignored;
    let expected = ["-n 4", "-r 2", "-d lib.so", "--legacy-mem", "--no-hpet", "--no-shconf"];
    assert_eq!(ignored[..6], expected);
    assert_eq!(ignored[6..], ["--match-allocations", "--base-virtaddr=0x10"]);
    for fulfilled in
        ["--single-file-segments", "--huge-unlink", "--huge-unlink=always", "--no-telemetry"]
    {
        assert_eq!(config(fulfilled).ignored, [""; 0], "{fulfilled} is so anyway");
    }
    assert_eq!(config("--huge-unlink=never").ignored, ["--huge-unlink=never"], "needs --huge-dir");
}

#[test]
fn names_of_later_releases_are_known_in_full() {
    assert_eq!(config("--memory-size=64 --coremask 1").memory_bytes, 64 << 20);
    assert_eq!(config("--numa-mem 0,64 --memory-channels 4").socket_mem_bytes, [0, 64 << 20]);
    assert!(refusal("--numa-m 64").contains("unknown option '--numa-m'"));
}

#[test]
fn memory_options() {
    assert_eq!(config("--no-huge").huge, HugePolicy::Never);
    assert_eq!(config("--huge-dir /mnt/huge").huge, HugePolicy::Dir("/mnt/huge".into()));
    assert_eq!(config("--in-memory").file_prefix, None);
    let parts = config("--socket-mem 64,0,32 --socket-limit 0,128");
    assert_eq!(parts.socket_mem_bytes, [64 << 20, 0, 32 << 20]);
    assert_eq!(parts.socket_limit_bytes, [0, 128 << 20]);
    assert_eq!((parts.memory_bytes, parts.floor_bytes()), (96 << 20, 96 << 20));
    assert!(refusal("--socket-mem 0,0").contains("mebibytes for each node"));
    assert!(refusal("--socket-limit x").contains("mebibytes for each node"));
    assert!(refusal("--no-huge --huge-dir /x").contains("cannot be used together"));
    assert_eq!(
        refusal("-m 64 --socket-mem 64"),
        "options -m and --socket-mem cannot be used together"
    );
}

#[test]
fn names_in_a_hugetlbfs_last_as_long_as_asked() {
    let mode = |words: &str| config(&format!("--huge-dir /mnt/huge {words}")).huge_unlink;
    assert_eq!(mode(""), HugeUnlink::Always);
    assert_eq!(mode("--huge-unlink"), HugeUnlink::Always);
    assert_eq!(mode("--huge-unlink=existing"), HugeUnlink::Existing);
    assert_eq!(mode("--huge-unlink=never"), HugeUnlink::Never);
    assert_eq!(mode("--huge-unlink=existing --in-memory"), HugeUnlink::Always);
    assert!(refusal("--huge-unlink=never --in-memory").contains("cannot be used together"));
}

#[test]
fn devices_are_allowed_or_blocked() {
    let config = config("-b net_null1 -b 00:03.0 --vdev net_null0 --vdev net_null1,copy=1");
    assert_eq!(config.vdevs, ["net_null0"], "a blocked device is not made");
    assert_eq!(config.block, ["net_null1", "0000:00:03.0"]);
    assert_eq!(self::config("-a net_null2,copy=1").vdevs, ["net_null2,copy=1"]);
    assert!(refusal("-a 00:99.0").contains("a PCI address such as 0000:03:00.0"));
    assert!(refusal("-b 3").contains("-b: invalid value '3'"));
}

#[test]
fn stacks_registers_and_syslog() {
    let config = config("--huge-worker-stack=1024 --force-max-simd-bitwidth=64 --syslog local3");
    assert_eq!((config.worker_stack_bytes, config.max_simd_bits), (Some(1 << 20), 64));
    assert_eq!(config.log.syslog, Some(19));
    assert_eq!(self::config("--huge-worker-stack").worker_stack_bytes, Some(8 << 20));
    assert!(refusal("--huge-worker-stack=1").contains("KiB"));
    assert!(refusal("--syslog=loud").contains("local0 to local7"));
}

#[test]
fn masks_and_lists_reach_beyond_the_cores_of_this_machine() {
    let ids = |line: &str| config(line).lcores.unwrap().ids().collect::<Vec<_>>();
    assert_eq!(ids("-c 0x80000000000000000000000000000001"), [0, 127]);
    assert_eq!(ids("-c 100000000000000000000000000000000"), [128]);
    assert_eq!(ids("-l 30-33"), [30, 31, 32, 33]);
    assert_eq!(ids("-l 1,2-3 --main-lcore 3"), [1, 2, 3]);
}

#[test]
fn lcores_are_said_once() {
    assert_eq!(refusal("-l 1 --lcores 0@0"), "options -l and --lcores cannot be used together");
    assert_eq!(refusal("-l 1 -l 2"), "option -l is given twice");
    assert_eq!(config("--lcores (0-3)@(0,1) --main-lcore 2").main_lcore, Some(2));
    assert_eq!(
        refusal("-l 1-2 --main-lcore 0"),
        "--main-lcore 0 is none of the lcores 1-2; choose one of them, or name it in -l or --lcores"
    );
}

#[test]
fn mistakes_are_named_with_what_is_allowed() {
    assert_eq!(
        refusal("--file-prefx=a"),
        "unknown option '--file-prefx'; did you mean '--file-prefix'?"
    );
    assert_eq!(refusal("--quite-unlike"), "unknown option '--quite-unlike'; -h lists them");
    assert_eq!(refusal("-z"), "unknown option '-z'; -h lists them");
    assert_eq!(refusal("-l"), "option -l needs a value: core numbers and ranges, such as 0-3,6");
    assert_eq!(
        refusal("-l x"),
        "option -l: invalid value 'x'; allowed: core numbers and ranges, such as 0-3,6"
    );
    assert_eq!(
        refusal("--no-pci=1"),
        "option --no-pci: invalid value '1'; allowed: no value at all"
    );
    assert_eq!(refusal("--iova=xx"), "option --iova-mode: invalid value 'xx'; allowed: pa or va");
    assert!(refusal("--mbuf-pool-ops-name=heap").contains("ring_mp_mc, ring_sp_sc"));
    assert!(refusal("--vfio-intr=loud").contains("legacy, msi or msix"));
    assert!(refusal("-S x").contains("core numbers and ranges"));
    assert!(refusal("--proc-type=third").contains("allowed: primary, secondary or auto"));
    assert!(refusal("--huge-unlink=often").contains("allowed: existing, always or never"));
    assert!(refusal("-n many").contains("-n: invalid value 'many'"));
    assert!(refusal("stray -- -i").contains("unexpected word 'stray'"));
    assert!(refusal("--log-level=eal,0").contains("from 1 (emergency) to 8 (debug)"));
    assert!(refusal("-a 00:01.0 -b 00:02.0").contains("cannot be used together"));
    assert!(refusal("--in-memory --proc-type=secondary").contains("--in-memory"));
}

#[test]
fn help_and_version_are_left_to_the_application() {
    let parsed = parse_line("-v -h").unwrap();
    assert!(parsed.help && parsed.version);
    assert!(!parse_line("").unwrap().help);
    let text = parse_line("--log-level=help").unwrap().log_help.unwrap();
    assert!(text.contains("Log components:"), "{text}");
    assert!(parse_line("--log-level=8").unwrap().log_help.is_none());
}

#[test]
fn everything_after_the_dashes_is_kept() {
    let parsed = parse_line("-- -l x -- --help").unwrap();
    assert_eq!(parsed.rest, ["-l", "x", "--", "--help"]);
    assert!(!parsed.help);
    assert!(parse([]).unwrap().program.is_empty());
}

proptest! {
    #[test]
    fn no_command_line_panics(words in prop::collection::vec("(-{0,2}[a-z]{0,14}(=[0-9a-z@,()-]{0,8})?)|[0-9,@()-]{0,8}", 0..8)) {
        let argv = std::iter::once("testpmd".to_string()).chain(words);
        let _ = parse(argv.map(OsString::from));
    }
}
