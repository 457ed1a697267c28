//! `net_null`: receives packets out of nothing and sends them to nowhere.
//!
//! | devarg | default | meaning |
//! |---|---|---|
//! | `size=BYTES` | 64 | length of received packets, 1 to 65,535 |
//! | `copy=0\|1` | 0 | 1: packet bytes are copied, as a device would: zeros on receive, into a scratch buffer on transmit |
//! | `no-rx=0\|1` | 0 | 1: nothing is received; not together with `copy=1` |
//!
//! Each receive call gives as many packets as there is room for and as the pool has. With `copy=0` their content is whatever
//! the buffers held. Up to 1,024 queues each way.
#![allow(unsafe_code, reason = "sets the lengths of fresh mbufs in one step")]

use eal::clock;
use pmd_core::{
    Burst, DevArgs, Driver, Error, EthDev, MacAddr, MbufPool, Probe, RxOffloads, RxQueueConfig,
    TxOffloads,
};

use crate::counters::Counters;
use crate::port::{Controls, Device, Parts, SoftPort};
use crate::queue::{Path, RxPath, TxPath};
use crate::random::Random;

/// Queues each way.
const QUEUES_MAX: u16 = 1024;

/// The driver of `net_null` devices.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullDriver;

impl Driver for NullDriver {
    fn name(&self) -> &'static str {
        "net_null"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["eth_null"]
    }

    fn probe(&self, probe: &Probe<'_>) -> Result<Box<dyn EthDev>, Error> {
        let options = Options::parse(probe.args)?;
        let (sender, events) = pmd_core::event::channel()?;
        let seed = clock::now().0 ^ u64::from(probe.port.0) << 48;
        let parts = Parts {
            driver: "net_null",
            mac: MacAddr::local(Random::new(seed).next()),
            rx_queues_max: QUEUES_MAX,
            tx_queues_max: QUEUES_MAX,
            rx_offloads: RxOffloads::empty(),
            tx_offloads: TxOffloads::empty(),
            device: Null { options, port: probe.port.0 },
            sender,
            events,
        };
        Ok(Box::new(SoftPort::new(probe, parts)))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Options {
    size: u16,
    copy: bool,
    receive: bool,
}

impl Options {
    fn parse(args: &DevArgs) -> Result<Self, Error> {
        let size = args.number("size", 64, 1..=u16::MAX.into())?;
        let copy = args.number("copy", 0, 0..=u32::MAX.into())? != 0;
        let receive = !args.flag("no-rx", false)?;
        args.finish()?;
        if copy && !receive {
            return Err(Error::BadDevArgs(format!(
                "{}: 'copy=1' and 'no-rx=1' do not go together: leave one of them out",
                args.name()
            )));
        }
        // The range above fits.
        Ok(Self { size: size as u16, copy, receive })
    }

    fn scratch(self) -> Option<Box<[u8]>> {
        self.copy.then(|| vec![0; self.size.into()].into_boxed_slice())
    }
}

struct Null {
    options: Options,
    port: u16,
}

impl Device for Null {
    type Rx = NullRx;
    type Tx = NullTx;
    const CONTROLS: Controls = Controls { mac: true, mtu: true, modes: false, queues: false };

    fn rx(&mut self, _queue: u16, config: &RxQueueConfig) -> Result<NullRx, Error> {
        let (room_bytes, need_bytes) = (config.pool.data_room(), u32::from(self.options.size));
        if need_bytes > room_bytes {
            return Err(Error::MbufTooSmall { room_bytes, need_bytes });
        }
        let Options { size, receive, .. } = self.options;
        let pattern = self.options.scratch();
        Ok(NullRx { pool: config.pool.clone(), port: self.port, size, receive, pattern })
    }

    fn tx(&mut self, _queue: u16) -> Result<NullTx, Error> {
        Ok(NullTx { scratch: self.options.scratch() })
    }
}

struct NullRx {
    pool: MbufPool,
    port: u16,
    size: u16,
    receive: bool,
    /// What packets hold, if they are to be filled.
    pattern: Option<Box<[u8]>>,
}

impl Path for NullRx {}

impl RxPath for NullRx {
    #[inline]
    fn burst(&mut self, into: &mut Burst, counters: &Counters) -> usize {
        if !self.receive {
            return 0;
        }
        let (from, room) = (into.len(), into.room());
        let got = self.pool.take_burst(into, room);
        for mbuf in &mut into.as_mut_slice()[from..] {
            // SAFETY: the set-up made sure that a fresh buffer has room for `size` bytes.
            let meta = unsafe { mbuf.meta_mut() };
            meta.data_len = self.size;
            meta.pkt_len = self.size.into();
            meta.port = self.port;
            if let Some(pattern) = &self.pattern {
                mbuf.data_mut().copy_from_slice(pattern);
            }
        }
        if got < room {
            counters.no_mbuf.add(1);
        }
        counters.passed(got, got as u64 * u64::from(self.size));
        got
    }
}

struct NullTx {
    scratch: Option<Box<[u8]>>,
}

impl Path for NullTx {}

impl TxPath for NullTx {
    #[inline]
    fn burst(&mut self, from: &mut Burst, counters: &Counters) -> usize {
        let count = from.len();
        if let Some(scratch) = &mut self.scratch {
            for mbuf in from.iter() {
                mbuf.read_at(0, scratch);
            }
        }
        let bytes = from.iter().map(|mbuf| u64::from(mbuf.len())).sum();
        from.clear();
        counters.passed(count, bytes);
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Result<Options, Error> {
        Options::parse(&DevArgs::parse(text).unwrap())
    }

    #[test]
    fn devargs_as_the_reference_takes_them() {
        let plain = Options { size: 64, copy: false, receive: true };
        assert_eq!(options("net_null0").unwrap(), plain);
        assert_eq!(options("eth_null0,size=0x100,copy=1").unwrap().size, 256);
        assert!(!options("net_null0,no-rx=1").unwrap().receive);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let both = options("net_null0,copy=1,no-rx=1").unwrap_err().to_string();
        assert!(both.contains("leave one of them out"), "{both}");
        for bad in ["size=0", "size=70000", "size=x", "no-rx=2", "sise=64"] {
            let error = options(&format!("net_null0,{bad}")).unwrap_err();
            assert!(matches!(error, Error::BadDevArgs(_)), "{bad}: {error}");
        }
    }
}
