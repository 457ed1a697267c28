//! What outlives front-ends.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64};
use std::time::Instant;

use eal::gate::FenceMode;
use log::Level;

use super::chatter::{Chatter, Line};
use crate::config::{DeviceConfig, LOG_TARGET};
use crate::events::EventSink;
use crate::vring::VringShared;

/// What stays when front-ends come and go.
pub(crate) struct Slot {
    pub(crate) config: DeviceConfig,
    pub(crate) vrings: Box<[Arc<VringShared>]>,
    pub(crate) sink: Box<dyn EventSink>,
    /// The owner lets packets pass.
    pub(crate) active: AtomicBool,
    /// Packets can pass, as far as the front-end is concerned.
    pub(crate) up: AtomicBool,
    pub(crate) connected: AtomicBool,
    /// Negotiated virtio features, 0 while there are none.
    pub(crate) features: AtomicU64,
    /// The guest's MTU, 0 while it was not told.
    pub(crate) mtu: AtomicU16,
    chatter: Chatter,
}

impl Slot {
    /// Logs what a front-end brought about; however many come and whatever they do, they cannot fill the log.
    pub(crate) fn log(&self, level: Level, what: impl Display) {
        let level = match self.chatter.admit(Instant::now()) {
            Line::Free => level,
            Line::Last => {
                let path = self.config.path.display();
                log::log!(target: LOG_TARGET, level, "({path}) {what} (further messages of this minute are logged at debug level)");
                return;
            }
            Line::Beyond => Level::Debug,
        };
        let path = self.config.path.display();
        log::log!(target: LOG_TARGET, level, "({path}) {what}");
    }

    /// A slot without front-end, all gates closed.
    pub(crate) fn new(
        config: DeviceConfig,
        fences: FenceMode,
        sink: Box<dyn EventSink>,
    ) -> Arc<Self> {
        let ring = |index| VringShared::new(index, fences);
        Arc::new(Self {
            vrings: (0..config.queue_pairs * 2).map(ring).collect(),
            config,
            sink,
            active: AtomicBool::new(false),
            up: AtomicBool::new(false),
            connected: AtomicBool::new(false),
            features: AtomicU64::new(0),
            mtu: AtomicU16::new(0),
            chatter: Chatter::default(),
        })
    }
}
