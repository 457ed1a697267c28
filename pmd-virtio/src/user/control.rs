//! The control thread of a port: it owns the connection and decides when rings run.
//!
//! ```text
//! Idle --start--> Away --connected and negotiated--> Linked <--start / stop--> Running
//!                  ^                                    |                         |
//!                  +------ hang-up, nonsense, silence --+-------------------------+
//! ```
//!
//! Whether the port is started (it has rings) and whether a peer is there are independent; rings run when both are so.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use eal::Memory;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use pmd_core::{Error, EventSender};
use virtio::Features;

use super::endpoint::Endpoint;
use super::machine::{Machine, Peer};
use super::ring::Ring;
use super::shared::Shared;

/// How often a running port looks whether memory grew or a ring broke.
const TICK: Duration = Duration::from_millis(100);

/// A call of the port, answered over its channel.
pub(super) enum Command {
    /// Run these rings whenever a peer is there.
    Start(Vec<Ring>, Sender<Result<(), Error>>),
    /// Run none.
    Stop(Sender<Result<(), Error>>),
    /// Stop, drop the connection, end the thread. On an error the thread goes on.
    Close(Sender<Result<(), Error>>),
    /// The port has gone although `Close` failed: try until it works, then end.
    Abandon,
}

/// What the control thread is made with.
pub(super) struct Control {
    pub name: String,
    pub memory: Memory,
    pub endpoint: Endpoint,
    pub wanted: Features,
    pub queue_pairs: u16,
    pub commands: Receiver<Command>,
    pub wake: Arc<EventFd>,
    pub events: EventSender,
    pub shared: Arc<Shared>,
}

impl Control {
    /// The thread's life: ends on `Close`, or when the port has gone without one.
    pub(super) fn run(self) {
        let mut machine = Machine::new(self);
        while machine.turn() {}
    }
}

impl Machine {
    /// Sleeps until something happens and deals with it. `false` ends the thread.
    fn turn(&mut self) -> bool {
        let spoken = self.sleep();
        while let Ok(command) = self.set.commands.try_recv() {
            self.in_call = true;
            let go_on = self.obey(command);
            self.in_call = false;
            if !go_on {
                return false;
            }
        }
        if self.abandoned {
            return self.stop().is_err();
        }
        if spoken {
            self.listen();
        }
        self.tend();
        self.look();
        true
    }

    /// Waits for a command, for the connection to become readable, for a peer, or for the next thing to do.
    /// `true` when the connection has something to say.
    fn sleep(&self) -> bool {
        let watched = match &self.peer {
            Peer::Linked(frontend, _) | Peer::Running { frontend, .. } => Some(frontend.as_fd()),
            Peer::Away(from) if *from <= Instant::now() => self.set.endpoint.readable(),
            Peer::Away(_) | Peer::Idle => None,
        };
        let said = wait(self.set.wake.as_fd(), watched, self.pause());
        let _ = self.set.wake.read();
        said && matches!(self.peer, Peer::Linked(..) | Peer::Running { .. })
    }

    /// How long nothing has to be done; `None` is for ever.
    fn pause(&self) -> Option<Duration> {
        match &self.peer {
            Peer::Running { .. } => Some(TICK),
            _ if self.abandoned => Some(TICK),
            Peer::Idle | Peer::Linked(..) => None,
            Peer::Away(from) => {
                let left = from.saturating_duration_since(Instant::now());
                // A server whose time has come is woken by its listener.
                let woken = left.is_zero() && self.set.endpoint.readable().is_some();
                (!woken).then_some(left)
            }
        }
    }

    fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::Start(rings, answer) => {
                let result = self.start(rings);
                let _ = answer.send(result);
                true
            }
            Command::Stop(answer) => {
                let _ = answer.send(self.stop());
                true
            }
            Command::Close(answer) => {
                let result = self.stop();
                let end = result.is_ok();
                if end {
                    self.peer = Peer::Idle;
                }
                let _ = answer.send(result);
                !end
            }
            Command::Abandon => {
                self.abandoned = true;
                true
            }
        }
    }
}

/// Polls both descriptors; `true` when the second is readable or hung up.
fn wait(wake: BorrowedFd<'_>, watched: Option<BorrowedFd<'_>>, pause: Option<Duration>) -> bool {
    // Rounded up, so that the last fraction of a millisecond does not spin.
    let timeout = pause.map_or(PollTimeout::NONE, |pause| {
        let millis = i32::try_from(pause.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
    });
    let mut fds = vec![PollFd::new(wake, PollFlags::POLLIN)];
    fds.extend(watched.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    // An interrupted or failed call is like one that found nothing: the loop comes round again.
    let _ = poll(&mut fds, timeout);
    fds.get(1).and_then(PollFd::any).unwrap_or(false)
}
