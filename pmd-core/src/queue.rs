//! The data half of a port: queues as owned handles.
//!
//! A driver's concrete queue implements [`RxBurst`] or [`TxBurst`]; [`RxQueue`] and [`TxQueue`] are the erased
//! handles that an app keeps when it does not care which driver it has, at the price of one indirect call a burst.

use std::fmt;

use crate::Burst;

/// Receiving. One thread at a time polls a queue: implementations are `Send`, and handles are not `Sync`.
pub trait RxBurst: Send {
    /// Appends received packets to `into`, as many as are there and as `into` has room for, and returns how
    /// many were appended. Returns 0 while the queue is stopped, its peer is away or its port is closed.
    fn burst(&mut self, into: &mut Burst) -> usize;
}

/// Transmitting.
pub trait TxBurst: Send {
    /// Takes packets from the front of `from`, as many as the queue has room for, and returns how many were
    /// taken; the others stay with the caller. A packet that can never be sent is taken, dropped and counted.
    fn burst(&mut self, from: &mut Burst) -> usize;

    /// Gives packets that the far end is done with back to their pools. Called by an app that stops sending
    /// and wants its pool whole; a burst does the same in passing.
    fn reclaim(&mut self) -> usize {
        0
    }
}

macro_rules! erased {
    ($(#[$doc:meta])* $name:ident, $bound:ident) => {
        $(#[$doc])*
        pub struct $name(Box<dyn $bound>);

        impl $name {
            /// Wraps a driver's queue.
            pub fn new(queue: impl $bound + 'static) -> Self {
                Self(Box::new(queue))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

erased!(
    /// A receive queue of any driver. Dropping it ends the claim on the queue.
    RxQueue,
    RxBurst
);
erased!(
    /// A transmit queue of any driver. Dropping it ends the claim on the queue.
    TxQueue,
    TxBurst
);

impl RxBurst for RxQueue {
    #[inline]
    fn burst(&mut self, into: &mut Burst) -> usize {
        self.0.burst(into)
    }
}

impl TxBurst for TxQueue {
    #[inline]
    fn burst(&mut self, from: &mut Burst) -> usize {
        self.0.burst(from)
    }

    fn reclaim(&mut self) -> usize {
        self.0.reclaim()
    }
}
