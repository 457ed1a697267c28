//! The control thread's loop.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use log::Level;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use virtio::vhost_user::WireError;

use super::connection::{Connection, Outcome, Reply, Work};
use super::endpoint::{Door, Endpoint, RETRY, Seat};
use super::worker::{Job, Returned, Waiting, Workers};
use super::{Command, Mailbox};
use crate::Error;
use crate::config::LOG_TARGET;
use crate::device::Device;
use crate::session::{End, Session};

/// How long the control thread itself waits for a poller: most leave their burst within microseconds.
const INLINE_PATIENCE: Duration = Duration::from_micros(200);
/// How long a front-end may wait for the one before it to leave.
const NEXT_WAIT: Duration = Duration::from_secs(1);
/// A client that lost a connection which had lasted tries again after this time.
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// Events taken at once.
const EVENTS: usize = 64;

/// What an epoll event is about: endpoint above, connection generation below (0 = its listener; endpoint 0 = the mailbox).
pub(super) fn token(endpoint: u32, generation: u32) -> u64 {
    u64::from(endpoint) << 32 | u64::from(generation)
}

/// State of the control thread.
pub(super) struct Control {
    mailbox: Arc<Mailbox>,
    commands: Receiver<Command>,
    pub(super) epoll: Epoll,
    pub(super) endpoints: HashMap<u32, Endpoint>,
    pub(super) workers: Workers,
    generation: u32,
    pub(super) watch_at: Instant,
    /// When all endpoints are looked at for what is due; `None` when only an event can change anything.
    pub(super) look_at: Option<Instant>,
    ending: bool,
}

impl Control {
    pub(super) fn new(mailbox: Arc<Mailbox>, commands: Receiver<Command>) -> Result<Self, Error> {
        let failed = |error: Errno| Error::io("making the vhost service's epoll", error);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, token(0, 0));
        epoll.add(&mailbox.wake, event).map_err(failed)?;
        let back = Arc::clone(&mailbox);
        // After the end nobody wants the connection back; dropping it closes it.
        let deliver = Box::new(move |returned| drop(back.post(Command::Returned(returned))));
        Ok(Self {
            mailbox,
            commands,
            epoll,
            endpoints: HashMap::new(),
            workers: Workers::new(deliver),
            generation: 0,
            watch_at: Instant::now(),
            look_at: None,
            ending: false,
        })
    }

    /// Serves until told to end.
    pub(super) fn run(mut self) {
        let mut events = [EpollEvent::empty(); EVENTS];
        while !self.ending {
            match self.epoll.wait(&mut events, self.timeout()) {
                Ok(count) => {
                    events.iter().take(count).for_each(|event| self.on_event(event.data()));
                    self.look_soon(count > 0);
                }
                Err(Errno::EINTR) => {}
                Err(error) => {
                    log::error!(target: LOG_TARGET, "the vhost control thread cannot wait: {error}");
                    break;
                }
            }
            self.on_commands();
            self.on_time();
        }
        self.finish();
    }

    fn on_event(&mut self, data: u64) {
        let (id, generation) = ((data >> 32) as u32, data as u32);
        match (id, generation) {
            (0, _) => drop(self.mailbox.wake.read()),
            (id, 0) => self.accept(id),
            (id, generation) => self.read(id, generation),
        }
    }

    fn on_commands(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Add(id, endpoint) => self.add(id, *endpoint),
                Command::Activate(id, active, reply) => self.activate(id, active, reply),
                Command::Remove(id, reply) => self.remove(id, reply),
                Command::Returned(returned) => self.take_back(returned),
                Command::End => self.ending = true,
            }
        }
    }

    fn add(&mut self, id: u32, endpoint: Endpoint) {
        if let Door::Listener { listener, .. } = &endpoint.door {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, token(id, 0));
            if let Err(error) = self.epoll.add(listener.socket(), event) {
                let path = endpoint.path();
                log::error!(target: LOG_TARGET, "({path}) cannot wait for connections: {error}");
            }
        }
        // A client tries at once.
        self.look_at = endpoint.deadline().or(self.look_at);
        self.endpoints.insert(id, endpoint);
    }

    /// Takes waiting connections: the first into the seat, one more in line, others are sent away.
    fn accept(&mut self, id: u32) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else { return };
        let Door::Listener { listener, resume_at } = &mut endpoint.door else { return };
        let stream = match listener.accept() {
            Ok(Some(stream)) => stream,
            Ok(None) => return,
            Err(error) => {
                // Most likely no descriptors are left: being told again at once would only burn time.
                crate::descriptors::reserve(u64::MAX);
                *resume_at = Some(Instant::now() + RETRY);
                let path = endpoint.slot.config.path.display();
                log::warn!(target: LOG_TARGET, "({path}) cannot accept a connection: {error}; trying again in a second");
                let _ = self.epoll.delete(listener.socket());
                return;
            }
        };
        if matches!(endpoint.seat, Seat::Empty) {
            self.seat(id, stream);
        } else if endpoint.next.is_none() {
            endpoint.next = Some((stream, Instant::now() + NEXT_WAIT));
        } else {
            log::debug!(target: LOG_TARGET, "({}) one more front-end refused", endpoint.path());
        }
    }

    /// Makes `stream` the connection of endpoint `id`.
    pub(super) fn seat(&mut self, id: u32, stream: UnixStream) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else { return };
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        let event = EpollEvent::new(EpollFlags::EPOLLIN, token(id, self.generation));
        if let Err(error) = self.epoll.add(&stream, event) {
            log::warn!(target: LOG_TARGET, "({}) connection dropped: {error}", endpoint.path());
            if let Door::Connector { retry_at, .. } = &mut endpoint.door {
                *retry_at = Some(Instant::now() + RETRY);
            }
            return;
        }
        endpoint.slot.log(Level::Info, "new connection");
        let device = Device::new(Arc::clone(&endpoint.slot));
        let (session, since) = (Session::new(stream), Instant::now());
        let connection = Connection { session, device, generation: self.generation, since };
        endpoint.seat = Seat::Here(Box::new(connection));
    }

    /// Reads one message: the others of a talkative front-end wait for their turn.
    fn read(&mut self, id: u32, generation: u32) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else { return };
        let Seat::Here(connection) = &mut endpoint.seat else { return };
        if connection.generation != generation {
            return;
        }
        match connection.session.read() {
            Ok(Some(message)) => self.perform(id, Work::Message(message)),
            Ok(None) => {}
            Err(error) => self.perform(id, Work::HangUp(End::Wire(error))),
        }
    }

    /// Does `work` on the connection of endpoint `id`, if the control thread has it.
    pub(super) fn perform(&mut self, id: u32, work: Work) {
        let Some(mut connection) = self.endpoints.get_mut(&id).and_then(Endpoint::take_connection)
        else {
            return;
        };
        let outcome = connection.perform(work, INLINE_PATIENCE);
        self.conclude(id, connection, outcome);
    }

    /// Goes on after a piece of work.
    fn conclude(&mut self, id: u32, mut connection: Box<Connection>, outcome: Outcome) {
        self.retire(&mut connection);
        let Some(endpoint) = self.endpoints.get_mut(&id) else { return };
        match outcome {
            Outcome::Done => endpoint.seat = Seat::Here(connection),
            Outcome::End(end) => {
                endpoint.seat = Seat::Here(connection);
                self.perform(id, Work::HangUp(end));
            }
            Outcome::Finished => self.vacate(id, &connection),
            Outcome::Stuck(work, _) => {
                // It is in the epoll set unless a worker had it before; either way it must be out now.
                let _ = self.epoll.delete(connection.session.socket());
                endpoint.seat = Seat::Away;
                self.workers.submit(Job::Perform(Waiting::new(id, connection, work)));
            }
        }
    }

    /// Hands memory that is no longer used to a worker.
    fn retire(&mut self, connection: &mut Connection) {
        let retired = connection.device.take_retired();
        if !retired.is_empty() {
            self.workers.submit(Job::Drop(Box::new(retired)));
        }
    }

    /// A connection comes back from a worker: it is waited on again, and what has gathered meanwhile is done.
    fn take_back(&mut self, returned: Returned) {
        let Returned { endpoint: id, connection, outcome } = returned;
        let Some(endpoint) = self.endpoints.get_mut(&id) else { return };
        let event = EpollEvent::new(EpollFlags::EPOLLIN, token(id, connection.generation));
        let lost = match outcome {
            Outcome::Finished => None,
            _ => self.epoll.add(connection.session.socket(), event).err(),
        };
        let calls = std::mem::take(&mut endpoint.calls);
        self.conclude(id, connection, outcome);
        if let Some(error) = lost {
            self.perform(id, Work::HangUp(End::Wire(WireError::from(error))));
        }
        for (active, reply) in calls {
            self.activate(id, active, reply);
        }
        if self.endpoints.get(&id).is_some_and(|endpoint| endpoint.removal.is_some()) {
            self.perform(id, Work::HangUp(End::Removed));
        }
    }

    /// The seat of endpoint `id` is empty: the next front-end, another attempt, or the end of the endpoint.
    fn vacate(&mut self, id: u32, connection: &Connection) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else { return };
        endpoint.seat = Seat::Empty;
        let _ = self.epoll.delete(connection.session.socket());
        if endpoint.removal.is_some() {
            return self.forget(id);
        }
        if let Door::Connector { retry_at, .. } = &mut endpoint.door {
            let lasted = connection.since.elapsed() > RETRY;
            *retry_at = Some(Instant::now() + if lasted { FIRST_RETRY } else { RETRY });
        }
        if let Some((stream, _)) = endpoint.next.take() {
            self.seat(id, stream);
        }
    }

    fn activate(&mut self, id: u32, active: bool, reply: Reply) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            let _ = reply.try_send(Err(Error::ServiceEnded));
            return;
        };
        match endpoint.seat {
            Seat::Here(_) => self.perform(id, Work::Activate(active, reply)),
            Seat::Away => endpoint.calls.push_back((active, reply)),
            Seat::Empty => {
                endpoint.slot.active.store(active, Ordering::Release);
                let _ = reply.try_send(Ok(()));
            }
        }
    }

    fn remove(&mut self, id: u32, reply: SyncSender<()>) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            let _ = reply.try_send(());
            return;
        };
        endpoint.removal = Some(reply);
        endpoint.next = None;
        match endpoint.seat {
            Seat::Here(_) => self.perform(id, Work::HangUp(End::Removed)),
            // It is hung up when it comes back.
            Seat::Away => {}
            Seat::Empty => self.forget(id),
        }
    }

    /// Drops an endpoint without connection, and tells who wanted it gone.
    fn forget(&mut self, id: u32) {
        let Some(endpoint) = self.endpoints.remove(&id) else { return };
        let Endpoint { removal, door, slot, .. } = endpoint;
        drop(door);
        log::debug!(target: LOG_TARGET, "({}) device removed", slot.config.path.display());
        if let Some(reply) = removal {
            let _ = reply.try_send(());
        }
    }

    /// Hangs up on everybody and ends the workers.
    fn finish(mut self) {
        let ids: Vec<u32> = self.endpoints.keys().copied().collect();
        for id in ids {
            if let Some(endpoint) = self.endpoints.get_mut(&id) {
                endpoint.removal.get_or_insert_with(|| std::sync::mpsc::sync_channel(1).0);
                endpoint.next = None;
            }
            self.perform(id, Work::HangUp(End::Removed));
        }
        // Waits for what workers still have.
        drop(self.workers);
        for command in self.commands.try_iter() {
            if let Command::Returned(Returned { mut connection, outcome, .. }) = command
                && !matches!(outcome, Outcome::Finished)
            {
                // Of a poller that is still inside the gates stay closed, and what it can reach stays mapped.
                let _ = connection.perform(Work::HangUp(End::Removed), INLINE_PATIENCE);
            }
        }
        drop(self.endpoints);
    }
}
