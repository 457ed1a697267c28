//! `rxonly`: packets are counted and dropped.

use crate::engine::settings::Settings;
use crate::engine::stream::Stream;

impl Stream {
    /// One round of `rxonly`.
    pub(in crate::engine) fn rx_only(&mut self, _settings: &Settings) -> usize {
        let count = self.receive();
        if count > 0 {
            self.burst.clear();
        }
        count
    }
}
