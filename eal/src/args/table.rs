//! The table of EAL options: DPDK 22.11's, and the longer names that later releases gave to some.

use crate::config::PREFIX_FORM;
use crate::lcore::{LIST_FORM, MAP_FORM, MASK_FORM};

use super::apply::{self, Apply};

/// Whether an option takes a value, and in which form.
pub(super) enum Takes {
    Nothing,
    /// Only as `--option=value`.
    Maybe(&'static str),
    Value(&'static str),
}

/// One option.
pub(super) struct Spec {
    /// Name that may be shortened as long as it stays unique; empty for options that are only a letter.
    pub long: &'static str,
    pub short: Option<char>,
    /// Names that are understood in full only.
    pub aliases: &'static [&'static str],
    pub takes: Takes,
    pub apply: Apply,
    pub help: &'static str,
}

impl Spec {
    /// What values are allowed.
    pub fn form(&self) -> &'static str {
        match self.takes {
            Takes::Value(form) | Takes::Maybe(form) => form,
            Takes::Nothing => "no value at all",
        }
    }

    const fn letter(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }
}

const fn flag(long: &'static str, apply: Apply, help: &'static str) -> Spec {
    Spec { long, short: None, aliases: &[], takes: Takes::Nothing, apply, help }
}

const fn value(long: &'static str, form: &'static str, apply: Apply, help: &'static str) -> Spec {
    Spec { takes: Takes::Value(form), ..flag(long, apply, help) }
}

const fn maybe(long: &'static str, form: &'static str, apply: Apply, help: &'static str) -> Spec {
    Spec { takes: Takes::Maybe(form), ..flag(long, apply, help) }
}

const UNUSED: &str = "accepted, without effect here";
const SERVICE: &str = "accepted; nothing runs on service cores here";
const LEVEL_FORM: &str = "LEVEL, REGEX,LEVEL or PATTERN:LEVEL, with a level from 1 (emergency) to 8 (debug) or its name; or help";
const DEVICE_FORM: &str =
    "a PCI address such as 0000:03:00.0, or a device name, with [,key=value...]";
const NODES_FORM: &str = "mebibytes for each node, such as 1024 or 1024,0";
const SIMD_FORM: &str = "0 (no limit), 64, 128, 256, 512 or a larger power of two up to 32768";
const OPS_FORM: &str = "ring_mp_mc, ring_sp_sc, ring_mp_sc, ring_sp_mc, ring_mt_rts, ring_mt_hts, stack, lf_stack or bucket";
const FACILITY_FORM: &str =
    "auth, cron, daemon, ftp, kern, lpr, mail, news, syslog, user, uucp or local0 to local7";

/// All options; those with both a name and a letter stand once.
pub(super) static OPTIONS: &[Spec] = &[
    value("", LIST_FORM, apply::core_list, "cores to run on, an lcore each").letter('l'),
    value("", MASK_FORM, apply::core_mask, "the same as a hexadecimal mask")
        .letter('c')
        .also(&["coremask"]),
    value("lcores", MAP_FORM, apply::core_map, "lcores and the CPUs of each"),
    value("main-lcore", "an lcore id", apply::main_lcore, "lcore of the main thread"),
    value("", "mebibytes, above 0", apply::memory, "memory to begin with")
        .letter('m')
        .also(&["memory-size"]),
    value("socket-mem", NODES_FORM, apply::socket_mem, "the same by memory node")
        .also(&["numa-mem"]),
    value("socket-limit", NODES_FORM, apply::socket_limit, "most memory on each node; 0: no limit")
        .also(&["numa-limit"]),
    value("huge-dir", "a directory", apply::huge_dir, "hugetlbfs mount to use"),
    maybe(
        "huge-unlink",
        "existing, always or never",
        apply::huge_unlink,
        "when files in --huge-dir lose their names",
    ),
    flag("single-file-segments", apply::nothing, "one file for all memory: always so here"),
    flag("no-huge", apply::no_huge, "use ordinary pages"),
    flag("in-memory", apply::in_memory, "no files; nobody can join"),
    value("file-prefix", PREFIX_FORM, apply::prefix, "name that sets independent programs apart"),
    value(
        "proc-type",
        "primary, secondary or auto",
        apply::process,
        "first process of its prefix, or one that joins it",
    ),
    value("vdev", "name[,key=value...]", apply::vdev, "add a virtual device"),
    value("allow", DEVICE_FORM, apply::allow, "use this device").letter('a'),
    value("block", DEVICE_FORM, apply::block, "leave this device alone").letter('b'),
    flag("no-pci", apply::no_pci, "look for no PCI devices"),
    value("log-level", LEVEL_FORM, apply::log_level, "what to log, 1 to 8"),
    value("syslog", FACILITY_FORM, apply::syslog, "log to syslog too, as this facility"),
    value(
        "force-max-simd-bitwidth",
        SIMD_FORM,
        apply::simd,
        "widest SIMD registers to use, in bits",
    ),
    maybe("huge-worker-stack", "KiB", apply::worker_stack, "stack of each lcore's thread"),
    flag("version", apply::version, "print the version").letter('v'),
    flag("help", apply::help, "print this text").letter('h'),
    value("iova-mode", "pa or va", apply::iova_mode, "both are taken; peers get offsets here"),
    value("mbuf-pool-ops-name", OPS_FORM, apply::pool_ops, "accepted; pools have their own way"),
    value("", "a number", apply::number, UNUSED).letter('n').also(&["memory-channels"]),
    value("", "a number", apply::number, UNUSED).letter('r').also(&["memory-ranks"]),
    value("", "a file", apply::unused, UNUSED).letter('d').also(&["driver-path"]),
    value("", MASK_FORM, apply::service_mask, SERVICE).letter('s').also(&["service-coremask"]),
    value("", LIST_FORM, apply::service_list, SERVICE).letter('S').also(&["service-corelist"]),
    flag("no-shconf", apply::unused, UNUSED),
    flag("legacy-mem", apply::unused, UNUSED),
    flag("match-allocations", apply::unused, UNUSED),
    value("base-virtaddr", "an address", apply::address, "accepted; no address is fixed here"),
    flag("no-hpet", apply::unused, UNUSED),
    flag("telemetry", apply::unused, "accepted; there is no telemetry yet"),
    flag("no-telemetry", apply::nothing, "no telemetry: always so here"),
    value("trace", "a pattern", apply::unused, UNUSED),
    value("trace-dir", "a directory", apply::unused, UNUSED),
    value("trace-bufsz", "a size such as 64K", apply::unused, UNUSED),
    value("trace-mode", "overwrite or discard", apply::trace_mode, UNUSED),
    value("vfio-intr", "legacy, msi or msix", apply::vfio_intr, UNUSED),
    value("vfio-vf-token", "a UUID", apply::uuid, UNUSED),
    flag("create-uio-dev", apply::unused, UNUSED),
    flag("vmware-tsc-map", apply::unused, UNUSED),
];
