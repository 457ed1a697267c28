//! Packets that are spread over several buffers (virtio 1.2, 5.1.6.4).

use pmd_core::mbuf::Chain;
use pmd_core::{Burst, Mbuf};

use super::super::block::add;
use super::pass::{Pass, num_buffers};

/// The longest packet that a device may send (virtio 1.2, 5.1.6.3.1: 65,550 bytes without the header).
const MAX_PACKET_BYTES: u32 = 65_550;

/// A merged packet so far.
pub(super) struct Partial {
    /// `None` when it is bad and its buffers are only swallowed.
    packet: Option<Chain>,
    /// Buffers yet to come.
    pub left: u16,
}

impl Pass<'_> {
    /// The first buffer of a packet that is spread over several.
    #[cold]
    pub fn begin_merged(&mut self, mbuf: Mbuf) {
        match num_buffers(&mbuf) {
            buffers if buffers > 1 && buffers <= self.shared.rings.size() => {
                let packet = Some(Chain::new(mbuf));
                self.state.partial = Some(Partial { packet, left: buffers - 1 });
            }
            _ => self.drop_bad(mbuf),
        }
    }

    /// A further buffer. A packet that turns out bad or too long is swallowed to its end.
    #[cold]
    pub fn add_part(&mut self, mbuf: Mbuf, good: bool, into: &mut Burst) {
        let Some(mut partial) = self.state.partial.take() else { return };
        let fits =
            partial.packet.as_ref().is_some_and(|p| p.len() + mbuf.len() <= MAX_PACKET_BYTES);
        partial.packet = match partial.packet {
            Some(mut packet) if good && fits => packet.push(mbuf).is_ok().then_some(packet),
            _ => None,
        };
        partial.left -= 1;
        if partial.left > 0 {
            self.state.partial = Some(partial);
            return;
        }
        match partial.packet.map(Chain::finish) {
            Some(packet) => self.hand_over(packet, into),
            None => add(&self.shared.block().counters.errors, 1),
        }
    }
}
