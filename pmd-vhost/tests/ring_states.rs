//! Rings that are started and not enabled (vhost-user document, "Ring states").

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod support;

use pmd_vhost::{DeviceEvent, Service};
use support::{Bench, FrontEnd, Packets, RING, eventually, receive};
use virtio::vhost_user::{Request, U64, VringState};

/// A device with one front-end whose first pair runs.
fn running(service: &Service) -> (Bench, FrontEnd) {
    let bench = Bench::new(service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.start(1);
    eventually("link up", || bench.device().is_up());
    (bench, front)
}

#[test]
fn what_comes_on_a_disabled_ring_is_consumed_and_dropped() {
    let service = Service::start().unwrap();
    let (bench, mut front) = running(&service);
    let mut dequeue = bench.dequeue(0);
    let discarded = |bench: &Bench| bench.device().vring(1).unwrap().counters().values().discarded;
    front.enable(1, false);
    (0..40).for_each(|number| front.send(1, &[number; 60]));
    assert!(receive(&mut dequeue).is_empty());
    assert_eq!(front.rings[1].ptrs.used_index(), 40, "the guest has its buffers back");
    assert_eq!(discarded(&bench), 40);
    front.enable(1, true);
    front.send(1, &[99; 60]);
    assert_eq!(receive(&mut dequeue), [[99; 60]]);
    assert_eq!(front.base(1), 41);
    assert_eq!(bench.device().vring(1).unwrap().counters().values().packets, 1);
}

#[test]
fn a_ring_that_was_never_enabled_drops_once_the_driver_is_ready() {
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut front = FrontEnd::connect(&bench.path);
    front.negotiate();
    front.share_memory();
    for index in 0..2 {
        front.rings.push(front.memory.ring(index));
        front.start_ring(index);
    }
    let mut dequeue = bench.dequeue(0);
    front.send(1, &[1; 60]);
    assert!(receive(&mut dequeue).is_empty());
    assert_eq!(front.rings[1].ptrs.used_index(), 0, "the driver is not ready");
    front.driver_ok();
    assert!(receive(&mut dequeue).is_empty());
    assert_eq!(front.rings[1].ptrs.used_index(), 1);
    assert!(!bench.device().is_up());
    front.enable(0, true);
    front.enable(1, true);
    assert!(bench.device().is_up());
    front.send(1, &[2; 60]);
    assert_eq!(receive(&mut dequeue), [[2; 60]]);
}

#[test]
fn nothing_is_given_to_a_disabled_ring() {
    let service = Service::start().unwrap();
    let (bench, mut front) = running(&service);
    let mut enqueue = bench.enqueue(0);
    let packet = vec![vec![7; 60]];
    (0..4).for_each(|_| front.rings[0].post());
    front.enable(0, false);
    assert_eq!(enqueue.enqueue(&Packets(&packet)), 0);
    assert_eq!(front.rings[0].ptrs.used_index(), 0);
    front.enable(0, true);
    assert_eq!(enqueue.enqueue(&Packets(&packet)), 1);
    assert_eq!(front.rings[0].take(&front.memory), Some(packet[0].clone()));
}

#[test]
fn a_ring_that_was_never_enabled_is_where_its_front_end_said() {
    let service = Service::start().unwrap();
    let (bench, mut front) = running(&service);
    // An earlier guest leaves the rings of the device at another place.
    (0..3).for_each(|_| front.rings[0].post());
    let packets = vec![vec![7; 60]; 3];
    assert_eq!(bench.enqueue(0).enqueue(&Packets(&packets)), 3);
    drop(front);
    eventually("the guest is gone", || !bench.device().is_connected());
    let mut front = FrontEnd::connect(&bench.path);
    front.negotiate();
    front.share_memory();
    for index in 0..2 {
        front.rings.push(front.memory.ring(index));
        front.start_ring(index);
    }
    front.driver_ok();
    // As a front-end does at any time with rings of pairs that it does not use.
    front.share_memory();
    assert_eq!((front.base(0), front.base(1)), (0, 0));
    front.start_ring(0);
    let moved = VringState { index: 0, num: 9 }.to_bytes();
    front.set(Request::SetVringBase, &moved, &[]);
    assert_eq!(front.base(0), 9, "nobody has used the ring since");
}

#[test]
fn a_stopped_owner_drops_nothing() {
    let service = Service::start().unwrap();
    let (bench, mut front) = running(&service);
    let mut dequeue = bench.dequeue(0);
    front.enable(1, false);
    bench.device().set_active(false).unwrap();
    front.send(1, &[1; 60]);
    assert!(receive(&mut dequeue).is_empty());
    assert_eq!(front.rings[1].ptrs.used_index(), 0);
}

#[test]
fn rubbish_on_a_disabled_ring_breaks_it_as_on_any_other() {
    let service = Service::start().unwrap();
    let (bench, mut front) = running(&service);
    let mut dequeue = bench.dequeue(0);
    front.enable(1, false);
    front.rings[1].ptrs.publish_avail(RING + 1);
    assert!(receive(&mut dequeue).is_empty());
    assert!(bench.device().vring(1).unwrap().broken().is_some());
    // A chain that breaks rules is dropped like any other.
    front.base(1);
    front.rings[1] = front.memory.ring(1);
    front.start_ring(1);
    front.rings[1].ptrs.set_avail_entry(0, RING);
    front.rings[1].ptrs.publish_avail(1);
    assert!(receive(&mut dequeue).is_empty());
    assert!(bench.device().vring(1).unwrap().broken().is_some());
}

#[test]
fn disabling_is_no_end_of_the_link_and_stopping_is() {
    let service = Service::start().unwrap();
    let (bench, mut front) = running(&service);
    let events = |bench: &Bench| std::iter::from_fn(|| bench.events.try_next()).collect::<Vec<_>>();
    let ring = |index, running| DeviceEvent::Ring { index, running };
    events(&bench);
    // As a driver stops: first disable all, then stop each.
    front.enable(0, false);
    front.enable(1, false);
    assert_eq!(events(&bench), [ring(0, false), ring(1, false)]);
    assert!(bench.device().is_up());
    front.base(0);
    assert_eq!(events(&bench), [DeviceEvent::Down]);
    front.base(1);
    assert_eq!(events(&bench), []);
    for index in 0..2 {
        front.rings[index as usize] = front.memory.ring(index);
        front.start_ring(index);
        front.enable(index, true);
    }
    assert_eq!(events(&bench), [ring(0, true), ring(1, true), DeviceEvent::Up]);
    front.set(Request::SetStatus, &U64 { value: 0 }.to_bytes(), &[]);
    assert_eq!(events(&bench), [DeviceEvent::Down, ring(0, false), ring(1, false)]);
}
