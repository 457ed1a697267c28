//! What a back-end hears, and what becomes of the port when it answers badly.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

mod common;

use std::time::{Duration, Instant};

use common::{Backend, Lab, Quirk, Script, events, set_up, within};
use pmd_core::{Error, Event, MbufPool, PortConfig, RxQueueConfig, TxQueueConfig};
use virtio::Features;
use virtio::vhost_user::{
    MemoryTable, ProtocolFeatures, Request as R, U64, VringAddr, VringFd, VringState,
};

const SECOND: Duration = Duration::from_secs(1);

const RING: [R; 5] =
    [R::SetVringNum, R::SetVringBase, R::SetVringAddr, R::SetVringCall, R::SetVringKick];

#[test]
fn the_messages_of_a_start_come_in_the_order_of_the_document() {
    let lab = Lab::new();
    let backend = Backend::listen(&lab.path(), Script::default());
    let mut port = lab.ready("", 1);
    port.start().unwrap();
    assert!(port.link().up, "a back-end that is there is reached before start returns");
    let negotiation = [
        R::SetOwner,
        R::GetFeatures,
        R::GetProtocolFeatures,
        R::SetProtocolFeatures,
        R::GetQueueNum,
        R::SetFeatures,
        R::SetMemTable,
    ];
    let enabling = [R::SetVringEnable, R::SetVringEnable, R::SetStatus];
    let expected: Vec<R> = [&negotiation[..], &RING, &RING, &enabling].concat();
    assert_eq!(backend.requests(1), expected);
    check_bodies(&backend, &lab);

    port.stop().unwrap();
    assert!(!port.link().up);
    let stopping = [R::SetVringEnable, R::SetVringEnable, R::GetVringBase, R::GetVringBase];
    assert_eq!(backend.requests(1)[expected.len()..], stopping);
    assert_eq!(lab.in_use(), 0);
    assert!(events(port.as_ref()).is_empty(), "what the app did itself is no news to it");
}

fn check_bodies(backend: &Backend, lab: &Lab) {
    let seen = backend.seen();
    let body = |request: R, nth: usize| {
        seen.iter().filter(|seen| seen.request == request).nth(nth).unwrap().clone()
    };
    let features = U64::from_bytes(&body(R::SetFeatures, 0).payload).unwrap().value;
    let expected = Features::VERSION_1 | Features::MRG_RXBUF | Features::PROTOCOL_FEATURES;
    assert_eq!(features, expected.bits(), "one queue pair needs no MQ");
    assert_eq!(U64::from_bytes(&body(R::SetProtocolFeatures, 0).payload).unwrap().value, 0x10009);
    assert_eq!(U64::from_bytes(&body(R::SetStatus, 0).payload).unwrap().value, 15);

    let table = body(R::SetMemTable, 0);
    let table_body = MemoryTable::from_bytes(&table.payload).unwrap();
    let [region] = table_body.regions() else { panic!("one region, one descriptor") };
    assert_eq!(table.fds, 1);
    assert_eq!((region.guest_addr, region.user_addr), (4 << 30, 4 << 30));
    assert_eq!((region.size_bytes, region.mmap_offset), (lab.eal.memory().data_committed(), 0));

    for index in 0..2 {
        let state = |request, num| {
            let got = VringState::from_bytes(&body(request, index).payload).unwrap();
            assert_eq!(got, VringState { index: index as u32, num });
        };
        state(R::SetVringNum, 256);
        state(R::SetVringBase, 0);
        state(R::SetVringEnable, 1);
        let addr = VringAddr::from_bytes(&body(R::SetVringAddr, index).payload).unwrap();
        let end = region.user_addr + region.size_bytes;
        for part in [addr.descriptor, addr.available, addr.used] {
            assert!((region.user_addr..end).contains(&part), "{addr:?} is outside the region");
        }
        for request in [R::SetVringCall, R::SetVringKick] {
            let event = body(request, index);
            let word = VringFd::from_word(U64::from_bytes(&event.payload).unwrap().value).unwrap();
            assert_eq!((word.index as usize, word.no_fd, event.fds), (index, false, 1));
        }
    }
}

#[test]
fn only_configured_pairs_are_shown_and_a_restart_keeps_the_connection() {
    let lab = Lab::new();
    let backend = Backend::listen(&lab.path(), Script::default());
    let mut port = lab.ready(",queues=4,mrg_rxbuf=0,queue_size=1024", 2);
    for _ in 0..3 {
        port.start().unwrap();
        assert!(port.link().up);
        port.stop().unwrap();
    }
    assert_eq!(backend.sessions(), 1);
    let requests = backend.requests(1);
    let count = |request: R| requests.iter().filter(|r| **r == request).count();
    assert_eq!(count(R::SetFeatures), 1);
    assert_eq!(count(R::SetMemTable), 3, "memory may have grown in between");
    assert_eq!(count(R::SetVringNum), 3 * 4);
    assert_eq!(count(R::GetVringBase), 3 * 4);
    let seen = backend.seen();
    let features = seen.iter().find(|seen| seen.request == R::SetFeatures).unwrap();
    let features = Features::from_bits_retain(U64::from_bytes(&features.payload).unwrap().value);
    assert_eq!(features, Features::VERSION_1 | Features::MQ | Features::PROTOCOL_FEATURES);
    assert_eq!(lab.in_use(), 0);
}

#[test]
fn a_back_end_that_can_little_is_asked_little() {
    let lab = Lab::new();
    let script = Script {
        features: Features::VERSION_1 | Features::PROTOCOL_FEATURES,
        protocol: ProtocolFeatures::empty(),
        ..Script::default()
    };
    let backend = Backend::listen(&lab.path(), script.clone());
    let mut port = lab.ready("", 1);
    port.start().unwrap();
    assert!(port.link().up);
    for absent in [R::GetQueueNum, R::SetStatus] {
        assert!(!backend.requests(1).contains(&absent), "{absent:?} was not agreed on");
    }
    drop(backend);
    port.stop().unwrap();

    let plain = Script { features: Features::VERSION_1, ..script };
    let backend = Backend::listen(&lab.path(), plain);
    port.start().unwrap();
    within(SECOND, "link up", || port.link().up);
    for absent in [R::GetProtocolFeatures, R::SetProtocolFeatures, R::SetVringEnable] {
        assert!(!backend.requests(1).contains(&absent), "{absent:?} without bit 30");
    }
}

/// Every request that has an answer, with every way to get it wrong.
#[test]
fn a_wrong_answer_ends_the_connection_and_a_right_one_later_brings_the_link_up() {
    let wrong = [
        Quirk::HangUp,
        Quirk::WrongRequest,
        Quirk::WrongSize,
        Quirk::NoReplyFlag,
        Quirk::WrongVersion,
        Quirk::StrayFd,
    ];
    let native = [R::GetFeatures, R::GetProtocolFeatures, R::GetQueueNum];
    let acked = [R::SetFeatures, R::SetMemTable, R::SetVringAddr, R::SetVringEnable, R::SetStatus];
    let every = native.iter().chain(&acked).flat_map(|r| wrong.iter().map(move |q| (*r, *q)));
    let refusals = acked.iter().map(|r| (*r, Quirk::Refuse));
    let cases: Vec<_> = every.chain(refusals).collect();
    std::thread::scope(|scope| {
        for share in cases.chunks(cases.len().div_ceil(4)) {
            scope.spawn(move || share.iter().for_each(|case| wrong_then_right(*case)));
        }
    });
}

fn wrong_then_right(quirk: (R, Quirk)) {
    let lab = Lab::new();
    let backend = Backend::listen(&lab.path(), Script { quirk: Some(quirk), ..Script::default() });
    let mut port = lab.ready("", 1);
    port.start().unwrap();
    assert!(!port.link().up, "{quirk:?}");
    assert_eq!(lab.in_use(), 0, "{quirk:?}: buffers are back while nobody uses them");
    backend.set_script(Script::default());
    within(2 * SECOND, "link up", || port.link().up);
    assert_eq!(events(port.as_ref()), [Event::Link(true)], "{quirk:?}");
    port.stop().unwrap();
    assert_eq!(lab.in_use(), 0, "{quirk:?}");
}

#[test]
fn a_second_answer_is_noticed() {
    let lab = Lab::new();
    let quirk = Some((R::SetStatus, Quirk::Twice));
    let backend = Backend::listen(&lab.path(), Script { quirk, ..Script::default() });
    let mut port = lab.ready("", 1);
    port.start().unwrap();
    within(SECOND, "link down", || !port.link().up);
    backend.set_script(Script::default());
    within(2 * SECOND, "link up", || port.link().up);
    backend.speak();
    within(SECOND, "link down on an unasked message", || !port.link().up);
}

#[test]
fn a_silent_back_end_holds_nobody_longer_than_a_second() {
    for at in [R::GetFeatures, R::SetMemTable] {
        let lab = Lab::new();
        let quirk = Some((at, Quirk::Silence));
        let _backend = Backend::listen(&lab.path(), Script { quirk, ..Script::default() });
        let mut port = lab.ready("", 1);
        let from = Instant::now();
        port.start().unwrap();
        assert!(!port.link().up);
        assert!(from.elapsed() < Duration::from_millis(1500), "{at:?}: {:?}", from.elapsed());
        let from = Instant::now();
        port.close().unwrap();
        assert!(from.elapsed() < Duration::from_millis(1500), "{at:?}: {:?}", from.elapsed());
        assert_eq!(lab.in_use(), 0);
    }
}

#[test]
fn a_back_end_that_does_not_give_rings_back_loses_its_connection() {
    let lab = Lab::new();
    let quirk = Some((R::GetVringBase, Quirk::Silence));
    let backend = Backend::listen(&lab.path(), Script { quirk, ..Script::default() });
    let mut port = lab.ready("", 1);
    port.start().unwrap();
    assert!(port.link().up);
    port.stop().unwrap();
    assert_eq!(lab.in_use(), 0);
    backend.set_script(Script::default());
    port.start().unwrap();
    within(2 * SECOND, "link up", || port.link().up);
    assert_eq!(backend.sessions(), 2);
}

#[test]
fn too_few_queues_or_features_leave_the_link_down_and_are_not_retried_in_haste() {
    let few = Script { queue_pairs: 1, ..Script::default() };
    let legacy = Script { features: Features::MRG_RXBUF, ..Script::default() };
    for script in [few, legacy] {
        let lab = Lab::new();
        let backend = Backend::listen(&lab.path(), script);
        let mut port = lab.ready(",queues=2", 2);
        port.start().unwrap();
        std::thread::sleep(SECOND);
        assert!(!port.link().up);
        let sessions = backend.sessions();
        assert!((2..=6).contains(&sessions), "{sessions} connections in a second");
        assert!(backend.requests(1).iter().all(|r| *r != R::SetMemTable));
    }
}

#[test]
fn memory_that_grows_is_announced_to_a_running_back_end() {
    let lab = Lab::new();
    let backend = Backend::listen(&lab.path(), Script::default());
    let mut port = lab.ready("", 1);
    port.start().unwrap();
    let before = lab.eal.memory().data_committed();
    let mut grown = Vec::new();
    while lab.eal.memory().data_committed() == before {
        grown.push(lab.eal.memory().alloc(eal::FileKind::Data, 4 << 20, 4096).unwrap());
    }
    let tables = || backend.requests(1).iter().filter(|r| **r == R::SetMemTable).count();
    within(SECOND, "a second table", || tables() == 2);
    assert!(port.link().up);
    let table = backend.seen().into_iter().rfind(|seen| seen.request == R::SetMemTable).unwrap();
    let table = MemoryTable::from_bytes(&table.payload).unwrap();
    assert_eq!(table.regions()[0].size_bytes, lab.eal.memory().data_committed());
}

#[test]
fn calls_out_of_order_are_refused() {
    let lab = Lab::new();
    let mut port = lab.port("").unwrap();
    assert!(port.start().is_err(), "no queues");
    assert!(port.claim_rx(0, "test").is_err());
    set_up(port.as_mut(), &lab.pool, 1);
    port.start().unwrap();
    assert!(port.start().is_err(), "started twice");
    assert!(port.configure(&port.config()).is_err(), "configured while started");
    port.close().unwrap();
    port.close().unwrap();
    assert!(port.start().is_err(), "started after close");
}

#[test]
fn an_answer_in_single_bytes_is_an_answer() {
    let lab = Lab::new();
    let quirk = Some((R::GetFeatures, Quirk::Trickle));
    let _backend = Backend::listen(&lab.path(), Script { quirk, ..Script::default() });
    let mut port = lab.ready("", 1);
    port.start().unwrap();
    assert!(port.link().up);
}

#[test]
fn a_port_may_have_more_queues_one_way_than_the_other() {
    let lab = Lab::new();
    let backend = Backend::listen(&lab.path(), Script::default());
    let mut port = lab.port(",queues=3").unwrap();
    port.configure(&PortConfig { rx_queues: 1, tx_queues: 3, ..PortConfig::default() }).unwrap();
    port.setup_rx(0, &RxQueueConfig { descriptors: 0, pool: lab.pool.clone() }).unwrap();
    (0..3).for_each(|queue| port.setup_tx(queue, &TxQueueConfig::default()).unwrap());
    port.start().unwrap();
    let seen = backend.seen();
    let enabled = seen.iter().filter(|seen| seen.request == R::SetVringEnable);
    let indexes: Vec<_> =
        enabled.map(|seen| VringState::from_bytes(&seen.payload).unwrap().index).collect();
    assert_eq!(indexes, [0, 1, 3, 5]);
    port.stop().unwrap();
    assert_eq!(lab.in_use(), 0);
}

#[test]
fn a_queue_may_be_set_up_anew_but_not_under_a_claim() {
    let lab = Lab::new();
    let mut port = lab.ready("", 1);
    let other = MbufPool::create(lab.eal.memory(), "other", 1024, 2048, 32).unwrap();
    let anew = RxQueueConfig { descriptors: 0, pool: other.clone() };
    let rx = port.claim_rx(0, "test").unwrap();
    set_up(port.as_mut(), &lab.pool, 1);
    assert!(matches!(port.setup_rx(0, &anew), Err(Error::Claimed { queue: 0, .. })));
    drop(rx);
    port.setup_rx(0, &anew).unwrap();
    let _backend = Backend::listen(&lab.path(), Script::default());
    port.start().unwrap();
    assert_eq!(lab.in_use(), 0);
    assert_eq!(other.audit().in_use, 256, "receive buffers come from the new pool");
}

#[test]
fn limits_are_checked() {
    let lab = Lab::new();
    let mut port = lab.port(",mrg_rxbuf=0,queues=2").unwrap();
    assert!(
        port.configure(&PortConfig { rx_queues: 3, tx_queues: 1, ..PortConfig::default() })
            .is_err()
    );
    port.configure(&PortConfig { rx_queues: 1, tx_queues: 1, ..PortConfig::default() }).unwrap();
    let small = MbufPool::create(lab.eal.memory(), "small", 256, 1024, 16).unwrap();
    let refused = port.setup_rx(0, &RxQueueConfig { descriptors: 0, pool: small.clone() });
    let Err(Error::MbufTooSmall { room_bytes: 1024, need_bytes: 1518 }) = refused else {
        panic!("a frame of 1518 bytes does not fit: {refused:?}")
    };
    port.set_mtu(1006).unwrap();
    port.setup_rx(0, &RxQueueConfig { descriptors: 4096, pool: small }).unwrap();
    assert!(port.setup_tx(0, &TxQueueConfig { descriptors: 32_769 }).is_err());
    assert!(port.setup_tx(1, &TxQueueConfig::default()).is_err(), "not configured");
    for mtu in [0, 67, 9711, u16::MAX] {
        assert!(port.set_mtu(mtu).is_err(), "{mtu}");
    }
    assert_eq!(port.mtu(), 1006);
}
