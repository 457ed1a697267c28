//! The shapes of reports, DPDK 22.11's to the blank, so that what reads them today goes on reading them.
//!
//! Functions here turn numbers into text and know nothing else.

pub mod device;
pub mod forward;
pub mod info;
pub mod json;
pub mod measured;
pub mod queues;
pub mod report;
pub mod stats;
pub mod summary;
pub mod xstats;

use pmd_core::{Link, PortId};

/// A line of 76 times `c` behind two blanks.
fn rule(c: char) -> String {
    format!("  {}\n", String::from(c).repeat(76))
}

/// `up` or `down`.
pub fn status(link: Link) -> &'static str {
    if link.up { "up" } else { "down" }
}

/// A link's speed in words.
pub fn speed(link: Link) -> String {
    match link.speed_mbps {
        None | Some(0) if link.up => "Unknown".into(),
        None | Some(0) => "None".into(),
        Some(mbps) if mbps >= 1000 && mbps % 1000 == 0 => format!("{} Gbps", mbps / 1000),
        Some(2500) => "2.5 Gbps".into(),
        Some(mbps) => format!("{mbps} Mbps"),
    }
}

/// The list that follows the complaint about an invalid port.
pub fn valid_ports(ports: &[PortId]) -> String {
    let ids: String = ports.iter().map(|id| format!(" {id}")).collect();
    format!("The valid ports array is [{ids} ]\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds() {
        let link = |up, speed_mbps| speed(Link { up, speed_mbps });
        assert_eq!(link(true, Some(10_000)), "10 Gbps");
        assert_eq!(link(false, Some(10_000)), "10 Gbps");
        assert_eq!(link(true, None), "Unknown");
        assert_eq!(link(false, None), "None");
        assert_eq!(link(true, Some(2500)), "2.5 Gbps");
        assert_eq!(link(true, Some(100)), "100 Mbps");
    }

    #[test]
    fn lists_of_ports() {
        assert_eq!(valid_ports(&[]), "The valid ports array is [ ]\n");
        assert_eq!(valid_ports(&[PortId(0), PortId(3)]), "The valid ports array is [ 0 3 ]\n");
    }
}
