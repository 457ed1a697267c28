//! `start` and `stop`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pmd_core::{EthDev, PortId};

use crate::app::{App, Counted};
use crate::engine::forwarding::flush;
use crate::engine::frame::HEADERS_BYTES;
use crate::engine::stream::Parts;
use crate::engine::{CountersSnapshot, Forwarding, Job, Mode, Split, Stream, StreamId, plan};
use crate::show;
use crate::show::forward::LcoreStreams;
use crate::{say, warn_user};

/// How long the first bursts wait for peers that are about to bring their links up.
const PEER_PATIENCE: Duration = Duration::from_secs(3);
/// How often it is looked whether they have.
const PEER_POLL: Duration = Duration::from_millis(1);
/// What `stop` says when nothing forwards.
const NOT_STARTED: &str = "Packet forwarding not started";

impl App {
    /// Starts forwarding, after `tx_first` bursts of made packets on every stream. `interrupted` ends the wait for those.
    pub fn start_forwarding(&mut self, tx_first: u32, interrupted: impl Fn() -> bool) {
        if let Some(problem) = self.obstacle() {
            warn_user!(self.out, "{problem}");
            return;
        }
        self.tell_odd_ports();
        let dealt = self.deal();
        self.show_streams_of(&dealt);
        if !self.begin_mode(tx_first > 0) {
            warn_user!(self.out, "Packet forwarding is not ready");
            return;
        }
        match self.claim(dealt) {
            Ok(jobs) => self.launch(jobs, tx_first, interrupted),
            Err(error) => warn_user!(self.out, "Cannot start packet forwarding: {error}"),
        }
    }

    /// What modes say and check of each port before they start.
    fn begin_mode(&mut self, tx_first: bool) -> bool {
        let settings = &self.config.settings;
        if self.config.mode == Mode::FlowGen {
            for port in &self.config.ports {
                say!(self.out, "  number of flows for port {port}: {}", settings.flows);
            }
        }
        let makes = tx_first || self.config.mode == Mode::TxOnly;
        let varies = settings.split == Split::Random || settings.multi_flow;
        let first = settings.segments.first().copied().unwrap_or(0);
        if makes && varies && u32::from(first) < HEADERS_BYTES {
            warn_user!(
                self.out,
                "testpmd: Random segment number or multiple flow is enabled, \
                 but tx_pkt_seg_lengths[0] {first} < {HEADERS_BYTES} (needed)"
            );
            return false;
        }
        true
    }

    fn launch(&mut self, mut jobs: Vec<Job>, tx_first: u32, interrupted: impl Fn() -> bool) {
        if self.config.flush_rx {
            flush(&mut jobs);
        }
        self.show_queues();
        if tx_first > 0 {
            self.await_peers(PEER_PATIENCE, &interrupted);
        }
        let counted = |stream: &Stream| Counted {
            id: stream.id(),
            counters: std::sync::Arc::clone(stream.counters()),
            base: CountersSnapshot::default(),
            bursts_base: None,
        };
        self.streams = jobs.iter().flat_map(|job| &job.streams).map(counted).collect();
        for port in self.ports.ids() {
            self.rebase(port);
        }
        let (mode, settings) = (self.config.mode, &self.config.settings);
        match Forwarding::launch(&self.eal, mode, jobs, settings, tx_first) {
            Ok(forwarding) => {
                forwarding.wait_until_ready(interrupted);
                self.forwarding = Some(forwarding);
            }
            Err(error) => warn_user!(self.out, "Cannot start packet forwarding: {error}"),
        }
    }

    /// Waits while forwarding ports have or listen for peers whose links are not up, so that the first bursts are not lost. A
    /// port that has no peer, and listens for none in particular, is not waited for.
    pub(crate) fn await_peers(&self, patience: Duration, interrupted: &impl Fn() -> bool) {
        let end = Instant::now() + patience;
        let ports = &self.config.ports;
        let waits =
            || ports.iter().any(|&port| self.ports.get(port).is_some_and(EthDev::is_connecting));
        while waits() && !interrupted() && Instant::now() < end {
            std::thread::sleep(PEER_POLL);
        }
    }

    /// Why forwarding cannot start now.
    fn obstacle(&self) -> Option<String> {
        let Self { config, .. } = self;
        let (rx, tx) = (config.rx_queues > 0, config.tx_queues > 0);
        let name = config.mode.name();
        match config.mode {
            Mode::RxOnly if !rx => return Some(format!("rxq are 0, cannot use {name} fwd mode")),
            Mode::TxOnly if !tx => return Some(format!("txq are 0, cannot use {name} fwd mode")),
            Mode::RxOnly | Mode::TxOnly => {}
            _ if !(rx && tx) => {
                return Some(format!("Either rxq or txq are 0, cannot use {name} fwd mode"));
            }
            _ => {}
        }
        if !self.ports.iter().all(|(_, dev)| dev.is_started()) {
            return Some("Not all ports were started".into());
        }
        self.is_forwarding().then(|| "Packet forwarding already started".into())
    }

    /// The streams of each lcore, as the configuration has it.
    fn deal(&self) -> Vec<(u32, Vec<StreamId>)> {
        let config = &self.config;
        let streams =
            plan::streams(&config.ports, config.rx_queues, config.tx_queues, config.topology);
        let cores = config.lcores.len().min(usize::from(config.nb_cores));
        plan::deal(streams, &config.lcores[..cores])
    }

    /// `show config fwd`
    pub fn show_streams(&mut self) {
        let dealt = self.deal();
        self.show_streams_of(&dealt);
    }

    fn show_streams_of(&mut self, dealt: &[(u32, Vec<StreamId>)]) {
        let lcores: Vec<LcoreStreams> = dealt
            .iter()
            .map(|(lcore, streams)| LcoreStreams {
                lcore: *lcore,
                socket: self.eal.socket_of(*lcore),
                streams: streams.iter().map(|id| (*id, self.config.peer_of(id.tx_port))).collect(),
            })
            .collect();
        let config = &self.config;
        let text = show::forward::block(config, &lcores, |port| self.socket_of(port));
        self.out.say(format_args!("{text}"));
    }

    /// `show config rxtx`
    pub fn show_queues(&mut self) {
        let ids = self.ports.ids();
        let ports: Vec<_> = ids.into_iter().map(|id| (id, self.settings_of(id).clone())).collect();
        let text = show::queues::block(&self.config, &ports);
        self.out.say(format_args!("{text}"));
    }

    /// Claims the queues of all streams.
    fn claim(&mut self, dealt: Vec<(u32, Vec<StreamId>)>) -> Result<Vec<Job>, pmd_core::Error> {
        let mut jobs = Vec::with_capacity(dealt.len());
        for (lcore, ids) in dealt {
            let streams: Result<_, _> =
                ids.into_iter().map(|id| self.claim_stream(id, lcore)).collect();
            jobs.push(Job { lcore, streams: streams? });
        }
        Ok(jobs)
    }

    fn claim_stream(&mut self, id: StreamId, lcore: u32) -> Result<Stream, pmd_core::Error> {
        let holder = format!("lcore {lcore}");
        let (rx, tx) = (self.config.rx_queues > 0, self.config.tx_queues > 0);
        let peer = self.config.peer_of(id.tx_port);
        let claim_rx = |dev: &mut (dyn EthDev + 'static)| dev.claim_rx(id.rx_queue, &holder);
        let rx = self.ports.get_mut(id.rx_port).filter(|_| rx).map(claim_rx).transpose()?;
        let claim_tx = |dev: &mut (dyn EthDev + 'static)| dev.claim_tx(id.tx_queue, &holder);
        let tx = self.ports.get_mut(id.tx_port).filter(|_| tx).map(claim_tx).transpose()?;
        let source = self.ports.get(id.tx_port).map(EthDev::mac).unwrap_or_default();
        let parts = Parts { id, lcore, rx, tx, source, peer, pool: self.pool.clone() };
        Ok(Stream::new(parts, &self.config.settings))
    }

    /// Stops forwarding and says what came of it.
    pub fn stop_forwarding(&mut self) {
        let Some(forwarding) = self.forwarding.take() else {
            warn_user!(self.out, "{NOT_STARTED}");
            return;
        };
        say!(self.out, "Telling cores to stop...");
        say!(self.out, "Waiting for lcores to finish...");
        self.join(forwarding);
        self.show_report();
        say!(self.out, "\nDone.");
    }

    /// Stops forwarding and says what came of it to a program: an object and nothing else.
    pub fn stop_forwarding_json(&mut self) {
        let object = match self.forwarding.take() {
            Some(forwarding) => {
                self.join(forwarding);
                show::json::report(&self.report())
            }
            None => show::json::no_report(NOT_STARTED),
        };
        say!(self.out, "{object}");
    }

    /// Waits until the lcores have ended.
    fn join(&mut self, forwarding: Forwarding) {
        let (_, errors) = forwarding.stop(&self.eal);
        for error in errors {
            warn_user!(self.out, "{error}");
        }
    }

    /// `show fwd stats all`
    pub fn show_report(&mut self) {
        let text = show::report::text(&self.report());
        self.out.say(format_args!("{text}"));
    }

    /// `clear fwd stats all`
    pub fn clear_report(&mut self) {
        for stream in &mut self.streams {
            stream.clear();
        }
        let base = |(port, dev): (PortId, &dyn EthDev)| (port, dev.stats());
        self.bases = self.ports.iter().map(base).collect::<BTreeMap<_, _>>();
    }

    /// Hands changed settings to lcores that forward.
    pub fn update_settings(&self) {
        if let Some(forwarding) = &self.forwarding {
            forwarding.update(&self.config.settings);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::config::Config;
    use crate::console::bench::Bench;
    use crate::test_port::TestPort;

    #[test]
    fn first_bursts_wait_for_a_peer_that_is_about_to_be_ready() {
        let port = TestPort::looped(1).0;
        let connecting = Arc::clone(&port.connecting);
        connecting.store(true, Ordering::Relaxed);
        let mut bench = Bench::new(vec![port], Config::default());
        let still = Arc::clone(&connecting);
        let peer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            still.store(false, Ordering::Relaxed);
        });
        bench.app.start_forwarding(1, || false);
        assert!(!connecting.load(Ordering::Relaxed), "it was waited for");
        peer.join().unwrap();
        bench.app.stop_forwarding();
        assert!(bench.app.ports.get(PortId(0)).unwrap().stats().tx_packets >= 32);
    }

    #[test]
    fn the_wait_can_be_interrupted_and_a_plain_start_has_none() {
        let port = TestPort::looped(1).0;
        port.connecting.store(true, Ordering::Relaxed);
        let mut bench = Bench::new(vec![port], Config::default());
        let start = Instant::now();
        bench.app.start_forwarding(1, || true);
        bench.app.stop_forwarding();
        bench.app.start_forwarding(0, || false);
        bench.app.stop_forwarding();
        assert!(start.elapsed() < PEER_PATIENCE, "{:?}", start.elapsed());
    }

    #[test]
    fn packets_of_many_flows_need_their_headers_in_the_first_segment() {
        let mut bench = Bench::one();
        bench.type_in("set fwd txonly");
        bench.type_in("set txsplit rand");
        bench.type_in("set txpkts 41,100");
        let (_, err) = bench.type_in("start");
        let expected = "testpmd: Random segment number or multiple flow is enabled, \
                        but tx_pkt_seg_lengths[0] 41 < 42 (needed)\nPacket forwarding is not ready\n";
        assert_eq!(err, expected);
        assert!(!bench.app.is_forwarding());
    }

    #[test]
    fn flowgen_says_how_many_flows() {
        let mut bench = Bench::one();
        bench.type_in("set fwd flowgen");
        let out = bench.out("start");
        assert!(out.contains("\n\n  number of flows for port 0: 1024\n  flowgen packet"), "{out}");
        assert!(out.contains("\n  packet len=64 - nb packet segments=1\n"), "{out}");
        bench.app.stop_forwarding();
    }
}
