//! Careless and hostile front-ends. After each, every descriptor that it sent is closed and a well-formed session works.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use pmd_vhost::Service;
use support::{Bench, FrontEnd, GUEST, MEMORY, RING, Tracked, USER, eventually, receive};
use virtio::vhost_user::{
    Header, HeaderFlags, MemoryRegion, MemoryTable, PayloadRule, ReplyRule, Request, U64,
    VringAddr, VringState, WireError,
};

/// How many file descriptors a request carries when it is well formed (with the bodies of [`body`]).
fn fds_of(request: Request) -> usize {
    use virtio::vhost_user::FdRule;
    match request.rule().fds {
        FdRule::Exact(count) => count,
        FdRule::PerRegion | FdRule::Vring => 1,
        FdRule::AtMostOne => 0,
    }
}

/// A body of the right length.
fn body(request: Request) -> Vec<u8> {
    match request.rule().payload {
        PayloadRule::Exact(bytes) => vec![0; bytes as usize],
        PayloadRule::MemoryTable => {
            MemoryTable::new(&[MemoryRegion::default()]).unwrap().to_bytes()
        }
        PayloadRule::Config => vec![0; 12],
        PayloadRule::Opaque => vec![0; 8],
    }
}

/// The messages that a device answers or acts on; others are refused.
const SUPPORTED: &[Request] = &[
    Request::GetFeatures,
    Request::SetFeatures,
    Request::SetOwner,
    Request::ResetOwner,
    Request::SetMemTable,
    Request::SetVringNum,
    Request::SetVringAddr,
    Request::SetVringBase,
    Request::GetVringBase,
    Request::SetVringKick,
    Request::SetVringCall,
    Request::SetVringErr,
    Request::GetProtocolFeatures,
    Request::SetProtocolFeatures,
    Request::GetQueueNum,
    Request::SetVringEnable,
    Request::NetSetMtu,
    Request::SetStatus,
    Request::GetStatus,
];

/// What came back.
#[derive(Debug, PartialEq)]
enum Came {
    /// Its own answer of so many bytes.
    Native(usize),
    Ack,
    Nack,
    Nothing,
    Closed,
}

/// Sends one message and then, to see that nothing else came, `GET_FEATURES`.
fn exchange(
    front: &mut FrontEnd,
    id: u32,
    flags: HeaderFlags,
    body: &[u8],
    fds: &[BorrowedFd<'_>],
) -> Came {
    let native =
        Request::try_from(id).is_ok_and(|request| request.rule().reply == ReplyRule::Native);
    let probe = front
        .raw(id, flags, body, fds)
        .and_then(|()| front.raw(Request::GetFeatures as u32, HeaderFlags::REQUEST, &[], &[]));
    let mut came = Came::Nothing;
    loop {
        let answer = match probe.as_ref().ok().map(|()| front.answer(Duration::from_secs(5))) {
            None | Some(Err(WireError::Closed)) => return Came::Closed,
            Some(answer) => answer.unwrap(),
        };
        assert_eq!(answer.header.flags, HeaderFlags::ANSWER.bits(), "flags of an answer");
        assert!(answer.fds.is_empty());
        let is_probe =
            answer.request == Ok(Request::GetFeatures) && (id != 1 || came != Came::Nothing);
        if is_probe {
            return came;
        }
        assert_eq!(came, Came::Nothing, "one answer only");
        assert_eq!(answer.header.request, id);
        came = match U64::from_bytes(&answer.payload).map(|number| number.value) {
            Some(1)
                if id != Request::GetStatus as u32
                    && !SUPPORTED.iter().any(|one| *one as u32 == id && native) =>
            {
                Came::Nack
            }
            Some(0) if !native => Came::Ack,
            _ => Came::Native(answer.payload.len()),
        };
    }
}

#[test]
fn every_message_is_answered_by_its_rule() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    for id in (0..=63).chain([255, u32::MAX]) {
        for (reply_ack, need_reply) in [(false, false), (false, true), (true, false), (true, true)]
        {
            let mut front = FrontEnd::connect(&bench.path);
            front.ask_number(Request::GetFeatures);
            if reply_ack {
                front.negotiate();
                front.share_memory();
            } else {
                front.ask_number(Request::GetProtocolFeatures);
                let without = support::PROTOCOL - virtio::vhost_user::ProtocolFeatures::REPLY_ACK;
                let word = U64 { value: without.bits() }.to_bytes();
                front
                    .raw(Request::SetProtocolFeatures as u32, HeaderFlags::REQUEST, &word, &[])
                    .unwrap();
            }
            let request = Request::try_from(id).ok();
            let mut fds: Vec<_> = (0..request.map_or(1, fds_of)).map(|_| Tracked::new()).collect();
            let mut body = request.map_or(vec![0; 8], body);
            if request == Some(Request::SetProtocolFeatures) {
                body = U64 { value: if reply_ack { support::PROTOCOL.bits() } else { 0 } }
                    .to_bytes()
                    .to_vec();
            }
            let flags =
                if need_reply { HeaderFlags::REQUEST_NEED_REPLY } else { HeaderFlags::REQUEST };
            let borrowed: Vec<_> = fds.iter().map(Tracked::fd).collect();
            let came = exchange(&mut front, id, flags, &body, &borrowed);

            let supported = request.is_some_and(|request| SUPPORTED.contains(&request));
            let native = request.is_some_and(|request| request.rule().reply == ReplyRule::Native);
            // With a body of zeros these are well formed and still wrong.
            let wrong = matches!(
                request,
                Some(
                    Request::SetMemTable
                        | Request::SetVringNum
                        | Request::NetSetMtu
                        // Their descriptor is no eventfd.
                        | Request::SetVringCall
                        | Request::SetVringErr
                )
            );
            let may_nack = need_reply && reply_ack && request != Some(Request::GetMaxMemSlots);
            let expected = match (supported && !wrong, native) {
                (true, true) => Came::Native(8),
                (true, false) if need_reply && reply_ack => Came::Ack,
                (true, false) => Came::Nothing,
                (false, _) if may_nack => Came::Nack,
                (false, _) => Came::Closed,
            };
            assert_eq!(
                came, expected,
                "message {id} {request:?}, REPLY_ACK {reply_ack}, need_reply {need_reply}"
            );
            fds.iter_mut().for_each(Tracked::drop_own);
            drop(front);
            fds.iter_mut().for_each(Tracked::assert_closed_everywhere);
        }
    }
    bench.assert_alive();
}

#[test]
fn wrong_lengths_flags_and_descriptor_counts_are_refused() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    for request in Request::ALL.iter().copied().chain([Request::GetFeatures]) {
        let right = body(request).len();
        let lengths = [0, right.saturating_sub(1), right, right + 1, 4096];
        for flags in [0, 1, 2, 3, 5, 9, 0x11, 0x8000_0001_u32] {
            let mut front = FrontEnd::connect(&bench.path);
            let mut fds: Vec<_> = (0..fds_of(request) + 1).map(|_| Tracked::new()).collect();
            let length = lengths[flags as usize % lengths.len()];
            let header = Header { request: request as u32, flags, size: length as u32 };
            let message = [&header.to_bytes()[..], &vec![0; length]].concat();
            let borrowed: Vec<_> = fds.iter().map(Tracked::fd).collect();
            send_raw(&front, &message, &borrowed);
            // One descriptor too many: never acted on.
            front.assert_closed();
            fds.iter_mut().for_each(Tracked::drop_own);
            fds.iter_mut().for_each(Tracked::assert_closed_everywhere);
        }
    }
    bench.assert_alive();
}

fn send_raw(front: &FrontEnd, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    use std::os::fd::AsRawFd;
    let raw: Vec<_> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let control = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &[][..] } else { &control[..] };
    let slice = [std::io::IoSlice::new(bytes)];
    let sent =
        sendmsg::<()>(front.socket.as_raw_fd(), &slice, control, MsgFlags::empty(), None).unwrap();
    assert_eq!(sent, bytes.len());
}

#[test]
fn too_many_descriptors_are_all_closed() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    for count in [9, 32, 253] {
        let mut front = FrontEnd::connect(&bench.path);
        let mut fds: Vec<_> = (0..count).map(|_| Tracked::new()).collect();
        let borrowed: Vec<_> = fds.iter().map(Tracked::fd).collect();
        send_raw(&front, &Header { request: 5, flags: 1, size: 8 }.to_bytes(), &borrowed);
        front.assert_closed();
        fds.iter_mut().for_each(Tracked::drop_own);
        fds.iter_mut().for_each(Tracked::assert_closed_everywhere);
    }
    bench.assert_alive();
}

#[test]
fn ring_indices_out_of_range_are_refused() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let mut dequeue = bench.dequeue(0);
    for index in [2, 3, 255, 256, 65535, 0x10000, 0x10001, 0x8000_0000, 0xFFFF_0001, u32::MAX] {
        let state = VringState { index, num: 1 }.to_bytes();
        for request in [Request::SetVringNum, Request::SetVringBase, Request::SetVringEnable] {
            assert_eq!(front.ack(request, &state, &[]), 1, "{request:?} of ring {index:#x}");
        }
        let addr = VringAddr { index, ..front.memory.addr(1) }.to_bytes();
        assert_eq!(front.ack(Request::SetVringAddr, &addr, &[]), 1, "ring {index:#x}");
    }
    for word in [2, 3, 255] {
        for request in [Request::SetVringKick, Request::SetVringCall, Request::SetVringErr] {
            let mut fd = Tracked::new();
            let number = U64 { value: word }.to_bytes();
            assert_eq!(front.ack(request, &number, &[fd.fd()]), 1, "{request:?} of ring {word}");
            fd.drop_own();
            fd.assert_closed_everywhere();
        }
    }
    front.send(1, &[1; 60]);
    assert_eq!(receive(&mut dequeue), [vec![1; 60]], "running rings go on");
    let state = VringState { index: 2, num: 0 }.to_bytes();
    front.raw(Request::GetVringBase as u32, HeaderFlags::REQUEST, &state, &[]).unwrap();
    front.assert_closed();
    drop(dequeue);
    bench.assert_alive();
}

#[test]
fn bad_ring_sizes_and_indices_leave_the_old_ones() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let mut dequeue = bench.dequeue(0);
    for num in [0, 3, 32769, 65536, u32::MAX, 128] {
        let state = VringState { index: 1, num }.to_bytes();
        assert_eq!(front.ack(Request::SetVringNum, &state, &[]), 1, "size {num} on a running ring");
    }
    assert_eq!(
        front.ack(Request::SetVringBase, &VringState { index: 1, num: 0 }.to_bytes(), &[]),
        1
    );
    front.send(1, &[1; 60]);
    assert_eq!(receive(&mut dequeue), [vec![1; 60]]);

    assert_eq!(front.base(1), 1);
    for num in [0, 3, 32769, 65536, u32::MAX] {
        let state = VringState { index: 1, num }.to_bytes();
        assert_eq!(front.ack(Request::SetVringNum, &state, &[]), 1, "size {num} on a stopped ring");
    }
    for base in [65536, 0x10001, u32::MAX] {
        let state = VringState { index: 1, num: base }.to_bytes();
        assert_eq!(front.ack(Request::SetVringBase, &state, &[]), 1, "index {base}");
    }
    // The size of before and the index of before are still there: starting it is all that is needed.
    let kick = support::event();
    front.set(Request::SetVringKick, &support::fd_word(1, false), &[kick.as_fd()]);
    front.send(1, &[2; 60]);
    assert_eq!(receive(&mut dequeue), [vec![2; 60]]);
}

#[test]
fn rings_outside_memory_are_refused() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let mut dequeue = bench.dequeue(0);
    let good = front.memory.addr(1);
    let bad = [
        VringAddr { descriptor: good.descriptor + 8, ..good },
        VringAddr { available: good.available + 1, ..good },
        VringAddr { used: good.used + 2, ..good },
        VringAddr { descriptor: USER - 16, ..good },
        VringAddr { descriptor: USER + MEMORY - 16, ..good },
        VringAddr { descriptor: GUEST, ..good },
        VringAddr { used: u64::MAX - 3, ..good },
        VringAddr { available: USER + MEMORY - 2, ..good },
        VringAddr { descriptor: 0, available: 0, used: 0, ..good },
        VringAddr { flags: 2, ..good },
    ];
    for addr in bad {
        assert_eq!(front.ack(Request::SetVringAddr, &addr.to_bytes(), &[]), 1, "{addr:x?}");
    }
    front.send(1, &[3; 60]);
    assert_eq!(receive(&mut dequeue), [vec![3; 60]]);
}

#[test]
fn bad_memory_tables_leave_the_old_one() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let mut dequeue = bench.dequeue(0);
    let good = front.memory.region();
    let page = 4096;
    let tables: Vec<Vec<MemoryRegion>> = vec![
        vec![],
        vec![MemoryRegion { size_bytes: 0, ..good }],
        vec![MemoryRegion { mmap_offset: u64::MAX - page, ..good }],
        vec![MemoryRegion { guest_addr: u64::MAX - page, ..good }],
        vec![MemoryRegion { user_addr: u64::MAX - page, ..good }],
        vec![MemoryRegion { mmap_offset: page, ..good }],
        vec![MemoryRegion { size_bytes: MEMORY + 1, ..good }],
        vec![MemoryRegion { size_bytes: u64::MAX, ..good }],
        vec![good, MemoryRegion { user_addr: USER + 2 * MEMORY, ..good }],
        vec![good, MemoryRegion { guest_addr: GUEST + 2 * MEMORY, ..good }],
        vec![
            good,
            MemoryRegion { guest_addr: GUEST + MEMORY - 1, user_addr: USER + MEMORY, ..good },
        ],
    ];
    let file = front.memory.file.try_clone().unwrap();
    for table in tables {
        let body = MemoryTable::new(&table).unwrap().to_bytes();
        let fds: Vec<_> = table.iter().map(|_| file.as_fd()).collect();
        assert_eq!(front.ack(Request::SetMemTable, &body, &fds), 1, "{table:x?}");
    }
    // Counts that do not fit, one way and the other.
    let mut body = MemoryTable::new(&[good]).unwrap().to_bytes();
    for count in [0_u32, 2, 9, u32::MAX] {
        body[..4].copy_from_slice(&count.to_ne_bytes());
        assert_eq!(front.ack(Request::SetMemTable, &body, &[file.as_fd()]), 1, "{count} regions");
    }
    let (pipe, _) = nix::unistd::pipe().unwrap();
    let directory = std::fs::File::open(bench.dir.path()).unwrap();
    let event = support::event();
    let path = bench.dir.path().join("file");
    std::fs::write(&path, vec![0; MEMORY as usize]).unwrap();
    let read_only = std::fs::File::open(&path).unwrap();
    let body = MemoryTable::new(&[good]).unwrap().to_bytes();
    for fd in [pipe.as_fd(), directory.as_fd(), event.as_fd(), read_only.as_fd()] {
        assert_eq!(front.ack(Request::SetMemTable, &body, &[fd]), 1);
    }
    for number in 0..100 {
        front.send(1, &[number; 60]);
        assert_eq!(receive(&mut dequeue), [vec![number; 60]]);
    }
}

#[test]
fn features_that_were_not_offered_are_refused() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let word = |value| U64 { value }.to_bytes();
    // FEATURES_OK goes when a choice is not taken.
    assert_eq!(front.ask_number(Request::GetStatus), 0xf);
    assert_eq!(
        front.ack(Request::SetFeatures, &word(support::FEATURES.bits() | 1 << 34), &[]),
        1,
        "packed rings"
    );
    assert_eq!(front.ask_number(Request::GetStatus), 0x7);
    for bits in [1 << 26, 1 << 28, 1 << 29, 1 << 35, 1 << 63] {
        assert_eq!(
            front.ack(Request::SetFeatures, &word(support::FEATURES.bits() | bits), &[]),
            1,
            "{bits:#x}"
        );
        assert_eq!(
            front.ack(Request::SetProtocolFeatures, &word(support::PROTOCOL.bits() | bits), &[]),
            1
        );
    }
    front.driver_ok();
    let fewer = support::FEATURES - virtio::Features::MRG_RXBUF;
    assert_eq!(
        front.ack(Request::SetFeatures, &word(fewer.bits()), &[]),
        1,
        "a change while rings run"
    );
    assert_eq!(
        front.ack(Request::SetFeatures, &word(support::FEATURES.bits()), &[]),
        0,
        "no change"
    );
    let mut dequeue = bench.dequeue(0);
    front.send(1, &[1; 60]);
    front.driver_ok();
    assert_eq!(receive(&mut dequeue), [vec![1; 60]]);
}

#[test]
fn without_bit_thirty_all_rings_are_enabled() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    let plain = |front: &FrontEnd, request: Request, body: &[u8], fds: &[BorrowedFd<'_>]| {
        front.raw(request as u32, HeaderFlags::REQUEST, body, fds).unwrap();
    };
    let features = virtio::Features::VERSION_1;
    plain(&front, Request::SetOwner, &[], &[]);
    plain(&front, Request::SetFeatures, &U64 { value: features.bits() }.to_bytes(), &[]);
    let table = MemoryTable::new(&[front.memory.region()]).unwrap().to_bytes();
    plain(&front, Request::SetMemTable, &table, &[front.memory.file.as_fd()]);
    for index in 0..2 {
        front.rings.push(front.memory.ring(index));
        plain(
            &front,
            Request::SetVringNum,
            &VringState { index, num: RING.into() }.to_bytes(),
            &[],
        );
        plain(&front, Request::SetVringBase, &VringState { index, num: 0 }.to_bytes(), &[]);
        plain(&front, Request::SetVringAddr, &front.memory.addr(index).to_bytes(), &[]);
        // No descriptor: the ring is polled.
        plain(&front, Request::SetVringKick, &support::fd_word(index, true), &[]);
    }
    eventually("link up", || bench.device().is_up());
    let mut dequeue = bench.dequeue(0);
    front.send(1, &[5; 60]);
    assert_eq!(receive(&mut dequeue), [vec![5; 60]]);
    plain(&front, Request::SetVringEnable, &VringState { index: 0, num: 1 }.to_bytes(), &[]);
    front.assert_closed();
}

#[test]
fn a_silent_or_slow_peer_delays_nobody() {
    let service = Service::start().unwrap();
    let benches: Vec<_> = (0..9).map(|_| Bench::new(&service, 1)).collect();
    let halves: Vec<_> = benches[..8]
        .iter()
        .map(|bench| {
            let mut front = FrontEnd::connect(&bench.path);
            front
                .socket
                .write_all(&Header { request: 8, flags: 1, size: 8 }.to_bytes()[..7])
                .unwrap();
            front
        })
        .collect();
    benches[8].assert_alive();
    // The slow ones complete when they go on.
    for (bench, mut front) in benches.iter().zip(halves) {
        let rest = Header { request: 8, flags: 1, size: 8 }.to_bytes();
        for byte in rest[7..].iter().chain(&VringState { index: 0, num: 64 }.to_bytes()) {
            front.socket.write_all(&[*byte]).unwrap();
        }
        front.start(1);
        eventually("link up", || bench.device().is_up());
    }
}

#[test]
fn a_front_end_that_never_reads_is_dropped() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let front = FrontEnd::connect(&bench.path);
    let question = Header { request: 1, flags: 1, size: 0 }.to_bytes().repeat(100);
    front.socket.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let refused = (0..10_000).find_map(|_| (&front.socket).write_all(&question).err());
    assert!(refused.is_some_and(|error| error.kind() != std::io::ErrorKind::WouldBlock));
    bench.assert_alive();
}

#[test]
fn leaving_at_any_point_of_the_start_is_harmless() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    for stop_after in 0..12 {
        let mut front = FrontEnd::connect(&bench.path);
        let steps: [&dyn Fn(&mut FrontEnd); 11] = [
            &|front| front.negotiate(),
            &|front| front.share_memory(),
            &|front| {
                front.set(Request::SetVringNum, &VringState { index: 0, num: 64 }.to_bytes(), &[])
            },
            &|front| front.set(Request::SetVringAddr, &front.memory.addr(0).to_bytes(), &[]),
            &|front| front.set(Request::SetVringKick, &support::fd_word(0, true), &[]),
            &|front| front.start_ring(0),
            &|front| front.start_ring(1),
            &|front| front.enable(0, true),
            &|front| front.enable(1, true),
            &|front| front.driver_ok(),
            &|front| front.socket.write_all(&[1, 0, 0]).unwrap(),
        ];
        steps.iter().take(stop_after).for_each(|step| step(&mut front));
        drop(front);
        eventually("gone", || !bench.device().is_connected());
    }
    bench.assert_alive();
}

#[test]
fn random_messages_do_no_harm() {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 2);
    let message = (
        0..46_u32,
        prop::sample::select(vec![1_u32, 9]),
        any::<bool>(),
        prop::collection::vec(0..3_u8, 0..80),
        0..3_usize,
    );
    let mut runner =
        TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    runner
        .run(&prop::collection::vec(message, 1..30), |messages| {
            let mut front = FrontEnd::connect(&bench.path);
            front.start(2);
            for (request, flags, right, noise, fds) in messages {
                let mut bytes = noise;
                if let (true, Ok(request)) = (right, Request::try_from(request)) {
                    bytes.resize(body(request).len(), 0);
                }
                let fds = vec![front.memory.file.as_fd(); fds];
                let flags = HeaderFlags::from_bits_retain(flags);
                if front.raw(request, flags, &bytes, &fds).is_err() {
                    break;
                }
            }
            drop(front);
            eventually("gone", || !bench.device().is_connected());
            Ok(())
        })
        .unwrap();
    bench.assert_alive();
}

#[test]
fn only_eventfds_are_written_to() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let (_reader, pipe) = nix::unistd::pipe().unwrap();
    let file = front.memory.file.try_clone().unwrap();
    for request in [Request::SetVringCall, Request::SetVringErr] {
        for fd in [pipe.as_fd(), file.as_fd()] {
            assert_eq!(front.ack(request, &support::fd_word(1, false), &[fd]), 1, "{request:?}");
        }
    }
}

#[test]
fn a_full_call_event_that_blocks_holds_nobody_up() {
    use nix::sys::eventfd::{EfdFlags, EventFd};
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let full = || {
        // The peer made it; that it blocks is a property that both sides share.
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC).unwrap();
        event.write(u64::MAX - 1).unwrap();
        event
    };
    let (call, error) = (full(), full());
    front.set(Request::SetVringCall, &support::fd_word(1, false), &[call.as_fd()]);
    front.set(Request::SetVringErr, &support::fd_word(1, false), &[error.as_fd()]);
    nix::fcntl::fcntl(&call, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty())).unwrap();
    nix::fcntl::fcntl(&error, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty())).unwrap();
    let mut dequeue = bench.dequeue(0);
    front.send(1, &[1; 60]);
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send((receive(&mut dequeue), dequeue)).unwrap());
    let (got, mut dequeue) = wait.recv_timeout(Duration::from_secs(10)).expect("the poller waits");
    assert_eq!(got, [vec![1; 60]]);
    // The control thread has to tell of a broken ring.
    front.rings[1].ptrs.publish_avail(RING + 2);
    assert!(receive(&mut dequeue).is_empty());
    let broke = |event| matches!(event, pmd_vhost::DeviceEvent::RingBroken { index: 1, .. });
    eventually("the event", || std::iter::from_fn(|| bench.events.try_next()).any(broke));
    drop((dequeue, front));
    eventually("gone", || !bench.device().is_connected());
    bench.assert_alive();
}
