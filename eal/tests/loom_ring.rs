//! The shipped rings, checked by loom over all interleavings of a few calls.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p eal --release --test loom_ring`.
//!
//! Loom remembers one load of a word when it looks for orders to try, so a store that its own thread precedes by
//! a load hides other threads' loads from it. Each model is therefore run twice,
//! the second time with the main thread letting the others go first.
#![cfg(loom)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "a shared ring is made at a pointer")]

use eal::ring::{self, Ring, SharedRing};
use loom::sync::Arc;
use loom::thread;
use std::alloc::{Layout, alloc_zeroed};
use std::ptr::NonNull;

fn check(preemptions: usize, model: impl Fn(Order) + Sync + Send + 'static) {
    let model = std::sync::Arc::new(model);
    for order in [Order::AsSpawned, Order::OthersFirst] {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        let model = std::sync::Arc::clone(&model);
        builder.check(move || model(order));
    }
}

/// Who goes first after the main thread has started others.
#[derive(Clone, Copy)]
enum Order {
    AsSpawned,
    OthersFirst,
}

impl Order {
    fn apply(self) {
        if matches!(self, Self::OthersFirst) {
            thread::yield_now();
        }
    }
}

fn enqueue_all(ring: &Ring<Box<u32>>, first: u32, count: u32) {
    let mut items: Vec<_> = (first..first + count).map(Box::new).collect();
    while !items.is_empty() {
        if ring.enqueue_burst(&mut items) == 0 {
            thread::yield_now();
        }
    }
}

fn dequeue(ring: &Ring<Box<u32>>, count: usize) -> Vec<Box<u32>> {
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let want = count - out.len();
        if ring.dequeue_burst(&mut out, want) == 0 {
            thread::yield_now();
        }
    }
    out
}

#[test]
fn two_producers_lose_and_double_nothing() {
    check(3, |order| {
        let ring = Arc::new(Ring::new(4).expect("a legal capacity"));
        let other = Arc::clone(&ring);
        let producer = thread::spawn(move || enqueue_all(&other, 10, 2));
        order.apply();
        enqueue_all(&ring, 20, 2);
        producer.join().expect("the producer ends");
        let mut out: Vec<u32> = dequeue(&ring, 4).into_iter().map(|item| *item).collect();
        let place = |value| out.iter().position(|&item| item == value);
        assert!(place(10) < place(11) && place(20) < place(21), "{out:?}");
        out.sort_unstable();
        assert_eq!(out, [10, 11, 20, 21]);
    });
}

/// A consumer that sees only the last publication must see what the first producer wrote, too.
#[test]
fn publishing_covers_what_others_published_before() {
    check(3, |order| {
        let ring = Arc::new(Ring::new(2).expect("a legal capacity"));
        let spawn = |value: u32| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.push(Box::new(value)).expect("there is room"))
        };
        let producers = [spawn(1), spawn(2)];
        let mut out: Vec<Box<u32>> = Vec::with_capacity(2);
        order.apply();
        ring.dequeue_burst(&mut out, 2);
        for producer in producers {
            producer.join().expect("the producer ends");
        }
        ring.dequeue_burst(&mut out, 2);
        let mut out: Vec<u32> = out.into_iter().map(|item| *item).collect();
        out.sort_unstable();
        assert_eq!(out, [1, 2]);
    });
}

#[test]
fn two_consumers_get_each_element_once() {
    check(3, |order| {
        let ring = Arc::new(Ring::new(2).expect("a legal capacity"));
        enqueue_all(&ring, 1, 2);
        let other = Arc::clone(&ring);
        let consumer = thread::spawn(move || other.pop());
        order.apply();
        let here = ring.pop();
        let there = consumer.join().expect("the consumer ends");
        let mut both: Vec<u32> = here.into_iter().chain(there).map(|item| *item).collect();
        both.sort_unstable();
        assert_eq!(both, [1, 2]);
    });
}

#[test]
fn a_place_is_reused_only_when_it_was_emptied() {
    check(3, |_| {
        let ring = Arc::new(Ring::new(1).expect("a legal capacity"));
        let other = Arc::clone(&ring);
        let producer = thread::spawn(move || enqueue_all(&other, 1, 2));
        let out: Vec<u32> = dequeue(&ring, 2).into_iter().map(|item| *item).collect();
        assert_eq!(out, [1, 2]);
        producer.join().expect("the producer ends");
    });
}

#[test]
fn two_producers_and_two_consumers_share_a_small_ring() {
    check(2, |order| {
        let ring = Arc::new(Ring::new(1).expect("a legal capacity"));
        let spawn = |work: fn(&Ring<Box<u32>>) -> u32| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || work(&ring))
        };
        let one = spawn(|ring| ring.push(Box::new(1)).map_or(0, |()| 1));
        let two = spawn(|ring| ring.push(Box::new(2)).map_or(0, |()| 2));
        let out = spawn(|ring| ring.pop().map_or(0, |item| *item));
        order.apply();
        let here = ring.pop().map_or(0, |item| *item);
        let sent = one.join().expect("ends") + two.join().expect("ends");
        let got = here + out.join().expect("ends");
        let left = ring.pop().map_or(0, |item| *item);
        assert_eq!(sent, got + left);
    });
}

#[test]
fn one_producer_and_one_consumer_keep_order_and_reuse_places() {
    check(4, |_| {
        let (mut producer, mut consumer) = ring::spsc(2).expect("a legal capacity");
        let thread = thread::spawn(move || {
            let mut items: Vec<_> = (0..4).map(Box::new).collect();
            while !items.is_empty() {
                if producer.enqueue_burst(&mut items) == 0 {
                    thread::yield_now();
                }
            }
        });
        let mut out = Vec::with_capacity(4);
        while out.len() < 4 {
            let want = 4 - out.len();
            if consumer.dequeue_burst(&mut out, want) == 0 {
                thread::yield_now();
            }
        }
        assert!(out.iter().map(|item| **item).eq(0..4));
        thread.join().expect("the producer ends");
    });
}

#[test]
fn a_shared_ring_keeps_order_and_reuses_places() {
    check(4, |_| {
        let bytes = SharedRing::bytes(2).expect("a legal capacity");
        let heap = Layout::from_size_align(bytes, SharedRing::ALIGN_BYTES).expect("a legal layout");
        // SAFETY: the size is not 0. Leaked: loom runs the model a few thousand times, 200 bytes each.
        let at = NonNull::new(unsafe { alloc_zeroed(heap) }).expect("memory");
        // SAFETY: new memory of the right size and alignment.
        let ring = unsafe { SharedRing::init(at, 2) }.expect("a legal capacity");
        // SAFETY: the only producer.
        let mut producer = unsafe { ring.producer() };
        let thread = thread::spawn(move || {
            let mut sent = 0;
            while sent < 3 {
                match producer.enqueue_burst(&[10, 11, 12][sent..]) {
                    0 => thread::yield_now(),
                    count => sent += count,
                }
            }
        });
        // SAFETY: the only consumer.
        let mut consumer = unsafe { ring.consumer() };
        let mut out: Vec<u32> = Vec::new();
        while out.len() < 3 {
            let mut some = [0; 3];
            match consumer.dequeue_burst(&mut some) {
                0 => thread::yield_now(),
                count => out.extend(&some[..count]),
            }
        }
        assert_eq!(out, [10, 11, 12]);
        thread.join().expect("the producer ends");
    });
}
