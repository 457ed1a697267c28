//! Starting a device in any order of the messages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::os::fd::AsFd;

use pmd_vhost::Service;
use support::{Bench, FrontEnd, RING, eventually, receive};
use virtio::vhost_user::{MemoryTable, Request, U64, VringState};

/// A small generator of numbers (xorshift), so that a seed tells the whole run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Features,
    Memory,
    DriverOk,
    Num(u32),
    Base(u32),
    Addr(u32),
    Kick(u32),
    Call(u32),
    Enable(u32),
    /// Not part of a start: stops the ring.
    Stop(u32),
}

/// Every step of a start of one pair.
fn whole_start() -> Vec<Step> {
    let mut steps = vec![Step::Features, Step::Memory, Step::DriverOk];
    for ring in 0..2 {
        steps.extend([Step::Num(ring), Step::Base(ring), Step::Addr(ring)]);
        steps.extend([Step::Kick(ring), Step::Call(ring), Step::Enable(ring)]);
    }
    steps
}

/// Does one step; whether it was accepted does not matter.
fn take(front: &mut FrontEnd, step: Step) {
    let state = |index, num| VringState { index, num }.to_bytes();
    let event = support::event();
    match step {
        Step::Features => {
            let word = U64 { value: support::FEATURES.bits() }.to_bytes();
            front.ack(Request::SetFeatures, &word, &[]);
        }
        Step::Memory => {
            let table = MemoryTable::new(&[front.memory.region()]).unwrap().to_bytes();
            let file = front.memory.file.try_clone().unwrap();
            front.ack(Request::SetMemTable, &table, &[file.as_fd()]);
        }
        Step::DriverOk => {
            front.ack(Request::SetStatus, &U64 { value: 15 }.to_bytes(), &[]);
        }
        Step::Num(ring) => {
            front.ack(Request::SetVringNum, &state(ring, RING.into()), &[]);
        }
        Step::Base(ring) => {
            front.ack(Request::SetVringBase, &state(ring, 0), &[]);
        }
        Step::Addr(ring) => {
            let addr = front.memory.addr(ring).to_bytes();
            front.ack(Request::SetVringAddr, &addr, &[]);
        }
        Step::Kick(ring) => {
            front.ack(Request::SetVringKick, &support::fd_word(ring, false), &[event.as_fd()]);
        }
        Step::Call(ring) => {
            front.ack(Request::SetVringCall, &support::fd_word(ring, false), &[event.as_fd()]);
        }
        Step::Enable(ring) => {
            front.ack(Request::SetVringEnable, &state(ring, 1), &[]);
        }
        Step::Stop(ring) => {
            front.base(ring);
        }
    }
}

fn begin(bench: &Bench) -> FrontEnd {
    let mut front = FrontEnd::connect(&bench.path);
    front.ask_number(Request::GetFeatures);
    let word = U64 { value: support::PROTOCOL.bits() }.to_bytes();
    let plain = virtio::vhost_user::HeaderFlags::REQUEST;
    front.raw(Request::SetProtocolFeatures as u32, plain, &word, &[]).unwrap();
    for ring in 0..2 {
        front.rings.push(front.memory.ring(ring));
    }
    front
}

#[test]
fn every_whole_order_forwards() {
    let seed = 0x5EED_0001;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    for round in 0..300 {
        let mut steps = whole_start();
        for _ in 0..random.below(6) {
            steps.push(steps[random.below(steps.len())]);
        }
        random.shuffle(&mut steps);
        let mut front = begin(&bench);
        steps.iter().for_each(|step| take(&mut front, *step));
        assert!(bench.device().is_up(), "seed {seed:#x}, round {round}: {steps:?}");
        let mut dequeue = bench.dequeue(0);
        front.send(1, &[7; 60]);
        assert_eq!(receive(&mut dequeue), [vec![7; 60]], "round {round}: {steps:?}");
        drop(front);
        eventually("gone", || !bench.device().is_connected());
    }
}

#[test]
fn with_omissions_and_stops_nothing_breaks() {
    let seed = 0x5EED_0002;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let service = Service::start().unwrap();
    let bench = Bench::new(&service, 1);
    let mut dequeue = bench.dequeue(0);
    for round in 0..300 {
        let mut steps = whole_start();
        steps.extend([Step::Stop(0), Step::Stop(1)]);
        random.shuffle(&mut steps);
        let missing = steps.split_off(steps.len() - 1 - random.below(8));
        let mut front = begin(&bench);
        for step in &steps {
            take(&mut front, *step);
            receive(&mut dequeue);
        }
        // A start needs every step; a stop takes it away again.
        let stopped = |ring| {
            let at = |step| steps.iter().position(|one| *one == step);
            at(Step::Stop(ring)) > at(Step::Kick(ring))
        };
        let optional = |step: &Step| matches!(step, Step::Base(_) | Step::Call(_) | Step::Stop(_));
        let whole = missing.iter().all(optional) && !stopped(0) && !stopped(1);
        assert_eq!(bench.device().is_up(), whole, "seed {seed:#x}, round {round}: {steps:?}");
        drop(front);
        eventually("gone", || !bench.device().is_connected());
    }
    drop(dequeue);
    bench.assert_alive();
}
