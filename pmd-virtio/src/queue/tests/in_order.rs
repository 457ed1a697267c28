//! Buffers used in order (virtio 1.2, 2.7.9): what the driver must do, and what the device may.

use super::*;

const ORDER: Features = MERGE.union(Features::IN_ORDER);

/// The driver's duty: descriptors come in ring order, each chain going on at the next one.
fn assert_ring_order(device: &MockDevice, head: u16, next: &mut u16) {
    let mask = device.rings().mask();
    let mut id = head;
    loop {
        assert_eq!(id, *next, "descriptors are made available in ring order");
        *next = (*next + 1) & mask;
        let descriptor = device.rings().descriptor(id);
        if descriptor.flags & virtio::layout::DESC_NEXT == 0 {
            return;
        }
        id = descriptor.next;
    }
}

/// Packets of one to four segments.
fn packet(bed: &Bed, round: usize) -> Mbuf {
    let mut packet = bed.mbuf(&bytes(60 + round % 9, round));
    (0..round % 4).for_each(|i| packet.chain(bed.mbuf(&bytes(40, i))).unwrap());
    packet
}

#[test]
fn descriptors_are_sent_in_ring_order_round_and_round() {
    let bed = bed(256, 2048);
    let (queue, mut device) = bed.queue(Direction::Tx, 32, ORDER);
    let (mut tx, mut burst) = (queue.claim_tx("test").unwrap(), Burst::new(32));
    let (mut next, mut sent, mut done) = (0, 0, 0);
    while done < 3000 {
        while burst.room() > 0 {
            burst.push(packet(&bed, sent)).unwrap();
            sent += 1;
        }
        tx.burst(&mut burst);
        // Some at once, by one element for all of them.
        let (mut count, mut last) = (0, 0);
        while count < 1 + done % 7 {
            let Some(head) = device.take() else { break };
            assert_ring_order(&device, head, &mut next);
            assert_eq!(device.gather(head)[12..], packet(&bed, done + count).to_vec());
            (count, last) = (count + 1, head);
        }
        device.complete_batch(last.into(), 0, count as u16);
        done += count;
    }
    queue.close().unwrap();
    burst.clear();
    queue.drain();
    bed.exact(0);
}

#[test]
fn after_a_restart_and_a_rebuild_the_order_goes_on() {
    let bed = bed(256, 2048);
    let (queue, mut device) = bed.queue(Direction::Tx, 32, ORDER);
    let dead = bed.memory.owner();
    let mut burst = Burst::new(64);
    let mut next = 0;
    for round in 0..60 {
        let mut tx = queue.claim_tx("somebody").unwrap();
        for i in 0..7 {
            burst.push(packet(&bed, round + i)).unwrap();
        }
        tx.burst(&mut burst);
        burst.clear();
        for _ in 0..5 {
            let Some(head) = device.take() else { break };
            assert_ring_order(&device, head, &mut next);
            device.complete(head.into(), 0);
        }
        if round % 2 == 0 {
            drop(tx);
            continue;
        }
        // It dies, half a packet further.
        let shared = Arc::clone(&queue.shared);
        let id = shared.block().progress.posted().next_id;
        if shared.table.get(id) == Slot::Free {
            shared.table.set(id, Slot::Part { head: id });
        }
        std::mem::forget(tx);
        queue.evict(dead).unwrap();
        queue.recover(dead).unwrap();
        queue.open();
    }
    queue.close().unwrap();
    queue.prepare(ORDER).unwrap();
    queue.open();
    let mut device = MockDevice::new(&bed.memory, &queue).unwrap();
    let (mut tx, mut next) = (queue.claim_tx("after a restart").unwrap(), 0);
    burst.push(packet(&bed, 3)).unwrap();
    assert_eq!(tx.burst(&mut burst), 1);
    let head = device.take().unwrap();
    assert_ring_order(&device, head, &mut next);
    assert_eq!(next, 5, "header and four segments from descriptor 0 on");
    queue.close().unwrap();
    queue.drain();
    bed.exact(0);
}

#[test]
fn buffers_passed_over_are_full_and_the_last_has_its_length() {
    let bed = bed(256, 256);
    let (queue, mut device) = bed.queue(Direction::Rx, 64, ORDER);
    let (mut rx, mut burst) = (queue.claim_rx("test").unwrap(), Burst::new(3));
    let mut next = 0;
    for round in 0..200 {
        let before = device.rings().avail_index();
        let packet = bytes(300 + (round * 97) % 8000, round);
        assert!(device.send_as_batch(&packet), "{round}");
        while rx.burst(&mut burst) == 0 {}
        assert_eq!((burst.len(), burst[0].to_vec()), (1, packet));
        burst.clear();
        // What was taken is posted again in ring order.
        for at in (before..).take((device.rings().avail_index() - before).into()) {
            let head = device.rings().avail_entry(at);
            assert_eq!(head, next, "{round}");
            next = (next + 1) % 64;
        }
    }
    queue.close().unwrap();
    queue.drain();
    bed.exact(0);
}

#[test]
fn a_batch_longer_than_a_burst_is_taken_in_parts_also_by_the_next_poller() {
    let bed = bed(512, 64);
    let (queue, mut device) = bed.queue(Direction::Rx, 64, PLAIN.union(Features::IN_ORDER));
    let full = bytes(64, 1);
    for _ in 0..40 {
        let head = device.take().unwrap();
        let mut buffer = vec![0; 12];
        buffer.extend_from_slice(&full);
        device.write(device.rings().descriptor(head).addr, &buffer);
    }
    device.complete_batch(39, 12 + 20, 40);
    let mut got = Vec::new();
    for _ in 0..10 {
        let (mut rx, mut burst) = (queue.claim_rx("one of many").unwrap(), Burst::new(7));
        rx.burst(&mut burst);
        got.extend(burst.iter().map(Mbuf::to_vec));
        // A new epoch makes even a poller that stays forget what it knew.
        queue.close().unwrap();
        queue.open();
    }
    assert_eq!(got.len(), 40);
    assert!(got[..39].iter().all(|packet| *packet == full));
    assert_eq!(got[39], full[..20]);
    assert!(queue.broken().is_none());
    queue.close().unwrap();
    queue.drain();
    bed.exact(0);
}

#[test]
fn buffers_passed_over_have_the_length_of_the_pool_they_are_of() {
    for other_bytes in [32, 256] {
        let bed = bed(256, 64);
        let other = MbufPool::create(&bed.memory, "other", 256, other_bytes, 32).unwrap();
        let setup = QueueSetup {
            direction: Direction::Rx,
            size: 64,
            queue: 0,
            port: 0,
            pool: Some(bed.pool.clone()),
            indirect: false,
            name: Some("a queue".into()),
        };
        let queue = VirtQueue::with_setup(&bed.memory, setup).unwrap();
        queue.prepare(PLAIN.union(Features::IN_ORDER)).unwrap();
        queue.open();
        let mut device = MockDevice::new(&bed.memory, &queue).unwrap();
        for i in 0..4 {
            let head = device.take().unwrap();
            let buffer = [vec![0; 12], bytes(64, i)].concat();
            device.write(device.rings().descriptor(head).addr, &buffer);
        }
        device.complete_batch(3, 12 + 64, 4);
        let mut rx = attach_rx(&bed.memory, "a queue", other.clone()).unwrap();
        let mut burst = Burst::new(8);
        assert_eq!(rx.burst(&mut burst), 4);
        (0..4).for_each(|i| assert_eq!(burst[i].data(), bytes(64, i)));
        assert_eq!(queue.stats().errors, 0);
        drop((rx, burst));
        queue.close().unwrap();
        queue.drain();
        bed.exact(0);
    }
}

#[test]
fn a_receiver_that_dies_within_a_batch_is_rebuilt_in_order() {
    let bed = bed(512, 64);
    let (queue, mut device) = bed.queue(Direction::Rx, 64, PLAIN.union(Features::IN_ORDER));
    let dead = bed.memory.owner();
    (0..20).for_each(|_| _ = device.take().unwrap());
    device.complete_batch(19, 70, 20);
    let (mut rx, mut burst) = (queue.claim_rx("the dead").unwrap(), Burst::new(6));
    assert_eq!(rx.burst(&mut burst), 6);
    std::mem::forget(rx);
    queue.evict(dead).unwrap();
    let done = queue.recover(dead).unwrap();
    assert_eq!((done.lost, done.posted), (14, 14));
    burst.clear();
    bed.exact(64);
    queue.open();
    let (mut rx, mut burst) = (queue.claim_rx("next").unwrap(), Burst::new(64));
    (0..64).for_each(|i| assert!(device.send(&bytes(30, i)), "{i}"));
    assert_eq!(rx.burst(&mut burst), 64);
    (0..64).for_each(|i| assert_eq!(burst[i].data(), bytes(30, i)));
    assert!(queue.broken().is_none());
}

#[test]
fn a_device_that_says_it_keeps_the_order_and_does_not_costs_its_queue() {
    let faults: [Fault; 5] = [
        ("a buffer that was not used yet", |d| d.complete_batch(9, 70, 4)),
        ("an id outside the ring", |d| d.complete_batch(16, 70, 4)),
        ("an index jump", |d| d.complete_batch(3, 70, 17)),
        ("the later one first", |d| {
            d.rings().set_used_element(0, UsedElement { id: 1, len: 70 });
            d.rings().set_used_element(1, UsedElement { id: 0, len: 70 });
            d.rings().publish_used(1);
        }),
        ("an index behind", |d| d.rings().publish_used(u16::MAX)),
    ];
    for (what, fault) in faults {
        let bed = bed(64, 2048);
        let (queue, mut device) = bed.queue(Direction::Rx, 16, ORDER);
        let (mut rx, mut burst) = (queue.claim_rx("test").unwrap(), Burst::new(32));
        fault(&mut device);
        assert_eq!(rx.burst(&mut burst), 0, "{what}");
        assert!(queue.broken().is_some(), "{what}");
        queue.close().unwrap();
        queue.drain();
        bed.exact(0);
    }
}
