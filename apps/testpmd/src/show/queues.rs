//! What `start` says after the streams, and `show config rxtx`: burst, ports, queues.

use std::fmt::Write;

use pmd_core::PortId;

use crate::config::Config;
use crate::engine::Mode;

/// The whole block. `ports` are all ports, forwarding or not.
pub fn block(config: &Config, ports: &[PortId]) -> String {
    let retry = if config.settings.retry { " with retry" } else { "" };
    let mut text = format!(
        "  {} packet forwarding{retry} packets/burst={}\n",
        config.mode.name(),
        config.settings.burst
    );
    if config.mode == Mode::TxOnly {
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
    for port in ports {
        port_block(&mut text, config, *port);
    }
    text
}

fn port_block(text: &mut String, config: &Config, port: PortId) {
    let _ = writeln!(
        text,
        "  port {port}: RX queue number: {} Tx queue number: {}\n    \
         Rx offloads=0x0 Tx offloads={:#x}",
        config.rx_queues, config.tx_queues, config.tx_offloads
    );
    if config.rx_queues > 0 {
        let _ = writeln!(
            text,
            "    RX queue: 0\n      RX desc={} - RX free threshold=0\n      \
             RX threshold registers: pthresh=0 hthresh=0  wthresh=0\n      RX Offloads=0x0",
            config.rx_descriptors
        );
    }
    if config.tx_queues > 0 {
        let _ = writeln!(
            text,
            "    TX queue: 0\n      TX desc={} - TX free threshold=0\n      \
             TX threshold registers: pthresh=0 hthresh=0  wthresh=0\n      \
             TX offloads={:#x} - TX RS bit threshold=0",
            config.tx_descriptors, config.tx_offloads
        );
    }
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
        assert_eq!(block(&config, &[PortId(0)]), expected);
        config.mode = Mode::TxOnly;
        config.settings.segments = vec![64, 1400];
        let text = block(&config, &[]);
        assert!(text.contains("\n  packet len=1464 - nb packet segments=2\n"), "{text}");
    }
}
