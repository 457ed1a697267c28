//! The destination of a frame, as the queues of both directions count it.
#![allow(unsafe_code, reason = "looks at bytes that a device may be writing")]

use pmd_core::mbuf::Meta;
use virtio::packet_counts::MacClass;

/// Bytes of an address.
const ADDRESS_BYTES: u16 = 6;

/// The class of the destination. One byte is looked at unless that says group. A first segment without a whole address counts
/// as unicast.
#[inline(always)]
pub(super) fn mac_class(meta: &Meta) -> MacClass {
    if meta.data_len < ADDRESS_BYTES {
        return MacClass::Unicast;
    }
    // SAFETY: the segment has data, so its first byte lies in the buffer; a device may write it, so it is read once by value.
    let first = unsafe { meta.data().read_volatile() };
    if MacClass::is_group(first) { group_class(meta) } else { MacClass::Unicast }
}

#[cold]
fn group_class(meta: &Meta) -> MacClass {
    let mut address = [0; ADDRESS_BYTES as usize];
    for (at, byte) in address.iter_mut().enumerate() {
        let place = meta.data().wrapping_add(at);
        // SAFETY: the segment has at least an address of data (checked by the caller).
        *byte = unsafe { place.read_volatile() };
    }
    MacClass::of(address)
}
