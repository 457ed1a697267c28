//! A thread that polls the queues of one port, and does what it is told between two turns.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::Result;
use crate::endpoint::Lanes;
use crate::process::PATIENCE;

/// What a poller works on.
#[derive(Debug)]
pub struct Work<T> {
    /// The queues.
    pub lanes: Lanes,
    /// What it keeps besides.
    pub own: T,
    /// It leaves the queues alone.
    pub is_paused: bool,
}

type Order<T> = Box<dyn FnOnce(&mut Work<T>) + Send>;

/// The thread.
#[derive(Debug)]
pub struct Poller<T> {
    orders: Sender<Order<T>>,
    thread: JoinHandle<Result<Work<T>>>,
}

impl<T: Send + 'static> Poller<T> {
    /// Polls by calling `turn`, which returns how many packets moved, until it is ended or a turn fails.
    pub fn start(
        lanes: Lanes,
        own: T,
        turn: impl Fn(&mut T, &mut Lanes) -> Result<usize> + Send + 'static,
    ) -> Self {
        let (orders, received): (Sender<Order<T>>, Receiver<Order<T>>) = channel();
        let thread = std::thread::spawn(move || {
            let mut work = Work { lanes, own, is_paused: false };
            loop {
                match received.try_recv() {
                    Ok(order) => order(&mut work),
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return Ok(work),
                    Err(std::sync::mpsc::TryRecvError::Empty) => {}
                }
                if work.is_paused || turn(&mut work.own, &mut work.lanes)? == 0 {
                    std::thread::yield_now();
                }
            }
        });
        Self { orders, thread }
    }

    /// Lets it do something between two turns, and waits for the result.
    ///
    /// # Errors
    ///
    /// When it has ended; [`Poller::end`] says why.
    pub fn ask<R: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Work<T>) -> R + Send + 'static,
    ) -> Result<R> {
        let (sender, receiver) = channel();
        let order = move |work: &mut Work<T>| {
            // Whoever asked may have lost patience.
            let _ = sender.send(what(work));
        };
        self.orders.send(Box::new(order)).map_err(|_| "a poller has ended")?;
        receiver.recv_timeout(PATIENCE).map_err(|_| "a poller does not answer".into())
    }

    /// Ends it and returns what it worked on.
    ///
    /// # Errors
    ///
    /// What a turn answered.
    pub fn end(self) -> Result<Work<T>> {
        drop(self.orders);
        self.thread.join().map_err(|_| "a poller has panicked")?
    }
}
