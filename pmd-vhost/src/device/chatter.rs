//! How many lines a device's front-ends may cause in the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines within one [`WINDOW`].
const LINES: u32 = 32;
/// How long the lines are counted from the first on.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts lines.
#[derive(Debug, Default)]
pub(super) struct Chatter(Mutex<Option<(Instant, u32)>>);

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Others may follow.
    Free,
    /// The last of its window.
    Last,
    /// One too many.
    Beyond,
}

impl Chatter {
    /// Counts a line that is to be logged at `now`.
    pub(super) fn admit(&self, now: Instant) -> Line {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, lines) =
            window.filter(|(start, _)| now.duration_since(*start) < WINDOW).unwrap_or((now, 0));
        let lines = lines.saturating_add(1);
        *window = Some((start, lines));
        match lines {
            ..LINES => Line::Free,
            LINES => Line::Last,
            _ => Line::Beyond,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_short_and_a_later_window_is_free_again() {
        let (chatter, start) = (Chatter::default(), Instant::now());
        let lines: Vec<_> = (0..1000).map(|_| chatter.admit(start)).collect();
        let count = |kind| lines.iter().filter(|line| **line == kind).count();
        assert_eq!((count(Line::Free), count(Line::Last)), (LINES as usize - 1, 1));
        assert_eq!(lines[LINES as usize - 1], Line::Last, "what comes behind it is said in time");
        assert_eq!(chatter.admit(start + WINDOW - Duration::from_secs(1)), Line::Beyond);
        assert_eq!(chatter.admit(start + WINDOW), Line::Free);
    }
}
