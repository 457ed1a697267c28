//! A packet is written to after it was given to the transmit queue.

use pmd_core::{Burst, Mbuf, TxBurst, TxQueue};

fn send(mut packet: Mbuf, queue: &mut TxQueue) {
    let mut burst = Burst::new(1);
    let _ = burst.push(packet);
    queue.burst(&mut burst);
    packet.data_mut().fill(0);
}

fn main() {
    let _ = send;
}
