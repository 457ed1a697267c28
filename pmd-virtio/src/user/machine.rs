//! What the control thread knows and does: connection, rings, and what happens to one when the other changes.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use eal::Memory;
use pmd_core::{Error, Event};
use virtio::Features;

use super::TARGET;
use super::backoff::Backoff;
use super::control::Control;
use super::endpoint::Endpoint;
use super::frontend::{Frontend, is_hang_up};
use super::ring::Ring;
use crate::transport::{self, Transport, TransportError};

/// How long a peer may take over all the messages of one step, negotiating and starting or stopping, while a call of the app waits.
const PATIENCE_IN_CALL: Duration = Duration::from_secs(1);
/// The same while nobody waits; a machine that is overloaded is not a peer that misbehaves.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the connection stands.
pub(super) enum Peer {
    /// A client that was never started: nobody is looked for.
    Idle,
    /// Looked for, from this moment on.
    Away(Instant),
    /// Negotiated; no ring runs.
    Linked(Frontend, Features),
    /// Negotiated and the rings run; how far the peer knows our memory.
    Running { frontend: Frontend, features: Features, generation: u64, since: Instant },
}

/// Why a step did not work.
enum Failure {
    /// The peer's doing: drop it and try again.
    Peer(TransportError),
    /// Ours: memory, buffers, a poller that does not leave.
    Local(Error),
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        Self::Peer(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Local(error)
    }
}

pub(super) struct Machine {
    pub set: Control,
    pub peer: Peer,
    /// The rings of a started port.
    rings: Option<Vec<Ring>>,
    backoff: Backoff,
    /// The last complaint in the log; the same one is not made again.
    complaint: Option<String>,
    /// It was told that nobody listens; once is enough until somebody does.
    told_waiting: bool,
    /// A call of the app is being served, so what happens to the link is no news to it.
    pub in_call: bool,
    /// The port has gone; only the rings that a poller would not leave keep the thread alive.
    pub abandoned: bool,
}

impl Machine {
    /// A stopped port. A server looks for a peer at once, a client when it is started.
    pub(super) fn new(set: Control) -> Self {
        let peer = match set.endpoint {
            Endpoint::Client(_) => Peer::Idle,
            Endpoint::Server(_) => Peer::Away(Instant::now()),
        };
        Self {
            set,
            peer,
            rings: None,
            backoff: Backoff::new(),
            complaint: None,
            told_waiting: false,
            in_call: false,
            abandoned: false,
        }
    }

    /// Runs the rings now if the peer is there or can be had within its patience, and whenever it comes otherwise.
    pub(super) fn start(&mut self, rings: Vec<Ring>) -> Result<(), Error> {
        self.rings = Some(rings);
        match std::mem::replace(&mut self.peer, Peer::Idle) {
            Peer::Linked(mut frontend, features) => {
                frontend.set_deadline(self.patience());
                self.run_rings(frontend, features)
            }
            Peer::Running { .. } | Peer::Idle | Peer::Away(_) => {
                self.peer = Peer::Away(Instant::now());
                self.seek()
            }
        }
        .or_else(|failure| match failure {
            Failure::Peer(error) => {
                self.lose(&error);
                Ok(())
            }
            Failure::Local(error) => {
                self.rings = None;
                self.peer = Peer::Away(Instant::now() + self.backoff.next());
                Err(error)
            }
        })
    }

    /// Takes every ring out of service and gives its buffers back.
    pub(super) fn stop(&mut self) -> Result<(), Error> {
        let Some(rings) = self.rings.take() else { return Ok(()) };
        if let Err(error) = close_all(&rings) {
            if self.in_call && matches!(self.peer, Peer::Running { .. }) {
                rings.iter().for_each(Ring::open);
            }
            self.rings = Some(rings);
            return Err(error);
        }
        self.peer = match std::mem::replace(&mut self.peer, Peer::Idle) {
            Peer::Running { mut frontend, features, .. } => {
                self.link(false);
                frontend.set_deadline(self.patience());
                let indexes: Vec<u16> = rings.iter().map(|ring| ring.index).collect();
                match transport::stop(&mut frontend, &indexes) {
                    Ok(()) => Peer::Linked(frontend, features),
                    Err(error) => {
                        self.report(&error, true);
                        Peer::Away(Instant::now() + self.backoff.next())
                    }
                }
            }
            other => other,
        };
        rings.iter().for_each(Ring::drain);
        Ok(())
    }

    fn patience(&self) -> Duration {
        if self.in_call { PATIENCE_IN_CALL } else { PATIENCE }
    }

    /// Looks for a peer if it is time to.
    pub(super) fn look(&mut self) {
        if !matches!(self.peer, Peer::Away(from) if from <= Instant::now()) {
            return;
        }
        match self.seek() {
            Ok(()) => {}
            Err(Failure::Peer(error)) => self.lose(&error),
            Err(Failure::Local(error)) => self.postpone(&error.to_string()),
        }
    }

    /// One try at connecting, and all that follows when it succeeds.
    fn seek(&mut self) -> Result<(), Failure> {
        // A poller that is still inside since the last peer left has to come out first.
        close_all(self.rings.as_deref().unwrap_or_default())?;
        let socket = match self.set.endpoint.attempt() {
            Ok(Some(socket)) => socket,
            Ok(None) => {
                self.tell_waiting();
                self.peer = Peer::Away(Instant::now() + self.set.endpoint.retry());
                return Ok(());
            }
            Err(error) => {
                let path = self.set.endpoint.path().display().to_string();
                self.postpone(&format!("connecting to {path}: {error}"));
                return Ok(());
            }
        };
        let (frontend, features) = self.negotiate(socket)?;
        if self.rings.is_some() {
            return self.run_rings(frontend, features);
        }
        self.peer = Peer::Linked(frontend, features);
        Ok(())
    }

    fn negotiate(&self, socket: UnixStream) -> Result<(Frontend, Features), TransportError> {
        let mut frontend = Frontend::new(socket, self.patience());
        let required = Features::VERSION_1;
        let wanted = self.set.wanted;
        let features = transport::negotiate(&mut frontend, wanted, required, self.set.queue_pairs)?;
        log::debug!(target: TARGET, "{}: negotiated {features:?}", self.set.name);
        Ok((frontend, features))
    }

    /// Prepares the rings, shows them to the peer and lets pollers in. On an error the connection has gone, no poller is in and
    /// no ring holds buffers; when to try again is the caller's to say.
    fn run_rings(&mut self, mut frontend: Frontend, features: Features) -> Result<(), Failure> {
        let rings = self.rings.as_deref().unwrap_or_default();
        let begun = begin(rings, features, &mut frontend, &self.set.memory);
        let generation = match begun {
            Ok(generation) => generation,
            Err(failure) => {
                // The connection goes first, so that the peer is told before buffers change hands.
                drop(frontend);
                rings.iter().for_each(Ring::drain);
                return Err(failure);
            }
        };
        for ring in rings {
            ring.open();
            ring.kick();
        }
        self.peer = Peer::Running { frontend, features, generation, since: Instant::now() };
        self.complaint = None;
        self.told_waiting = false;
        self.link(true);
        Ok(())
    }

    /// The connection has something to say while nothing was asked: it ended, or the peer is out of step.
    pub(super) fn listen(&mut self) {
        if let Peer::Linked(frontend, _) | Peer::Running { frontend, .. } = &mut self.peer
            && let Err(error) = frontend.check()
        {
            self.lose(&error);
        }
    }

    /// The peer is given up: pollers out, link down, buffers back, and look for it again.
    fn lose(&mut self, error: &TransportError) {
        let was = std::mem::replace(&mut self.peer, Peer::Idle);
        let running = matches!(was, Peer::Running { .. });
        if let Peer::Running { since, .. } = was {
            self.backoff.after(since.elapsed());
        }
        if running {
            self.set.shared.set_link(false);
            if let Err(stuck) = close_all(self.rings.as_deref().unwrap_or_default()) {
                log::warn!(target: TARGET, "{}: {stuck}", self.set.name);
            }
        }
        drop(was);
        if running {
            self.rings.iter().flatten().for_each(Ring::drain);
            self.announce(false);
        }
        self.report(error, running);
        self.peer = Peer::Away(Instant::now() + self.backoff.next());
    }

    /// A peer that was at work and quit is no fault; all else is.
    fn report(&mut self, error: &TransportError, was_running: bool) {
        if was_running && is_hang_up(error) {
            log::info!(target: TARGET, "{}: {error}", self.set.name);
        } else {
            self.complain(&error.to_string());
        }
    }

    /// Another try later, for a reason that is not the peer's.
    fn postpone(&mut self, reason: &str) {
        self.complain(reason);
        self.peer = Peer::Away(Instant::now() + self.backoff.next());
    }

    /// What has to be seen to while rings run: memory that grew, wake-ups that were put off, rings that broke.
    pub(super) fn tend(&mut self) {
        let Peer::Running { frontend, generation, .. } = &mut self.peer else { return };
        let memory = &self.set.memory;
        if *generation != memory.generation() {
            *generation = memory.generation();
            frontend.set_deadline(PATIENCE);
            if let Err(error) = frontend.share_memory(memory) {
                self.lose(&error);
                return;
            }
        }
        for ring in self.rings.iter().flatten() {
            ring.wake_unconfirmed();
            if let Some(event) = ring.newly_broken() {
                log::warn!(target: TARGET, "{}: {event:?}", self.set.name);
                self.set.events.send(event);
            }
        }
    }

    fn link(&self, up: bool) {
        self.set.shared.set_link(up);
        self.announce(up);
    }

    /// Tells the app of a change that it did not make itself.
    fn announce(&self, up: bool) {
        if !self.in_call {
            self.set.events.send(Event::Link(up));
        }
    }

    /// Says once for whom a client waits. A server has said so when it began to listen.
    fn tell_waiting(&mut self) {
        if let Endpoint::Client(path) = &self.set.endpoint
            && !std::mem::replace(&mut self.told_waiting, true)
        {
            let path = path.display();
            log::info!(target: TARGET, "({path}) nobody listens yet; trying again");
        }
    }

    /// A line in the log, unless it would repeat the last one.
    fn complain(&mut self, what: &str) {
        if self.complaint.as_deref() != Some(what) {
            log::warn!(target: TARGET, "{}: {what}; trying again", self.set.name);
            self.complaint = Some(what.to_owned());
        }
    }
}

/// Closes every gate before it reports the first that could not be closed.
fn close_all(rings: &[Ring]) -> Result<(), Error> {
    rings.iter().map(Ring::close).fold(Ok(()), Result::and)
}

/// Brings prepared rings to the peer; returns the memory generation that it knows.
fn begin(
    rings: &[Ring],
    features: Features,
    frontend: &mut Frontend,
    memory: &Memory,
) -> Result<u64, Failure> {
    close_all(rings)?;
    for ring in rings {
        ring.prepare(features)?;
    }
    // Read before the size: memory that grows in between is announced once more, not missed.
    let generation = memory.generation();
    let setups: Vec<_> = rings.iter().map(Ring::setup).collect();
    transport::start(frontend, memory, &setups)?;
    Ok(generation)
}
