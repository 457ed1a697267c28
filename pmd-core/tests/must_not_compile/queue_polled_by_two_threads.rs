//! Two threads poll one queue.

use pmd_core::{Burst, RxBurst, RxQueue};

fn poll(mut queue: RxQueue) {
    std::thread::scope(|scope| {
        scope.spawn(|| queue.burst(&mut Burst::new(32)));
        scope.spawn(|| queue.burst(&mut Burst::new(32)));
    });
}

fn main() {
    let _ = poll;
}
