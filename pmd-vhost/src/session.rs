//! One connection: reading messages, the shape of each, and what is answered.
//!
//! A message goes through three steps here: it is read whole ([`Session::read`]), it is held to the fixed rules of its
//! kind ([`admit`]), and after its handler has run, [`Session::answer`] sends what the reply rules of the vhost-user
//! document ask for: the message's own answer, an acknowledgement, or nothing.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use virtio::vhost_user::{
    HeaderFlags, Incoming, MessageReader, NeedRule, Request, U64, VringState, WireError,
    send_within,
};

use crate::device::Device;
use crate::refusal::Refusal;

/// A started message must move on at least this often.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(10);
/// A started message must be complete after this time, however steadily it trickles in.
pub(crate) const MESSAGE_MAX: Duration = Duration::from_secs(300);

/// What a handler has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done; nothing of its own to say.
    Done,
    /// A number.
    Number(u64),
    /// A ring's index and a number.
    State(VringState),
}

/// What becomes of the connection after a message.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It goes on.
    Go,
    /// It ends.
    End(End),
}

/// Why a connection ended.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum End {
    /// The socket: closed, out of step, silent.
    Wire(WireError),
    /// A message was refused and the front-end had not asked to be told.
    Refused(Result<Request, u32>, Refusal),
    /// The device is being removed.
    Removed,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wire(error) => error.fmt(f),
            Self::Refused(Ok(request), refusal) => write!(f, "{request:?} refused: {refusal}"),
            Self::Refused(Err(id), refusal) => write!(f, "message {id} refused: {refusal}"),
            Self::Removed => f.write_str("the device is removed"),
        }
    }
}

/// The socket of one front-end.
#[derive(Debug)]
pub(crate) struct Session {
    socket: UnixStream,
    reader: MessageReader,
}

impl Session {
    /// A session on a connected, non-blocking socket.
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self { socket, reader: MessageReader::new() }
    }

    /// The socket, for polling.
    pub(crate) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// The next message if it is there whole. Never blocks.
    pub(crate) fn read(&mut self) -> Result<Option<Incoming>, WireError> {
        self.reader.read(self.socket.as_fd())
    }

    /// When the message in progress is given up; `None` between messages.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let started = self.reader.started_at()?;
        let progress = self.reader.progress_at()?;
        Some((progress + SILENCE_MAX).min(started + MESSAGE_MAX))
    }

    /// Sends what the reply rules ask for after `message` was handled with `result`.
    pub(crate) fn answer(
        &self,
        message: &Incoming,
        reply_ack: bool,
        result: Result<Answer, Refusal>,
    ) -> Verdict {
        let wants_ack = reply_ack && message.header.needs_reply();
        match result {
            Ok(Answer::Number(number)) => self.send(message, &U64 { value: number }.to_bytes()),
            Ok(Answer::State(state)) => self.send(message, &state.to_bytes()),
            Ok(Answer::Done) if wants_ack => self.send(message, &U64 { value: 0 }.to_bytes()),
            Ok(Answer::Done) => Verdict::Go,
            Err(refusal) if wants_ack && may_nack(message, refusal) => {
                log::debug!(target: crate::config::LOG_TARGET, "{:?} refused: {refusal}", message.request);
                self.send(message, &U64 { value: 1 }.to_bytes())
            }
            Err(refusal) => Verdict::End(End::Refused(message.request, refusal)),
        }
    }

    /// One answer. A front-end that does not read its answers loses the connection rather than our time.
    fn send(&self, message: &Incoming, body: &[u8]) -> Verdict {
        let (socket, id) = (self.socket.as_fd(), message.header.request);
        match send_within(socket, id, HeaderFlags::ANSWER, body, &[], Duration::ZERO) {
            Ok(()) => Verdict::Go,
            Err(error) => Verdict::End(End::Wire(error)),
        }
    }
}

/// Whether a negative acknowledgement could not be taken for something else: an answer that is not a request has
/// lost step, and some messages have answers of the same length that a number 1 would spoil.
fn may_nack(message: &Incoming, refusal: Refusal) -> bool {
    let number_is_data = matches!(
        message.request,
        Ok(Request::GetFeatures
            | Request::GetProtocolFeatures
            | Request::GetQueueNum
            | Request::GetVringBase
            | Request::GetMaxMemSlots
            | Request::GetStatus)
    );
    !number_is_data && refusal != Refusal::NotARequest
}

/// Holds a message to the fixed rules of its kind: known, right shape, precondition met.
pub(crate) fn admit(message: &Incoming, device: &Device) -> Result<Request, Refusal> {
    if message.header.is_reply() {
        return Err(Refusal::NotARequest);
    }
    let request = message.request.map_err(|_| Refusal::Unknown)?;
    let rule = request.rule();
    if !rule.is_well_formed(&message.payload, message.fds.len()) {
        return Err(Refusal::Malformed);
    }
    let met = match rule.need {
        NeedRule::Nothing => true,
        NeedRule::Bit30Offered => device.offers_protocol_features(),
        // Front-ends enable rings before they set features; only an explicit "no" forbids it.
        NeedRule::Bit30Negotiated => device.may_enable_rings(),
        NeedRule::Protocol(feature) => device.protocol().contains(feature),
        NeedRule::Virtio(bit) => device.features().bits() >> bit & 1 == 1,
        NeedRule::OtherDevice => false,
    };
    if !met {
        return Err(Refusal::NotNegotiated);
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_a_started_message_has_a_deadline() {
        let (mut front, back) = UnixStream::pair().unwrap();
        let mut session = Session::new(back);
        assert_eq!(session.deadline(), None);
        let started = Instant::now();
        front.write_all(&[1, 0, 0, 0, 1]).unwrap();
        assert!(session.read().unwrap().is_none());
        let first = session.deadline().unwrap();
        assert!(first >= started + SILENCE_MAX && first <= Instant::now() + SILENCE_MAX);
        std::thread::sleep(Duration::from_millis(5));
        front.write_all(&[0]).unwrap();
        assert!(session.read().unwrap().is_none());
        assert!(session.deadline().unwrap() > first, "a byte buys time");
        front.write_all(&[0, 0, 0, 0, 0, 0]).unwrap();
        assert!(session.read().unwrap().is_some());
        assert_eq!(session.deadline(), None);
    }
}
