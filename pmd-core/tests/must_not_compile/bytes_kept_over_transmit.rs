//! The bytes of a packet are looked at after its burst was sent.

use pmd_core::{Burst, TxBurst, TxQueue};

fn send(mut burst: Burst, queue: &mut TxQueue) -> u8 {
    let bytes = burst[0].data();
    queue.burst(&mut burst);
    bytes[0]
}

fn main() {
    let _ = send;
}
