use super::*;
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
    assert_eq!(config("--iova=va").ignored, ["--iova-mode=va"]);
    assert_eq!(config("--proc=secondary").process, ProcessType::Secondary);
    assert_eq!(refusal("--no-h"), "option '--no-h' is ambiguous: --no-huge, --no-hpet");
    assert_eq!(config("--huge-u --socket-mem 64,0").memory_bytes, 64 << 20);
}

#[test]
fn memory_options() {
    assert_eq!(config("--no-huge").huge, HugePolicy::Never);
    assert_eq!(config("--huge-dir /mnt/huge").huge, HugePolicy::Dir("/mnt/huge".into()));
    assert_eq!(config("--in-memory").file_prefix, None);
    assert!(refusal("--no-huge --huge-dir /x").contains("cannot be used together"));
    assert_eq!(
        refusal("-m 64 --socket-mem 64"),
        "options -m and --socket-mem cannot be used together"
    );
}

#[test]
fn lcores_are_said_once() {
    assert_eq!(refusal("-l 1 --lcores 0@0"), "options -l and --lcores cannot be used together");
    assert_eq!(refusal("-l 1 -l 2"), "option -l is given twice");
    assert_eq!(config("--lcores (0-3)@(0,1) --main-lcore 2").main_lcore, Some(2));
    assert!(refusal("-l 1-2 --main-lcore 0").contains("lcore 0 is not one of"));
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
    assert_eq!(refusal("--iova-mode=pa"), "option --iova-mode: invalid value 'pa'; allowed: va");
    assert!(refusal("--proc-type=third").contains("allowed: primary, secondary or auto"));
    assert!(refusal("--huge-unlink=never").contains("allowed: existing or always"));
    assert!(refusal("-n many").contains("-n: invalid value 'many'"));
    assert!(refusal("stray -- -i").contains("unexpected word 'stray'"));
    assert!(refusal("--log-level=eal,99").contains("from 1 (emergency) to 8 (debug)"));
    assert!(refusal("-a 1 -b 2").contains("cannot be used together"));
    assert!(refusal("--in-memory --proc-type=secondary").contains("--in-memory"));
}

#[test]
fn help_and_version_are_left_to_the_application() {
    let parsed = parse_line("-v -h").unwrap();
    assert!(parsed.help && parsed.version);
    assert!(!parse_line("").unwrap().help);
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
