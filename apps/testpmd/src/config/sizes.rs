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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_port::TestPort;
    use pmd_core::EthDev;

    fn info(max_mtu: u16, max_rx_packet_bytes: u32) -> DevInfo {
        let (port, _) = TestPort::looped(1);
        DevInfo { max_mtu, max_rx_packet_bytes, ..port.info() }
    }

    #[test]
    fn frames_and_mtus() {
        assert_eq!(mtu_of(1518, &info(u16::MAX, u32::MAX)), Ok(1500));
        assert_eq!(mtu_of(9000, &info(9698, 9728)), Ok(8970));
        let refused = mtu_of(20_000, &info(9698, 9728)).unwrap_err();
        assert_eq!(refused, "MTU (19970) > device max MTU (9698)");
        assert!(mtu_of(u32::MAX, &info(u16::MAX, u32::MAX)).is_err());
    }

    #[test]
    fn mbufs_too_small_for_a_device_that_has_to_be_told_to_spread() {
        let mut device = info(9698, 9728);
        assert_eq!(check_room(9000, 2048, RxOffloads::empty(), &device), Ok(()));
        device.rx_offloads = RxOffloads::SCATTER;
        assert_eq!(check_room(2048, 2048, RxOffloads::empty(), &device), Ok(()));
        assert_eq!(check_room(9000, 2048, RxOffloads::SCATTER, &device), Ok(()));
        let told = check_room(9000, 2048, RxOffloads::empty(), &device).unwrap_err();
        assert!(told.ends_with("give --mbuf-size=9128, or --enable-scatter"), "{told}");
    }
}
