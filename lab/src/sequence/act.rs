//! What is done in a sequence.

use crate::random::Random;

/// One of the two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The one whose packets come back.
    Echo,
    /// The one that sends them back.
    Peer,
}

/// One thing that is done to a port, or to its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Forwarding stops (`stop`), or starts again (`start`).
    Forward(End, bool),
    /// `port stop`, or `port start`.
    Port(End, bool),
    /// `port stop`, `port config all rxq|txq`, `port start`.
    Queues(End, u16),
    /// The port is closed and another is made in its place.
    Restart(End),
    /// The peer's process is killed and another is started.
    Kill,
    /// The peer's process is stopped where it is, or goes on (SIGSTOP, SIGCONT).
    Freeze(bool),
    /// `set txpkts`: frames of this many bytes from now on.
    FrameBytes(u16),
    /// `set promisc`, `set allmulti`, whatever they answer.
    Promiscuous(End, bool),
    /// `show port stats`, `show port xstats`, `show port info`, events.
    Show(End),
    /// `clear port stats`.
    Clear(End),
}

/// Longest frame, in bytes.
const FRAME_BYTES_MAX: u64 = 1518;

impl Act {
    /// One that can be done to ports in this process with `queues` queue pairs at most.
    pub fn here(random: &mut Random, queues: u16) -> Self {
        let end = if random.below(2) == 0 { End::Echo } else { End::Peer };
        let flag = random.below(2) == 0;
        match random.below(16) {
            0 | 1 => Self::Forward(end, flag),
            2..=4 => Self::Port(end, flag),
            5 | 6 => Self::Queues(end, 1 + random.below(queues.into()) as u16),
            7 => Self::Restart(end),
            other => Self::setting(random, end, other),
        }
    }

    /// One that can be done with a peer that is a process.
    pub fn apart(random: &mut Random, queues: u16) -> Self {
        let flag = random.below(2) == 0;
        match random.below(16) {
            0..=3 => Self::Kill,
            4 => Self::Restart(End::Peer),
            5 => Self::Freeze(flag),
            6 => Self::Queues(End::Peer, 1 + random.below(queues.into()) as u16),
            7 => Self::Queues(End::Echo, 1 + random.below(queues.into()) as u16),
            8 | 9 => Self::Port(End::Echo, flag),
            10 => Self::Forward(End::Echo, flag),
            other => Self::setting(random, End::Echo, other),
        }
    }

    /// Whose it is.
    pub fn end(self) -> End {
        match self {
            Self::Kill | Self::Freeze(_) => End::Peer,
            Self::FrameBytes(_) => End::Echo,
            Self::Forward(end, _)
            | Self::Port(end, _)
            | Self::Queues(end, _)
            | Self::Restart(end)
            | Self::Promiscuous(end, _)
            | Self::Show(end)
            | Self::Clear(end) => end,
        }
    }

    fn setting(random: &mut Random, end: End, pick: u64) -> Self {
        match pick % 4 {
            0 => Self::Promiscuous(end, random.below(2) == 0),
            1 => Self::Clear(end),
            2 => Self::Show(end),
            _ => Self::FrameBytes((60 + random.below(FRAME_BYTES_MAX - 59)) as u16),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_come_again_with_their_seed_and_all_kinds_come() {
        let acts = |seed| -> Vec<Act> {
            let mut random = Random::new(seed);
            let both = (0..500).map(|_| (Act::here(&mut random, 4), Act::apart(&mut random, 4)));
            both.flat_map(|(here, apart)| [here, apart]).collect()
        };
        assert_eq!(acts(7), acts(7));
        assert_ne!(acts(7), acts(8));
        let kinds: std::collections::HashSet<_> =
            acts(7).iter().map(std::mem::discriminant).collect();
        assert_eq!(kinds.len(), 10);
    }

    #[test]
    fn numbers_stay_within_their_limits() {
        let mut random = Random::new(1);
        for _ in 0..2000 {
            match Act::here(&mut random, 3) {
                Act::Queues(_, count) => assert!((1..=3).contains(&count)),
                Act::FrameBytes(bytes) => assert!((60..=1518).contains(&bytes)),
                Act::Kill | Act::Freeze(_) => panic!("nothing to kill here"),
                _ => {}
            }
        }
    }
}
