//! What a port is and can do, as its device string says.

use pmd_core::{DevInfo, Error, PortConfig, QueueLimits, RxOffloads, TxOffloads};
use virtio::Features;

use super::TARGET;
use super::devargs::UserArgs;

/// Longest frame that is received, in bytes.
const FRAME_BYTES_MAX: u32 = 9728;
/// Ethernet header and one VLAN tag.
const FRAME_OVERHEAD_BYTES: u16 = 18;
/// Smallest MTU, in bytes.
pub(super) const MTU_MIN: u16 = 68;
/// Largest MTU, in bytes.
pub(super) const MTU_MAX: u16 = FRAME_BYTES_MAX as u16 - FRAME_OVERHEAD_BYTES;
/// MTU of a new port, in bytes.
pub(super) const MTU_DEFAULT: u16 = 1500;
const DESCRIPTORS_MIN: u16 = 32;
const DESCRIPTORS_MAX: u16 = virtio::layout::MAX_RING_SIZE;
/// Smallest buffer that a mergeable receive ring takes, in bytes.
const RX_BUFFER_BYTES_MIN: u32 = 64;

/// What the port of that name is.
pub(super) fn info(name: &str, devargs: &str, args: &UserArgs) -> DevInfo {
    let limits = QueueLimits {
        max_queues: args.queue_pairs,
        min_descriptors: DESCRIPTORS_MIN,
        max_descriptors: DESCRIPTORS_MAX,
        descriptor_align: 1,
        default_descriptors: args.queue_size,
    };
    DevInfo {
        name: name.to_owned(),
        driver: "net_virtio_user",
        devargs: devargs.to_owned(),
        socket: 0,
        rx: limits,
        tx: limits,
        max_mac_addrs: 64,
        min_rx_buffer_bytes: RX_BUFFER_BYTES_MIN,
        max_rx_packet_bytes: FRAME_BYTES_MAX,
        max_mtu: MTU_MAX,
        max_tx_segments: u16::MAX,
        rx_offloads: RxOffloads::SCATTER | RxOffloads::VLAN_STRIP | RxOffloads::TCP_LRO,
        tx_offloads: TxOffloads::MULTI_SEGS | TxOffloads::VLAN_INSERT,
    }
}

/// Says what of `config` has no effect. TCP_LRO allows a device to join segments; none is asked to, which keeps to that, and
/// command lines that are typed for other drivers of virtio-user go on working.
pub(super) fn note_without_effect(name: &str, config: &PortConfig) {
    if config.rx_offloads.contains(RxOffloads::TCP_LRO) {
        log::warn!(target: TARGET, "{name}: TCP_LRO changes nothing: TCP segments stay as they were sent");
    }
}

/// What is accepted where it is offered.
pub(super) fn wanted_features(args: &UserArgs) -> Features {
    let mut wanted = Features::VERSION_1 | Features::PROTOCOL_FEATURES | Features::INDIRECT_DESC;
    wanted.set(Features::MRG_RXBUF, args.mergeable);
    wanted.set(Features::IN_ORDER, args.in_order);
    wanted.set(Features::MQ, args.queue_pairs > 1);
    wanted
}

/// How many descriptors of a ring are used when `asked` are asked for. The ring has the size of the device string; fewer
/// leave a part of it unused, more are not to be had.
pub(super) fn descriptors(args: &UserArgs, asked: u16) -> Result<u16, Error> {
    match asked {
        0 => Ok(args.queue_size),
        DESCRIPTORS_MIN..=DESCRIPTORS_MAX => Ok(asked.min(args.queue_size)),
        _ => Err(Error::OutOfRange {
            what: "number of descriptors",
            value: asked.into(),
            min: DESCRIPTORS_MIN.into(),
            max: DESCRIPTORS_MAX.into(),
        }),
    }
}

/// A frame must fit one buffer when buffers cannot be merged.
pub(super) fn check_room(args: &UserArgs, mtu: u16, room_bytes: u32) -> Result<(), Error> {
    let frame = u32::from(mtu + FRAME_OVERHEAD_BYTES);
    let need_bytes = if args.mergeable { RX_BUFFER_BYTES_MIN } else { frame };
    if room_bytes < need_bytes {
        return Err(Error::MbufTooSmall { room_bytes, need_bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pmd_core::DevArgs;

    fn args(items: &str) -> UserArgs {
        let text = format!("virtio_user0,path=/nowhere/s{items}");
        UserArgs::parse(&DevArgs::parse(&text).unwrap()).unwrap()
    }

    #[test]
    fn fewer_descriptors_than_the_ring_has_are_a_limit_and_more_are_cut() {
        let args = args(",queue_size=1024");
        for (asked, used) in [(0, 1024), (32, 32), (33, 33), (1024, 1024), (32_768, 1024)] {
            assert_eq!(descriptors(&args, asked).unwrap(), used);
        }
        for asked in [1, 31, 32_769, u16::MAX] {
            assert!(matches!(descriptors(&args, asked), Err(Error::OutOfRange { .. })), "{asked}");
        }
    }

    #[test]
    fn what_is_wanted_follows_the_device_string() {
        let usual = wanted_features(&args(""));
        assert!(usual.contains(Features::IN_ORDER | Features::MRG_RXBUF | Features::INDIRECT_DESC));
        assert!(!usual.contains(Features::MQ));
        let other = wanted_features(&args(",in_order=0,mrg_rxbuf=0,queues=2"));
        assert!(!other.intersects(Features::IN_ORDER | Features::MRG_RXBUF));
        assert!(other.contains(Features::MQ));
    }

    #[test]
    fn the_limits_are_those_of_dpdk() {
        let info = info("net_virtio_user0", "", &args(",queues=8"));
        assert_eq!((info.rx.min_descriptors, info.rx.max_descriptors), (32, 32_768));
        assert_eq!((info.rx.max_queues, info.rx.descriptor_align), (8, 1));
        assert_eq!((info.max_mac_addrs, info.min_rx_buffer_bytes), (64, 64));
        assert_eq!(info.max_rx_packet_bytes, 9728);
    }

    #[test]
    fn without_merging_a_buffer_holds_a_whole_frame() {
        let (merging, single) = (args(""), args(",mrg_rxbuf=0"));
        assert!(check_room(&merging, 1500, 64).is_ok());
        assert!(check_room(&merging, 1500, 63).is_err());
        assert!(check_room(&single, 1500, 1518).is_ok());
        assert!(check_room(&single, 1500, 1517).is_err());
    }
}
