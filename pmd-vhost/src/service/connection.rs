//! One front-end: its session and its device, and the work that is done on them.
//!
//! A connection belongs to one thread at a time: the control thread, or a worker while a poller has to be waited for.

use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use log::Level;
use virtio::vhost_user::{Incoming, ProtocolFeatures};

use crate::Error;
use crate::device::{Affected, Device, Stuck};
use crate::messages;
use crate::session::{End, Session, Verdict, admit};

/// Something to do on a connection, for which gates may have to be closed.
#[derive(Debug)]
pub(crate) enum Work {
    /// A message of the front-end.
    Message(Incoming),
    /// The owner lets packets pass or not.
    Activate(bool, Reply),
    /// The connection is over.
    HangUp(End),
}

/// Where the result of an owner's call goes. It has room for one and is never waited on by the sender.
pub(crate) type Reply = SyncSender<Result<(), Error>>;

/// How a piece of work came out.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Done; the connection goes on.
    Done,
    /// The connection must be hung up.
    End(End),
    /// The connection was hung up; only dropping is left.
    Finished,
    /// A poller did not leave in time; the work is still to be done.
    Stuck(Work, Stuck),
}

/// A front-end's connection.
pub(crate) struct Connection {
    pub(crate) session: Session,
    pub(crate) device: Device,
    /// Tells this connection from earlier ones of the same endpoint.
    pub(crate) generation: u32,
    /// When it was made.
    pub(crate) since: Instant,
}

impl Connection {
    /// Does `work`, waiting up to `patience` for pollers.
    pub(crate) fn perform(&mut self, work: Work, patience: Duration) -> Outcome {
        let slot = self.device.slot().clone();
        let affected = match &work {
            Work::Message(message) => match admit(message, &self.device) {
                Ok(_) => messages::affected(message),
                // Pollers are not disturbed for it.
                Err(_) => Affected::None,
            },
            Work::Activate(..) | Work::HangUp(_) => Affected::All,
        };
        let closed = match self.device.close_rings(&slot, affected, patience) {
            Ok(closed) => closed,
            Err(stuck) => return Outcome::Stuck(work, stuck),
        };
        match work {
            Work::Message(mut message) => {
                let result = admit(&message, &self.device)
                    .and_then(|request| messages::handle(&mut self.device, request, &mut message));
                self.device.settle(closed);
                let reply_ack = self.device.protocol().contains(ProtocolFeatures::REPLY_ACK);
                match self.session.answer(&message, reply_ack, result) {
                    Verdict::Go => Outcome::Done,
                    Verdict::End(end) => Outcome::End(end),
                }
            }
            Work::Activate(active, reply) => {
                slot.active.store(active, Ordering::Release);
                self.device.settle(closed);
                // The owner may have given up waiting.
                let _ = reply.try_send(Ok(()));
                Outcome::Done
            }
            Work::HangUp(end) => {
                slot.log(Level::Info, format_args!("connection closed: {end}"));
                self.device.finish(closed);
                Outcome::Finished
            }
        }
    }
}
