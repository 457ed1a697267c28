//! A queue behind a reference that threads share.

use std::sync::Arc;

use pmd_core::TxQueue;

fn share(queue: TxQueue) {
    let queue = Arc::new(queue);
    std::thread::spawn(move || drop(queue));
}

fn main() {
    let _ = share;
}
