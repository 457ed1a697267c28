//! Alarms: calls made later, once or again and again, by one thread per `Eal`.
//!
//! The thread starts with the first alarm, runs on the control threads' CPUs and uses the monotonic
//! clock. A callback that takes long delays the others; one that panics loses only its own alarm.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::lcore::{panic_message, pin};

/// Names an alarm, for cancelling it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AlarmId(u64);

enum Callback {
    Once(Box<dyn FnOnce() + Send>),
    Every(Duration, Box<dyn FnMut() + Send>),
}

#[derive(Default)]
struct State {
    queue: BTreeMap<(Instant, AlarmId), Callback>,
    next_id: u64,
    /// The alarm whose callback runs now.
    running: Option<AlarmId>,
    /// Set when the running alarm is cancelled.
    cancelled: bool,
    thread: Option<JoinHandle<()>>,
    quit: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The alarms of one `Eal`.
///
/// ```
/// # use std::{sync::mpsc, time::Duration};
/// # fn main() -> Result<(), eal::Error> {
/// let eal = eal::Eal::new(eal::EalConfig::default())?;
/// let (send, receive) = mpsc::channel();
/// eal.alarms().after(Duration::from_millis(1), move || _ = send.send("rang"))?;
/// assert_eq!(receive.recv(), Ok("rang"));
/// # Ok(())
/// # }
/// ```
pub struct Alarms {
    shared: Arc<Shared>,
    cpus: Vec<u32>,
}

impl Alarms {
    /// No alarms yet; their thread will run on `cpus`.
    pub(crate) fn new(cpus: Vec<u32>) -> Self {
        Self { shared: Arc::default(), cpus }
    }

    /// Calls `callback` once, `delay` from now.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the alarm thread cannot be started.
    pub fn after(
        &self,
        delay: Duration,
        callback: impl FnOnce() + Send + 'static,
    ) -> Result<AlarmId, Error> {
        self.add(delay, Callback::Once(Box::new(callback)))
    }

    /// Calls `callback` every `period`, the first time one period from now. Calls that fall behind are
    /// dropped, not made up for.
    ///
    /// # Errors
    ///
    /// As for [`Alarms::after`].
    pub fn every(
        &self,
        period: Duration,
        callback: impl FnMut() + Send + 'static,
    ) -> Result<AlarmId, Error> {
        let period = period.max(Duration::from_micros(1));
        self.add(period, Callback::Every(period, Box::new(callback)))
    }

    /// Ends an alarm. When this returns its callback does not run and will not, unless it was called from inside
    /// an alarm's callback. True when a call was still to come.
    pub fn cancel(&self, id: AlarmId) -> bool {
        let mut state = lock(&self.shared);
        let waiting = state.queue.keys().find(|(_, known)| *known == id).copied();
        if let Some(key) = waiting {
            state.queue.remove(&key);
            return true;
        }
        if state.running != Some(id) {
            return false;
        }
        let was = std::mem::replace(&mut state.cancelled, true);
        let inside = is_current(state.thread.as_ref());
        while !inside && state.running == Some(id) {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !was
    }

    fn add(&self, delay: Duration, callback: Callback) -> Result<AlarmId, Error> {
        let far = Duration::from_secs(u64::from(u32::MAX));
        let mut state = lock(&self.shared);
        self.start(&mut state)?;
        let id = AlarmId(state.next_id);
        state.next_id += 1;
        state.queue.insert((Instant::now() + delay.min(far), id), callback);
        self.shared.changed.notify_all();
        Ok(id)
    }

    fn start(&self, state: &mut State) -> Result<(), Error> {
        if state.thread.is_some() {
            return Ok(());
        }
        let (shared, cpus) = (Arc::clone(&self.shared), self.cpus.clone());
        let body = move || {
            let _ = pin(&cpus);
            shared.serve();
        };
        let thread = std::thread::Builder::new().name("alarms".into()).spawn(body);
        state.thread = Some(thread.map_err(Error::io("start the alarm thread"))?);
        Ok(())
    }
}

impl Drop for Alarms {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.quit = true;
        let dropped = std::mem::take(&mut state.queue);
        let thread = state.thread.take();
        self.shared.changed.notify_all();
        drop(state);
        drop(dropped);
        // Dropped inside a callback, the thread ends by itself after it.
        if let Some(thread) = thread.filter(|thread| !is_current(Some(thread))) {
            let _ = thread.join();
        }
    }
}

fn is_current(thread: Option<&JoinHandle<()>>) -> bool {
    let id: Option<ThreadId> = thread.map(|thread| thread.thread().id());
    id == Some(std::thread::current().id())
}

impl Shared {
    fn serve(&self) {
        let mut state = lock(self);
        while !state.quit {
            let next = state.queue.first_key_value().map(|(&key, _)| key);
            state = match next {
                Some(key) if key.0 <= Instant::now() => self.run(state, key),
                Some((due, _)) => {
                    let delay = due.saturating_duration_since(Instant::now());
                    let woken = self.changed.wait_timeout(state, delay);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Runs the alarm at `key` with the lock released.
    fn run<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        key: (Instant, AlarmId),
    ) -> MutexGuard<'a, State> {
        let Some(callback) = state.queue.remove(&key) else { return state };
        state.running = Some(key.1);
        state.cancelled = false;
        drop(state);
        let again = call(callback);
        let mut state = lock(self);
        state.running = None;
        if let Some((period, callback)) = again
            && !state.cancelled
            && !state.quit
        {
            let due = (key.0 + period).max(Instant::now());
            state.queue.insert((due, key.1), Callback::Every(period, callback));
        }
        self.changed.notify_all();
        state
    }
}

/// Calls back; returns what is to be called again.
fn call(callback: Callback) -> Option<(Duration, Box<dyn FnMut() + Send>)> {
    let outcome = catch_unwind(AssertUnwindSafe(|| match callback {
        Callback::Once(callback) => {
            callback();
            None
        }
        Callback::Every(period, mut callback) => {
            callback();
            Some((period, callback))
        }
    }));
    outcome.unwrap_or_else(|panic| {
        log::error!(target: "eal", "an alarm panicked: {}", panic_message(&*panic));
        None
    })
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{RecvTimeoutError, channel};

    const SOON: Duration = Duration::from_millis(5);
    const LONG: Duration = Duration::from_secs(20);

    fn alarms() -> Alarms {
        Alarms::new(vec![0])
    }

    #[test]
    fn alarms_ring_in_the_order_of_their_times() {
        let (alarms, (send, receive)) = (alarms(), channel());
        let other = send.clone();
        alarms.after(SOON * 8, move || other.send("late").unwrap()).unwrap();
        alarms.after(SOON, move || send.send("early").unwrap()).unwrap();
        assert_eq!(receive.recv_timeout(LONG), Ok("early"));
        assert_eq!(receive.recv_timeout(LONG), Ok("late"));
    }

    #[test]
    fn a_cancelled_alarm_never_rings() {
        let (alarms, (send, receive)) = (alarms(), channel::<()>());
        let id = alarms.after(LONG, move || send.send(()).unwrap()).unwrap();
        assert!(alarms.cancel(id));
        assert!(!alarms.cancel(id));
        assert_eq!(receive.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_periodic_alarm_rings_until_cancelled() {
        let (alarms, (send, receive)) = (alarms(), channel());
        let id = alarms.every(SOON, move || _ = send.send(())).unwrap();
        for _ in 0..3 {
            receive.recv_timeout(LONG).unwrap();
        }
        assert!(alarms.cancel(id));
        while receive.try_recv().is_ok() {}
        assert_eq!(receive.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_panic_ends_only_its_own_alarm() {
        let (alarms, (send, receive)) = (alarms(), channel());
        alarms.every(SOON, || panic!("once")).unwrap();
        alarms.after(SOON * 3, move || send.send(()).unwrap()).unwrap();
        receive.recv_timeout(LONG).unwrap();
    }

    #[test]
    fn an_alarm_may_set_and_cancel_alarms() {
        let alarms = Arc::new(alarms());
        let (send, receive) = channel();
        let inner = Arc::downgrade(&alarms);
        let job = move || {
            let alarms = inner.upgrade().unwrap();
            let id = alarms.after(LONG, || ()).unwrap();
            send.send(alarms.cancel(id)).unwrap();
        };
        alarms.after(SOON, job).unwrap();
        assert_eq!(receive.recv_timeout(LONG), Ok(true));
    }
}
