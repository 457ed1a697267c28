//! The help on the command line.

/// What each driver takes, behind its name and a number.
const DEVICES: [(&str, &str, &str); 10] = [
    (
        "net_vhost",
        "a vhost-user port; QEMU or net_virtio_user is its peer",
        "iface queues client legacy-ol-flags tso iommu-support postcopy-support linear-buffer ext-buffer",
    ),
    (
        "net_virtio_user",
        "a virtio port whose device is a vhost-user peer",
        "path server mac queues queue_size mrg_rxbuf in_order vectorized speed packed_vq cq iface",
    ),
    ("net_null", "makes packets and throws them away", "size copy no-rx"),
    ("net_ring", "gives back what it is sent", "nodeaction"),
    (
        "net_pcap",
        "packets from and to files",
        "rx_pcap tx_pcap infinite_rx phy_mac iface rx_iface tx_iface rx_iface_in",
    ),
    ("net_trace", "notes every packet of dev=[...] in a file", "dev file direction"),
    ("net_drop", "loses packets of dev=[...]", "dev every probability seed direction"),
    ("net_delay", "holds packets of dev=[...] back", "dev us packets direction"),
    (
        "net_corrupt",
        "changes bytes in packets of dev=[...]",
        "dev every probability seed bytes spare direction",
    ),
    ("net_capture", "writes packets of dev=[...] to a pcap file", "dev file direction"),
];

/// A line for what a driver is, and one for what it takes.
fn devices() -> String {
    let lines = |(name, what, takes): (&str, &str, &str)| {
        format!("  {name:<16} {what}\n{:19}{takes}\n", "")
    };
    DEVICES.map(lines).concat()
}

/// The whole text.
pub fn text(program: &str) -> String {
    let eal = eal::args::usage(program);
    let own = crate::cli::usage();
    let devices = devices();
    format!(
        "\
Usage: {program} [EAL options] -- [testpmd options]
       {program} --loopback[=SECONDS] [--size BYTES] [--burst N] [--queues N] [--json]

testpmd options:

{own}
Devices, for --vdev and 'port attach', as NAME with a number and KEY=VALUE behind commas:

{devices}
Examples:

  Measure the two drivers against each other on this machine, needing nothing else:
    {program} --loopback
  A vhost-user port that waits for its peer, with a console:
    {program} --lcores '0@0,1@0' --file-prefix vhost --vdev net_vhost0,iface=/tmp/vhost.sock -- -i
  The virtio-user port that connects to it:
    {program} --lcores '0@1,1@1' --file-prefix virtio --vdev net_virtio_user0,path=/tmp/vhost.sock -- -i

Environment:

  TESTPMD_HISTORY   file of the lines typed on a terminal; empty for none
                    (pmd-rs/testpmd_history in $XDG_STATE_HOME or ~/.local/state)

{eal}"
    )
}

#[cfg(test)]
mod tests {
    use pmd_core::{DevArgs, Ports};

    use super::*;

    #[test]
    fn every_driver_and_what_it_takes() {
        let list = crate::program::drivers();
        assert_eq!(DEVICES.map(|(name, ..)| name).as_slice(), list.names());
        let eal = crate::test_port::eal(1);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file").display().to_string();
        for (name, _, takes) in DEVICES {
            let needs = match name {
                "net_vhost" => "iface=x".to_owned(),
                "net_virtio_user" => "path=x".into(),
                "net_pcap" => format!("tx_pcap={file}"),
                "net_null" => "size=64".into(),
                "net_ring" => "odd=1".into(),
                "net_drop" | "net_corrupt" => "dev=[net_null0],every=2".into(),
                "net_delay" => "dev=[net_null0],us=1".into(),
                _ => format!("dev=[net_null0],file={file}"),
            };
            let args = DevArgs::parse(&format!("{name}0,{needs},nonsense=1")).unwrap();
            let refused = Ports::new().attach(&eal, &list, &args).unwrap_err().to_string();
            let known = refused.split("known: ").nth(1).unwrap_or(&refused);
            assert_eq!(known, takes.replace(' ', ", "), "{name}");
        }
    }
}
