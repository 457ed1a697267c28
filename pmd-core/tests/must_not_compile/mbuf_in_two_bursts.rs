//! One packet in two bursts.

use pmd_core::{Burst, Mbuf};

fn twice(packet: Mbuf, first: &mut Burst, second: &mut Burst) {
    let _ = first.push(packet);
    let _ = second.push(packet);
}

fn main() {
    let _ = twice;
}
