//! Features, status and MTU.

use virtio::Features;
use virtio::vhost_user::ProtocolFeatures;

use crate::device::{Device, STATUS_FEATURES_OK};
use crate::refusal::Refusal;
use crate::session::Answer;

/// `SET_FEATURES`: a subset of what is offered, and no change while rings run.
pub(super) fn set_features(device: &mut Device, bits: u64) -> Result<Answer, Refusal> {
    let accepted = check_features(device, bits);
    match accepted {
        Ok(features) => device.set_features(features),
        // The driver sees in the status that its choice was not taken (virtio 1.2, 3.1.1).
        Err(_) => device.set_status(device.status() & !STATUS_FEATURES_OK),
    }
    accepted.map(|_| Answer::Done)
}

fn check_features(device: &Device, bits: u64) -> Result<Features, Refusal> {
    let features = Features::from_bits(bits)
        .filter(|features| device.offered().contains(*features))
        .ok_or(Refusal::NotOffered)?;
    let changed = device.features_are_set() && features != device.features();
    if changed && device.any_ring_runs() { Err(Refusal::Running) } else { Ok(features) }
}

/// `SET_PROTOCOL_FEATURES`: a subset of what is offered; legal before and after `SET_FEATURES`.
pub(super) fn set_protocol_features(device: &mut Device, bits: u64) -> Result<Answer, Refusal> {
    let protocol = ProtocolFeatures::from_bits(bits)
        .filter(|protocol| device.offered_protocol().contains(*protocol))
        .ok_or(Refusal::NotOffered)?;
    device.set_protocol(protocol);
    Ok(Answer::Done)
}

/// `SET_STATUS`: without `DRIVER_OK` no ring runs; their indices are kept for a later `GET_VRING_BASE`.
pub(super) fn set_status(device: &mut Device, status: u64) -> Result<Answer, Refusal> {
    let status = u8::try_from(status).map_err(|_| Refusal::Value)?;
    device.set_status(status);
    Ok(Answer::Done)
}

/// `NET_SET_MTU`: 68 (the smallest of IPv4) to 65535.
pub(super) fn set_mtu(device: &mut Device, mtu: u64) -> Result<Answer, Refusal> {
    let mtu = u16::try_from(mtu).ok().filter(|mtu| *mtu >= 68).ok_or(Refusal::Value)?;
    if !device.offered().contains(Features::MTU) {
        return Err(Refusal::NotNegotiated);
    }
    device.set_mtu(mtu);
    Ok(Answer::Done)
}
