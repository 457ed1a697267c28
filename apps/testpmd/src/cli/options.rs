//! What the options say.

use crate::config::Config;

/// Everything that was said behind `--`.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `-i`: a console.
    pub interactive: bool,
    /// `--cmdline-file`: console lines to run first.
    pub command_file: Option<String>,
    /// `-a`: forward at once.
    pub auto_start: bool,
    /// `--tx-first`
    pub tx_first: bool,
    /// `--disable-device-start`: ports are left stopped.
    pub leave_stopped: bool,
    /// `--stats-period` in seconds; 0 for none.
    pub stats_period_s: u32,
    /// `-h`
    pub help: bool,
    /// `--loopback`, with its seconds when they were given.
    pub loopback: Option<Option<f64>>,
    /// `--size` of loopback packets, in bytes.
    pub size: Option<u16>,
    /// `--queues` of the loopback.
    pub queues: Option<u16>,
    /// `--json`: results as JSON.
    pub json: bool,
    /// The names of all options that were given.
    pub given: Vec<&'static str>,
    /// `--total-num-mbufs`
    pub total_mbufs: Option<u32>,
    /// `--mbcache`
    pub mbuf_cache: Option<u16>,
    /// `--mlockall`
    pub lock_memory: bool,
    /// `--nb-cores`, as typed: the limit is known later.
    pub nb_cores: Option<String>,
    /// `--coremask`, as typed.
    pub core_mask: Option<String>,
    /// `--nb-ports`, as typed.
    pub nb_ports: Option<String>,
    /// `--portmask` or `--portlist`
    pub ports: Option<Vec<u16>>,
    /// `--port-numa-config`: ports with the NUMA nodes that they are to use.
    pub port_sockets: Vec<(u16, u32)>,
    /// NUMA nodes named by `--socket-num` and `--ring-numa-config`: they have to exist.
    pub named_sockets: Vec<u32>,
    /// `--num-procs` and `--proc-id`
    pub processes: Processes,
    /// `--hairpinq`
    pub hairpin_queues: u16,
    /// `--txpkts`, as typed.
    pub txpkts: Option<String>,
    /// `--forward-mode` with a mode that does not exist.
    pub unknown_mode: Option<String>,
    /// What to say about the options, in their order.
    pub announcements: Vec<String>,
    /// What to warn of, in the order of the options.
    pub warnings: Vec<String>,
    /// Options that were accepted and change nothing here.
    pub no_effect: Vec<&'static str>,
    /// What the options say about forwarding.
    pub config: Config,
}

/// How many processes share the ports, and which of them this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processes {
    /// `--num-procs`
    pub count: u32,
    /// `--proc-id`
    pub id: u32,
}

impl Default for Processes {
    fn default() -> Self {
        Self { count: 1, id: 0 }
    }
}
