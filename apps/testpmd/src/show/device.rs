//! `show device info`, `show rxq info`, `show txq info`.

use pmd_core::{EthDev, PortId, QueueInfo, RxOffloads};

use crate::config::RingSettings;

const STARS: &str = "*********************";

/// The block of one device.
pub fn block(port: PortId, dev: &dyn EthDev) -> String {
    let info = dev.info();
    format!(
        "\n{STARS} Infos for device {name} {STARS}\nBus name: vdev\nBus information: \n\
         Driver name: {}\nDevargs: {}\nConnect to socket: {}\n\n\tPort id: {:<2}\n\
         \tMAC address: {}\n\tDevice name: {name}\n\
         \tDevice speed capability: Autonegotiate (all speeds)\n",
        info.driver,
        info.devargs,
        info.socket,
        port.0,
        dev.mac(),
        name = info.name,
    )
}

/// A queue of a port: what the port says of it and how it was asked for.
pub struct Queue<'a> {
    /// The port.
    pub port: PortId,
    /// Receive (`true`) or transmit.
    pub rx: bool,
    /// Its number.
    pub queue: u16,
    /// What the port says.
    pub info: &'a QueueInfo,
    /// The ring's settings.
    pub ring: RingSettings,
    /// The port's work on receive.
    pub offloads: RxOffloads,
}

/// The block of one queue.
pub fn queue(q: &Queue<'_>) -> String {
    let RingSettings { prefetch, host, write_back, free, report } = q.ring;
    let (side, port, queue, info) = (if q.rx { "RX" } else { "TX" }, q.port.0, q.queue, q.info);
    let state = if info.running { "started" } else { "stopped" };
    let mut text = format!("\n{STARS} Infos for port {port:<2}, {side} queue {queue:<2} {STARS}\n");
    let thresholds = format!(
        "{side} prefetch threshold: {prefetch}\n{side} host threshold: {host}\n\
         {side} writeback threshold: {write_back}\n"
    );
    let descriptors = info.descriptors;
    text += &match q.rx {
        true => {
            let scattered = on_off(q.offloads.contains(RxOffloads::SCATTER));
            format!(
                "Mempool: {}\n{thresholds}RX free threshold: {free}\nRX drop packets: off\n\
                 RX deferred start: off\nRX scattered packets: {scattered}\nRx queue state: {state}\n\
                 {}Number of RXDs: {descriptors}\n",
                info.pool,
                buffer_line(info.buffer_bytes),
            )
        }
        false => format!(
            "{thresholds}TX RS threshold: {report}\nTX free threshold: {free}\n\
             TX deferred start: off\nNumber of TXDs: {descriptors}\nTx queue state: {state}\n"
        ),
    };
    text + &format!("Burst mode: {}\n", info.burst_mode)
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn buffer_line(bytes: u32) -> String {
    if bytes == 0 { String::new() } else { format!("RX buffer size: {bytes}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_port::TestPort;

    #[test]
    fn a_device() {
        let (port, _) = TestPort::looped(1);
        let expected = "
********************* Infos for device net_vhost0 *********************
Bus name: vdev
Bus information: 
Driver name: net_vhost
Devargs: iface=/tmp/s,queues=1
Connect to socket: 0

\tPort id: 0 
\tMAC address: 56:48:4F:53:54:00
\tDevice name: net_vhost0
\tDevice speed capability: Autonegotiate (all speeds)
";
        assert_eq!(block(PortId(0), &port), expected);
    }

    #[test]
    fn queues() {
        let info = QueueInfo {
            pool: "mb_pool_0".into(),
            descriptors: 256,
            buffer_bytes: 2048,
            burst_mode: "Scalar",
            running: true,
        };
        let rx = Queue {
            port: PortId(0),
            rx: true,
            queue: 1,
            info: &info,
            ring: RingSettings::default(),
            offloads: RxOffloads::SCATTER,
        };
        let expected = "
********************* Infos for port 0 , RX queue 1  *********************
Mempool: mb_pool_0
RX prefetch threshold: 0
RX host threshold: 0
RX writeback threshold: 0
RX free threshold: 0
RX drop packets: off
RX deferred start: off
RX scattered packets: on
Rx queue state: started
RX buffer size: 2048
Number of RXDs: 256
Burst mode: Scalar
";
        assert_eq!(queue(&rx), expected);
        let text = queue(&Queue { rx: false, ..rx });
        assert!(text.contains("TX RS threshold: 0\nTX free threshold: 0\n"), "{text}");
        assert!(text.ends_with("Tx queue state: started\nBurst mode: Scalar\n"), "{text}");
    }
}
