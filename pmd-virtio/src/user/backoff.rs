//! How long to leave a peer alone that misbehaved.

use std::time::Duration;

/// The shortest pause, and how often a client asks for a server that is not there.
pub(super) const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

/// Doubles from one failure to the next, up to a second.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: SHORTEST }
    }

    /// The pause before the next try.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        pause
    }

    /// A peer was there for this long: one that stayed has a clean slate.
    pub(super) fn after(&mut self, stayed: Duration) {
        if stayed >= LONGEST {
            self.next = SHORTEST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_a_second_and_starts_over_after_a_peer_that_stayed() {
        let mut backoff = Backoff::new();
        let pauses: Vec<_> = (0..6).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        backoff.after(Duration::from_millis(999));
        assert_eq!(backoff.next(), LONGEST);
        backoff.after(Duration::from_secs(1));
        assert_eq!(backoff.next(), SHORTEST);
    }
}
