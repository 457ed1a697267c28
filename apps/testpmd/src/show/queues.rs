//! What `start` says after the streams, and `show config rxtx`: burst, ports, queues.

use std::fmt::Write;

use pmd_core::PortId;

use crate::config::{Config, RingSettings};
use crate::port_settings::PortSettings;

/// The whole block. `ports` are all ports, forwarding or not.
pub fn block(config: &Config, ports: &[(PortId, PortSettings)]) -> String {
    let retry = if config.settings.retry { " with retry" } else { "" };
    let mut text = format!(
        "  {} packet forwarding{retry} packets/burst={}\n",
        config.mode.name(),
        config.settings.burst
    );
    if config.mode.makes_packets() {
        let _ = writeln!(
            text,
            "  packet len={} - nb packet segments={}",
            config.settings.packet_bytes(),
            config.settings.segments.len()
        );
    }
    let _ = writeln!(
        text,
        "  nb forwarding cores={} - nb forwarding ports={}",
        config.nb_cores,
        config.ports.len()
    );
    for (port, settings) in ports {
        port_block(&mut text, config, *port, settings);
    }
    text
}

fn port_block(text: &mut String, config: &Config, port: PortId, settings: &PortSettings) {
    let (rx, tx) = (settings.rx_offloads.bits(), settings.tx_offloads.bits());
    let _ = writeln!(
        text,
        "  port {port}: RX queue number: {} Tx queue number: {}\n    \
         Rx offloads={rx:#x} Tx offloads={tx:#x}",
        config.rx_queues, config.tx_queues
    );
    if config.rx_queues > 0 {
        queue(text, "RX", settings.descriptors(config, (true, 0)), &config.rx_ring);
        let _ = writeln!(text, "      RX Offloads={rx:#x}");
    }
    if config.tx_queues > 0 {
        queue(text, "TX", settings.descriptors(config, (false, 0)), &config.tx_ring);
        let report = config.tx_ring.report;
        let _ = writeln!(text, "      TX offloads={tx:#x} - TX RS bit threshold={report}");
    }
}

fn queue(text: &mut String, side: &str, descriptors: u16, ring: &RingSettings) {
    let RingSettings { prefetch, host, write_back, free, .. } = ring;
    let _ = writeln!(
        text,
        "    {side} queue: 0\n      {side} desc={descriptors} - {side} free threshold={free}\n      \
         {side} threshold registers: pthresh={prefetch} hthresh={host}  wthresh={write_back}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape() {
        let mut config = Config { ports: vec![PortId(0)], ..Config::default() };
        let expected = "  io packet forwarding packets/burst=32
  nb forwarding cores=1 - nb forwarding ports=1
  port 0: RX queue number: 1 Tx queue number: 1
    Rx offloads=0x0 Tx offloads=0x0
    RX queue: 0
      RX desc=0 - RX free threshold=0
      RX threshold registers: pthresh=0 hthresh=0  wthresh=0
      RX Offloads=0x0
    TX queue: 0
      TX desc=0 - TX free threshold=0
      TX threshold registers: pthresh=0 hthresh=0  wthresh=0
      TX offloads=0x0 - TX RS bit threshold=0
";
        let settings = PortSettings::new(&config);
        assert_eq!(block(&config, &[(PortId(0), settings)]), expected);
        config.mode = crate::engine::Mode::TxOnly;
        config.settings.segments = vec![64, 1400];
        let text = block(&config, &[]);
        assert!(text.contains("\n  packet len=1464 - nb packet segments=2\n"), "{text}");
    }

    #[test]
    fn what_a_port_was_told() {
        let mut config =
            Config { ports: vec![PortId(0)], rx_descriptors: 1024, ..Config::default() };
        config.tx_ring = RingSettings { prefetch: 3, host: 4, write_back: 5, free: 6, report: 7 };
        let mut settings = PortSettings::new(&config);
        settings.rings.insert((false, 0), 512);
        settings.rx_offloads = pmd_core::RxOffloads::SCATTER;
        let text = block(&config, &[(PortId(0), settings)]);
        for line in [
            "    Rx offloads=0x2000 Tx offloads=0x0\n",
            "      RX desc=1024 - RX free threshold=0\n",
            "      RX Offloads=0x2000\n",
            "      TX desc=512 - TX free threshold=6\n",
            "      TX threshold registers: pthresh=3 hthresh=4  wthresh=5\n",
            "      TX offloads=0x0 - TX RS bit threshold=7\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
