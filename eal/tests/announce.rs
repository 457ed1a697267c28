//! What a start says through the `log` facade: the lines that scripts of DPDK's users look for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, helpers included"
)]

use std::cell::RefCell;

use eal::{Eal, EalConfig};
use log::{LevelFilter, Log, Metadata, Record};

thread_local! {
    /// What this thread has logged, so that tests do not hear each other.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps lines that a user sees at the usual level.
struct Keeper;

impl Log for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            LINES.with_borrow_mut(|lines| lines.push(record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

/// What starting with these words says.
fn said(words: &str, adjust: impl FnOnce(&mut EalConfig)) -> Vec<String> {
    let _ = log::set_logger(&Keeper);
    log::set_max_level(LevelFilter::Info);
    let line = std::iter::once("app").chain(words.split_ascii_whitespace());
    let mut config = eal::args::parse(line.map(Into::into)).unwrap().config;
    config.pin_main = false;
    adjust(&mut config);
    LINES.with_borrow_mut(Vec::clear);
    drop(Eal::new(config).unwrap());
    LINES.with_borrow_mut(std::mem::take)
}

#[test]
fn a_start_says_what_scripts_look_for_in_the_usual_order() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = dir.path().to_path_buf();
    let lines = said("--lcores 0@0,1@0 --no-huge --file-prefix=said", |config| {
        config.runtime_dir = Some(runtime);
    });
    let starts = [
        "Detected CPU lcores: ",
        "Detected NUMA nodes: ",
        "Detected static linkage",
        "Multi-process socket ",
        "Selected IOVA mode 'VA'",
        "memory: 4 KiB pages (--no-huge)",
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:#?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{lines:#?}");
    }
    let socket = dir.path().join("said/socket");
    assert_eq!(lines[3], format!("Multi-process socket {}", socket.display()));
}

#[test]
fn options_without_effect_are_named_once() {
    let words = "--lcores 0@0 --no-huge --in-memory -n 4 -r 2 -d lib.so --legacy-mem --no-hpet --no-shconf \
                 --match-allocations --base-virtaddr=0x100000000 --single-file-segments";
    let lines = said(words, |_| ());
    let named: Vec<&String> = lines.iter().filter(|line| line.contains("without effect")).collect();
    let expected = "options without effect here: -n 4 -r 2 -d lib.so --legacy-mem --no-hpet --no-shconf \
                    --match-allocations --base-virtaddr=0x100000000";
    assert_eq!(named, [expected]);
    let all = lines.join("\n");
    assert!(!all.contains("--single-file-segments"), "what is so anyway needs no words: {all}");
}

#[test]
fn what_was_chosen_is_named() {
    let words = "--lcores 0@0 --no-huge --in-memory --iova=pa --force-max-simd-bitwidth=512 -b net_null1 -b 00:03.0";
    let lines = said(words, |_| ()).join("\n");
    for part in [
        "Selected IOVA mode 'VA': 'PA' changes nothing",
        "SIMD registers of up to 512 bits",
        "not made, as --block (-b) says: net_null1",
        "no driver takes PCI devices yet: --block (-b) 0000:00:03.0 changes nothing",
    ] {
        assert_eq!(lines.matches(part).count(), 1, "{part} in:\n{lines}");
    }
}
