//! The control side of many devices: one thread that waits for all sockets, and a small pool for what may take time.
//!
//! ```text
//! owner --calls--> control thread --messages--> device --gates--> pollers
//!                     |      ^
//!                     v      | when done
//!                  worker pool: waiting for a poller, unmapping
//! ```
//!
//! The control thread never waits for a front-end (sockets are non-blocking, messages have deadlines) and for a poller
//! only a fraction of a millisecond; after that the connection goes to a worker, and its next message waits until it
//! comes back. Other devices notice nothing.
//!
//! Threading: [`Service`] and [`DeviceHandle`] may be used from any thread.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use eal::gate::FenceMode;
use nix::sys::eventfd::{EfdFlags, EventFd};
use virtio::Features;

use crate::Error;
use crate::config::DeviceConfig;
use crate::descriptors::with_more;
use crate::device::Slot;
use crate::events::EventSink;
use crate::vring::{Claim, VringShared};

mod clock;
mod connection;
mod control;
mod endpoint;
mod socket;
mod worker;

use connection::Reply;
use endpoint::Endpoint;
use worker::Returned;

/// How long an owner's call waits for a poller that does not leave its burst.
pub const CALL_WAIT: Duration = Duration::from_secs(2);

/// The most devices of a service, which is what DPDK's one thread for all sockets can wait for.
pub const DEVICES_MAX: usize = 1023;

/// What the control thread is asked to do.
enum Command {
    Add(u32, Box<Endpoint>),
    Activate(u32, bool, Reply),
    Remove(u32, std::sync::mpsc::SyncSender<()>),
    Returned(Returned),
    End,
}

/// The way to the control thread.
struct Mailbox {
    commands: Mutex<Sender<Command>>,
    wake: EventFd,
    /// Devices that were added and not removed.
    devices: AtomicUsize,
}

impl Mailbox {
    /// Counts one device more, if there may be one. Returns how many there were.
    fn enter(&self) -> Option<usize> {
        let more = |devices| (devices < DEVICES_MAX).then_some(devices + 1);
        self.devices.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()
    }

    fn leave(&self) {
        self.devices.fetch_sub(1, Ordering::Relaxed);
    }

    fn post(&self, command: Command) -> Result<(), Error> {
        let sender: MutexGuard<'_, _> =
            self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        sender.send(command).map_err(|_| Error::ServiceEnded)?;
        // A full counter means that the thread is awake already.
        let _ = self.wake.write(1);
        Ok(())
    }
}

/// The control thread of any number of devices. Dropping it hangs up on every front-end and ends its threads.
///
/// ```
/// use pmd_vhost::config::DeviceConfig;
/// use pmd_vhost::events;
/// use pmd_vhost::service::Service;
///
/// # fn main() -> Result<(), pmd_vhost::Error> {
/// # let dir = std::env::temp_dir().join(format!("vhost-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).map_err(|_| pmd_vhost::Error::ServiceEnded)?;
/// let service = Service::start()?;
/// let (sender, events) = events::channel()?;
/// let device = service.add(DeviceConfig::new(dir.join("guest.sock")), sender)?;
/// device.set_active(true)?;
/// assert!(!device.is_up(), "no front-end has come yet");
/// assert_eq!(events.try_next(), None);
/// drop(device);
/// # std::fs::remove_dir_all(&dir).map_err(|_| pmd_vhost::Error::ServiceEnded)?;
/// # Ok(())
/// # }
/// ```
pub struct Service {
    mailbox: Arc<Mailbox>,
    fences: FenceMode,
    next_id: std::sync::atomic::AtomicU32,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Starts the control thread, on whatever CPUs the caller may run on.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the process may have no more descriptors or threads.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(|name, body| std::thread::Builder::new().name(name.to_owned()).spawn(body))
    }

    /// As [`Service::start`], with the control thread made by `spawn` from a name and a body: an embedder keeps it off the
    /// CPUs that poll. The few helpers of the thread inherit its CPUs.
    ///
    /// # Errors
    ///
    /// As [`Service::start`].
    pub fn start_with(
        spawn: impl FnOnce(&str, Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>>,
    ) -> Result<Self, Error> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let make = || EventFd::from_value_and_flags(0, flags).map_err(io::Error::from);
        let wake = with_more("making the vhost service's event", make)?;
        let (sender, receiver) = channel();
        let mailbox =
            Arc::new(Mailbox { commands: Mutex::new(sender), wake, devices: AtomicUsize::new(0) });
        let control = control::Control::new(Arc::clone(&mailbox), receiver)?;
        let thread = spawn("vhost-evt", Box::new(move || control.run()))
            .map_err(|error| Error::io("starting the vhost control thread", error))?;
        let next_id = std::sync::atomic::AtomicU32::new(1);
        Ok(Self { mailbox, fences: FenceMode::register(), next_id, thread: Some(thread) })
    }

    /// Adds a device: its socket is made at once, or the first connection attempted at once. Events go to `sink`. No packet
    /// passes before [`DeviceHandle::set_active`].
    ///
    /// # Errors
    ///
    /// What [`DeviceConfig::check`] answers; [`Error::TooManyDevices`]; what keeps a socket from being made at the path, each
    /// reason with an error of its own; [`Error::ServiceEnded`].
    pub fn add(
        &self,
        config: DeviceConfig,
        sink: impl EventSink + 'static,
    ) -> Result<DeviceHandle, Error> {
        config.check()?;
        let too_many = || Error::TooManyDevices { path: config.path.clone() };
        let devices = self.mailbox.enter().ok_or_else(too_many)?;
        reserve_descriptors(devices + 1, config.rings());
        self.open(config, Box::new(sink)).inspect_err(|_| self.mailbox.leave())
    }

    fn open(&self, config: DeviceConfig, sink: Box<dyn EventSink>) -> Result<DeviceHandle, Error> {
        let slot = Slot::new(config, self.fences, sink);
        let endpoint = Box::new(Endpoint::open(Arc::clone(&slot))?);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.mailbox.post(Command::Add(id, endpoint))?;
        Ok(DeviceHandle { mailbox: Arc::clone(&self.mailbox), slot, id, removed: false })
    }
}

/// Makes sure that so many devices can have what they need: socket, connection and events; three for each ring; and what
/// travels with a memory table. The rest of the process has some, too.
pub(crate) fn reserve_descriptors(devices: usize, rings: usize) {
    const OTHERS: usize = 256;
    let wanted = OTHERS.saturating_add(devices.saturating_mul(3 + 3 * rings));
    crate::descriptors::reserve(wanted as u64);
}

impl Drop for Service {
    fn drop(&mut self) {
        // If the thread is gone there is nobody to tell.
        let _ = self.mailbox.post(Command::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One device of a [`Service`]. Dropping it removes the device and its socket.
pub struct DeviceHandle {
    mailbox: Arc<Mailbox>,
    slot: Arc<Slot>,
    id: u32,
    removed: bool,
}

impl DeviceHandle {
    /// Lets packets pass (`true`) or not. After `set_active(false)` every poller is outside and stays outside.
    ///
    /// # Errors
    ///
    /// [`Error::Quarantined`] when a poller does not leave within [`CALL_WAIT`] (its gate stays closed);
    /// [`Error::ServiceEnded`].
    pub fn set_active(&self, active: bool) -> Result<(), Error> {
        let (reply, answer) = sync_channel(1);
        self.mailbox.post(Command::Activate(self.id, active, reply))?;
        answer
            .recv_timeout(CALL_WAIT)
            .unwrap_or(Err(Error::Quarantined { ring: self.first_polled() }))
    }

    /// Removes the device: the front-end is hung up on, its memory released, the socket removed.
    ///
    /// # Errors
    ///
    /// [`Error::Quarantined`] when a poller does not leave within [`CALL_WAIT`]; the removal goes on without us.
    pub fn remove(mut self) -> Result<(), Error> {
        self.remove_once()
    }

    fn remove_once(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.removed, true) {
            return Ok(());
        }
        self.mailbox.leave();
        let (reply, answer) = sync_channel(1);
        // Without a control thread everything is released already.
        if self.mailbox.post(Command::Remove(self.id, reply)).is_err() {
            return Ok(());
        }
        match answer.recv_timeout(CALL_WAIT) {
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                Err(Error::Quarantined { ring: self.first_polled() })
            }
            Ok(()) | Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Ok(()),
        }
    }

    /// A ring that somebody polls, for a message.
    fn first_polled(&self) -> usize {
        self.slot.vrings.iter().position(|vring| vring.holder().is_some()).unwrap_or(0)
    }

    /// How the device was made.
    pub fn config(&self) -> &DeviceConfig {
        &self.slot.config
    }

    /// Whether the first queue pair has begun to run and is not stopped. Never blocks.
    pub fn is_up(&self) -> bool {
        self.slot.up.load(Ordering::Acquire)
    }

    /// Whether a front-end is connected.
    pub fn is_connected(&self) -> bool {
        self.slot.connected.load(Ordering::Relaxed)
    }

    /// The negotiated virtio features; empty while there are none.
    pub fn features(&self) -> Features {
        Features::from_bits_truncate(self.slot.features.load(Ordering::Relaxed))
    }

    /// The guest's MTU, if the front-end told it.
    pub fn mtu(&self) -> Option<u16> {
        Some(self.slot.mtu.load(Ordering::Relaxed)).filter(|mtu| *mtu != 0)
    }

    /// Ring `index`: even ones are what the guest receives from, odd ones what it sends to.
    pub fn vring(&self, index: usize) -> Option<&Arc<VringShared>> {
        self.slot.vrings.get(index)
    }

    /// The right to poll ring `index`, for `holder` (a name for messages).
    ///
    /// # Errors
    ///
    /// [`Error::NoRing`], [`Error::Claimed`].
    pub fn claim(&self, index: usize, holder: &str) -> Result<Claim, Error> {
        let vring = self.vring(index).ok_or(Error::NoRing { ring: index })?;
        vring.claim(holder).map_err(|holder| Error::Claimed { ring: index, holder })
    }
}

impl Drop for DeviceHandle {
    fn drop(&mut self) {
        if let Err(error) = self.remove_once() {
            log::warn!(target: crate::config::LOG_TARGET, "({}) {error}", self.slot.config.path.display());
        }
    }
}

/// Losing thread safety is a compile error.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Service>();
    shared::<DeviceHandle>();
};
