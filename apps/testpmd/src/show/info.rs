//! `show port info`.

use std::fmt::Write;

use pmd_core::{EthDev, PortId, QueueLimits, RxOffloads};

use super::{speed, status};

/// The block of one port.
pub fn block(port: PortId, dev: &dyn EthDev) -> String {
    let stars = "*".repeat(21);
    let mut text = format!("\n{stars} Infos for port {:<2} {stars}\n", port.0);
    identity(&mut text, dev);
    modes(&mut text, dev);
    limits(&mut text, dev);
    text
}

fn identity(text: &mut String, dev: &dyn EthDev) {
    let (info, link) = (dev.info(), dev.link());
    let _ = write!(
        text,
        "MAC address: {}\nDevice name: {}\nDriver name: {}\nFirmware-version: not available\n\
         Devargs: {}\nConnect to socket: {}\nmemory allocation on the socket: {}\n\
         Link status: {}\nLink speed: {}\nLink duplex: full-duplex\n",
        dev.mac(),
        info.name,
        info.driver,
        info.devargs,
        info.socket,
        info.socket,
        status(link),
        speed(link),
    );
}

fn modes(text: &mut String, dev: &dyn EthDev) {
    let on = |yes| if yes { "enabled" } else { "disabled" };
    // A device that names its speed has settled it.
    let autoneg = if dev.link().speed_mbps.is_some() { "Off" } else { "On" };
    let (macs, offloads) = (dev.info().max_mac_addrs, dev.config().rx_offloads);
    let vlan = |bit| if offloads.contains(bit) { "on" } else { "off" };
    let _ = write!(
        text,
        "Autoneg status: {autoneg}\nMTU: {}\nPromiscuous mode: {}\nAllmulticast mode: {}\n\
         Maximum number of MAC addresses: {macs}\n\
         Maximum number of MAC addresses of hash filtering: 0\nVLAN offload: \n  \
         strip {}, filter {}, extend {}, qinq strip {}\n\
         No RSS offload flow type is supported.\n",
        dev.mtu(),
        on(dev.promiscuous()),
        on(dev.allmulticast()),
        vlan(RxOffloads::VLAN_STRIP),
        vlan(RxOffloads::VLAN_FILTER),
        vlan(RxOffloads::VLAN_EXTEND),
        vlan(RxOffloads::QINQ_STRIP),
    );
}

fn limits(text: &mut String, dev: &dyn EthDev) {
    let (info, config) = (dev.info(), dev.config());
    let _ = write!(
        text,
        "Minimum size of RX buffer: {}\nMaximum configurable length of RX packet: {}\n\
         Maximum configurable size of LRO aggregated packet: 0\n",
        info.min_rx_buffer_bytes, info.max_rx_packet_bytes,
    );
    direction(text, "RX", config.rx_queues, info.rx);
    direction(text, "TX", config.tx_queues, info.tx);
    let _ = write!(
        text,
        "Max segment number per packet: {segments}\nMax segment number per MTU/TSO: {segments}\n\
         Device capabilities: 0x0( )\nDevice error handling mode: none\n",
        segments = info.max_tx_segments,
    );
}

fn direction(text: &mut String, name: &str, queues: u16, limits: QueueLimits) {
    let _ = write!(
        text,
        "Current number of {name} queues: {queues}\nMax possible {name} queues: {}\n\
         Max possible number of {name}Ds per queue: {}\n\
         Min possible number of {name}Ds per queue: {}\n{name}Ds number alignment: {}\n",
        limits.max_queues, limits.max_descriptors, limits.min_descriptors, limits.descriptor_align,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_port::TestPort;
    use pmd_core::PortConfig;

    #[test]
    fn the_shape() {
        let (mut port, _) = TestPort::looped(1);
        port.configure(&PortConfig { rx_queues: 1, tx_queues: 1, ..PortConfig::default() })
            .unwrap();
        let expected = "
********************* Infos for port 0  *********************
MAC address: 56:48:4F:53:54:00
Device name: net_vhost0
Driver name: net_vhost
Firmware-version: not available
Devargs: iface=/tmp/s,queues=1
Connect to socket: 0
memory allocation on the socket: 0
Link status: up
Link speed: 10 Gbps
Link duplex: full-duplex
Autoneg status: Off
MTU: 1500
Promiscuous mode: enabled
Allmulticast mode: enabled
Maximum number of MAC addresses: 1
Maximum number of MAC addresses of hash filtering: 0
VLAN offload: 
  strip off, filter off, extend off, qinq strip off
No RSS offload flow type is supported.
Minimum size of RX buffer: 0
Maximum configurable length of RX packet: 4294967295
Maximum configurable size of LRO aggregated packet: 0
Current number of RX queues: 1
Max possible RX queues: 1
Max possible number of RXDs per queue: 65535
Min possible number of RXDs per queue: 0
RXDs number alignment: 1
Current number of TX queues: 1
Max possible TX queues: 1
Max possible number of TXDs per queue: 65535
Min possible number of TXDs per queue: 0
TXDs number alignment: 1
Max segment number per packet: 65535
Max segment number per MTU/TSO: 65535
Device capabilities: 0x0( )
Device error handling mode: none
";
        assert_eq!(block(PortId(0), &port), expected);
    }
}
