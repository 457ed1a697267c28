//! Front-ends and ports that come, go, and come back otherwise.
#![cfg(feature = "ethdev")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "support/port.rs"]
mod port;
mod support;

use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};

use pmd_core::{Burst, RxBurst, RxQueue, TxBurst, TxQueue};
use port::Setup;
use support::{FrontEnd, RING, eventually};

/// The claimed queues of a port.
fn claim(setup: &mut Setup, queues: u16) -> Vec<(RxQueue, TxQueue)> {
    let dev = setup.dev();
    let pair = |queue| (dev.claim_rx(queue, "test").unwrap(), dev.claim_tx(queue, "test").unwrap());
    (0..queues).map(pair).collect()
}

/// `count` packets go through each of the queues and come back.
#[track_caller]
fn assert_pass(front: &mut FrontEnd, queues: &mut [(RxQueue, TxQueue)], count: u8) {
    let mut burst = Burst::new(32);
    for (pair, (rx, tx)) in queues.iter_mut().enumerate() {
        for number in 0..count {
            let packet = [number, pair as u8].repeat(40);
            front.send(pair * 2 + 1, &packet);
            front.rings[pair * 2].post();
            assert_eq!(rx.burst(&mut burst), 1, "pair {pair}");
            assert_eq!(burst[0].to_vec(), packet);
            assert_eq!(tx.burst(&mut burst), 1, "pair {pair}");
            assert_eq!(front.rings[pair * 2].take(&front.memory), Some(packet));
        }
    }
}

fn gone(setup: &mut Setup, front: FrontEnd) {
    drop(front);
    eventually("link down", || !setup.dev().link().up);
}

#[test]
fn a_guest_comes_back_with_other_numbers_of_queues() {
    let mut setup = Setup::new(8, 2048);
    let mut queues = claim(&mut setup, 8);
    for pairs in [2_u16, 8, 1, 5, 8] {
        let mut front = setup.front(pairs.into());
        assert_pass(&mut front, &mut queues[..pairs.into()], 10);
        let mut burst = Burst::new(4);
        let idle = queues[pairs.into()..].iter_mut().all(|(rx, _)| rx.burst(&mut burst) == 0);
        assert!(idle, "{pairs} pairs");
        gone(&mut setup, front);
    }
    setup.assert_pool_is_whole();
}

#[test]
fn a_port_is_configured_to_more_and_fewer_queues_under_its_guest() {
    let mut setup = Setup::new(8, 2048);
    let mut front = setup.front(8);
    for queues in [8_u16, 2, 1, 8, 4, 8] {
        setup.dev().stop().unwrap();
        setup.prepare(queues);
        setup.dev().start().unwrap();
        assert!(setup.dev().link().up, "the guest stays");
        let mut claimed = claim(&mut setup, queues);
        assert_pass(&mut front, &mut claimed, 10);
        assert!(setup.dev().claim_rx(queues, "test").is_err());
    }
    let stats = setup.dev().stats();
    assert_eq!((stats.rx_packets, stats.tx_packets), (310, 310));
    setup.assert_pool_is_whole();
}

#[test]
fn a_client_port_finds_its_guest_again_and_again() {
    let mut setup = Setup::with(2, 2048, ",client=1");
    let mut queues = claim(&mut setup, 2);
    for pairs in [1, 2, 2] {
        // The guest's socket is new each time, as after a restart of its hypervisor.
        let _ = std::fs::remove_file(&setup.path);
        let listener = UnixListener::bind(&setup.path).unwrap();
        let (socket, _) = listener.accept().unwrap();
        let mut front = FrontEnd::on(socket);
        front.start(pairs);
        eventually("link up", || setup.dev().link().up);
        assert_pass(&mut front, &mut queues[..pairs as usize], 20);
        drop(listener);
        gone(&mut setup, front);
    }
    drop(queues);
    setup.dev().close().unwrap();
    assert!(setup.path.exists(), "the guest's socket is the guest's");
    setup.assert_pool_is_whole();
}

/// Numbered packets on their way to a port and back.
#[derive(Default)]
struct Traffic {
    sent: u32,
    back: u32,
}

impl Traffic {
    /// Sends one packet more, unless so many are on their way, and takes what has come back.
    fn step(&mut self, front: &mut FrontEnd) {
        if self.sent - self.back < u32::from(RING) / 2 {
            front.rings[0].post();
            front.send(1, &self.sent.to_ne_bytes().repeat(16));
            self.sent += 1;
        }
        self.take(front);
    }

    fn take(&mut self, front: &mut FrontEnd) {
        while let Some(packet) = front.rings[0].take(&front.memory) {
            assert_eq!(packet, self.back.to_ne_bytes().repeat(16), "in order, none missing");
            self.back += 1;
        }
    }
}

#[test]
fn stopping_and_starting_under_traffic_loses_no_mbuf_and_no_packet() {
    let mut setup = Setup::new(1, 2048);
    let mut front = setup.front(1);
    let (mut rx, mut tx) = claim(&mut setup, 1).pop().unwrap();
    let done = AtomicBool::new(false);
    let mut traffic = Traffic::default();
    std::thread::scope(|scope| {
        let poller = scope.spawn(|| {
            let mut burst = Burst::new(32);
            while !done.load(Ordering::Relaxed) {
                rx.burst(&mut burst);
                tx.burst(&mut burst);
                std::thread::yield_now();
            }
            burst.len()
        });
        for _ in 0..100 {
            setup.dev().stop().unwrap();
            (0..10).for_each(|_| traffic.step(&mut front));
            setup.dev().start().unwrap();
            let before = traffic.back;
            eventually("packets pass again", || {
                traffic.step(&mut front);
                traffic.back > before
            });
        }
        eventually("every packet is back", || {
            traffic.take(&mut front);
            traffic.sent == traffic.back
        });
        done.store(true, Ordering::Relaxed);
        assert_eq!(poller.join().unwrap(), 0);
    });
    let (stats, sent) = (setup.dev().stats(), u64::from(traffic.sent));
    assert_eq!((stats.rx_packets, stats.tx_packets), (sent, sent));
    setup.assert_pool_is_whole();
}

#[test]
fn closing_hangs_up_on_the_guest_and_keeps_nothing_of_it() {
    let mut setup = Setup::new(2, 2048);
    let mut front = setup.front(2);
    let mut queues = claim(&mut setup, 2);
    assert_pass(&mut front, &mut queues, 5);
    front.send(1, &[1; 60]);
    setup.dev().close().unwrap();
    front.assert_closed();
    assert!(!setup.path.exists());
    let mut burst = Burst::new(4);
    assert_eq!(queues[0].0.burst(&mut burst), 0);
    drop(burst);
    setup.assert_pool_is_whole();
}
