//! What the commands on ports answer, word for word: DPDK 22.11's answers for a port without those operations.

use pmd_core::{RxOffloads, TxOffloads};

use crate::config::Config;
use crate::console::bench::Bench;
use crate::test_port::TestPort;

/// Types each line and compares what is written to standard output and to standard error.
fn check(bench: &mut Bench, table: &[(&str, &str, &str)]) {
    for (line, out, err) in table {
        let (got_out, got_err) = bench.type_in(line);
        assert_eq!((got_out.as_str(), got_err.as_str()), (*out, *err), "{line}");
    }
}

#[test]
fn addresses() {
    let not_supported = "mac_addr_cmd error: (Operation not supported)\n";
    let no_port = "Invalid port_id=9\nmac_addr_cmd error: (No such device)\n";
    check(
        &mut Bench::one(),
        &[
            ("mac_addr add 0 00:11:22:33:44:55", "", not_supported),
            ("mac_addr remove 0 00:11:22:33:44:55", "", not_supported),
            ("mac_addr set 0 00:11:22:33:44:55", "", not_supported),
            ("mac_addr add 9 00:11:22:33:44:55", "", no_port),
            (
                "mac_addr add 0 00:00:00:00:00:00",
                "",
                "Port 0: Cannot add NULL MAC address\nmac_addr_cmd error: (Invalid argument)\n",
            ),
            ("mac_addr add 0 zz", "Bad arguments\n", ""),
            (
                "mcast_addr add 0 01:00:5e:00:00:01",
                "",
                "rte_eth_dev_set_mc_addr_list(port=0, nb=1) failed. diag=-95\n",
            ),
            (
                "mcast_addr remove 0 01:00:5e:00:00:01",
                "",
                "multicast address not filtered by port 0\n",
            ),
            (
                "mcast_addr add 0 00:11:22:33:44:55",
                "",
                "Invalid multicast addr 00:11:22:33:44:55\n",
            ),
            ("mcast_addr add 9 01:00:5e:00:00:01", "", "Invalid port 9\n"),
            ("show port 0 macs", "Number of MAC address added: 1\n  56:48:4F:53:54:00\n", ""),
            ("show port 0 mcast_macs", "Number of Multicast MAC address added: 0\n", ""),
            ("show port 9 macs", "", "Invalid port 9\n"),
        ],
    );
}

#[test]
fn links_and_filters() {
    check(
        &mut Bench::one(),
        &[
            ("set promisc 0 on", "", ""),
            (
                "set promisc all off",
                "",
                "Error during disabling promiscuous mode for port 0: Operation not supported\n",
            ),
            (
                "set promisc 9 on",
                "",
                "Invalid port_id=9\nError during enabling promiscuous mode for port 9: No such device\n",
            ),
            ("set allmulti all on", "", ""),
            (
                "set allmulti 0 off",
                "",
                "Error during disabling all-multicast mode for port 0: Operation not supported\n",
            ),
            ("set link-up port 0", "", "\nSet link up fail.\n"),
            ("set link-down port 9", "", "Invalid port_id=9\n\nSet link down fail.\n"),
            ("set stat_qmap rx 0 0 0", "", "failed to set rx queue stats mapping.\n"),
            ("set stat_qmap tx 0 0 16", "", "map_value not in required range 0..15\n"),
            ("set stat_qmap tx 0 7 0", "", "Invalid TX queue 7 (must be < nb_txq=1)\n"),
        ],
    );
}

#[test]
fn vlans() {
    let filter = "Ethdev port_id=0 requested new added VLAN offloads 0x200 must be within Rx offloads capabilities 0x0 \
                  in rte_eth_dev_set_vlan_offload()\nrx_vlan_filter_set(port_pi=0, on=1) failed diag=-22\n";
    check(
        &mut Bench::one(),
        &[
            ("vlan set filter on 0", "", filter),
            ("vlan set filter off 0", "", ""),
            ("vlan set strip off 9", "", "Invalid port 9\n"),
            (
                "vlan set stripq on 0,0",
                "",
                "rx_vlan_strip_set_on_queue(port_pi=0, queue_id=0, on=1) failed diag=-95\n",
            ),
            (
                "vlan set stripq on 0,9",
                "",
                "Invalid rx_queue_id=9\n\
                 rx_vlan_strip_set_on_queue(port_pi=0, queue_id=9, on=1) failed diag=-22\n",
            ),
            (
                "vlan set outer tpid 0x8100 0",
                "",
                "tx_vlan_tpid_set(port_pi=0, vlan_type=2, tpid=33024) failed diag=-95\n",
            ),
            (
                "rx_vlan add 1 0",
                "",
                "Port 0: VLAN-filtering disabled\n\
                 rte_eth_dev_vlan_filter(port_pi=0, vlan_id=1, on=1) failed diag=-38\n",
            ),
            (
                "rx_vlan rm all 0",
                "",
                "Port 0: VLAN-filtering disabled\n\
                 rte_eth_dev_vlan_filter(port_pi=0, vlan_id=0, on=0) failed diag=-38\n",
            ),
            ("rx_vlan add 5000 0", "", "Invalid vlan_id 5000 (must be < 4096)\n"),
            ("tx_vlan set 0 1", "", "Please stop port 0 first\n"),
            ("tx_vlan reset 9", "", "Invalid port 9\n"),
            ("port stop 0", "Stopping ports...\nChecking link statuses...\nDone\n", ""),
            ("tx_vlan set 0 1", "", "Error: vlan insert is not supported by port 0\n"),
            ("tx_vlan set 0 1 2", "", "Error: qinq insert not supported by port 0\n"),
            ("tx_vlan reset 0", "", ""),
        ],
    );
}

#[test]
fn settings_of_all_ports() {
    let stop = "Please stop all ports first\n";
    let mut bench = Bench::one();
    for line in ["rxq 1", "max-pkt-len 1518", "burst 16", "txpt 3", "speed 10000 duplex full"] {
        check(&mut bench, &[(&format!("port config all {line}"), "", stop)]);
    }
    bench.type_in("port stop all");
    check(
        &mut bench,
        &[
            (
                "port config all rxq 9",
                "",
                "Fail: input rxq (9) can't be greater than max_rx_queues (1) of port 0\n",
            ),
            ("port config all rxq 0", "", ""),
            ("port config all txq 0", "", "Warning: Either rx or tx queues should be non zero\n"),
            ("port config all rxq 1", "", ""),
            ("port config all burst 600", "", "burst must be >= 1 && <= 512\n"),
            ("port config all burst 16", "", ""),
            ("port config all max-pkt-len 10", "", "max-pkt-len can not be less than 64\n"),
            ("port config all rss bogus", "", "Unknown parameter\n"),
            ("port config all speed 7 duplex full", "Bad arguments\n", ""),
            ("port config 0 speed 1000 duplex half", "", "Invalid speed/duplex parameters\n"),
            ("port config all mbcache 100", "Bad arguments\n", ""),
            ("port config mtu 9 1400", "", "Invalid port 9\n"),
            ("port config all txpt 3", "", ""),
            ("port config all rxd 512", "", ""),
        ],
    );
    let shown = bench.out("show config rxtx");
    for part in ["packets/burst=16\n", "RX desc=512 ", "TX threshold registers: pthresh=3 "] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn queues_one_by_one() {
    let mut bench = Bench::one();
    check(
        &mut bench,
        &[
            ("port 0 rxq 0 stop", "", "Function not supported in PMD\n"),
            ("port 0 rxq 9 stop", "", "Invalid RX queue 9 (must be < nb_rxq=1)\n"),
            ("port 9 txq 0 stop", "", "Invalid port 9\n"),
            (
                "show rxq info 0 0",
                "",
                "Failed to retrieve information for port: 0, RX queue: 0\n\
                 error desc: Operation not supported(-95)\n",
            ),
            (
                "show txq info 0 9",
                "",
                "Invalid Tx queue_id=9\nFailed to retrieve information for port: 0, TX queue: 9\n\
                 error desc: Invalid argument(-22)\n",
            ),
            (
                "show txq info 9 0",
                "",
                "Invalid port_id=9\nFailed to retrieve information for port: 9, TX queue: 0\n\
                 error desc: No such device(-19)\n",
            ),
            ("port config 0 txq 0 ring_size 512", "", ""),
            ("port config 0 rxq 9 ring_size 512", "", "Invalid RX queue 9 (must be < nb_rxq=1)\n"),
            (
                "port 0 rxq 9 setup",
                "",
                "Invalid RX queue 9 (must be < nb_rxq=1)\nInvalid rx queue\n",
            ),
            ("port stop 0", "Stopping ports...\nChecking link statuses...\nDone\n", ""),
            ("port 0 txq 0 start", "", "Please start port 0 first\n"),
        ],
    );
    assert!(bench.out("show config rxtx").contains("TX desc=512 "));
    let started = bench.out("port start 0");
    assert!(started.starts_with("Configuring Port 0 (socket 0)\n"), "{started}");
}

#[test]
fn offloads() {
    let mut bench = Bench::one();
    let stop = "Error: Can't config offload when Port 0 is not stopped\n";
    check(
        &mut bench,
        &[
            ("port config 0 rx_offload scatter on", "", stop),
            ("port config 0 rx_offload bogus on", "Bad arguments\n", ""),
            ("port stop 0", "Stopping ports...\nChecking link statuses...\nDone\n", ""),
            ("port config 0 rx_offload scatter on", "", ""),
            ("port config 0 tx_offload tcp_cksum on", "", ""),
            (
                "show port 0 tx_offload configuration",
                "Tx Offloading Configuration of port 0 :\n  Port :\n  Queue[ 0] : TCP_CKSUM\n\n",
                "",
            ),
            (
                "show port 0 rx_offload capabilities",
                "Rx Offloading Capabilities of port 0 :\n  Per Queue :\n  Per Port  :\n\n",
                "",
            ),
            (
                "show port 9 tx_offload configuration",
                "",
                "Invalid port_id=9\n\
                 Error during getting device configuration (port 9): No such device\n",
            ),
            ("port 0 rxq 3 rx_offload scatter on", "", "Error: input queue_id should be 0 ... 0\n"),
        ],
    );
    let settings = bench.app.settings_of(pmd_core::PortId(0));
    assert_eq!(settings.rx_offloads, RxOffloads::SCATTER);
    assert_eq!(settings.tx_offloads, TxOffloads::TCP_CKSUM);
}

#[test]
fn ports_that_come_and_go() {
    let (a, b, ..) = TestPort::pair(1);
    let mut bench = Bench::new(vec![a, b], Config::default());
    bench.out.take();
    bench.err.take();
    check(
        &mut bench,
        &[
            (
                "port attach net_bogus0",
                "Attaching a new port...\n",
                "EAL: failed to parse device \"net_bogus0\": known drivers: \n\
                 testpmd: Failed to attach port net_bogus0\n",
            ),
            ("port detach 1", "", "Port not stopped\n"),
            ("port detach 9", "", "Invalid port_id=9\n"),
            ("device detach net_vhost1", "Removing a device...\n", "Port 1 not stopped\n"),
            (
                "device detach bogus",
                "Removing a device...\n",
                "EAL: failed to parse device \"bogus\"\ncannot parse identifier\n",
            ),
            ("port reset 0", "", "Can not reset port(s), please stop port(s) first.\n"),
            (
                "show device info bogus",
                "",
                "EAL: failed to parse device \"bogus\"\ncannot parse identifier\n",
            ),
        ],
    );
    bench.type_in("port stop all");
    check(
        &mut bench,
        &[
            (
                "port reset all",
                "Resetting ports...\nDone\n",
                "Failed to reset port 0. diag=-95\nFailed to reset port 1. diag=-95\n",
            ),
            (
                "port detach 1",
                "Removing a device...\n\nPort 1: link state change event\nPort 1 is closed\n\
                 Device is detached\nNow total ports is 1\nDone\n",
                "Port was not closed\n",
            ),
        ],
    );
    assert_eq!(bench.app.config.ports.len(), 1);
    let summary = bench.out("show port summary all");
    assert!(summary.starts_with("Number of available ports: 1\n"), "{summary}");
}

#[test]
fn counters_by_name() {
    let mut bench = Bench::one();
    let shown = bench.out("show port xstats 0");
    let mut lines = shown.lines();
    assert_eq!(lines.next(), Some("###### NIC extended statistics for port 0 "));
    assert_eq!(lines.next(), Some("rx_good_packets: 0"));
    assert_eq!(lines.last(), Some("rx_mbuf_allocation_errors: 0"));
    bench.out("set xstats-hide-zero on");
    assert_eq!(bench.out("show port xstats all"), "###### NIC extended statistics for port 0 \n");
    check(
        &mut bench,
        &[
            ("show port xstats 9", "The valid ports array is [ 0 ]\n", "Invalid port 9\n"),
            ("clear port xstats 0", "", ""),
            ("clear port xstats 9", "The valid ports array is [ 0 ]\n", "Invalid port 9\n"),
        ],
    );
    bench.app.config.xstats = vec!["tx_good_packets".into()];
    let stats = bench.out("show port stats 0");
    assert!(stats.contains("\n  tx_good_packets"), "{stats}");
}

#[test]
fn pools_and_levels() {
    let mut bench = Bench::one();
    let dump = bench.out("dump_mempool");
    assert!(dump.starts_with("mempool <mb_pool_0>\n") && dump.contains("\n  lost=0\n"), "{dump}");
    assert!(bench.err("dump_mempool x").contains("there are mb_pool_0"));
    assert!(bench.err("set log global 9").contains("give 1 to 8"));
    assert_eq!(bench.out("show config rxoffs"), "Number of offsets: 0\n");
    assert_eq!(bench.err("create bonded device 1 0"), "bonding is not supported yet\n");
}
