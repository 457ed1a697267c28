//! The app: an `Eal`, its ports, a pool, what is forwarded and how.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use eal::Eal;
use pmd_core::{DriverList, EthDev, Event, MbufPool, PortId, PortStats, Ports};

use crate::config::Config;
use crate::config::EventMask;
use crate::engine::{Counters, CountersSnapshot, Forwarding, StreamId};
use crate::json::Json;
use crate::output::Output;
use crate::pools::{MorePools, Sizing};
use crate::port_settings::PortSettings;
use crate::show::stats::{Rate, Rates};
use crate::show::xstats::XstatRates;
use crate::show::{self, report::Report};
use crate::{say, warn_user};

/// Everything that commands work on.
///
/// Fields are dropped in this order: lcores are told to stop, ports close, the pool goes, the `Eal` waits for its lcores.
pub struct App {
    pub(crate) forwarding: Option<Forwarding>,
    /// Streams of the present or last forwarding.
    pub(crate) streams: Vec<Counted>,
    /// What ports had counted when forwarding started or they were cleared.
    pub(crate) bases: BTreeMap<PortId, PortStats>,
    /// How and what is forwarded.
    pub config: Config,
    /// All ports.
    pub ports: Ports,
    /// What ports were told one by one; made when first asked for.
    pub(crate) settings: BTreeMap<PortId, PortSettings>,
    /// Makes devices that are attached later.
    pub(crate) drivers: DriverList,
    pub(crate) pool: MbufPool,
    pub(crate) more_pools: MorePools,
    /// How large pools are made.
    pub(crate) sizing: Sizing,
    pub(crate) rates: Rates,
    pub(crate) xstat_rates: XstatRates,
    pub(crate) odd_port_told: bool,
    started: Instant,
    /// Where everything is written.
    pub out: Output,
    pub(crate) eal: Eal,
}

/// A stream's counters and their values when they were last cleared.
pub struct Counted {
    pub(crate) id: StreamId,
    pub(crate) counters: Arc<Counters>,
    pub(crate) base: CountersSnapshot,
    pub(crate) bursts_base: Option<[Vec<u64>; 2]>,
}

impl Counted {
    /// Counts from now on.
    pub(crate) fn clear(&mut self) {
        self.base = self.counters.snapshot();
        self.bursts_base = self.counters.bursts();
    }

    /// How often a burst had how many packets, received and sent, since the counters were cleared.
    fn burst_sizes(&self) -> Option<[Vec<u64>; 2]> {
        let mut now = self.counters.bursts()?;
        for (sizes, base) in now.iter_mut().zip(self.bursts_base.iter().flatten()) {
            sizes.iter_mut().zip(base).for_each(|(count, base)| *count = count.wrapping_sub(*base));
        }
        Some(now)
    }
}

impl App {
    /// An app over `ports`, all of which forward unless the configuration names others.
    pub fn new(eal: Eal, ports: Ports, pool: MbufPool, config: Config, out: Output) -> Self {
        Self {
            forwarding: None,
            streams: Vec::new(),
            bases: BTreeMap::new(),
            config,
            ports,
            settings: BTreeMap::new(),
            drivers: DriverList::new(),
            pool,
            more_pools: MorePools::default(),
            sizing: Sizing::default(),
            rates: Rates::default(),
            xstat_rates: XstatRates::default(),
            odd_port_told: false,
            started: Instant::now(),
            out,
            eal,
        }
    }

    /// Whether lcores forward.
    pub fn is_forwarding(&self) -> bool {
        self.forwarding.is_some()
    }

    /// The counters of one port and its rates since the last call.
    pub fn port_stats(&mut self, port: PortId) -> Option<(PortStats, Rate)> {
        let stats = self.ports.get(port).map(EthDev::stats)?;
        let rate = self.rates.since_last(port, self.started.elapsed(), &stats);
        Some((stats, rate))
    }

    /// Shows the counters of one port and its rates since they were last shown.
    pub fn show_port_stats(&mut self, port: PortId) {
        let Some((stats, rate)) = self.port_stats(port) else { return };
        let named = self.named_xstats(port);
        self.out.say(format_args!("{}", show::stats::block(port, &stats, rate, &named)));
    }

    /// The same for a program.
    pub fn port_stats_json(&mut self, port: PortId) -> Option<Json> {
        let (stats, rate) = self.port_stats(port)?;
        Some(show::json::stats(port, self.ports.get(port)?, &stats, rate))
    }

    /// The lines about the counters of `--display-xstats`.
    fn named_xstats(&mut self, port: PortId) -> String {
        let names = &self.config.xstats;
        match self.ports.get(port) {
            Some(dev) if !names.is_empty() => {
                let counters = pmd_core::xstats::all(dev);
                self.xstat_rates.lines(port, self.started.elapsed(), counters, names)
            }
            _ => String::new(),
        }
    }

    /// What streams and ports counted since the start.
    pub fn report(&self) -> Report {
        let counted = |s: &Counted| (s.id, s.counters.snapshot().since(s.base));
        let since = |&port: &PortId| {
            let now = self.ports.get(port)?.stats();
            let zero = PortStats::default();
            Some((port, show::report::since(&now, self.bases.get(&port).unwrap_or(&zero))))
        };
        let record = self.config.settings.record;
        let sizes = |s: &Counted| record.bursts.then(|| s.burst_sizes()).flatten();
        Report {
            mode: self.config.mode,
            record,
            streams: self.streams.iter().map(counted).collect(),
            bursts: self.streams.iter().map(sizes).collect(),
            ports: self.config.ports.iter().filter_map(since).collect(),
        }
    }

    /// From now on reports count from here.
    pub(crate) fn rebase(&mut self, port: PortId) {
        if let Some(dev) = self.ports.get(port) {
            self.bases.insert(port, dev.stats());
        }
    }

    /// What `port` was told.
    pub(crate) fn settings_of(&mut self, port: PortId) -> &mut PortSettings {
        self.settings.entry(port).or_insert_with(|| PortSettings::new(&self.config))
    }

    /// Tells what happened to ports meanwhile.
    pub fn print_events(&mut self) {
        let mut lines = Vec::new();
        for (port, dev) in self.ports.iter() {
            while let Some(event) = dev.events().try_next() {
                lines.extend(event_line(self.config.events, port, &event));
            }
        }
        for line in lines {
            say!(self.out, "\n{line}");
        }
        self.out.flush();
    }

    /// Forgets what happened to ports.
    pub fn discard_events(&self) {
        for (_, dev) in self.ports.iter() {
            while dev.events().try_next().is_some() {}
        }
    }

    /// Says once that an odd number of ports cannot be paired.
    pub(crate) fn tell_odd_ports(&mut self) {
        let odd = self.config.ports.len() % 2 == 1;
        if odd && self.config.topology == crate::engine::Topology::Paired && !self.odd_port_told {
            self.odd_port_told = true;
            warn_user!(
                self.out,
                "\nWarning! port-topology=paired and odd forward ports number, \
                 the last port will pair with itself.\n"
            );
        }
    }
}

fn event_line(told: EventMask, port: PortId, event: &Event) -> Option<String> {
    if let Event::QueueBroken { rx, queue, reason } = event {
        let side = if *rx { "RX" } else { "TX" };
        return Some(format!("Port {port}: {side} queue {queue} out of service: {reason}"));
    }
    told.words(event).map(|words| format!("Port {port}: {words} event"))
}
