//! A well-behaved front-end: negotiation, start, traffic, stop, and coming back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use pmd_vhost::config::{DeviceConfig, SocketRole};
use pmd_vhost::split::{Accept, Dequeue, GuestPacket, RxSink};
use pmd_vhost::{DeviceEvent, Service};
use support::{Bench, FrontEnd, Packets, RING, eventually, receive};
use virtio::vhost_user::{Request, U64, VringState};

#[test]
fn packets_pass_both_ways() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 2);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(2);
    eventually("link up", || bench.device().is_up());
    assert_eq!(bench.device().features(), support::FEATURES);
    for pair in 0..2 {
        let (mut dequeue, mut enqueue) = (bench.dequeue(pair), bench.enqueue(pair));
        for number in 0..200_u8 {
            let packet = vec![number; 60 + usize::from(number)];
            front.send(pair * 2 + 1, &packet);
            assert_eq!(receive(&mut dequeue), std::slice::from_ref(&packet));
            front.rings[pair * 2].post();
            assert_eq!(enqueue.enqueue(&Packets(std::slice::from_ref(&packet))), 1);
            assert_eq!(front.rings[pair * 2].take(&front.memory), Some(packet));
        }
    }
}

#[test]
fn the_index_survives_stop_and_start() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let mut dequeue = bench.dequeue(0);
    for _ in 0..70 {
        front.send(1, &[1; 60]);
        assert_eq!(receive(&mut dequeue).len(), 1);
    }
    front.send(1, &[2; 60]);
    assert_eq!(front.base(1), 70, "one packet was left in the ring");
    assert!(!bench.device().is_up());
    assert_eq!(receive(&mut dequeue).len(), 0, "a stopped ring is not touched");
    assert_eq!(front.base(1), 70, "asking again changes nothing");
    assert_eq!(front.base(0), 0, "nor does asking a ring that did nothing");

    front.start_ring(1);
    front.set(Request::SetVringBase, &VringState { index: 0, num: 0 }.to_bytes(), &[]);
    // start_ring set the base to 0; a front-end that goes on says where, which it may as long as the ring does not run.
    front.base(1);
    front.set(Request::SetVringBase, &VringState { index: 1, num: 70 }.to_bytes(), &[]);
    let kick = support::event();
    front.set(Request::SetVringKick, &support::fd_word(1, false), &[kick.as_fd()]);
    assert_eq!(receive(&mut dequeue), [vec![2; 60]]);
}

#[test]
fn a_front_end_that_forgot_the_index_does_not_get_packets_twice() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let mut dequeue = bench.dequeue(0);
    for number in 0..10 {
        front.send(1, &[number; 60]);
    }
    assert_eq!(receive(&mut dequeue).len(), 10);
    front.base(1);
    front.send(1, &[10; 60]);
    front.start_ring(1); // at index 0
    assert_eq!(receive(&mut dequeue), [vec![10; 60]]);
    assert_eq!(front.base(1), 11);
}

#[test]
fn status_and_the_owner_pause_a_ring_without_losing_its_place() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let mut dequeue = bench.dequeue(0);
    let mut number = 0;
    let mut passes = |front: &mut FrontEnd, expected: usize| {
        number += 1;
        front.send(1, &[number; 60]);
        let got = receive(&mut dequeue);
        assert_eq!(got.len(), expected);
        assert!(got.last().is_none_or(|last| *last == [number; 60]));
    };
    passes(&mut front, 1);
    front.set(Request::SetStatus, &U64 { value: 0 }.to_bytes(), &[]);
    passes(&mut front, 0);
    assert_eq!(front.ask_number(Request::GetStatus), 0);
    front.driver_ok();
    passes(&mut front, 2);
    bench.device().set_active(false).unwrap();
    passes(&mut front, 0);
    assert!(bench.device().is_up(), "the link does not depend on the owner");
    bench.device().set_active(true).unwrap();
    passes(&mut front, 2);
    assert_eq!(front.base(1), 5);
}

#[test]
fn a_new_memory_table_does_not_disturb_running_rings() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let mut dequeue = bench.dequeue(0);
    while bench.events.try_next().is_some() {}
    for number in 0..50 {
        front.send(1, &[number; 60]);
        front.share_memory();
        assert_eq!(receive(&mut dequeue), [vec![number; 60]]);
    }
    assert_eq!(bench.events.try_next(), None, "the link stayed up");
}

#[test]
fn events_tell_the_story() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    drop(front);
    eventually("gone", || !bench.device().is_connected());
    let mut story = Vec::new();
    eventually("the last event", || {
        story.extend(std::iter::from_fn(|| bench.events.try_next()));
        story.last() == Some(&DeviceEvent::Disconnected)
    });
    let ring = |index, running| DeviceEvent::Ring { index, running };
    let expected = [
        DeviceEvent::Connected,
        ring(0, true),
        ring(1, true),
        DeviceEvent::Up,
        DeviceEvent::Down,
        ring(0, false),
        ring(1, false),
        DeviceEvent::Disconnected,
    ];
    assert_eq!(story, expected);
}

#[test]
fn a_ring_that_broke_is_reported_and_can_be_started_again() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let error =
        nix::sys::eventfd::EventFd::from_flags(nix::sys::eventfd::EfdFlags::EFD_NONBLOCK).unwrap();
    front.set(Request::SetVringErr, &support::fd_word(1, false), &[error.as_fd()]);
    let mut dequeue = bench.dequeue(0);
    front.rings[1].ptrs.publish_avail(RING + 1);
    assert!(receive(&mut dequeue).is_empty());
    eventually("the error event", || error.read().is_ok());
    eventually("the event", || {
        std::iter::from_fn(|| bench.events.try_next())
            .any(|event| matches!(event, DeviceEvent::RingBroken { index: 1, .. }))
    });
    // Unrelated messages do not bring it back; starting it again does.
    front.driver_ok();
    front.rings[1].ptrs.publish_avail(0);
    front.send(1, &[1; 60]);
    assert!(receive(&mut dequeue).is_empty());
    assert_eq!(front.base(1), 0);
    front.start_ring(1);
    assert_eq!(receive(&mut dequeue), [vec![1; 60]]);
}

#[test]
fn a_client_finds_a_front_end_that_starts_later_and_one_that_comes_back() {
    let service = Service::start().unwrap();
    let bench = Bench::with(&service, 1, SocketRole::Client);
    for round in 0..2 {
        let _ = std::fs::remove_file(&bench.path);
        let listener = UnixListener::bind(&bench.path).unwrap();
        let (socket, _) = listener.accept().unwrap();
        let mut front = FrontEnd::on(socket);
        front.start(1);
        eventually("link up", || bench.device().is_up());
        let mut dequeue = bench.dequeue(0);
        front.send(1, &[round; 60]);
        assert_eq!(receive(&mut dequeue), [vec![round; 60]]);
        drop((front, listener));
        eventually("link down", || !bench.device().is_up());
    }
}

#[test]
fn a_client_finds_a_front_end_that_was_there_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    let listener = UnixListener::bind(&path).unwrap();
    let service = Service::start().unwrap();
    let mut config = DeviceConfig::new(&path);
    config.role = SocketRole::Client;
    let device = service.add(config, |_| ()).unwrap();
    device.set_active(true).unwrap();
    let mut front = FrontEnd::on(listener.accept().unwrap().0);
    front.start(1);
    eventually("link up", || device.is_up());
    drop(device);
    front.assert_closed();
    assert!(path.exists(), "a socket of the other side is not ours to remove");
}

#[test]
fn a_front_end_that_comes_back_at_once_is_served() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut first = FrontEnd::connect(&bench.path);
    first.start(1);
    let mut second = FrontEnd::connect(&bench.path);
    drop(first);
    second.start(1);
    eventually("link up", || bench.device().is_up());
}

#[test]
fn a_second_front_end_is_sent_away() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut first = FrontEnd::connect(&bench.path);
    first.start(1);
    let mut others: Vec<_> = (0..20).map(|_| FrontEnd::connect(&bench.path)).collect();
    others.iter_mut().for_each(FrontEnd::assert_closed);
    let mut dequeue = bench.dequeue(0);
    first.send(1, &[9; 60]);
    assert_eq!(receive(&mut dequeue), [vec![9; 60]]);
}

#[test]
fn removing_a_device_hangs_up_and_its_pollers_find_nothing() {
    let service = Service::start().unwrap();
    let mut bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let mut dequeue = bench.dequeue(0);
    bench.device.take().unwrap().remove().unwrap();
    front.assert_closed();
    front.send(1, &[1; 60]);
    assert!(receive(&mut dequeue).is_empty());
    assert!(!bench.path.exists());
}

#[test]
fn ending_the_service_hangs_up() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    drop(service);
    front.assert_closed();
    assert!(!bench.path.exists());
    assert!(bench.device().set_active(true).is_err());
    assert!(!bench.device().is_up());
}

#[test]
fn a_path_in_use_is_an_error_that_says_what_to_do() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let error = service.add(DeviceConfig::new(&bench.path), |_| ()).err().unwrap().to_string();
    let expected = format!(
        "failed to bind to {}: Address already in use by a running process; choose another path or end that process",
        bench.path.display()
    );
    assert_eq!(error, expected);
    bench.assert_alive();
}

#[test]
fn a_guest_mtu_is_told() {
    use virtio::vhost_user::ProtocolFeatures as P;
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    let both = P::REPLY_ACK | P::NET_MTU;
    front.ask_number(Request::GetFeatures);
    front
        .raw(
            Request::SetProtocolFeatures as u32,
            virtio::vhost_user::HeaderFlags::REQUEST,
            &U64 { value: both.bits() }.to_bytes(),
            &[],
        )
        .unwrap();
    for (mtu, refused) in [(67, 1), (68, 0), (65535, 0), (65536, 1), (u64::MAX, 1), (9000, 0)] {
        assert_eq!(
            front.ack(Request::NetSetMtu, &U64 { value: mtu }.to_bytes(), &[]),
            refused,
            "{mtu}"
        );
    }
    assert_eq!(bench.device().mtu(), Some(9000));
}

#[test]
fn a_poller_that_does_not_leave_delays_only_its_own_device() {
    let service = Service::start().unwrap();
    let (held, free) = (Bench::new(&service, 1), Bench::new(&service, 1));
    let mut front = FrontEnd::connect(&held.path);
    front.start(1);
    let dequeue = held.dequeue(0);
    front.send(1, &[1; 60]);
    let poller = Held::enter(dequeue);

    let stop = VringState { index: 1, num: 0 }.to_bytes();
    let flags = virtio::vhost_user::HeaderFlags::REQUEST;
    front.raw(Request::GetVringBase as u32, flags, &stop, &[]).unwrap();
    assert!(front.answer(Duration::from_millis(100)).is_err(), "the answer waits for the poller");
    free.assert_alive();
    let packet = poller.leave();
    assert_eq!(packet, [1; 60]);
    let answer = front.answer(Duration::from_secs(5)).unwrap();
    assert_eq!(VringState::from_bytes(&answer.payload), Some(VringState { index: 1, num: 1 }));
    front.start_ring(1);
}

#[test]
fn a_driver_that_changes_its_mind_is_woken_though_nobody_polls() {
    use virtio::layout::AVAIL_NO_INTERRUPT;
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let call =
        nix::sys::eventfd::EventFd::from_flags(nix::sys::eventfd::EfdFlags::EFD_NONBLOCK).unwrap();
    // Before the event: a driver that wants wake-ups may get one for the asking when its event changes.
    front.rings[1].ptrs.set_avail_flags(AVAIL_NO_INTERRUPT);
    front.set(Request::SetVringCall, &support::fd_word(1, false), &[call.as_fd()]);
    let mut dequeue = bench.dequeue(0);
    front.send(1, &[1; 60]);
    assert_eq!(receive(&mut dequeue).len(), 1);
    std::thread::sleep(Duration::from_millis(250));
    assert!(call.read().is_err(), "the driver asked not to be woken");
    front.rings[1].ptrs.set_avail_flags(0);
    eventually("the wake-up", || call.read().is_ok());
    std::thread::sleep(Duration::from_millis(250));
    assert!(call.read().is_err(), "once is enough");
    // Leaving with such a debt is nothing special.
    front.rings[1].ptrs.set_avail_flags(AVAIL_NO_INTERRUPT);
    front.send(1, &[2; 60]);
    assert_eq!(receive(&mut dequeue).len(), 1);
    drop((front, dequeue));
    eventually("gone", || !bench.device().is_connected());
    bench.assert_alive();
}

#[test]
fn memory_stays_mapped_until_a_poller_has_left_even_if_all_else_is_gone() {
    let service = Service::start().unwrap();
    let mut bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let dequeue = bench.dequeue(0);
    front.send(1, &[7; 1000]);
    let held = Held::enter(dequeue);
    drop(front);
    let removed = bench.device.take().unwrap().remove();
    assert!(matches!(removed, Err(pmd_vhost::Error::Quarantined { ring: 1 })), "{removed:?}");
    drop(service);
    // The poller now copies its packet: the bytes must still be there.
    assert_eq!(held.leave(), vec![7; 1000]);
}

#[test]
fn a_connection_that_a_worker_has_is_hung_up_when_the_service_ends() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let dequeue = bench.dequeue(0);
    front.send(1, &[1; 60]);
    let poller = Held::enter(dequeue);
    // A message for which the poller is waited for, and which leaves the ring running.
    let on = VringState { index: 1, num: 1 }.to_bytes();
    let flags = virtio::vhost_user::HeaderFlags::REQUEST_NEED_REPLY;
    front.raw(Request::SetVringEnable as u32, flags, &on, &[]).unwrap();
    assert!(front.answer(Duration::from_millis(100)).is_err(), "the answer waits for the poller");
    let ending = std::thread::spawn(move || drop(service));
    std::thread::sleep(Duration::from_millis(100));
    let packet = poller.leave();
    assert_eq!(packet, [1; 60]);
    ending.join().unwrap();
    assert!(!bench.device().is_connected() && !bench.device().is_up());
    let last = std::iter::from_fn(|| bench.events.try_next()).last();
    assert_eq!(last, Some(DeviceEvent::Disconnected));
    front.send(1, &[2; 60]);
    assert!(receive(&mut bench.dequeue(0)).is_empty(), "nobody reaches the memory any more");
}

#[test]
fn a_message_that_is_refused_does_not_wait_for_pollers() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let dequeue = bench.dequeue(0);
    front.send(1, &[1; 60]);
    let poller = Held::enter(dequeue);
    for request in [Request::SetStatus, Request::SetVringEnable, Request::SetFeatures] {
        assert_eq!(front.ack(request, &[1], &[]), 1, "{request:?} of one byte");
    }
    assert_eq!(poller.leave(), [1; 60]);
}

#[test]
fn a_break_is_reported_even_if_a_message_follows_at_once() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let mut dequeue = bench.dequeue(0);
    let broken = || {
        let events = std::iter::from_fn(|| bench.events.try_next());
        events.filter(|event| matches!(event, DeviceEvent::RingBroken { index: 1, .. })).count()
    };
    for round in 0..5 {
        front.rings[1].ptrs.publish_avail(RING + 1);
        assert!(receive(&mut dequeue).is_empty());
        // Starting it forgives, sooner than the clock would have noticed.
        let kick = support::event();
        front.set(Request::SetVringKick, &support::fd_word(1, false), &[kick.as_fd()]);
        front.rings[1].ptrs.publish_avail(0);
        assert_eq!(broken(), 1, "round {round}");
    }
    front.send(1, &[1; 60]);
    assert_eq!(receive(&mut dequeue), [vec![1; 60]]);
}

#[test]
fn a_wake_up_is_not_lost_when_the_call_event_changes() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    let mut dequeue = bench.dequeue(0);
    front.rings[1].ptrs.set_avail_flags(virtio::layout::AVAIL_NO_INTERRUPT);
    front.send(1, &[1; 60]);
    assert_eq!(receive(&mut dequeue), [vec![1; 60]]);
    front.rings[1].ptrs.set_avail_flags(0);
    let call =
        nix::sys::eventfd::EventFd::from_flags(nix::sys::eventfd::EfdFlags::EFD_NONBLOCK).unwrap();
    front.set(Request::SetVringCall, &support::fd_word(1, false), &[call.as_fd()]);
    eventually("the wake-up", || call.read().is_ok());
}

/// A poller that is inside a burst until told to go on.
struct Held {
    release: std::sync::mpsc::Sender<()>,
    poller: std::thread::JoinHandle<Vec<u8>>,
}

/// Says that it is inside, waits, and then reads its packet.
struct Hold(std::sync::mpsc::Sender<()>, std::sync::mpsc::Receiver<()>, Vec<u8>);

impl RxSink for Hold {
    fn ready(&mut self, want: usize) -> usize {
        want
    }

    fn accept(&mut self, mut packet: GuestPacket<'_>) -> Accept {
        self.0.send(()).unwrap();
        self.1.recv().unwrap();
        self.2.resize(packet.len() as usize, 0);
        packet.read(&mut self.2);
        Accept::Taken
    }
}

impl Held {
    fn enter(mut dequeue: Dequeue) -> Self {
        let (entered, inside) = std::sync::mpsc::channel();
        let (release, wait) = std::sync::mpsc::channel();
        let poller = std::thread::spawn(move || {
            let mut hold = Hold(entered, wait, Vec::new());
            assert_eq!(dequeue.dequeue(&mut hold, 1), 1);
            hold.2
        });
        inside.recv().unwrap();
        Self { release, poller }
    }

    fn leave(self) -> Vec<u8> {
        self.release.send(()).unwrap();
        self.poller.join().unwrap()
    }
}
