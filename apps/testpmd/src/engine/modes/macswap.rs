//! `macswap`: packets go back to where they came from.

use crate::engine::settings::Settings;
use crate::engine::stream::Stream;

impl Stream {
    /// One round of `macswap`.
    pub(in crate::engine) fn mac_swap(&mut self, settings: &Settings) -> usize {
        let count = self.receive();
        if count == 0 {
            return 0;
        }
        for mbuf in self.burst.as_mut_slice() {
            if let Some(header) = mbuf.data_mut().first_chunk_mut::<12>() {
                header.rotate_left(6);
            }
        }
        self.tag();
        self.send(settings);
        count
    }
}
