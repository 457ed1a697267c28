//! `show port summary`.

use pmd_core::{EthDev, PortId};

use super::{speed, status};

/// The two lines above the ports.
pub fn head(count: usize) -> String {
    format!(
        "Number of available ports: {count}\n\
         Port MAC Address       Name         Driver         Status   Link\n"
    )
}

/// The line of one port.
pub fn line(port: PortId, dev: &dyn EthDev) -> String {
    let (info, link) = (dev.info(), dev.link());
    format!(
        "{:<4} {} {:<12} {:<14} {:<8} {}\n",
        port.0,
        dev.mac(),
        info.name,
        info.driver,
        status(link),
        speed(link)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_port::TestPort;

    #[test]
    fn the_shape() {
        let (mut port, _) = TestPort::looped(1);
        port.link.up = false;
        let expected = "Number of available ports: 1
Port MAC Address       Name         Driver         Status   Link
0    56:48:4F:53:54:00 net_vhost0   net_vhost      down     10 Gbps
";
        assert_eq!(head(1) + &line(PortId(0), &port), expected);
    }
}
