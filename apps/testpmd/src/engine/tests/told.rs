//! What is told and measured beyond packets.

use std::sync::Mutex;

use super::*;
use crate::engine::settings::{Record, Verbose};

/// Passes packets through `rxonly` or another mode and returns what was printed, a string a call, and the stream.
fn printed(mode: Mode, settings: &Settings, lengths: &[u16], sent: u32) -> (Vec<String>, Vec<Job>) {
    let (eal, pool) = test_port::pool(256);
    let (rx, tx) = (wires(1), wires(1));
    let mut port = TestPort::new("net_vhost0", &rx, &tx);
    port.capacity = 8;
    let frame =
        frame::Frame::new(MacAddr([0, 0x11, 0x22, 0x33, 0x44, 0x10]), PEER, 64, Default::default());
    for &length in lengths {
        let mut mbuf = pool.take().unwrap();
        frame.fill(&mut mbuf, &[length], &pool).unwrap();
        rx[0].push(mbuf);
    }
    let mut jobs = job(&mut port, &pool, settings);
    let text: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = Arc::clone(&text);
    let printer = Arc::new(move |block: &str| sink.lock().unwrap().push(block.to_owned()));
    jobs[0].streams[0].print_to(printer);
    let counters = Arc::clone(jobs[0].streams[0].counters());
    let forwarding = Forwarding::launch(&eal, mode, jobs, settings, sent).unwrap();
    while counters.snapshot().rx < lengths.len() as u64 {
        std::thread::yield_now();
    }
    forwarding.wait_until_ready(|| false);
    let (jobs, errors) = forwarding.stop(&eal);
    assert!(errors.is_empty());
    let text = text.lock().unwrap().clone();
    (text, jobs)
}

const FLAGS: &str = "RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN \
                     RTE_MBUF_F_RX_OUTER_L4_CKSUM_UNKNOWN ";

#[test]
fn received_packets_a_block_a_burst() {
    let verbose = Settings { verbose: Verbose(1), ..settings(8) };
    let (text, _) = printed(Mode::RxOnly, &verbose, &[64, 64], 0);
    let packet = format!(
        "  src=00:11:22:33:44:10 - dst=02:00:00:00:00:00 - pool=mb_pool_0 - type=0x0800 - length=64 - nb_segs=1 \
         - sw ptype: L2_ETHER L3_IPV4 L4_UDP  - l2_len=14 - l3_len=20 - l4_len=8 - Receive queue=0x0\n  \
         ol_flags: {FLAGS}\n"
    );
    assert_eq!(text, [format!("port 0/queue 0: received 2 packets\n{packet}{packet}")]);
}

#[test]
fn sent_packets_and_drops() {
    let verbose = Settings { verbose: Verbose(2), ..settings(6) };
    let (text, _) = printed(Mode::RxOnly, &verbose, &[], 3);
    let bursts: Vec<&str> = text.iter().filter_map(|block| block.lines().next()).collect();
    let (sent, drop) = (
        "port 0/queue 0: sent 6 packets",
        "port 0 tx_queue 0 - drop (nb_pkt:6 - nb_tx:2)=4 packets",
    );
    assert_eq!(bursts, [sent, sent, drop, sent]);
    let last = text[0].lines().last().unwrap();
    assert_eq!(last, "  ol_flags: RTE_MBUF_F_TX_L4_NO_CKSUM ");
    assert!(text[0].contains(" - l4_len=8 - Send queue=0x0\n"), "{}", text[0]);
}

#[test]
fn levels() {
    let both = Settings { verbose: Verbose(3), ..settings(8) };
    let (text, _) = printed(Mode::MacSwap, &both, &[64], 0);
    let bursts: Vec<&str> = text.iter().filter_map(|block| block.lines().next()).collect();
    assert_eq!(bursts, ["port 0/queue 0: received 1 packets", "port 0/queue 0: sent 1 packets"]);
    let (text, _) = printed(Mode::MacSwap, &settings(8), &[64], 0);
    assert!(text.is_empty());
}

#[test]
fn a_packet_that_ends_early_is_told_as_far_as_it_goes() {
    let verbose = Settings { verbose: Verbose(1), ..settings(8) };
    let (text, _) = printed(Mode::RxOnly, &verbose, &[9], 0);
    assert!(
        text[0].contains("type=0x0000 - length=9 - nb_segs=1 - sw ptype: UNKNOWN - Receive"),
        "{}",
        text[0]
    );
}

#[test]
fn csum_tells_what_it_found() {
    let verbose = Settings { verbose: Verbose(1), ..settings(8) };
    let (text, _) = printed(Mode::Csum, &verbose, &[64], 0);
    let block = &text[1];
    assert!(block.starts_with("-----------------\nport=0, mbuf=0x"), "{block}");
    let rest = block.split_once(", pkt_len=64, nb_segs=1:\n").unwrap().1;
    let expected = format!(
        "rx: l2_len=14 ethertype=800 l3_len=20 l4_proto=17 l4_len=8 flags={FLAGS}\n\
         tx: flags=RTE_MBUF_F_TX_L4_NO_CKSUM RTE_MBUF_F_TX_IPV4 \n"
    );
    assert_eq!(rest, expected);
}

#[test]
fn bursts_are_counted_by_their_size_when_asked_for() {
    let record = Record { bursts: true, cycles: true };
    let (_, jobs) = printed(Mode::Io, &Settings { record, ..settings(4) }, &[64; 6], 0);
    let counters = jobs[0].streams[0].counters();
    let [received, sent] = counters.bursts().unwrap();
    assert_eq!((received[4], received[2], received.len()), (1, 1, 513));
    assert_eq!((sent[4], sent[2], sent[0]), (1, 1, 0));
    assert!(counters.snapshot().cycles > 0);
    let (_, jobs) = printed(Mode::Io, &settings(4), &[64; 6], 0);
    let counters = jobs[0].streams[0].counters();
    assert_eq!((counters.bursts(), counters.snapshot().cycles), (None, 0));
}
