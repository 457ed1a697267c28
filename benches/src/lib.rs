//! Benches of the primitives, by the names that other implementations use for theirs, so that figures can be set side
//! by side: `cargo bench -p pmd-benches --bench mempool`. Elements a call are 1, 4, 16, 32 and 64.
//!
//! The benches are in `benches/`; this library holds what they share.

use std::time::{Duration, Instant};

pub mod pair;

/// Elements a call in every bench.
pub const BURSTS: [usize; 5] = [1, 4, 16, 32, 64];

/// Runs `peer` on a thread of its own and `work` here, `rounds` times; returns the time from the first
/// `work` until `peer` has returned. `peer` is told how many rounds to expect.
pub fn time_two_threads(
    rounds: u64,
    mut work: impl FnMut(),
    peer: impl FnOnce(u64) + Send,
) -> Duration {
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || peer(rounds));
        let start = Instant::now();
        for _ in 0..rounds {
            work();
        }
        // A panic of the peer is reported by the scope.
        let _ = thread.join();
        start.elapsed()
    })
}
