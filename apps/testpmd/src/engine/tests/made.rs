//! Modes that make packets.

use std::collections::BTreeSet;

use super::*;
use crate::engine::settings::{Flow, Split};

/// Sends one burst with `tx_first` and returns the frames.
fn first_burst(settings: &Settings, capacity: usize) -> Vec<Vec<u8>> {
    let (eal, pool) = test_port::pool(2048);
    let (rx, tx) = (wires(1), wires(1));
    let mut port = TestPort::new("net_vhost0", &rx, &tx);
    port.capacity = capacity;
    let jobs = job(&mut port, &pool, settings);
    run(&eal, Mode::RxOnly, jobs, settings, 2);
    let frames = tx[0].seen();
    drop(tx[0].take());
    assert_eq!(pool.audit().in_use, 0);
    frames
}

fn is_right(frame: &[u8]) {
    let packet = etherparse::SlicedPacket::from_ethernet(frame).unwrap();
    let Some(etherparse::NetSlice::Ipv4(ip)) = &packet.net else { panic!("IPv4") };
    let header = ip.header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    assert_eq!(usize::from(header.total_len), frame.len() - 14);
    let Some(etherparse::TransportSlice::Udp(udp)) = &packet.transport else { panic!("UDP") };
    assert_eq!(usize::from(udp.length()), frame.len() - 34);
}

#[test]
fn addresses_and_ports_are_those_that_were_asked_for() {
    let flow = Flow { ip: [0x0A00_0001, 0x0A00_0002], udp: [7, 8] };
    let frames = first_burst(&Settings { flow, ..settings(4) }, usize::MAX);
    assert_eq!(frames.len(), 8);
    for frame in &frames {
        is_right(frame);
        assert_eq!(frame[26..38], [10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 0, 8]);
    }
}

#[test]
fn many_flows_differ_in_their_source() {
    let frames = first_burst(&Settings { multi_flow: true, ..settings(200) }, usize::MAX);
    let sources: BTreeSet<&[u8]> = frames.iter().map(|frame| &frame[26..30]).collect();
    assert_eq!((frames.len(), sources.len()), (400, 256));
    frames.iter().for_each(|frame| is_right(frame));
    // The destination with a byte varied, plus the lcore.
    assert_eq!(frames[0][26..34], [198, 18, 0, 3, 198, 18, 0, 2]);
    assert_eq!(frames[1][26..34], [198, 18, 1, 3, 198, 18, 0, 2]);
}

#[test]
fn flows_of_packets_that_were_dropped_come_again() {
    let frames = first_burst(&Settings { multi_flow: true, ..settings(4) }, 6);
    let varied: Vec<u8> = frames.iter().map(|frame| frame[28]).collect();
    assert_eq!(varied, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_random_number_of_segments_makes_packets_of_every_length() {
    let shape = Settings { split: Split::Random, segments: vec![60, 40, 100], ..settings(200) };
    let frames = first_burst(&shape, usize::MAX);
    let lengths: BTreeSet<usize> = frames.iter().map(Vec::len).collect();
    assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [60, 100, 200]);
    frames.iter().for_each(|frame| is_right(frame));
}

/// Runs `flowgen` until `count` frames were sent.
fn generated(
    settings: &Settings,
    count: usize,
    capacity: usize,
) -> (Vec<Vec<u8>>, CountersSnapshot) {
    let (eal, pool) = test_port::pool(2048);
    let (rx, tx) = (wires(1), wires(1));
    for _ in 0..3 {
        let mut mbuf = pool.take().unwrap();
        mbuf.append(64).unwrap();
        rx[0].push(mbuf);
    }
    let mut port = TestPort::new("net_vhost0", &rx, &tx);
    port.capacity = capacity;
    let jobs = job(&mut port, &pool, settings);
    let forwarding = Forwarding::launch(&eal, Mode::FlowGen, jobs, settings, 0).unwrap();
    while tx[0].seen().len() < count {
        std::thread::yield_now();
    }
    let (jobs, errors) = forwarding.stop(&eal);
    assert!(errors.is_empty());
    let counted = totals(&jobs);
    let seen = tx[0].seen();
    drop((jobs, tx[0].take(), rx[0].take()));
    assert_eq!(pool.audit().in_use, 0);
    (seen, counted)
}

#[test]
fn flowgen_sends_to_every_destination_in_turn_and_drops_what_it_receives() {
    let (frames, counted) = generated(&Settings { flows: 5, ..settings(4) }, 20, usize::MAX);
    for (index, frame) in frames.iter().take(20).enumerate() {
        is_right(frame);
        assert_eq!((frame.len(), frame[33]), (60, (index % 5) as u8));
        assert_eq!(frame[..12], [0, 1, 2, 3, 4, 1, 0, 1, 2, 3, 4, 0]);
        assert_eq!(frame[26..33], [10, 254, 0, 0, 10, 253, 0]);
        assert_eq!(frame[34..38], [3, 232, 3, 233]);
    }
    assert_eq!((counted.rx, counted.dropped), (3, 0));
}

#[test]
fn flowgen_goes_on_with_the_flow_that_was_dropped() {
    let (frames, counted) = generated(&Settings { flows: 100, ..settings(4) }, 6, 6);
    let flows: Vec<u8> = frames.iter().map(|frame| frame[33]).collect();
    assert_eq!(flows, [0, 1, 2, 3, 4, 5]);
    assert_eq!(counted.tx, 6);
}

#[test]
fn flowgen_repeats_a_packet_as_often_as_it_is_told_to() {
    let (frames, _) = generated(&Settings { clones: 2, ..settings(6) }, 12, usize::MAX);
    let flows: Vec<u8> = frames.iter().take(12).map(|frame| frame[33]).collect();
    assert_eq!(flows, [0, 0, 0, 3, 3, 3, 6, 6, 6, 9, 9, 9]);
}
