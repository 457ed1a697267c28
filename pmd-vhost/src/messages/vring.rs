//! Rings: size, addresses, index, events, start, stop.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use virtio::layout::MAX_RING_SIZE;
use virtio::vhost_user::{Incoming, VringAddr, VringFd, VringState};

use crate::device::{Device, Ring, is_aligned, translate};
use crate::refusal::Refusal;
use crate::session::Answer;

fn index_of(index: u32) -> Result<usize, Refusal> {
    usize::try_from(index).map_err(|_| Refusal::NoRing)
}

fn ring(device: &mut Device, index: u32) -> Result<&mut Ring, Refusal> {
    device.ring_mut(index_of(index)?).ok_or(Refusal::NoRing)
}

/// A ring whose size or index may be set: not one that runs.
fn ring_at_rest(device: &mut Device, index: u32) -> Result<&mut Ring, Refusal> {
    let ring = ring(device, index)?;
    if ring.runs() { Err(Refusal::Running) } else { Ok(ring) }
}

/// `SET_VRING_NUM`: a power of two up to 32768 (virtio 1.2, 2.7).
pub(super) fn set_num(device: &mut Device, state: VringState) -> Result<Answer, Refusal> {
    let size = u16::try_from(state.num)
        .ok()
        .filter(|size| size.is_power_of_two() && *size <= MAX_RING_SIZE)
        .ok_or(Refusal::Value)?;
    ring_at_rest(device, state.index)?.size = size;
    Ok(Answer::Done)
}

/// `SET_VRING_ADDR`: aligned, and whole in guest memory as far as size and memory are known. Legal while the ring runs.
pub(super) fn set_addr(device: &mut Device, message: &Incoming) -> Result<Answer, Refusal> {
    let addr = VringAddr::from_bytes(&message.payload).ok_or(Refusal::Malformed)?;
    let ring = device.ring(index_of(addr.index)?).ok_or(Refusal::NoRing)?;
    // Bit 0 asks to log writes to the used ring, which is ignored without a log; others have no meaning.
    if !is_aligned(&addr) || addr.flags & !1 != 0 {
        return Err(Refusal::Address);
    }
    if let (Some(memory), true) = (device.memory(), ring.size != 0) {
        translate(&addr, ring.size, memory)?;
    }
    self::ring(device, addr.index)?.addr = Some(addr);
    Ok(Answer::Done)
}

/// `SET_VRING_BASE`: 16 bits for a split ring.
pub(super) fn set_base(device: &mut Device, state: VringState) -> Result<Answer, Refusal> {
    let base = u16::try_from(state.num).map_err(|_| Refusal::Value)?;
    ring_at_rest(device, state.index)?.base = base;
    Ok(Answer::Done)
}

/// `GET_VRING_BASE`: stops the ring; its poller has left, so nothing is in flight.
pub(super) fn get_base(device: &mut Device, state: VringState) -> Result<Answer, Refusal> {
    let ring = ring(device, state.index)?;
    ring.stop();
    Ok(Answer::State(VringState { index: state.index, num: ring.base.into() }))
}

/// `SET_VRING_ENABLE`: remembered for a ring that has not started.
pub(super) fn set_enable(device: &mut Device, state: VringState) -> Result<Answer, Refusal> {
    let enabled = match state.num {
        0 => false,
        1 => true,
        _ => return Err(Refusal::Value),
    };
    ring(device, state.index)?.enabled = enabled;
    Ok(Answer::Done)
}

/// Ring and descriptor of an event message; rule checks have seen that there is one exactly if it says so.
fn event(message: &mut Incoming) -> Result<(u32, Option<OwnedFd>), Refusal> {
    let word =
        super::number(message).ok().and_then(VringFd::from_word).ok_or(Refusal::Malformed)?;
    Ok((word.index.into(), message.fds.pop()))
}

/// `SET_VRING_KICK`: starts the ring. We poll, so we do not wait for the first kick.
pub(super) fn set_kick(device: &mut Device, message: &mut Incoming) -> Result<Answer, Refusal> {
    let (index, fd) = event(message)?;
    ring(device, index)?.start(fd);
    Ok(Answer::Done)
}

/// `SET_VRING_CALL`: how the driver is woken.
pub(super) fn set_call(device: &mut Device, message: &mut Incoming) -> Result<Answer, Refusal> {
    let (index, fd) = event(message)?;
    let ring = ring(device, index)?;
    ring.call = fd.map(eventfd).transpose()?.map(Arc::new);
    Ok(Answer::Done)
}

/// `SET_VRING_ERR`: where errors are told.
pub(super) fn set_err(device: &mut Device, message: &mut Incoming) -> Result<Answer, Refusal> {
    let (index, fd) = event(message)?;
    let ring = ring(device, index)?;
    ring.error = fd.map(eventfd).transpose()?;
    Ok(Answer::Done)
}

/// Refuses what is not an eventfd: only of those is it known that a write need not wait for the peer.
fn eventfd(fd: OwnedFd) -> Result<OwnedFd, Refusal> {
    if eal::eventfd::is_eventfd(&fd) { Ok(fd) } else { Err(Refusal::NotAnEvent) }
}
