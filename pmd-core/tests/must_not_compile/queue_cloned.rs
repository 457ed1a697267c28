//! A second handle on a queue.

use pmd_core::RxQueue;

fn second(queue: &RxQueue) -> RxQueue {
    queue.clone()
}

fn main() {
    let _ = second;
}
