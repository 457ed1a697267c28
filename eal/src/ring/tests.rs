#![allow(unsafe_code, reason = "places shared rings on a test's memory")]

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the rings have in common, for tests that hold for all of them.
trait Queue {
    fn enqueue(&mut self, items: &[u32], all_or_nothing: bool) -> usize;
    fn dequeue(&mut self, count: usize, all_or_nothing: bool) -> Vec<u32>;
}

impl Queue for Ring<u32> {
    fn enqueue(&mut self, items: &[u32], all_or_nothing: bool) -> usize {
        let mut items = items.to_vec();
        let len = items.len();
        if !all_or_nothing {
            return self.enqueue_burst(&mut items);
        }
        if self.enqueue_bulk(&mut items) { len } else { 0 }
    }

    fn dequeue(&mut self, count: usize, all_or_nothing: bool) -> Vec<u32> {
        let mut out = Vec::new();
        if all_or_nothing {
            self.dequeue_bulk(&mut out, count);
        } else {
            self.dequeue_burst(&mut out, count);
        }
        out
    }
}

impl Queue for (Producer<u32>, Consumer<u32>) {
    fn enqueue(&mut self, items: &[u32], all_or_nothing: bool) -> usize {
        let mut items = items.to_vec();
        let len = items.len();
        if !all_or_nothing {
            return self.0.enqueue_burst(&mut items);
        }
        if self.0.enqueue_bulk(&mut items) { len } else { 0 }
    }

    fn dequeue(&mut self, count: usize, all_or_nothing: bool) -> Vec<u32> {
        let mut out = Vec::new();
        if all_or_nothing {
            self.1.dequeue_bulk(&mut out, count);
        } else {
            self.1.dequeue_burst(&mut out, count);
        }
        out
    }
}

impl Queue for (SharedProducer, SharedConsumer) {
    fn enqueue(&mut self, items: &[u32], all_or_nothing: bool) -> usize {
        if !all_or_nothing {
            return self.0.enqueue_burst(items);
        }
        if self.0.enqueue_bulk(items) { items.len() } else { 0 }
    }

    fn dequeue(&mut self, count: usize, all_or_nothing: bool) -> Vec<u32> {
        let mut out = vec![0; count];
        let got = match all_or_nothing {
            true => usize::from(self.1.dequeue_bulk(&mut out)) * count,
            false => self.1.dequeue_burst(&mut out),
        };
        out.truncate(got);
        out
    }
}

/// Words for a shared ring of up to 62 elements, with the tail and head at `at`.
#[repr(align(64))]
struct Place([u64; 64]);

fn shared(place: &mut Place, capacity: usize, at: u32) -> SharedRing {
    let start = NonNull::from(&mut place.0).cast::<u8>();
    assert!(SharedRing::bytes(capacity).unwrap() <= size_of::<Place>());
    // SAFETY: the place is aligned, long enough, and outlives the ring in every test.
    let ring = unsafe { SharedRing::init(start, capacity) }.unwrap();
    for word in [0, 64] {
        // SAFETY: the counts lie at bytes 0 and 64.
        let word = unsafe { start.add(word) };
        // SAFETY: as above; the ring has no end yet.
        unsafe { word.cast::<u32>().write(at) };
    }
    ring
}

fn ends(ring: SharedRing) -> (SharedProducer, SharedConsumer) {
    // SAFETY: the only producer of the test.
    let producer = unsafe { ring.producer() };
    // SAFETY: the only consumer of the test.
    (producer, unsafe { ring.consumer() })
}

#[derive(Clone, Debug)]
struct Step {
    enqueue: bool,
    count: usize,
    all_or_nothing: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (any::<bool>(), 0..20_usize, any::<bool>())
        .prop_map(|(enqueue, count, all_or_nothing)| Step { enqueue, count, all_or_nothing });
    proptest::collection::vec(step, 1..80)
}

/// Plays the steps on the queue and on a `VecDeque`.
fn compare(queue: &mut dyn Queue, capacity: usize, steps: &[Step]) {
    let mut model = VecDeque::new();
    let mut next = 0;
    for step in steps {
        let possible = if step.enqueue { capacity - model.len() } else { model.len() };
        let expected = match (possible >= step.count, step.all_or_nothing) {
            (true, _) => step.count,
            (false, true) => 0,
            (false, false) => possible,
        };
        if step.enqueue {
            let items: Vec<u32> = (next..next + step.count as u32).collect();
            assert_eq!(queue.enqueue(&items, step.all_or_nothing), expected, "{step:?}");
            model.extend(&items[..expected]);
            next += expected as u32;
        } else {
            let out = queue.dequeue(step.count, step.all_or_nothing);
            assert_eq!(out, model.drain(..expected).collect::<Vec<_>>(), "{step:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_ring_behaves_like_a_bounded_deque_also_where_counts_wrap(
        capacity in 1..20_usize,
        before_wrap in 0..40_u32,
        steps in steps(),
    ) {
        let at = 0_u32.wrapping_sub(before_wrap);
        compare(&mut Ring::starting_at(capacity, at), capacity, &steps);
        compare(&mut spsc::starting_at::<u32>(capacity, at), capacity, &steps);
        let mut place = Place([0; 64]);
        compare(&mut ends(shared(&mut place, capacity, at)), capacity, &steps);
    }
}

#[test]
fn capacity_is_exact_and_impossible_ones_are_refused() {
    for capacity in [1, 2, 3, 100, 128] {
        let ring = Ring::new(capacity).unwrap();
        assert_eq!(ring.enqueue_burst(&mut vec![0; 1000]), capacity);
        assert_eq!((ring.len(), ring.capacity()), (capacity, capacity));
        let (mut producer, consumer) = spsc(capacity).unwrap();
        assert_eq!(producer.enqueue_burst(&mut vec![0; 1000]), capacity);
        assert_eq!(consumer.len(), capacity);
    }
    for capacity in [0, (1 << 30) + 1, usize::MAX] {
        let error = Ring::<u32>::new(capacity).unwrap_err();
        assert!(error.to_string().contains(&capacity.to_string()), "{error}");
        assert!(spsc::<u32>(capacity).is_err());
    }
}

#[test]
fn a_burst_leaves_the_caller_what_did_not_fit_in_order() {
    let ring = Ring::new(3).unwrap();
    let mut items: Vec<String> = ["a", "b", "c", "d", "e"].map(String::from).to_vec();
    assert_eq!(ring.enqueue_burst(&mut items), 3);
    assert_eq!(items, ["d", "e"]);
    assert!(!ring.enqueue_bulk(&mut items));
    assert_eq!(items, ["d", "e"]);
    assert_eq!(ring.push("f".to_owned()), Err("f".to_owned()));
    assert_eq!(ring.pop().as_deref(), Some("a"));
}

#[test]
fn what_is_left_in_a_ring_is_dropped_once() {
    let token = Rc::new(());
    let ring = Ring::new(4).unwrap();
    ring.enqueue_bulk(&mut vec![Rc::clone(&token); 3]);
    drop(ring.pop());
    let (mut producer, mut consumer) = spsc(4).unwrap();
    producer.enqueue_bulk(&mut vec![Rc::clone(&token); 4]);
    drop(consumer.pop());
    producer.push(Rc::clone(&token)).unwrap();
    assert_eq!(Rc::strong_count(&token), 1 + 2 + 4);
    drop(ring);
    assert!(!producer.is_abandoned());
    drop(consumer);
    assert!(producer.is_abandoned());
    assert_eq!(Rc::strong_count(&token), 1 + 4);
    drop(producer);
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn several_producers_and_consumers_lose_and_double_nothing() {
    const EACH: u64 = 30_000;
    let ring = Ring::new(64).unwrap();
    let (sum, count) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for producer in 0..2 {
            let ring = &ring;
            scope.spawn(move || produce(ring, producer * EACH, EACH));
        }
        for _ in 0..2 {
            scope.spawn(|| consume(&ring, &sum, &count, 2 * EACH));
        }
    });
    assert_eq!(count.into_inner(), 2 * EACH);
    assert_eq!(sum.into_inner(), (0..2 * EACH).sum::<u64>());
}

fn produce(ring: &Ring<u64>, first: u64, count: u64) {
    let mut next = first;
    let mut items = Vec::with_capacity(8);
    while next < first + count {
        while items.len() < 8 && next < first + count {
            items.push(next);
            next += 1;
        }
        while !items.is_empty() {
            if ring.enqueue_burst(&mut items) == 0 {
                std::thread::yield_now();
            }
        }
    }
}

/// Consumes until `total` elements have been seen by all consumers; those of one producer must come in order.
fn consume(ring: &Ring<u64>, sum: &AtomicU64, seen: &AtomicU64, total: u64) {
    let mut out = Vec::with_capacity(5);
    let mut last = [None; 2];
    while seen.load(Ordering::Relaxed) < total {
        if ring.dequeue_burst(&mut out, 5) == 0 {
            std::thread::yield_now();
        }
        seen.fetch_add(out.len() as u64, Ordering::Relaxed);
        for item in out.drain(..) {
            let producer = usize::from(item >= total / 2);
            assert!(last[producer].is_none_or(|last| last < item));
            last[producer] = Some(item);
            sum.fetch_add(item, Ordering::Relaxed);
        }
    }
}

#[test]
fn one_producer_and_one_consumer_keep_the_order() {
    let (mut producer, mut consumer) = spsc(16).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut items: Vec<u32> = Vec::new();
            for next in 0..100_000 {
                items.push(next);
                if producer.enqueue_burst(&mut items) == 0 {
                    std::thread::yield_now();
                }
            }
            while !items.is_empty() {
                producer.enqueue_burst(&mut items);
            }
        });
        let mut out = Vec::new();
        while out.len() < 100_000 {
            if consumer.dequeue_burst(&mut out, 7) == 0 {
                std::thread::yield_now();
            }
        }
        assert!(out.iter().copied().eq(0..100_000));
    });
}

#[test]
fn a_shared_end_is_continued_by_its_successor() {
    let mut place = Place([0; 64]);
    let ring = shared(&mut place, 5, u32::MAX - 1);
    let (mut producer, mut consumer) = ends(ring);
    assert!(producer.enqueue_bulk(&[1, 2, 3, 4]));
    let mut out = [0; 2];
    assert_eq!(consumer.peek(&mut out), 2);
    consumer.release(1);
    // Both ends go away here, one with an element that it looked at and did not release.
    let (mut producer, mut consumer) = ends(ring);
    assert_eq!(producer.enqueue_burst(&[5, 6, 7]), 2);
    let mut out = [0; 8];
    assert_eq!(consumer.dequeue_burst(&mut out), 5);
    assert_eq!(out[..5], [2, 3, 4, 5, 6]);
}

#[test]
fn releasing_more_than_there_is_stops_at_the_end() {
    let mut place = Place([0; 64]);
    let (mut producer, mut consumer) = ends(shared(&mut place, 5, 0));
    assert!(producer.enqueue_bulk(&[1, 2]));
    assert_eq!(consumer.peek(&mut [0; 5]), 2);
    consumer.release(100);
    assert!(producer.enqueue_bulk(&[3, 4, 5, 6, 7]));
    let mut out = [0; 5];
    assert!(consumer.dequeue_bulk(&mut out));
    assert_eq!(out, [3, 4, 5, 6, 7]);
}

#[test]
fn counts_that_cannot_be_are_not_believed() {
    for bogus in [6, 1000, u32::MAX, 1 << 31] {
        let mut place = Place([0; 64]);
        let ring = shared(&mut place, 5, 0);
        let (mut producer, mut consumer) = ends(ring);
        ring_word(&ring, 0, bogus);
        let mut out = [7; 60];
        assert!(consumer.dequeue_burst(&mut out) <= 5, "tail {bogus}");
        assert!(out[5..].iter().all(|&untouched| untouched == 7));
        ring_word(&ring, 64, bogus);
        let mut sent = 0;
        for _ in 0..20 {
            sent += producer.enqueue_burst(&[9; 60]);
        }
        assert!(sent <= 5, "head {bogus}: {sent} enqueued");
        let past_the_end = &place.0[(128 + 8 * 4) / 8..];
        assert!(past_the_end.iter().all(|&word| word == 0));
    }
}

/// Writes a count as a peer gone mad would.
fn ring_word(ring: &SharedRing, byte: usize, value: u32) {
    // SAFETY: the counts lie at bytes 0 and 64 of the ring.
    let word = unsafe { ring.start().add(byte) };
    // SAFETY: the word is an atomic.
    let word = unsafe { word.cast::<std::sync::atomic::AtomicU32>().as_ref() };
    word.store(value, Ordering::Relaxed);
}
