//! VLAN tags in software (IEEE 802.1Q, 9.6): what drivers do when their device cannot.

use super::{Mbuf, NoRoom, Offload};

/// Bytes of the two addresses in front of a tag.
const ADDRESSES: usize = 12;
/// Bytes of a tag.
const TAG: u16 = 4;
/// EtherType of a tagged frame.
const ETHERTYPE_VLAN: [u8; 2] = [0x81, 0x00];

impl Mbuf {
    /// Takes the VLAN tag out of the frame and notes it in the metadata. Returns whether there was one in the first
    /// segment.
    pub fn strip_vlan(&mut self) -> bool {
        let mut head = [0; ADDRESSES + TAG as usize];
        let whole = usize::from(self.meta().data_len) >= head.len();
        if !whole || self.read_at(0, &mut head) < head.len() || head[12..14] != ETHERTYPE_VLAN {
            return false;
        }
        if self.trim_front(TAG).is_err() {
            return false;
        }
        self.write_at(0, &head[..ADDRESSES]);
        let meta = self.meta_exclusive();
        meta.vlan_tci = u16::from_be_bytes([head[14], head[15]]);
        meta.offload |= Offload::VLAN_STRIPPED;
        true
    }

    /// Puts the VLAN tag `tci` into the frame.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] when there is no headroom for it, or no Ethernet addresses.
    pub fn insert_vlan(&mut self, tci: u16) -> Result<(), NoRoom> {
        let mut head = [0; ADDRESSES + TAG as usize];
        let (addresses, tag) = head.split_at_mut(ADDRESSES);
        let have = usize::from(self.meta().data_len);
        if have < ADDRESSES || self.read_at(0, addresses) < ADDRESSES {
            return Err(NoRoom { asked: ADDRESSES as u32, room: have as u32 });
        }
        let [high, low] = tci.to_be_bytes();
        tag.copy_from_slice(&[ETHERTYPE_VLAN[0], ETHERTYPE_VLAN[1], high, low]);
        self.prepend(TAG)?;
        self.write_at(0, &head);
        self.meta_exclusive().offload.remove(Offload::VLAN_STRIPPED);
        Ok(())
    }

    /// Notes the tag `tci`, which the driver of a port that puts tags in is to put into the frame.
    pub fn set_vlan(&mut self, tci: u16) {
        let meta = self.meta_exclusive();
        meta.vlan_tci = tci;
        meta.offload |= Offload::VLAN_STRIPPED;
    }
}
