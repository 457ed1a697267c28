//! `io`: packets go on untouched.

use crate::engine::settings::Settings;
use crate::engine::stream::Stream;

impl Stream {
    /// One round of `io`. All rounds return how many packets were in hand.
    #[inline]
    pub(in crate::engine) fn io(&mut self, settings: &Settings) -> usize {
        match self.receive() {
            0 => 0,
            count => {
                self.send(settings);
                count
            }
        }
    }
}
