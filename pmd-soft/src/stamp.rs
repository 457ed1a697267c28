//! Marks received packets with their port.
#![allow(unsafe_code, reason = "writes one field of packets it owns")]

use pmd_core::Burst;

/// Writes `port` into the packets of `burst` from place `from` on.
#[inline]
pub(crate) fn stamp(burst: &mut Burst, from: usize, port: u16) {
    for mbuf in burst.as_mut_slice().iter_mut().skip(from) {
        // SAFETY: only the port is changed.
        unsafe { mbuf.meta_mut() }.port = port;
    }
}
