//! Counters as control sees them: snapshots, never live references.

/// What one queue has counted since its counters were last cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Packets handed to or taken from the app.
    pub packets: u64,
    /// Their bytes, without header of the ring and without checksum of the frame.
    pub bytes: u64,
    /// Packets that were dropped because something was wrong with them.
    pub errors: u64,
    /// Packets dropped because the far end had no room for them.
    pub missed: u64,
    /// Times a buffer was wanted and the pool had none.
    pub no_mbuf: u64,
}

impl QueueStats {
    /// What has been counted since `base` was taken.
    pub const fn since(&self, base: &Self) -> Self {
        Self {
            packets: self.packets.wrapping_sub(base.packets),
            bytes: self.bytes.wrapping_sub(base.bytes),
            errors: self.errors.wrapping_sub(base.errors),
            missed: self.missed.wrapping_sub(base.missed),
            no_mbuf: self.no_mbuf.wrapping_sub(base.no_mbuf),
        }
    }
}

/// What one port has counted, in the terms of `show port stats`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// Received packets.
    pub rx_packets: u64,
    /// Received bytes.
    pub rx_bytes: u64,
    /// Packets the device had to give up because the app did not take them.
    pub rx_missed: u64,
    /// Received packets dropped as malformed.
    pub rx_errors: u64,
    /// Times the receive pool was empty.
    pub rx_no_mbuf: u64,
    /// Sent packets.
    pub tx_packets: u64,
    /// Sent bytes.
    pub tx_bytes: u64,
    /// Packets that could not be sent and were dropped by the port.
    pub tx_errors: u64,
}

impl PortStats {
    /// The sum over receive queues and transmit queues.
    pub fn sum(
        rx: impl IntoIterator<Item = QueueStats>,
        tx: impl IntoIterator<Item = QueueStats>,
    ) -> Self {
        let mut sum = Self::default();
        for q in rx {
            sum.rx_packets += q.packets;
            sum.rx_bytes += q.bytes;
            sum.rx_missed += q.missed;
            sum.rx_errors += q.errors;
            sum.rx_no_mbuf += q.no_mbuf;
        }
        for q in tx {
            sum.tx_packets += q.packets;
            sum.tx_bytes += q.bytes;
            sum.tx_errors += q.errors + q.missed;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_and_sum() {
        let now = QueueStats { packets: 10, bytes: 640, errors: 3, missed: 2, no_mbuf: 1 };
        let base = QueueStats { packets: 4, bytes: 256, ..QueueStats::default() };
        let d = now.since(&base);
        assert_eq!((d.packets, d.bytes, d.errors), (6, 384, 3));
        let p = PortStats::sum([now, d], [now]);
        assert_eq!((p.rx_packets, p.rx_bytes, p.rx_errors), (16, 1024, 6));
        assert_eq!((p.tx_packets, p.tx_errors), (10, 5));
    }
}
