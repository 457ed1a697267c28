//! The device string of a `net_pcap` port.

use std::path::PathBuf;

use pmd_core::{DevArgs, Error};

/// Queues each way, as DPDK's port has at most.
const QUEUES_MAX: usize = 16;

/// Files that a device string names, one for each queue.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub rx: Vec<PathBuf>,
    pub tx: Vec<PathBuf>,
    pub infinite: bool,
}

impl Options {
    pub fn parse(args: &DevArgs) -> Result<Self, Error> {
        let rx = files(args, "rx_pcap")?;
        let tx = files(args, "tx_pcap")?;
        let infinite = args.number("infinite_rx", 0, 0..=u32::MAX.into())? != 0;
        // It concerns interfaces only.
        args.number("phy_mac", 0, 0..=u32::MAX.into())?;
        for key in ["iface", "rx_iface", "tx_iface", "rx_iface_in"] {
            if args.get(key).is_some() {
                return Err(Error::Unsupported {
                    what: format!("{}: '{key}' (packets of a kernel interface)", args.name()),
                    instead: "give files with rx_pcap= and tx_pcap=".into(),
                });
            }
        }
        args.finish()?;
        if rx.is_empty() && tx.is_empty() {
            return Err(Error::BadDevArgs(format!(
                "{}: no file is named: write {},rx_pcap=in.pcap,tx_pcap=out.pcap, or one of the two",
                args.name(),
                args.name()
            )));
        }
        Ok(Self { rx, tx, infinite })
    }

    /// Receive queues: without a file to read they receive nothing, and there are as many as files to write.
    pub fn rx_queues(&self) -> u16 {
        count(if self.rx.is_empty() { &self.tx } else { &self.rx })
    }

    /// Transmit queues: without a file to write they drop, and there are as many as files to read.
    pub fn tx_queues(&self) -> u16 {
        count(if self.tx.is_empty() { &self.rx } else { &self.tx })
    }
}

fn count(files: &[PathBuf]) -> u16 {
    // `files` below sees to the limit.
    files.len() as u16
}

fn files(args: &DevArgs, key: &'static str) -> Result<Vec<PathBuf>, Error> {
    let values = args.all(key);
    if values.len() > QUEUES_MAX {
        return Err(Error::BadDevArgs(format!(
            "{}: {} times '{key}': a port has {QUEUES_MAX} queues at most, so make another device",
            args.name(),
            values.len()
        )));
    }
    if values.iter().any(|value| value.is_empty()) {
        return Err(Error::BadDevArgs(format!(
            "{}: '{key}=' names no file: write {key}=FILE",
            args.name()
        )));
    }
    Ok(values.into_iter().map(PathBuf::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Result<Options, Error> {
        Options::parse(&DevArgs::parse(text)?)
    }

    #[test]
    fn devargs_as_procedures_write_them() {
        let both = options("eth_pcap0,rx_pcap=/root/in.pcap,tx_pcap=/tmp/out.pcap").unwrap();
        assert_eq!((both.rx_queues(), both.tx_queues(), both.infinite), (1, 1, false));
        assert_eq!(both.rx, [PathBuf::from("/root/in.pcap")]);
        let two = options("net_pcap0,rx_pcap=a,rx_pcap=b,infinite_rx=1").unwrap();
        assert_eq!((two.rx_queues(), two.tx_queues(), two.infinite), (2, 2, true));
        let out = options("net_pcap0,tx_pcap=a,tx_pcap=b,tx_pcap=c,phy_mac=1").unwrap();
        assert_eq!((out.rx_queues(), out.tx_queues()), (3, 3));
    }

    #[test]
    fn what_is_wrong_says_what_to_write() {
        for (text, part) in [
            ("net_pcap0", "rx_pcap=in.pcap,tx_pcap=out.pcap"),
            ("net_pcap0,rx_pcap=", "write rx_pcap=FILE"),
            ("net_pcap0,rx_pcp=a", "did you mean 'rx_pcap'"),
            ("net_pcap0,iface=eth0", "give files with rx_pcap="),
            ("net_pcap0,rx_iface_in=eth0,tx_pcap=a", "give files"),
            ("net_pcap0;rx_pcap=a;tx_pcap=b", "write net_pcap0,rx_pcap=a,tx_pcap=b"),
            ("net_pcap0,rx_pcap=a,infinite_rx=yes", "infinite_rx=yes"),
        ] {
            let error = options(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let many = "net_pcap0".to_owned() + &",tx_pcap=a".repeat(17);
        assert!(options(&many).unwrap_err().to_string().contains("16 queues"));
    }
}
