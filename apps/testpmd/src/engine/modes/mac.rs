//! `mac`: packets go on from this port's address to the station at its other end.

use crate::engine::settings::Settings;
use crate::engine::stream::Stream;

impl Stream {
    /// One round of `mac`.
    pub(in crate::engine) fn mac(&mut self, settings: &Settings) -> usize {
        let count = self.receive();
        if count == 0 {
            return 0;
        }
        for mbuf in self.burst.as_mut_slice() {
            if let Some(header) = mbuf.data_mut().first_chunk_mut::<12>() {
                *header = self.addresses;
            }
        }
        self.tag();
        self.send(settings);
        count
    }
}
