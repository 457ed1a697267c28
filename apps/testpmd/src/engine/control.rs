//! What the app's thread and a forwarding lcore share: settings and a stop flag one way, counters the other.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What may be changed while packets are forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most packets of a burst; 0 moves nothing.
    pub burst: u16,
    /// Lengths of the segments of a made packet, in bytes.
    pub segments: Vec<u16>,
    /// Offer a burst that did not fit again instead of dropping the rest at once.
    pub retry: bool,
    /// Leave the CPU to others after a round in which nothing moved: for two pollers on one CPU.
    pub polite: bool,
}

impl Settings {
    /// Bytes of a made packet.
    pub fn packet_bytes(&self) -> u32 {
        self.segments.iter().map(|&len| u32::from(len)).sum()
    }
}

/// Bit of the word that asks the lcore to end.
const STOP: u32 = 1;
/// Added to the word when the settings changed.
const CHANGED: u32 = 2;

/// One lcore's orders. The lcore looks at one word a round.
#[repr(align(128))]
pub struct Control {
    word: AtomicU32,
    ready: AtomicBool,
    settings: Mutex<Settings>,
}

impl Control {
    /// Orders to go on with `settings`.
    pub fn new(settings: Settings) -> Self {
        Self {
            word: AtomicU32::new(0),
            ready: AtomicBool::new(false),
            settings: Mutex::new(settings),
        }
    }

    /// Changes the settings.
    pub fn update(&self, settings: Settings) {
        *self.lock() = settings;
        self.word.fetch_add(CHANGED, Ordering::Release);
    }

    /// Asks the lcore to end after its round.
    pub fn stop(&self) {
        self.word.fetch_or(STOP, Ordering::Release);
    }

    /// The word: it changes with every order.
    #[inline]
    pub(super) fn word(&self) -> u32 {
        self.word.load(Ordering::Acquire)
    }

    /// Whether `word` asks to end.
    #[inline]
    pub(super) fn is_stop(word: u32) -> bool {
        word & STOP != 0
    }

    /// The settings as they are.
    pub(super) fn settings(&self) -> Settings {
        self.lock().clone()
    }

    /// Said by the lcore when the first bursts are sent.
    pub(super) fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Whether the first bursts are sent.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a stream counts. One thread writes; snapshots are taken by any.
#[derive(Default)]
#[repr(align(128))]
pub struct Counters {
    rx: AtomicU64,
    tx: AtomicU64,
    dropped: AtomicU64,
}

/// The counters at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountersSnapshot {
    /// Packets received.
    pub rx: u64,
    /// Packets that the transmit queue took.
    pub tx: u64,
    /// Packets dropped because it did not.
    pub dropped: u64,
}

impl Counters {
    #[inline]
    pub(super) fn add_rx(&self, count: usize) {
        bump(&self.rx, count);
    }

    #[inline]
    pub(super) fn add_tx(&self, count: usize) {
        bump(&self.tx, count);
    }

    #[inline]
    pub(super) fn add_dropped(&self, count: usize) {
        bump(&self.dropped, count);
    }

    /// The counters now.
    pub fn snapshot(&self) -> CountersSnapshot {
        CountersSnapshot {
            rx: self.rx.load(Ordering::Relaxed),
            tx: self.tx.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}

impl CountersSnapshot {
    /// What has been counted since `base`.
    pub fn since(self, base: Self) -> Self {
        Self {
            rx: self.rx.wrapping_sub(base.rx),
            tx: self.tx.wrapping_sub(base.tx),
            dropped: self.dropped.wrapping_sub(base.dropped),
        }
    }
}

/// A plain load and store: the polling thread is the only writer.
#[inline]
fn bump(counter: &AtomicU64, count: usize) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(count as u64), Ordering::Relaxed);
}
