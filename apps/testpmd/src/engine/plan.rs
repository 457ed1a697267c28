//! Which receive queue feeds which transmit queue, and on what lcore.

use pmd_core::PortId;

/// Which port a port's packets go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// Ports by twos, by position in the list; an odd one with itself.
    Paired,
    /// Each to the next, the last to the first.
    Chained,
    /// Each to itself.
    Loop,
}

impl Topology {
    /// The topology of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "paired" => Self::Paired,
            "chained" => Self::Chained,
            "loop" => Self::Loop,
            _ => return None,
        })
    }

    /// Position of the port that the port at `position` of `count` feeds.
    fn target(self, position: usize, count: usize) -> usize {
        match self {
            Self::Paired => Some(position ^ 1).filter(|&other| other < count).unwrap_or(position),
            Self::Chained => (position + 1) % count,
            Self::Loop => position,
        }
    }
}

/// A stream: from one queue to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamId {
    /// Port of the receive queue.
    pub rx_port: PortId,
    /// Number of the receive queue.
    pub rx_queue: u16,
    /// Port of the transmit queue.
    pub tx_port: PortId,
    /// Number of the transmit queue.
    pub tx_queue: u16,
}

/// The streams over `ports` that have `rx_queues` and `tx_queues` each: queue by queue, in each port by port.
/// One queue of a port is used when either side has no more than one.
pub fn streams(
    ports: &[PortId],
    rx_queues: u16,
    tx_queues: u16,
    topology: Topology,
) -> Vec<StreamId> {
    let queues = if rx_queues > 1 && tx_queues > 1 { rx_queues.min(tx_queues) } else { 1 };
    let of_queue = |queue: u16| {
        ports.iter().enumerate().map(move |(position, &rx_port)| StreamId {
            rx_port,
            rx_queue: queue,
            tx_port: ports[topology.target(position, ports.len())],
            tx_queue: queue,
        })
    };
    (0..queues).flat_map(of_queue).collect()
}

/// Deals streams to lcores in runs of equal length; the last lcores get one more where it does not come out even.
/// No more lcores are used than there are streams.
pub fn deal<T>(streams: Vec<T>, lcores: &[u32]) -> Vec<(u32, Vec<T>)> {
    let used = lcores.len().min(streams.len());
    if used == 0 {
        return Vec::new();
    }
    let (each, more) = (streams.len() / used, streams.len() % used);
    let mut rest = streams.into_iter();
    let run = |(position, &lcore): (usize, &u32)| {
        let count = each + usize::from(position >= used - more);
        (lcore, rest.by_ref().take(count).collect())
    };
    lcores[..used].iter().enumerate().map(run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(ports: &[u16], queues: u16, topology: Topology) -> Vec<(u16, u16, u16)> {
        let ports: Vec<_> = ports.iter().map(|&p| PortId(p)).collect();
        let streams = streams(&ports, queues, queues, topology);
        streams.iter().map(|s| (s.rx_port.0, s.rx_queue, s.tx_port.0)).collect()
    }

    #[test]
    fn topologies() {
        use Topology::*;
        assert_eq!(pairs(&[0], 1, Paired), [(0, 0, 0)]);
        assert_eq!(pairs(&[0, 1, 2], 1, Paired), [(0, 0, 1), (1, 0, 0), (2, 0, 2)]);
        assert_eq!(pairs(&[4, 1], 1, Paired), [(4, 0, 1), (1, 0, 4)]);
        assert_eq!(pairs(&[0, 1, 2], 1, Chained), [(0, 0, 1), (1, 0, 2), (2, 0, 0)]);
        assert_eq!(pairs(&[0, 1], 1, Loop), [(0, 0, 0), (1, 0, 1)]);
        assert_eq!(pairs(&[], 2, Chained), []);
    }

    #[test]
    fn queues_outside_ports_inside() {
        let expected = [(0, 0, 1), (1, 0, 0), (0, 1, 1), (1, 1, 0)];
        assert_eq!(pairs(&[0, 1], 2, Topology::Paired), expected);
        let one_sided = streams(&[PortId(0)], 4, 1, Topology::Paired);
        assert_eq!(one_sided.len(), 1, "one transmit queue makes one stream");
        assert_eq!(streams(&[PortId(0)], 4, 2, Topology::Paired).len(), 2);
    }

    #[test]
    fn the_last_lcores_get_the_remainder() {
        let dealt = deal((0..8).collect(), &[1, 2, 3]);
        assert_eq!(dealt, [(1, vec![0, 1]), (2, vec![2, 3, 4]), (3, vec![5, 6, 7])]);
        assert_eq!(deal(vec![0], &[5, 6]), [(5, vec![0])]);
        assert_eq!(deal(Vec::<u8>::new(), &[5]), []);
    }
}
