//! How long packets may be, and what is said when mbufs are too small for them.

use pmd_core::{DevInfo, RxOffloads};

/// Bytes of an Ethernet header and of the frame's checksum.
const ETHERNET_BYTES: u32 = 14 + 4;
/// The shortest frame, in bytes.
pub const SHORTEST_FRAME_BYTES: u32 = 64;

/// Bytes that a frame has beyond its MTU, as the device counts.
pub fn overhead_bytes(info: &DevInfo) -> u32 {
    let mtu = u32::from(info.max_mtu);
    match info.max_mtu {
        u16::MAX => ETHERNET_BYTES,
        _ if info.max_rx_packet_bytes > mtu && info.max_rx_packet_bytes < u32::MAX => {
            info.max_rx_packet_bytes - mtu
        }
        _ => ETHERNET_BYTES,
    }
}

/// The MTU that lets frames of `frame_bytes` in.
///
/// # Errors
///
/// What would do, when the device takes no frames of that length.
pub fn mtu_of(frame_bytes: u32, info: &DevInfo) -> Result<u16, String> {
    let mtu = frame_bytes.saturating_sub(overhead_bytes(info));
    match u16::try_from(mtu) {
        Ok(fits) if fits <= info.max_mtu => Ok(fits),
        _ => Err(format!("MTU ({mtu}) > device max MTU ({})", info.max_mtu)),
    }
}

/// Refuses frames that do not fit an mbuf of a device that spreads them over several only when told to.
///
/// # Errors
///
/// What to write.
pub fn check_room(
    frame_bytes: u32,
    room_bytes: u32,
    offloads: RxOffloads,
    info: &DevInfo,
) -> Result<(), String> {
    let may_scatter = info.rx_offloads.contains(RxOffloads::SCATTER);
    if frame_bytes <= room_bytes || !may_scatter || offloads.contains(RxOffloads::SCATTER) {
        return Ok(());
    }
    let whole = frame_bytes + u32::from(pmd_core::mbuf::HEADROOM_BYTES);
    Err(format!(
        "mbufs have room for {room_bytes} bytes and packets of {frame_bytes} are to be received: \
         give --mbuf-size={whole}, or --enable-scatter"
    ))
}
