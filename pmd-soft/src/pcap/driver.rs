//! Makes `net_pcap` ports from device strings.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};

use pmd_core::{
    Driver, Error, EthDev, EventSender, MacAddr, Probe, RxOffloads, RxQueueConfig, TxOffloads,
};

use super::devargs::Options;
use super::files::{Place, writers};
use super::rx::{PcapRx, Source};
use super::tx::{PcapTx, Target};
use super::{Reader, Writer};
use crate::port::{Controls, Device, Parts, SoftPort};

/// The driver of `net_pcap` devices. It numbers their addresses.
#[derive(Debug, Default)]
pub struct PcapDriver {
    made: AtomicU8,
}

impl PcapDriver {
    /// The driver, before any port.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Driver for PcapDriver {
    fn name(&self) -> &'static str {
        "net_pcap"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["eth_pcap"]
    }

    fn probe(&self, probe: &Probe<'_>) -> Result<Box<dyn EthDev>, Error> {
        let options = Options::parse(probe.args)?;
        let (sender, events) = pmd_core::event::channel()?;
        let parts = Parts {
            driver: "net_pcap",
            mac: MacAddr([0x02, 0x70, 0x63, 0x61, 0x70, 0]),
            rx_queues_max: options.rx_queues(),
            tx_queues_max: options.tx_queues(),
            rx_offloads: RxOffloads::empty(),
            tx_offloads: TxOffloads::empty(),
            device: Files::open(probe, &options, sender.clone())?,
            sender,
            events,
        };
        let MacAddr([a, b, c, d, e, _]) = parts.mac;
        let mac = MacAddr([a, b, c, d, e, self.made.fetch_add(1, Ordering::Relaxed)]);
        Ok(Box::new(SoftPort::new(probe, Parts { mac, ..parts })))
    }
}

/// The files of a port, by queue. What is opened when the port is made goes to the queue when that is set up.
struct Files {
    inputs: Vec<(Place, Option<Reader<File>>)>,
    outputs: Vec<(Place, Option<Writer>)>,
    infinite: bool,
    port: u16,
    sender: EventSender,
}

impl Files {
    fn open(probe: &Probe<'_>, options: &Options, sender: EventSender) -> Result<Self, Error> {
        let places = |key, paths: &[PathBuf]| -> Vec<Place> {
            let device = || probe.args.name().to_owned();
            paths.iter().map(|path| Place { device: device(), key, path: path.clone() }).collect()
        };
        let inputs = places("rx_pcap", &options.rx);
        let outputs = places("tx_pcap", &options.tx);
        // Nothing is written before everything can be read.
        let readers: Vec<_> = inputs.iter().map(Place::reader).collect::<Result<_, _>>()?;
        let writers = writers(&outputs, &inputs)?;
        Ok(Self {
            inputs: inputs.into_iter().zip(readers.into_iter().map(Some)).collect(),
            outputs: outputs.into_iter().zip(writers.into_iter().map(Some)).collect(),
            infinite: options.infinite,
            port: probe.port.0,
            sender,
        })
    }
}

impl Device for Files {
    type Rx = PcapRx;
    type Tx = PcapTx;
    const CONTROLS: Controls = Controls { mac: false, mtu: false, modes: false, queues: true };

    fn rx(&mut self, queue: u16, config: &RxQueueConfig) -> Result<PcapRx, Error> {
        let input = self.inputs.get_mut(usize::from(queue));
        let source =
            input.map(|(place, reader)| Source::new(place.clone(), self.infinite, reader.take()));
        let (pool, port, sender) = (config.pool.clone(), self.port, self.sender.clone());
        Ok(PcapRx { source, pool, port, queue, sender })
    }

    fn tx(&mut self, queue: u16) -> Result<PcapTx, Error> {
        let output = self.outputs.get_mut(usize::from(queue));
        let target = output.map(|(place, writer)| Target::new(place.clone(), writer.take()));
        Ok(PcapTx { target, queue, sender: self.sender.clone() })
    }
}
