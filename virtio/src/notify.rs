//! When to wake the other side (virtio 1.2, 2.7.7 and 2.7.10).

/// What the other side has said about wake-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suppression {
    /// Its flag: `true` when it wants none.
    Flag(bool),
    /// Its event index: wake it when the entry of that number is published.
    EventIndex(u16),
}

/// Whether the other side must be woken after the published index went from `old` to `new`.
///
/// The whole decision is here: nothing else looks at flags or event indices. `what` must have been read after the
/// index was published and after a full fence; read earlier, a `false` is only provisional.
#[inline]
pub const fn should_notify(what: Suppression, old: u16, new: u16) -> bool {
    match what {
        Suppression::Flag(suppressed) => old != new && !suppressed,
        // The entry `event` is among those published: it lies in [old, new).
        Suppression::EventIndex(event) => {
            new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        assert!(should_notify(Suppression::Flag(false), 1, 2));
        assert!(!should_notify(Suppression::Flag(true), 1, 2));
        assert!(!should_notify(Suppression::Flag(false), 7, 7));
    }

    /// Every old index near the edges and in steps between, every batch size in steps, every event: the
    /// answer is that of walking the published entries one by one.
    #[test]
    fn event_index_is_membership_in_what_was_published() {
        let olds = (0..4).chain(65532..=65535).chain((4..65532).step_by(4099)).map(|o| o as u16);
        for old in olds {
            for batch in [0u16, 1, 2, 3, 31, 32, 255, 256, 4096, 32768] {
                let new = old.wrapping_add(batch);
                let mut published = vec![false; 65536];
                for k in 0..batch {
                    published[usize::from(old.wrapping_add(k))] = true;
                }
                for event in 0..=u16::MAX {
                    let got = should_notify(Suppression::EventIndex(event), old, new);
                    assert_eq!(got, published[usize::from(event)], "{old} {new} {event}");
                }
            }
        }
    }
}
