//! Which packets are struck: every so many, or by chance that can be repeated.

use pmd_core::{DevArgs, Error};

use crate::random::Random;

/// How often something happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// To every so manieth packet of a queue: 1 is each, 0 none.
    Every(u64),
    /// To each packet with this probability (0 to 1). The same seed strikes the same packets.
    Chance {
        /// The probability.
        probability: f64,
        /// What the queues' random numbers begin from.
        seed: u64,
    },
}

impl Rate {
    /// Reads `every=N`, or `probability=P` with `seed=S`; one of the two is needed.
    pub(super) fn parse(args: &DevArgs) -> Result<Self, Error> {
        let every = args.number("every", 0, 0..=u64::MAX)?;
        let probability = args.parsed::<f64>("probability")?;
        let seed = args.number("seed", 1, 0..=u64::MAX)?;
        let bad = |why: &str| Err(Error::BadDevArgs(format!("{}: {why}", args.name())));
        match (every, probability) {
            (0, None) => bad("say how often: write every=100, or probability=0.01"),
            (0, Some(p)) if (0.0..=1.0).contains(&p) => Ok(Self::Chance { probability: p, seed }),
            (0, Some(_)) => bad("'probability' is a number from 0 to 1, as in probability=0.01"),
            (_, None) => Ok(Self::Every(every)),
            (_, Some(_)) => {
                bad("'every' and 'probability' do not go together: leave one of them out")
            }
        }
    }

    /// The rate for one queue, whose packets are struck apart from those of others.
    pub(super) fn for_queue(self, rx: bool, queue: u16) -> Strikes {
        let seed = match self {
            Self::Every(_) => 0,
            Self::Chance { seed, .. } => seed,
        };
        let own = u64::from(queue) << 1 | u64::from(rx);
        Strikes { rate: self, passed: 0, random: Random::new(seed ^ own << 48) }
    }
}

/// Decides packet by packet.
#[derive(Clone, Debug)]
pub(super) struct Strikes {
    rate: Rate,
    passed: u64,
    random: Random,
}

impl Strikes {
    /// Whether the next packet is struck.
    #[inline]
    pub fn next(&mut self) -> bool {
        match self.rate {
            Rate::Every(0) => false,
            Rate::Every(every) => {
                self.passed += 1;
                let struck = self.passed == every;
                if struck {
                    self.passed = 0;
                }
                struck
            }
            // 53 bits make every double from 0 to 1 that the comparison can tell apart.
            Rate::Chance { probability, .. } => {
                ((self.random.next() >> 11) as f64) < probability * (1u64 << 53) as f64
            }
        }
    }

    /// The random numbers of this queue.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Result<Rate, Error> {
        Rate::parse(&DevArgs::parse(text)?)
    }

    #[test]
    fn every_so_manieth() {
        let mut strikes = Rate::Every(3).for_queue(true, 0);
        let struck: Vec<bool> = (0..7).map(|_| strikes.next()).collect();
        assert_eq!(struck, [false, false, true, false, false, true, false]);
        assert!(!Rate::Every(0).for_queue(true, 0).next());
    }

    #[test]
    fn chance_can_be_repeated_and_keeps_to_its_probability() {
        let run = |seed, queue| {
            let mut strikes = Rate::Chance { probability: 0.1, seed }.for_queue(false, queue);
            (0..10_000).map(|_| strikes.next()).collect::<Vec<_>>()
        };
        assert_eq!(run(7, 0), run(7, 0));
        assert_ne!(run(7, 0), run(7, 1));
        assert_ne!(run(7, 0), run(8, 0));
        let struck = run(7, 0).into_iter().filter(|hit| *hit).count();
        assert!((800..1200).contains(&struck), "{struck} of 10,000 at 0.1");
        let all = |probability| {
            let mut strikes = Rate::Chance { probability, seed: 1 }.for_queue(true, 0);
            (0..100).filter(|_| strikes.next()).count()
        };
        assert_eq!((all(0.0), all(1.0)), (0, 100));
    }

    #[test]
    fn devargs() {
        assert_eq!(rate("x,every=100").unwrap(), Rate::Every(100));
        let chance = Rate::Chance { probability: 0.25, seed: 9 };
        assert_eq!(rate("x,probability=0.25,seed=9").unwrap(), chance);
        for bad in ["x", "x,probability=2", "x,probability=NaN", "x,every=2,probability=0.5"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
