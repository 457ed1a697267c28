//! One device's place in the service: its door (listener or connector) and the seat of its one front-end.

use std::collections::VecDeque;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use super::connection::{Connection, Reply};
use super::socket::{Listener, check_path};
use crate::Error;
use crate::config::SocketRole;
use crate::device::Slot;

/// How long a client waits between two attempts.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// Where connections come from.
#[derive(Debug)]
pub(crate) enum Door {
    /// Front-ends come to us.
    Listener {
        /// The socket.
        listener: Listener,
        /// When to wait for connections again, after accepting one failed.
        resume_at: Option<Instant>,
    },
    /// We go to the front-end, at this time again.
    Connector {
        /// The next attempt; `None` while there is a connection.
        retry_at: Option<Instant>,
        /// The last failure was logged.
        told: bool,
    },
}

/// The place of the one connection.
pub(crate) enum Seat {
    /// Nobody is connected.
    Empty,
    /// The connection, with the control thread.
    Here(Box<Connection>),
    /// A worker has it.
    Away,
}

/// A device of the service.
pub(crate) struct Endpoint {
    pub(crate) slot: Arc<Slot>,
    pub(crate) door: Door,
    pub(crate) seat: Seat,
    /// A front-end that came while another was there (or was being wound up), and how long it may wait.
    pub(crate) next: Option<(UnixStream, Instant)>,
    /// Calls of the owner that wait for the connection to come back from a worker: let packets pass, whom to tell.
    pub(crate) calls: VecDeque<(bool, Reply)>,
    /// The owner wants the device gone; who is to be told.
    pub(crate) removal: Option<SyncSender<()>>,
}

impl Endpoint {
    /// Opens the door.
    ///
    /// # Errors
    ///
    /// What keeps a socket from being made at the path.
    pub(crate) fn open(slot: Arc<Slot>) -> Result<Self, Error> {
        let path = &slot.config.path;
        let door = match slot.config.role {
            SocketRole::Server => {
                Door::Listener { listener: Listener::bind(path)?, resume_at: None }
            }
            SocketRole::Client => {
                check_path(path)?;
                Door::Connector { retry_at: Some(Instant::now()), told: false }
            }
        };
        Ok(Self {
            slot,
            door,
            seat: Seat::Empty,
            next: None,
            calls: VecDeque::new(),
            removal: None,
        })
    }

    /// When something has to be done without any event.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let door = match &self.door {
            Door::Connector { retry_at, .. } => *retry_at,
            Door::Listener { resume_at, .. } => *resume_at,
        };
        let next = self.next.as_ref().map(|(_, until)| *until);
        let message = match &self.seat {
            Seat::Here(connection) => connection.session.deadline(),
            Seat::Empty | Seat::Away => None,
        };
        door.into_iter().chain(next).chain(message).min()
    }

    /// The socket's path, for messages.
    pub(crate) fn path(&self) -> std::path::Display<'_> {
        self.slot.config.path.display()
    }

    /// Takes the connection out if the control thread has it.
    pub(crate) fn take_connection(&mut self) -> Option<Box<Connection>> {
        match std::mem::replace(&mut self.seat, Seat::Empty) {
            Seat::Here(connection) => Some(connection),
            other => {
                self.seat = other;
                None
            }
        }
    }
}
