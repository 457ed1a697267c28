//! A port of ours with the thread that polls it.

use std::time::Duration;

use crate::Result;
use crate::endpoint::{Endpoint, Lanes, Settings};
use crate::poller::Poller;
use crate::sequence::act::Act;

/// The port and its poller; the poller lives on when the port is made anew.
#[derive(Debug)]
pub struct Side<T> {
    settings: Settings,
    endpoint: Option<Endpoint>,
    poller: Poller<T>,
}

impl<T: Send + 'static> Side<T> {
    /// Makes the port, starts it and polls it by calling `turn`.
    ///
    /// # Errors
    ///
    /// Whatever the port answers.
    pub fn start(
        settings: Settings,
        own: T,
        turn: impl Fn(&mut T, &mut Lanes) -> Result<usize> + Send + 'static,
    ) -> Result<Self> {
        let mut endpoint = Endpoint::start(&settings)?;
        let poller = Poller::start(endpoint.take_lanes(), own, turn);
        Ok(Self { settings, endpoint: Some(endpoint), poller })
    }

    /// The port.
    ///
    /// # Errors
    ///
    /// When making it anew failed.
    pub fn endpoint(&mut self) -> Result<&mut Endpoint> {
        self.endpoint.as_mut().ok_or_else(|| "there is no port".into())
    }

    /// The poller.
    pub fn poller(&self) -> &Poller<T> {
        &self.poller
    }

    /// Takes the queue handles from the poller, and with them the packets it holds.
    fn give_back(&mut self) -> Result<()> {
        let pool = self.endpoint()?.pool().clone();
        let lanes =
            self.poller.ask(|work| std::mem::replace(&mut work.lanes, Lanes::none(pool)))?;
        drop(lanes);
        Ok(())
    }

    fn take_up(&mut self) -> Result<()> {
        let lanes = self.endpoint()?.take_lanes();
        self.poller.ask(|work| work.lanes = lanes)
    }

    /// Stops the port, sets its number of queue pairs and starts it.
    ///
    /// # Errors
    ///
    /// Whatever the port answers.
    pub fn set_queues(&mut self, queues: u16) -> Result<()> {
        self.give_back()?;
        self.settings.queues = queues;
        self.endpoint()?.set_queues(queues)?;
        self.take_up()
    }

    /// Closes the port, whose pool must be whole then, and makes another. `forget` lets the poller give back what it made
    /// from the pool.
    ///
    /// # Errors
    ///
    /// Whatever the ports answer, or what the pool lacks.
    pub fn restart(&mut self, forget: impl FnOnce(&mut T) + Send + 'static) -> Result<()> {
        self.give_back()?;
        self.poller.ask(|work| forget(&mut work.own))?;
        // The poller's lanes without queues know the pool still.
        self.endpoint.take().ok_or("there is no port")?.finish()?;
        self.endpoint = Some(Endpoint::start(&self.settings)?);
        self.take_up()
    }

    /// Does `act` to the port. `forget` lets the poller give back what it made from the pool.
    ///
    /// # Errors
    ///
    /// Whatever the port answers.
    pub fn act(&mut self, act: Act, forget: impl FnOnce(&mut T) + Send + 'static) -> Result<()> {
        match act {
            Act::Forward(_, on) => self.poller.ask(move |work| work.is_paused = !on)?,
            Act::Port(_, true) => self.start_if_stopped()?,
            Act::Port(_, false) => self.endpoint()?.dev_mut().stop()?,
            Act::Queues(_, queues) => self.set_queues(queues)?,
            Act::Restart(_) => self.restart(forget)?,
            Act::Promiscuous(_, on) => {
                // Most ports have no such filter and say so.
                let dev = self.endpoint()?.dev_mut();
                let _ = (dev.set_promiscuous(on), dev.set_allmulticast(on));
            }
            Act::Clear(_) => {
                let dev = self.endpoint()?.dev_mut();
                dev.reset_stats();
                dev.reset_device_xstats();
            }
            Act::Show(_) => {
                let dev = self.endpoint()?.dev();
                drop((dev.stats(), dev.device_xstats(), dev.info(), dev.link()));
                while dev.events().try_next().is_some() {}
            }
            Act::Kill | Act::Freeze(_) | Act::FrameBytes(_) => {}
        }
        Ok(())
    }

    fn start_if_stopped(&mut self) -> Result<()> {
        let dev = self.endpoint()?.dev_mut();
        if dev.is_started() { Ok(()) } else { Ok(dev.start()?) }
    }

    /// As at the beginning: started with `queues` queue pairs, and polled.
    ///
    /// # Errors
    ///
    /// Whatever the port answers.
    pub fn rest(&mut self, queues: u16) -> Result<()> {
        if self.settings.queues != queues {
            self.set_queues(queues)?;
        }
        self.start_if_stopped()?;
        self.poller.ask(|work| work.is_paused = false)
    }

    /// Waits for the link.
    ///
    /// # Errors
    ///
    /// When it is not up in time.
    pub fn wait_up(&mut self, patience: Duration) -> Result<()> {
        self.endpoint()?.wait_link(true, patience)?;
        Ok(())
    }

    /// Ends the poller and closes the port, whose pool must be whole then.
    ///
    /// # Errors
    ///
    /// What the poller found wrong, what the port answers, or what the pool lacks.
    pub fn finish(mut self) -> Result<()> {
        let work = self.poller.end()?;
        drop(work);
        self.endpoint.take().ok_or("there is no port")?.finish()?;
        Ok(())
    }
}
