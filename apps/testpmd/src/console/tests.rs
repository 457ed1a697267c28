use pmd_core::{EthDev, Event};

use super::bench::Bench;
use crate::config::Config;
use crate::test_port::TestPort;

/// Signal masks belong to threads: each test runs in one of its own anyway.
#[test]
fn start_up_of_one_port() {
    let bench = Bench::new(vec![TestPort::looped(1).0], Config::default());
    let expected = "Configuring Port 0 (socket 0)\nPort 0: 56:48:4F:53:54:00\n\
                    Checking link statuses...\nDone\n";
    assert_eq!(bench.out.take(), expected);
    let warning = "\nWarning! port-topology=paired and odd forward ports number, \
                   the last port will pair with itself.\n\n";
    assert_eq!(bench.err.take(), warning);
}

#[test]
fn start_and_stop() {
    let mut bench = Bench::one();
    let expected = "io packet forwarding - ports=1 - cores=1 - streams=1 - \
NUMA support enabled, MP allocation mode: native
Logical Core 1 (socket 0) forwards packets on 1 streams:
  RX P=0/Q=0 (socket 0) -> TX P=0/Q=0 (socket 0) peer=02:00:00:00:00:00

  io packet forwarding packets/burst=32
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
    assert_eq!(bench.out("start"), expected);
    assert_eq!(bench.err("start"), "Packet forwarding already started\n");
    assert_eq!(bench.err("start tx_first"), "Packet forwarding already started\n");
    let expected = "Telling cores to stop...
Waiting for lcores to finish...

  ---------------------- Forward statistics for port 0  ----------------------
  RX-packets: 0              RX-dropped: 0             RX-total: 0
  TX-packets: 0              TX-dropped: 0             TX-total: 0
  ----------------------------------------------------------------------------

  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++
  RX-packets: 0              RX-dropped: 0             RX-total: 0
  TX-packets: 0              TX-dropped: 0             TX-total: 0
  ++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++

Done.
";
    assert_eq!(bench.out("stop"), expected);
    assert_eq!(bench.err("stop"), "Packet forwarding not started\n");
}

#[test]
fn tx_first_counts_in_port_and_report() {
    let (rx, tx) = (vec![Default::default()], vec![Default::default()]);
    let mut port = TestPort::new("net_vhost0", &rx, &tx);
    port.capacity = 1024;
    let mut bench = Bench::new(vec![port], Config::default());
    bench.out.take();
    bench.err.take();
    bench.out("set fwd rxonly");
    bench.type_in("start tx_first 40");
    let stop = bench.out("stop");
    let line = "  TX-packets: 1024           TX-dropped: 256           TX-total: 1280\n";
    assert_eq!(stop.matches(line).count(), 2, "{stop}");
    let stats = bench.out("show port stats 0");
    assert!(
        stats.contains("  TX-packets: 1024       TX-errors: 0          TX-bytes:  65536\n"),
        "{stats}"
    );
    assert_eq!(bench.out("clear port stats all"), "\n  NIC statistics for port 0 cleared\n");
    assert!(bench.out("show port stats 0").contains("  TX-packets: 0  "));
    assert!(
        bench.out("show fwd stats all").contains("TX-packets: 0              TX-dropped: 256  ")
    );
    assert_eq!(bench.out("clear fwd stats all"), "");
    assert!(bench.out("show fwd stats all").contains("TX-dropped: 0  "));
}

#[test]
fn what_may_not_be_done_while_forwarding() {
    let mut bench = Bench::one();
    bench.out("start");
    let in_use = "Please remove port 0 from forwarding configuration.\n";
    for (line, out, err) in [
        ("port stop 0", "Stopping ports...\nDone\n", in_use),
        ("port stop all", "Stopping ports...\nDone\n", in_use),
        ("port close 0", "Closing ports...\nDone\n", in_use),
        ("port start 0", "Done\n", "Port 0 is now not stopped\nPlease stop the ports first\n"),
        ("set nbcore 1", "", "Please stop forwarding first\n"),
        ("set portlist 0", "", "Please stop forwarding first\n"),
        ("set burst 64", "Number of packets per burst set to 64\n", ""),
        ("set txpkts 128", "", ""),
        ("set fwd mac", "Set mac packet forwarding mode\n", ""),
    ] {
        assert_eq!(bench.type_in(line), (out.into(), err.into()), "{line}");
    }
    bench.out("stop");
}

#[test]
fn port_stop_start_close() {
    let mut bench = Bench::one();
    assert_eq!(bench.out("port stop 0"), "Stopping ports...\nChecking link statuses...\nDone\n");
    assert_eq!(bench.out("port stop 0"), "Stopping ports...\nDone\n");
    assert_eq!(bench.err("start"), "Not all ports were started\n");
    let started = "Port 0: 56:48:4F:53:54:00\nChecking link statuses...\nDone\n";
    assert_eq!(bench.out("port start 0"), started);
    let (out, err) = bench.type_in("port close 0");
    assert_eq!(out, "Closing ports...\nDone\n");
    assert_eq!(err, "Cannot close started device (port 0)\n");
    bench.out("port stop all");
    let closed = "Closing ports...\n\nPort 0: link state change event\nPort 0 is closed\nDone\n";
    assert_eq!(bench.out("port close 0"), closed);
    let gone = ("The valid ports array is [ ]\n".into(), "Invalid port 0\n".into());
    assert_eq!(bench.type_in("show port stats 0"), gone);
    assert_eq!(bench.out("show port stats all"), "");
    assert_eq!(bench.err("port start 0"), "Invalid port 0\n");
    assert_eq!(bench.out("port start all"), "Done\n");
    assert_eq!(bench.out("port stop all"), "Stopping ports...\nDone\n");
    assert!(
        bench.out("start").starts_with("io packet forwarding - ports=0 - cores=0 - streams=0 -")
    );
    assert!(bench.out("stop").contains("Accumulated"));
}

#[test]
fn ports_that_do_not_exist() {
    let mut bench = Bench::one();
    let complaint = ("The valid ports array is [ 0 ]\n".to_owned(), "Invalid port 9\n".to_owned());
    for line in ["show port stats 9", "show port info 9", "clear port stats 9"] {
        assert_eq!(bench.type_in(line), complaint, "{line}");
    }
    let (out, err) = bench.type_in("show port summary 9");
    assert!(out.ends_with("Status   Link\nThe valid ports array is [ 0 ]\n"), "{out}");
    assert_eq!(err, "Invalid port 9\n");
    for line in ["port stop 9", "port start 9", "port close 9"] {
        assert_eq!(bench.err(line), "Invalid port 9\n", "{line}");
    }
    assert_eq!(bench.err("set portlist 3"), "Invalid port 3\n");
    assert_eq!(bench.err("set eth-peer 9 00:aa:bb:cc:dd:ee"), "Error: Invalid port number 9\n");
}

#[test]
fn settings() {
    let mut bench = Bench::one();
    for (line, out) in [
        ("set fwd rxonly", "Set rxonly packet forwarding mode\n"),
        ("set fwd io retry", "Set io packet forwarding mode with retry\n"),
        ("set burst 0", "Number of packets per burst set to 0\n"),
        ("set burst 512", "Number of packets per burst set to 512\n"),
        ("set txpkts 64,64", ""),
        ("show config txpkts", "Number of segments: 2\nSegment sizes: 64,64\nSplit packet: off\n"),
        ("set nbcore 2", "Number of forwarding cores set to 2\n"),
        ("show config cores", "List of forwarding lcores:  1  2\n"),
        ("set portlist 0", ""),
        ("set portmask 0x1", ""),
        ("set corelist 1,2", ""),
        (
            "set coremask 2",
            "previous number of forwarding cores 2 - changed to number of configured cores 1\n",
        ),
        ("set nbport 1", "Number of forwarding ports set to 1\n"),
        ("set promisc all on", ""),
        ("set eth-peer 0 00:aa:bb:cc:dd:ee", ""),
    ] {
        assert_eq!(bench.out(line), out, "{line}");
    }
    for (line, err) in [
        ("set burst 600", "nb pkt per burst: 600 > 512 (maximum packet per burst)  ignored\n"),
        ("set txpkts 20", "total packet length=20 < 42 - give up\n"),
        ("set nbcore 9", "nb fwd cores 9 > 1 (max. number of configured lcores) - ignored\n"),
        ("set nbport 2", "nb fwd ports 2 > 1 (number of configured ports) - ignored\n"),
        ("set corelist 9", "lcore 9 not enabled\n"),
        ("set portlist 0,0", "duplicated port 0 at index 0 and 1\n"),
        (
            "set promisc 0 off",
            "Error during disabling promiscuous mode for port 0: Operation not supported\n",
        ),
    ] {
        assert_eq!(bench.err(line), err, "{line}");
    }
    assert!(bench.err("set nbcore 0").contains("must be > 0"));
    assert!(bench.err("set fwd noisy").contains("is not supported: set fwd io, mac, macswap,"));
    assert!(bench.out("show config fwd").contains(" peer=00:AA:BB:CC:DD:EE\n"));
}

#[test]
fn lines_that_are_no_commands() {
    let mut bench = Bench::one();
    assert_eq!(bench.out("foo"), "Command not found\n");
    assert_eq!(bench.out("show port"), "Bad arguments\n");
    assert_eq!(bench.out(""), "");
    assert_eq!(bench.out("quit"), "");
    assert!(
        bench
            .out("help")
            .contains("    help control                    : Start and stop forwarding.\n")
    );
    assert!(bench.out("help all").contains("show fwd stats all"));
}

#[test]
fn two_ports_fewer_ports() {
    let (a, b, _, _) = TestPort::pair(1);
    let mut bench = Bench::new(vec![a, b], Config { nb_cores: 2, ..Config::default() });
    assert_eq!(bench.err.take(), "", "two ports are a pair");
    bench.out.take();
    assert!(bench.out("start").contains("ports=2 - cores=2 - streams=2"));
    bench.out("stop");
    let (out, err) = bench.type_in("set portlist 0");
    let changed =
        "previous number of forwarding ports 2 - changed to number of configured ports 1\n";
    assert_eq!(out, changed);
    assert!(err.starts_with("\nWarning! port-topology=paired"), "{err}");
    assert_eq!(bench.out("port stop 0"), "Stopping ports...\nChecking link statuses...\nDone\n");
    bench.out("port close 0");
    let (out, _) = bench.type_in("start");
    assert!(
        out.contains("ports=0 - cores=0") && out.contains("\n  port 1: RX queue number"),
        "{out}"
    );
    bench.out("stop");
}

#[test]
fn events_are_told_and_the_end_is_complete() {
    let (port, _) = TestPort::looped(1);
    let sender = port.sender();
    let mut bench = Bench::new(vec![port], Config::default());
    bench.out.take();
    bench.err.take();
    sender.send(Event::Link(true));
    sender.send(Event::QueueBroken { rx: true, queue: 0, reason: "a loop of descriptors" });
    bench.app.print_events();
    let told = "\nPort 0: link state change event\n\n\
                Port 0: RX queue 0 out of service: a loop of descriptors\n";
    assert_eq!(bench.out.take(), told);
    bench.out("start");
    sender.send(Event::Link(false));
    bench.app.shut_down();
    let out = bench.out.take();
    let expected = "Done.

Primary: Sending 'stop_req' request to secondary...

Stopping port 0...
Stopping ports...
Done

Shutting down port 0...
Closing ports...
Port 0 is closed
Done

Bye...
";
    assert!(out.starts_with("Telling cores to stop...\n") && out.ends_with(expected), "{out}");
    assert!(bench.app.ports.is_empty());
}

#[test]
fn queues_are_free_after_stop() {
    let mut bench = Bench::one();
    for _ in 0..3 {
        bench.out("start");
        let dev = bench.app.ports.get_mut(pmd_core::PortId(0)).unwrap();
        assert!(dev.claim_rx(0, "test").is_err(), "the lcore holds it");
        bench.out("stop");
        let dev: &mut (dyn EthDev + 'static) =
            bench.app.ports.get_mut(pmd_core::PortId(0)).unwrap();
        assert!(dev.claim_rx(0, "test").is_ok());
    }
}

#[test]
fn no_queues_no_forwarding() {
    let config = Config { rx_queues: 0, ..Config::default() };
    let mut bench = Bench::new(vec![TestPort::looped(1).0], config);
    bench.out.take();
    bench.err.take();
    assert_eq!(bench.err("start"), "Either rxq or txq are 0, cannot use io fwd mode\n");
    bench.out("set fwd txonly");
    let out = bench.out("start");
    assert!(out.contains(
        "txonly packet forwarding packets/burst=32\n  packet len=64 - nb packet segments=1\n"
    ));
    bench.out("stop");
}
