//! What `start` and `show config fwd` say: streams on lcores.

use std::fmt::Write;

use pmd_core::{MacAddr, PortId};

use crate::config::Config;
use crate::engine::{Retries, StreamId};

/// An lcore, its socket, and its streams.
pub struct LcoreStreams {
    /// The lcore.
    pub lcore: u32,
    /// Its NUMA node.
    pub socket: u32,
    /// Its streams with the address of the station that each sends to.
    pub streams: Vec<(StreamId, MacAddr)>,
}

/// The lines above the streams and the streams, with the blank line behind them.
pub fn block(
    config: &Config,
    lcores: &[LcoreStreams],
    socket_of: impl Fn(PortId) -> u32,
) -> String {
    let Config { mode, numa, mp_alloc, .. } = *config;
    let (retry, ports) = (config.settings.retry, config.ports.len());
    let streams: usize = lcores.iter().map(|lcore| lcore.streams.len()).sum();
    let mut text = format!(
        "{} packet forwarding{} - ports={ports} - cores={} - streams={streams} - \
         NUMA support {}, MP allocation mode: {mp_alloc}\n",
        mode.name(),
        if retry { " with retry" } else { "" },
        lcores.len(),
        if numa { "enabled" } else { "disabled" },
    );
    if retry {
        let Retries { times, delay_us } = config.settings.retries;
        let _ = writeln!(text, "TX retry num: {times}, delay between TX retries: {delay_us}us");
    }
    for LcoreStreams { lcore, socket, streams } in lcores {
        let count = streams.len();
        let _ = write!(
            text,
            "Logical Core {lcore} (socket {socket}) forwards packets on {count} streams:"
        );
        for (id, peer) in streams {
            let _ = write!(
                text,
                "\n  RX P={}/Q={} (socket {}) -> TX P={}/Q={} (socket {}) peer={peer}",
                id.rx_port,
                id.rx_queue,
                socket_of(id.rx_port),
                id.tx_port,
                id.tx_queue,
                socket_of(id.tx_port),
            );
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Mode;

    fn stream(rx: u16, queue: u16, tx: u16) -> (StreamId, MacAddr) {
        let id =
            StreamId { rx_port: PortId(rx), rx_queue: queue, tx_port: PortId(tx), tx_queue: queue };
        (id, MacAddr([2, 0, 0, 0, 0, tx as u8]))
    }

    #[test]
    fn two_ports_two_queues_two_lcores() {
        let lcores = [0, 1].map(|queue| LcoreStreams {
            lcore: 1 + u32::from(queue),
            socket: 0,
            streams: vec![stream(0, queue, 1), stream(1, queue, 0)],
        });
        let expected = "io packet forwarding - ports=2 - cores=2 - streams=4 - \
NUMA support enabled, MP allocation mode: native
Logical Core 1 (socket 0) forwards packets on 2 streams:
  RX P=0/Q=0 (socket 0) -> TX P=1/Q=0 (socket 0) peer=02:00:00:00:00:01
  RX P=1/Q=0 (socket 0) -> TX P=0/Q=0 (socket 0) peer=02:00:00:00:00:00
Logical Core 2 (socket 0) forwards packets on 2 streams:
  RX P=0/Q=1 (socket 0) -> TX P=1/Q=1 (socket 0) peer=02:00:00:00:00:01
  RX P=1/Q=1 (socket 0) -> TX P=0/Q=1 (socket 0) peer=02:00:00:00:00:00

";
        let config = Config { ports: vec![PortId(0), PortId(1)], ..Config::default() };
        assert_eq!(block(&config, &lcores, |_| 0), expected);
    }

    #[test]
    fn retry_and_nothing_to_forward() {
        let mut config = Config { mode: Mode::Mac, numa: false, ..Config::default() };
        config.settings.retry = true;
        let text = block(&config, &[], |_| 0);
        let expected = "mac packet forwarding with retry - ports=0 - cores=0 - streams=0 - \
NUMA support disabled, MP allocation mode: native
TX retry num: 64, delay between TX retries: 1us

";
        assert_eq!(text, expected);
    }
}
