//! The port: control calls in, commands to the control thread out.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use eal::Memory;
use nix::sys::eventfd::{EfdFlags, EventFd};
use pmd_core::{
    DevInfo, Error, EthDev, Events, Link, MacAddr, MbufPool, PortConfig, PortStats, Probe,
    QueueStats, RxOffloads, RxQueue, RxQueueConfig, TxOffloads, TxQueue, TxQueueConfig, Xstat,
    event,
};

use super::TARGET;
use super::abilities::{self, MTU_DEFAULT, MTU_MAX, MTU_MIN};
use super::control::{Command, Control};
use super::devargs::UserArgs;
use super::endpoint::Endpoint;
use super::ring::Ring;
use super::shared::Shared;
use super::slot::Slot;
use crate::queue::{Direction, QueueSetup, VirtQueue};

/// A virtio-user port.
pub(super) struct Port {
    port: u16,
    name: String,
    devargs: String,
    args: UserArgs,
    memory: Memory,
    config: PortConfig,
    rx: Vec<Option<Slot>>,
    tx: Vec<Option<Slot>>,
    started: bool,
    mtu: u16,
    mac: MacAddr,
    /// As DPDK's port, which has them with the control queue that it emulates for several queue pairs. No frame is filtered.
    promiscuous: bool,
    allmulticast: bool,
    shared: Arc<Shared>,
    events: Events,
    control: Option<Handle>,
}

/// The port's end of its control thread.
struct Handle {
    commands: Sender<Command>,
    wake: Arc<EventFd>,
    thread: JoinHandle<()>,
}

impl Handle {
    /// Sends a command and waits for its answer.
    fn call(&self, make: impl FnOnce(Sender<Result<(), Error>>) -> Command) -> Result<(), Error> {
        let (answer, answered) = mpsc::channel();
        let gone = |_| Error::WrongState {
            call: "reach the port's control thread",
            first: "close the port",
        };
        self.commands.send(make(answer)).map_err(|_| gone(mpsc::RecvError))?;
        // A full counter means that the thread is about to look anyway.
        let _ = self.wake.write(1);
        answered.recv().map_err(gone)?
    }
}

impl Port {
    /// A port for `args`; a server's socket exists when this returns.
    pub(super) fn open(probe: &Probe<'_>, args: &UserArgs) -> Result<Self, Error> {
        let (eal, devargs) = (probe.eal, probe.args);
        let (sender, events) = event::channel()?;
        let (commands, received) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let wake = EventFd::from_value_and_flags(0, flags)
            .map_err(|e| Error::io("making the command descriptor of a port", e))?;
        let wake = Arc::new(wake);
        let control = Control {
            name: devargs.name().to_owned(),
            memory: eal.memory().clone(),
            endpoint: Endpoint::open(&args.path, args.server)?,
            wanted: abilities::wanted_features(args),
            queue_pairs: args.queue_pairs,
            commands: received,
            wake: Arc::clone(&wake),
            events: sender,
            shared: Arc::clone(&shared),
        };
        let thread = eal.spawn_control("virtio-user", move || control.run())?;
        Ok(Self {
            port: probe.port.0,
            name: devargs.name().to_owned(),
            devargs: devargs.arguments(),
            args: args.clone(),
            memory: eal.memory().clone(),
            config: PortConfig { rx_queues: 0, tx_queues: 0, ..PortConfig::default() },
            rx: Vec::new(),
            tx: Vec::new(),
            started: false,
            mtu: MTU_DEFAULT,
            mac: args.mac,
            promiscuous: args.has_control_queue(),
            allmulticast: false,
            shared,
            events,
            control: Some(Handle { commands, wake, thread }),
        })
    }

    fn must_be_stopped(&self, call: &'static str) -> Result<(), Error> {
        if self.started {
            return Err(Error::WrongState { call, first: "stop the port" });
        }
        self.must_be_open(call).map(|_| ())
    }

    fn must_be_open(&self, call: &'static str) -> Result<&Handle, Error> {
        self.control.as_ref().ok_or(Error::WrongState { call, first: "create the port anew" })
    }

    /// The rings of the port: receive queue `q` is ring `2q`, transmit queue `q` ring `2q + 1` (virtio 1.2, 5.1.2).
    fn rings(&self) -> Result<Vec<Ring>, Error> {
        let missing = Error::WrongState { call: "start", first: "set up every queue" };
        let side = |slots: &[Option<Slot>], offset: u16| -> Option<Vec<Ring>> {
            let ring = |(index, slot): (u16, &Option<Slot>)| {
                Some(Ring::new(index, Arc::clone(&slot.as_ref()?.queue)))
            };
            (offset..).step_by(2).zip(slots).map(ring).collect()
        };
        self.tell_offloads();
        let (Some(mut rings), Some(tx)) = (side(&self.rx, 0), side(&self.tx, 1)) else {
            return Err(missing);
        };
        rings.extend(tx);
        rings.sort_by_key(|ring| ring.index);
        if rings.is_empty() { Err(missing) } else { Ok(rings) }
    }

    /// Queues take this over when they begin to run.
    fn tell_offloads(&self) {
        let strip = self.config.rx_offloads.contains(RxOffloads::VLAN_STRIP);
        let insert = self.config.tx_offloads.contains(TxOffloads::VLAN_INSERT);
        self.rx.iter().flatten().for_each(|slot| slot.queue.move_vlan_tags(strip));
        self.tx.iter().flatten().for_each(|slot| slot.queue.move_vlan_tags(insert));
    }

    fn slot(&self, rx: bool, queue: u16) -> Result<&Slot, Error> {
        let slots = if rx { &self.rx } else { &self.tx };
        let none = Error::NoQueue { queue, queues: slots.len() as u16 };
        slots.get(usize::from(queue)).and_then(Option::as_ref).ok_or(none)
    }

    /// Other processes find the queue as `net_virtio_user0.rx0`.
    fn make(
        &self,
        direction: Direction,
        queue: u16,
        pool: Option<&MbufPool>,
    ) -> Result<Slot, Error> {
        let side = if direction == Direction::Rx { "rx" } else { "tx" };
        let name = format!("{}.{side}{queue}", self.name);
        if self.memory.zone_lookup(&name).is_some() {
            return Err(of_former(queue));
        }
        let setup = QueueSetup {
            direction,
            size: self.args.queue_size,
            queue,
            port: self.port,
            pool: pool.cloned(),
            indirect: true,
            name: Some(name),
        };
        let queue = VirtQueue::with_setup(&self.memory, setup)?;
        let pool = pool.map(|pool| pool.records().name().to_owned()).unwrap_or_default();
        Ok(Slot::new(queue, pool))
    }

    /// Sets a mode that needs a control queue.
    fn needs_control_queue(&self, what: &'static str) -> Result<(), Error> {
        if self.args.has_control_queue() { Ok(()) } else { Err(Error::NoOperation(what)) }
    }
}

/// The queue cannot be made while somebody may still poll the one that it replaces.
fn of_former(queue: u16) -> Error {
    Error::Claimed { queue, holder: "the handle of its former set-up".into() }
}

impl EthDev for Port {
    fn info(&self) -> DevInfo {
        abilities::info(&self.name, &self.devargs, &self.args)
    }

    fn configure(&mut self, config: &PortConfig) -> Result<(), Error> {
        self.must_be_stopped("configure")?;
        config.check_offloads(&self.info())?;
        let max = self.args.queue_pairs;
        let counts = [
            ("number of receive queues", config.rx_queues),
            ("number of transmit queues", config.tx_queues),
        ];
        for (what, value) in counts {
            if value > max {
                return Err(Error::OutOfRange {
                    what,
                    value: value.into(),
                    min: 0,
                    max: max.into(),
                });
            }
        }
        self.rx.resize_with(config.rx_queues.into(), || None);
        self.tx.resize_with(config.tx_queues.into(), || None);
        self.config = *config;
        abilities::note_without_effect(&self.name, config);
        Ok(())
    }

    fn config(&self) -> PortConfig {
        self.config
    }

    fn setup_rx(&mut self, queue: u16, config: &RxQueueConfig) -> Result<(), Error> {
        self.must_be_stopped("set up a receive queue")?;
        let descriptors = abilities::descriptors(&self.args, config.descriptors)?;
        abilities::check_room(&self.args, self.mtu, config.pool.data_room())?;
        let queues = self.config.rx_queues;
        let at = self.rx.get(usize::from(queue)).ok_or(Error::NoQueue { queue, queues })?;
        if let Some(slot) = at {
            // The same again changes nothing, and handles of the queue stay good.
            if slot.pool == config.pool.records().name() {
                slot.queue.limit_descriptors(descriptors);
                return Ok(());
            }
            if slot.queue.claimed_by().is_some() {
                return Err(of_former(queue));
            }
        }
        // The former one goes first: both have the same name.
        self.rx[usize::from(queue)] = None;
        let slot = self.make(Direction::Rx, queue, Some(&config.pool))?;
        slot.queue.limit_descriptors(descriptors);
        self.rx[usize::from(queue)] = Some(slot);
        Ok(())
    }

    fn setup_tx(&mut self, queue: u16, config: &TxQueueConfig) -> Result<(), Error> {
        self.must_be_stopped("set up a transmit queue")?;
        let descriptors = abilities::descriptors(&self.args, config.descriptors)?;
        let queues = self.config.tx_queues;
        let at = self.tx.get(usize::from(queue)).ok_or(Error::NoQueue { queue, queues })?;
        if at.is_none() {
            self.tx[usize::from(queue)] = Some(self.make(Direction::Tx, queue, None)?);
        }
        self.slot(false, queue)?.queue.limit_descriptors(descriptors);
        Ok(())
    }

    fn start(&mut self) -> Result<(), Error> {
        self.must_be_stopped("start")?;
        let rings = self.rings()?;
        self.must_be_open("start")?.call(|answer| Command::Start(rings, answer))?;
        self.started = true;
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Error> {
        if let (true, Some(control)) = (self.started, &self.control) {
            control.call(Command::Stop)?;
            self.started = false;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some(control) = &self.control else { return Ok(()) };
        control.call(Command::Close)?;
        self.started = false;
        if let Some(control) = self.control.take() {
            // It has answered and has nothing left to do; that it panicked would be in the log.
            let _ = control.thread.join();
        }
        self.rx.clear();
        self.tx.clear();
        self.config = PortConfig { rx_queues: 0, tx_queues: 0, ..PortConfig::default() };
        Ok(())
    }

    fn is_started(&self) -> bool {
        self.started
    }

    fn link(&self) -> Link {
        let up = self.shared.link_up();
        Link { up, speed_mbps: self.args.speed_mbps }
    }

    fn is_connecting(&self) -> bool {
        // Who connects has done so when `start` returns, or found nobody. A backend that is to connect tries again and again.
        self.args.server && self.started && !self.shared.link_up()
    }

    fn mac(&self) -> MacAddr {
        self.mac
    }

    /// The address is the port's own business: no frame is filtered, and the peer does not ask.
    fn set_mac(&mut self, mac: MacAddr) -> Result<(), Error> {
        if !mac.is_assignable() {
            return Err(Error::BadMac(mac));
        }
        self.mac = mac;
        Ok(())
    }

    /// There never is another one, so there is nothing to do but for the port's own, which stays.
    fn remove_mac(&mut self, mac: MacAddr) -> Result<(), Error> {
        if mac == self.mac { Err(Error::NoOperation("removing its only address")) } else { Ok(()) }
    }

    fn promiscuous(&self) -> bool {
        self.promiscuous
    }

    fn set_promiscuous(&mut self, on: bool) -> Result<(), Error> {
        if on != self.promiscuous {
            self.needs_control_queue("promiscuous mode")?;
            self.promiscuous = on;
        }
        Ok(())
    }

    fn allmulticast(&self) -> bool {
        self.allmulticast
    }

    fn set_allmulticast(&mut self, on: bool) -> Result<(), Error> {
        if on != self.allmulticast {
            self.needs_control_queue("all-multicast mode")?;
            self.allmulticast = on;
        }
        Ok(())
    }

    fn mtu(&self) -> u16 {
        self.mtu
    }

    fn set_mtu(&mut self, mtu: u16) -> Result<(), Error> {
        if !(MTU_MIN..=MTU_MAX).contains(&mtu) {
            return Err(Error::OutOfRange {
                what: "MTU",
                value: mtu.into(),
                min: MTU_MIN.into(),
                max: MTU_MAX.into(),
            });
        }
        self.mtu = mtu;
        Ok(())
    }

    fn stats(&self) -> PortStats {
        let all = |slots: &[Option<Slot>]| -> Vec<QueueStats> {
            slots.iter().flatten().map(Slot::stats).collect()
        };
        PortStats::sum(all(&self.rx), all(&self.tx))
    }

    fn queue_stats(&self, rx: bool, queue: u16) -> Option<QueueStats> {
        self.slot(rx, queue).ok().map(Slot::stats)
    }

    /// Clears the queues' extended counters too, as DPDK's port does: they are the same ones.
    fn reset_stats(&mut self) {
        self.rx.iter_mut().chain(&mut self.tx).flatten().for_each(Slot::clear);
    }

    fn device_xstats(&self) -> Vec<Xstat> {
        let side = |rx: bool, slots: &[Option<Slot>]| -> Vec<Xstat> {
            let there = slots.iter().enumerate().filter_map(|(q, slot)| Some((q, slot.as_ref()?)));
            there.flat_map(|(number, slot)| slot.xstats(rx, number)).collect()
        };
        let mut list = side(true, &self.rx);
        list.extend(side(false, &self.tx));
        list
    }

    fn reset_device_xstats(&mut self) {
        self.reset_stats();
    }

    fn claim_rx(&mut self, queue: u16, holder: &str) -> Result<RxQueue, Error> {
        self.slot(true, queue)?.queue.claim_rx(holder)
    }

    fn claim_tx(&mut self, queue: u16, holder: &str) -> Result<TxQueue, Error> {
        self.slot(false, queue)?.queue.claim_tx(holder)
    }

    fn events(&self) -> &Events {
        &self.events
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let Err(error) = self.close() else { return };
        log::error!(target: TARGET, "{}: {error}; its rings are kept until then", self.name);
        if let Some(control) = &self.control {
            let _ = control.commands.send(Command::Abandon);
            let _ = control.wake.write(1);
        }
    }
}
