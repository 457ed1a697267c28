//! `net_ring`: what is sent on a transmit queue comes back on the receive queue of the same number.
//!
//! | devarg | default | meaning |
//! |---|---|---|
//! | `nodeaction=NAME:NODE:CREATE` | rings named like the device | makes rings called NAME, or uses those that are there |
//! | `nodeaction=NAME:NODE:ATTACH` | | uses the rings called NAME, which another port of this process made |
//!
//! A port has 16 rings of 1,023 packets (DPDK's ring of 1024 holds as many): ring `q` lies between transmit queue `q` and
//! receive queue `q`. Ports that share rings pass packets to one another: each packet goes to whoever asks first. What lies in
//! the rings stays there over stop and start, and goes back to its pools when the last port of the rings is closed. NODE must be
//! a number and has no effect yet.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use eal::ring::Ring;
use pmd_core::{
    Burst, DevArgs, Driver, Error, EthDev, MacAddr, Mbuf, Probe, RxOffloads, RxQueueConfig,
    TxOffloads,
};

use crate::counters::Counters;
use crate::port::{Controls, Device, Parts, SoftPort};
use crate::queue::{Path, RxPath, TxPath};
use crate::stamp::stamp;

/// Rings of a port.
const RINGS: u16 = 16;
/// Packets that a ring holds.
const CAPACITY: usize = 1023;

/// Rings with a name.
type Rings = Vec<Ring<Mbuf>>;

/// The driver of `net_ring` devices. It knows the rings of its ports by name, apart for each `Eal`.
#[derive(Default)]
pub struct RingDriver {
    named: Mutex<Vec<Named>>,
}

struct Named {
    eal: u64,
    name: String,
    rings: Weak<Rings>,
}

impl RingDriver {
    /// The driver, without any ring yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The rings that `wanted` names.
    fn rings(&self, eal: u64, wanted: &Wanted) -> Result<Arc<Rings>, Error> {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.retain(|one| one.rings.strong_count() > 0);
        let found = named.iter().find(|one| one.eal == eal && one.name == wanted.name);
        if let Some(rings) = found.and_then(|one| one.rings.upgrade()) {
            return Ok(rings);
        }
        if !wanted.create {
            let name = &wanted.name;
            return Err(Error::BadDevArgs(format!(
                "nodeaction: there are no rings named '{name}' to attach to: \
                 put the device that makes them, nodeaction={name}:0:CREATE, before this one"
            )));
        }
        let made: Result<Rings, eal::Error> = (0..RINGS).map(|_| Ring::new(CAPACITY)).collect();
        let rings = Arc::new(made?);
        named.push(Named { eal, name: wanted.name.clone(), rings: Arc::downgrade(&rings) });
        Ok(rings)
    }
}

impl Driver for RingDriver {
    fn name(&self) -> &'static str {
        "net_ring"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["eth_ring"]
    }

    fn probe(&self, probe: &Probe<'_>) -> Result<Box<dyn EthDev>, Error> {
        let wanted = Wanted::parse(probe.args)?;
        let rings = self.rings(probe.eal.memory().unique(), &wanted)?;
        let (sender, events) = pmd_core::event::channel()?;
        let parts = Parts {
            driver: "net_ring",
            mac: MacAddr::default(),
            rx_queues_max: RINGS,
            tx_queues_max: RINGS,
            rx_offloads: RxOffloads::SCATTER,
            tx_offloads: TxOffloads::MULTI_SEGS,
            device: Rung { rings, port: probe.port.0 },
            sender,
            events,
        };
        Ok(Box::new(SoftPort::new(probe, parts)))
    }
}

/// Which rings a device string asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    name: String,
    create: bool,
}

impl Wanted {
    fn parse(args: &DevArgs) -> Result<Self, Error> {
        let actions = args.all("nodeaction");
        args.finish()?;
        match actions[..] {
            [] => Ok(Self { name: args.name().to_owned(), create: true }),
            [action] => Self::from_action(action).ok_or_else(|| {
                Error::BadDevArgs(format!(
                    "{}: 'nodeaction={action}': write NAME:NODE:CREATE or NAME:NODE:ATTACH, as in nodeaction=R1:0:CREATE",
                    args.name()
                ))
            }),
            _ => Err(Error::BadDevArgs(format!(
                "{}: one 'nodeaction' a device: write another --vdev for each further one",
                args.name()
            ))),
        }
    }

    fn from_action(action: &str) -> Option<Self> {
        let (rest, action) = action.rsplit_once(':')?;
        let (name, node) = rest.split_once(':')?;
        node.parse::<u32>().ok()?;
        let create = match action {
            "CREATE" => true,
            "ATTACH" => false,
            _ => return None,
        };
        (!name.is_empty()).then(|| Self { name: name.to_owned(), create })
    }
}

struct Rung {
    rings: Arc<Rings>,
    port: u16,
}

impl Device for Rung {
    type Rx = RingRx;
    type Tx = RingTx;
    const CONTROLS: Controls = Controls { mac: false, mtu: false, modes: true, queues: false };

    fn rx(&mut self, queue: u16, _config: &RxQueueConfig) -> Result<RingRx, Error> {
        let end = End { rings: Arc::clone(&self.rings), queue, passing: Vec::new() };
        Ok(RingRx { end, port: self.port })
    }

    fn tx(&mut self, queue: u16) -> Result<RingTx, Error> {
        Ok(RingTx(End { rings: Arc::clone(&self.rings), queue, passing: Vec::new() }))
    }
}

/// One end of a ring.
struct End {
    rings: Arc<Rings>,
    queue: u16,
    /// Packets between burst and ring. It grows to the longest burst and then no more.
    passing: Vec<Mbuf>,
}

struct RingRx {
    end: End,
    port: u16,
}

impl Path for RingRx {}

impl RxPath for RingRx {
    #[inline]
    fn burst(&mut self, into: &mut Burst, counters: &Counters) -> usize {
        let End { rings, queue, passing } = &mut self.end;
        let Some(ring) = rings.get(usize::from(*queue)) else { return 0 };
        let from = into.len();
        let count = ring.dequeue_burst(passing, into.room());
        if count == 0 {
            return 0;
        }
        let mut bytes = 0;
        for mbuf in passing.drain(..) {
            bytes += u64::from(mbuf.len());
            // The burst has room for all that were asked for.
            let _ = into.push(mbuf);
        }
        stamp(into, from, self.port);
        counters.passed(count, bytes);
        count
    }
}

struct RingTx(End);

impl Path for RingTx {}

impl TxPath for RingTx {
    #[inline]
    fn burst(&mut self, from: &mut Burst, counters: &Counters) -> usize {
        let End { rings, queue, passing } = &mut self.0;
        let Some(ring) = rings.get(usize::from(*queue)) else { return 0 };
        from.move_to_vec(passing);
        let mut bytes: u64 = passing.iter().map(|mbuf| u64::from(mbuf.len())).sum();
        let count = ring.enqueue_burst(passing);
        for mbuf in passing.drain(..) {
            bytes -= u64::from(mbuf.len());
            // It came from this burst, so there is room.
            let _ = from.push(mbuf);
        }
        counters.passed(count, bytes);
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Result<Wanted, Error> {
        Wanted::parse(&DevArgs::parse(text).unwrap())
    }

    #[test]
    fn devargs_as_the_reference_takes_them() {
        let own = Wanted { name: "net_ring0".into(), create: true };
        assert_eq!(wanted("net_ring0").unwrap(), own);
        let made = Wanted { name: "R1".into(), create: true };
        assert_eq!(wanted("net_ring0,nodeaction=R1:0:CREATE").unwrap(), made);
        assert!(!wanted("eth_ring0,nodeaction=R1:0:ATTACH").unwrap().create);
    }

    #[test]
    fn what_is_wrong_is_answered_with_the_form() {
        for bad in ["R1", "R1:0", "R1:x:CREATE", ":0:CREATE", "R1:0:create", "R1:0:CREATE:"] {
            let error = wanted(&format!("net_ring0,nodeaction={bad}")).unwrap_err().to_string();
            assert!(error.contains("nodeaction=R1:0:CREATE"), "{bad}: {error}");
        }
        let two = wanted("net_ring0,nodeaction=A:0:CREATE,nodeaction=B:0:CREATE").unwrap_err();
        assert!(two.to_string().contains("another --vdev"), "{two}");
    }
}
