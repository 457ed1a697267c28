//! What the app's thread tells a forwarding lcore: settings, and when to stop.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::settings::Settings;

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
