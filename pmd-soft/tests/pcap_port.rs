//! `net_pcap` as an app uses it: frame for frame, every buffer back, and what happens with files that will not do.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use pmd_core::{Burst, Event, MacAddr, PortId, RxBurst, TxBurst};
use proptest::prelude::*;
use support::captures::{Folder, capture, frames_of, parsed};
use support::{Rig, frame, receive, send};

fn text(rx: &[&Path], tx: &[&Path]) -> String {
    let mut text = "net_pcap0".to_owned();
    for path in rx {
        text += &format!(",rx_pcap={}", path.display());
    }
    for path in tx {
        text += &format!(",tx_pcap={}", path.display());
    }
    text
}

/// Forwards everything that queue 0 of `from` has to queue 0 of `to`.
fn forward(rig: &mut Rig, from: PortId, to: PortId) -> usize {
    let mut rx = rig.port(from).claim_rx(0, "test").unwrap();
    let mut tx = rig.port(to).claim_tx(0, "test").unwrap();
    let (mut burst, mut moved) = (Burst::new(32), 0);
    while rx.burst(&mut burst) > 0 {
        moved += send(&mut tx, &mut burst);
    }
    moved
}

#[test]
fn a_file_goes_through_frame_for_frame() {
    let folder = Folder::new();
    let frames: Vec<_> = (0..1000).map(|n| frame(n, 60)).collect();
    let (input, output) = (folder.capture("in.pcap", &frames), folder.path("out.pcap"));
    let mut rig = Rig::new(64);
    let id = rig.start(&text(&[&input], &[&output]), 1);
    assert_eq!(rig.port(id).mac(), MacAddr([0x02, 0x70, 0x63, 0x61, 0x70, 0]));
    let before = std::time::SystemTime::now();
    assert_eq!(forward(&mut rig, id, id), 1000);
    assert_eq!(frames_of(&output), frames, "whole before the port is stopped");
    let stats = rig.port(id).stats();
    assert_eq!((stats.rx_packets, stats.rx_bytes, stats.rx_errors), (1000, 60_000, 0));
    assert_eq!((stats.tx_packets, stats.tx_bytes, stats.tx_errors), (1000, 60_000, 0));
    let since = before.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let times: Vec<u64> = parsed(&output).iter().map(|(time, _)| *time).collect();
    assert!(times.is_sorted() && times[0] >= since, "real times");
    rig.all_back();
}

#[test]
fn stopping_and_starting_reads_from_the_beginning_and_writes_anew() {
    let folder = Folder::new();
    let frames: Vec<_> = (0..50).map(|n| frame(n, 100)).collect();
    let (input, output) = (folder.capture("in.pcap", &frames), folder.path("out.pcap"));
    let mut rig = Rig::new(64);
    let id = rig.start(&text(&[&input], &[&output]), 1);
    let mut rx = rig.port(id).claim_rx(0, "test").unwrap();
    let mut burst = Burst::new(20);
    assert_eq!(rx.burst(&mut burst), 20);
    burst.clear();
    drop(rx);
    rig.port(id).stop().unwrap();
    fs::rename(&output, folder.path("kept.pcap")).unwrap();
    rig.port(id).start().unwrap();
    assert_eq!(forward(&mut rig, id, id), 50);
    assert_eq!(frames_of(&output), frames);
    assert!(frames_of(&folder.path("kept.pcap")).is_empty());
    rig.port(id).stop().unwrap();
    fs::remove_file(&input).unwrap();
    let gone = rig.port(id).start().unwrap_err().to_string();
    assert!(gone.contains("net_pcap0: cannot read") && gone.contains("in.pcap"), "{gone}");
    assert!(!rig.port(id).is_started());
    rig.all_back();
}

#[test]
fn long_frames_become_chains_and_come_out_whole() {
    let folder = Folder::new();
    let frames: Vec<_> = [2048, 2049, 9018, 65_535, 200_000, 14].map(|len| frame(9, len)).into();
    let (input, output) = (folder.capture("in.pcap", &frames), folder.path("out.pcap"));
    let mut rig = Rig::new(256);
    let id = rig.start(&text(&[&input], &[&output]), 1);
    let mut rx = rig.port(id).claim_rx(0, "test").unwrap();
    let mut tx = rig.port(id).claim_tx(0, "test").unwrap();
    let mut segments = Vec::new();
    let mut burst = Burst::new(1);
    while rx.burst(&mut burst) > 0 {
        segments.push(burst[0].segment_count());
        assert_eq!(tx.burst(&mut burst), 1);
    }
    assert_eq!(segments, [1, 2, 5, 32, 98, 1]);
    assert_eq!(frames_of(&output), frames);
    rig.all_back();
}

#[test]
fn a_frame_waits_for_buffers_and_one_that_never_fits_is_passed_over() {
    let folder = Folder::new();
    let frames = [frame(1, 8000), frame(2, 60), frame(3, 100_000), frame(4, 60)];
    let input = folder.capture("in.pcap", &frames);
    let mut rig = Rig::new(4);
    let id = rig.start(&text(&[&input], &[]), 1);
    let mut rx = rig.port(id).claim_rx(0, "test").unwrap();
    let mut burst = Burst::new(8);
    let held = rig.pool.take().unwrap();
    assert_eq!(rx.burst(&mut burst), 0, "four buffers are needed and three are there");
    drop(held);
    assert_eq!(rx.burst(&mut burst), 1);
    assert_eq!(burst[0].to_vec(), frames[0]);
    burst.clear();
    assert_eq!(receive(&mut rx, 1), [frames[1].clone()]);
    assert_eq!(rx.burst(&mut burst), 0);
    assert_eq!(receive(&mut rx, 8), [frames[3].clone()]);
    let stats = rig.port(id).stats();
    assert_eq!((stats.rx_packets, stats.rx_errors), (3, 1));
    assert!(stats.rx_no_mbuf >= 1);
    rig.all_back();
}

#[test]
fn a_file_without_end() {
    let folder = Folder::new();
    let frames: Vec<_> = (0..7).map(|n| frame(n, 64)).collect();
    let input = folder.capture("in.pcap", &frames);
    let empty = folder.capture("empty.pcap", &[]);
    let mut rig = Rig::new(64);
    let id = rig.start(&(text(&[&input, &empty], &[]) + ",infinite_rx=1"), 2);
    let mut rx = rig.port(id).claim_rx(0, "test").unwrap();
    let got = receive(&mut rx, 1000);
    assert!(got.iter().eq(frames.iter().cycle().take(1000)));
    let mut nothing = rig.port(id).claim_rx(1, "test").unwrap();
    assert!(receive(&mut nothing, 10).is_empty(), "no frame is not for ever");
    rig.all_back();
}

#[test]
fn several_files_are_several_queues() {
    let folder = Folder::new();
    let inputs: Vec<PathBuf> = (0..3)
        .map(|q| folder.capture(&format!("in{q}"), &[frame(q, 60), frame(q + 10, 70)]))
        .collect();
    let outputs: Vec<PathBuf> = (0..2).map(|q| folder.path(&format!("out{q}"))).collect();
    let mut rig = Rig::new(64);
    let ins: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    let outs: Vec<&Path> = outputs.iter().map(PathBuf::as_path).collect();
    let id = rig.probe(&text(&ins, &outs)).unwrap();
    let info = rig.port(id).info();
    assert_eq!((info.rx.max_queues, info.tx.max_queues), (3, 2));
    rig.setup(id, 3).unwrap_err();
    rig.setup(id, 2).unwrap();
    rig.port(id).start().unwrap();
    for queue in 0..2 {
        let mut rx = rig.port(id).claim_rx(queue, "test").unwrap();
        let mut tx = rig.port(id).claim_tx(1 - queue, "test").unwrap();
        let mut burst = Burst::new(8);
        rx.burst(&mut burst);
        assert_eq!(send(&mut tx, &mut burst), 2);
    }
    assert_eq!(frames_of(&outputs[1]), [frame(0, 60), frame(10, 70)]);
    assert_eq!(frames_of(&outputs[0]), [frame(1, 60), frame(11, 70)]);
    rig.port(id).set_queue_running(true, 0, false).unwrap();
    rig.all_back();
}

#[test]
fn one_direction_alone() {
    let folder = Folder::new();
    let input = folder.capture("in", &[frame(0, 60)]);
    let output = folder.path("out");
    let mut rig = Rig::new(64);
    let reads = rig.start(&text(&[&input], &[]), 1);
    let writes = rig.start(&text(&[], &[&output]).replace("net_pcap0", "eth_pcap1"), 1);
    assert_eq!(rig.port(writes).mac(), MacAddr([0x02, 0x70, 0x63, 0x61, 0x70, 1]));
    assert_eq!(forward(&mut rig, writes, reads), 0, "nothing is received without a file");
    assert_eq!(forward(&mut rig, reads, writes), 1);
    assert_eq!(frames_of(&output), [frame(0, 60)]);
    let mut drops = rig.port(reads).claim_tx(0, "test").unwrap();
    let mut burst = rig.packets([frame(5, 80)]);
    assert_eq!(drops.burst(&mut burst), 1);
    assert_eq!(rig.port(reads).stats().tx_bytes, 80);
    rig.all_back();
}

#[test]
fn a_file_that_ends_early_gives_what_is_whole_and_an_event() {
    let folder = Folder::new();
    let frames: Vec<_> = (0..40).map(|n| frame(n, 60)).collect();
    let mut bytes = capture(&frames);
    bytes.truncate(bytes.len() - 30);
    let input = folder.path("cut.pcap");
    fs::write(&input, bytes).unwrap();
    let mut rig = Rig::new(64);
    let id = rig.start(&text(&[&input], &[]), 1);
    let mut rx = rig.port(id).claim_rx(0, "test").unwrap();
    assert_eq!(receive(&mut rx, 100), frames[..39]);
    assert!(receive(&mut rx, 100).is_empty());
    let port = rig.port(id);
    let stats = port.stats();
    assert_eq!((stats.rx_packets, stats.rx_errors), (39, 1));
    let reason = "the capture file ends inside a record";
    assert_eq!(port.events().try_next(), Some(Event::QueueBroken { rx: true, queue: 0, reason }));
    assert_eq!(port.events().try_next(), None);
    rig.all_back();
}

#[test]
fn frames_that_cannot_be_written_are_counted_and_told_once() {
    let (reader, writer) = std::io::pipe().unwrap();
    let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let mut rig = Rig::new(64);
    let id = rig.start(&text(&[], &[Path::new(&path)]), 1);
    let mut tx = rig.port(id).claim_tx(0, "test").unwrap();
    let mut burst = rig.packets([frame(0, 60), frame(1, 70)]);
    assert_eq!(tx.burst(&mut burst), 2);
    drop((reader, writer));
    for _ in 0..2 {
        let mut burst = rig.packets([frame(2, 80), frame(3, 90), frame(4, 100)]);
        assert_eq!(tx.burst(&mut burst), 3, "taken, dropped and counted");
    }
    let port = rig.port(id);
    let stats = port.stats();
    assert_eq!((stats.tx_packets, stats.tx_bytes, stats.tx_errors), (2, 130, 6));
    let reason = "the capture file cannot be written";
    assert_eq!(port.events().try_next(), Some(Event::QueueBroken { rx: false, queue: 0, reason }));
    assert_eq!(port.events().try_next(), None);
    port.stop().unwrap();
    let gone = port.start().unwrap_err().to_string();
    assert!(gone.contains("cannot write '/proc/self/fd/"), "{gone}");
    rig.all_back();
}

#[test]
fn a_full_disk_is_told_when_the_port_is_made() {
    let mut rig = Rig::new(64);
    let error = rig.probe(&text(&[], &[Path::new("/dev/full")])).unwrap_err().to_string();
    assert!(error.contains("cannot write '/dev/full' (tx_pcap)"), "{error}");
}

#[test]
fn files_that_will_not_do_leave_nothing_behind() {
    let folder = Folder::new();
    let input = folder.capture("in.pcap", &[frame(0, 60)]);
    let good = fs::read(&input).unwrap();
    let no_pcap = folder.path("notes.txt");
    fs::write(&no_pcap, "not a capture at all, just text").unwrap();
    let (new, missing) = (folder.path("new.pcap"), folder.path("no/such/out.pcap"));
    let pipe = folder.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut rig = Rig::new(64);
    for (text, part) in [
        (text(&[&pipe], &[&new]), "not a regular file"),
        (text(&[&input], &[&new, &pipe]), "start the program that reads this pipe first"),
        (
            text(&[&folder.path("none.pcap")], &[&new]),
            "give the path of a capture file that exists",
        ),
        (text(&[&no_pcap], &[&new]), "not a pcap file"),
        (text(&[folder.0.path()], &[&new]), "that is a folder"),
        (text(&[&input], &[&new, &missing]), "make its folder first"),
        (text(&[&input], &[&new, folder.0.path()]), "that is a folder"),
        (text(&[&input], &[&input]), "named twice"),
        (text(&[&input], &[&new, &new]), "named twice"),
    ] {
        let error = rig.probe(&text).unwrap_err().to_string();
        assert!(error.contains("net_pcap0: ") && error.contains(part), "{text}: {error}");
        assert!(!new.exists(), "{text}");
    }
    assert_eq!(fs::read(&input).unwrap(), good);
    assert!(rig.ports.is_empty());
}

#[test]
fn a_file_that_was_there_stays_unless_all_is_well() {
    let folder = Folder::new();
    let old = folder.capture("old.pcap", &[frame(0, 60)]);
    let missing = folder.path("no/such/out.pcap");
    let mut rig = Rig::new(64);
    rig.probe(&text(&[], &[&old, &missing])).unwrap_err();
    assert_eq!(frames_of_micros(&old), 1);
    rig.probe(&text(&[], &[&old])).unwrap();
    assert_eq!(frames_of(&old).len(), 0, "emptied");
}

fn frames_of_micros(path: &Path) -> usize {
    (fs::read(path).unwrap().len() - 24) / 76
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_frames_in_any_bursts(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5000), 0..60),
        bursts in prop::collection::vec(1usize..40, 1..5),
    ) {
        let folder = Folder::new();
        let (input, output) = (folder.capture("in", &frames), folder.path("out"));
        let mut rig = Rig::new(256);
        let id = rig.start(&text(&[&input], &[&output]), 1);
        let mut rx = rig.port(id).claim_rx(0, "test").unwrap();
        let mut tx = rig.port(id).claim_tx(0, "test").unwrap();
        let mut moved = 0;
        for capacity in bursts.iter().cycle() {
            let mut burst = Burst::new(*capacity);
            if rx.burst(&mut burst) == 0 {
                break;
            }
            moved += send(&mut tx, &mut burst);
        }
        prop_assert_eq!(moved, frames.len());
        rig.port(id).stop().unwrap();
        prop_assert_eq!(frames_of(&output), frames);
        rig.all_back();
    }
}
