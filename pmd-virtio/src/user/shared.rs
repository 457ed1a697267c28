//! What a port and its control thread both see.

use std::sync::atomic::{AtomicBool, Ordering};

/// The link, readable without asking the control thread.
#[derive(Debug, Default)]
pub(super) struct Shared {
    link_up: AtomicBool,
}

impl Shared {
    pub(super) fn link_up(&self) -> bool {
        self.link_up.load(Ordering::Acquire)
    }

    pub(super) fn set_link(&self, up: bool) {
        self.link_up.store(up, Ordering::Release);
    }
}
