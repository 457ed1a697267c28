//! The messages of the front-end, one small function each.
//!
//! A message comes here after [`admit`](crate::session::admit) has seen to its shape and preconditions and after the
//! gates of the rings that it may change were closed ([`affected`]). A handler that refuses has changed nothing.

use virtio::vhost_user::{Incoming, Request, U64, VringFd, VringState};

use crate::device::{Affected, Device};
use crate::refusal::Refusal;
use crate::session::Answer;

mod features;
mod memory;
mod vring;

/// Which gates must be closed before `message` is handled.
pub(crate) fn affected(message: &Incoming) -> Affected {
    use Request as R;
    match message.request {
        Ok(R::SetFeatures | R::SetProtocolFeatures | R::SetMemTable | R::SetStatus) => {
            Affected::All
        }
        Ok(
            R::SetVringNum
            | R::SetVringAddr
            | R::SetVringBase
            | R::GetVringBase
            | R::SetVringEnable,
        ) => message.payload.first_chunk().map_or(Affected::None, |index| {
            usize::try_from(u32::from_ne_bytes(*index)).map_or(Affected::None, Affected::One)
        }),
        Ok(R::SetVringKick | R::SetVringCall) => fd_ring(message),
        _ => Affected::None,
    }
}

fn fd_ring(message: &Incoming) -> Affected {
    number(message)
        .ok()
        .and_then(VringFd::from_word)
        .map_or(Affected::None, |word| Affected::One(usize::from(word.index)))
}

/// Does what `message` asks. Descriptors that it does not keep stay with the message.
pub(crate) fn handle(
    device: &mut Device,
    request: Request,
    message: &mut Incoming,
) -> Result<Answer, Refusal> {
    use Request as R;
    match request {
        R::GetFeatures => Ok(Answer::Number(device.offered().bits())),
        R::SetFeatures => features::set_features(device, number(message)?),
        R::GetProtocolFeatures => Ok(Answer::Number(device.offered_protocol().bits())),
        R::SetProtocolFeatures => features::set_protocol_features(device, number(message)?),
        R::SetStatus => features::set_status(device, number(message)?),
        R::GetStatus => Ok(Answer::Number(device.status().into())),
        R::NetSetMtu => features::set_mtu(device, number(message)?),
        R::GetQueueNum => Ok(Answer::Number(device.queue_pairs().into())),
        // A session may be begun more than once, and ending one discards nothing (deprecated).
        R::SetOwner | R::ResetOwner => Ok(Answer::Done),
        R::SetMemTable => memory::set_mem_table(device, message),
        R::SetVringNum => vring::set_num(device, state(message)?),
        R::SetVringAddr => vring::set_addr(device, message),
        R::SetVringBase => vring::set_base(device, state(message)?),
        R::GetVringBase => vring::get_base(device, state(message)?),
        R::SetVringEnable => vring::set_enable(device, state(message)?),
        R::SetVringKick => vring::set_kick(device, message),
        R::SetVringCall => vring::set_call(device, message),
        R::SetVringErr => vring::set_err(device, message),
        _ => Err(Refusal::Unsupported),
    }
}

fn number(message: &Incoming) -> Result<u64, Refusal> {
    U64::from_bytes(&message.payload).map(|body| body.value).ok_or(Refusal::Malformed)
}

fn state(message: &Incoming) -> Result<VringState, Refusal> {
    VringState::from_bytes(&message.payload).ok_or(Refusal::Malformed)
}
