//! The threads for what may take time: waiting for a poller to leave its burst, unmapping guest memory.
//!
//! A job that waits for a poller waits in short turns and goes to the end of the line after each, so that one poller that
//! hangs (in a debugger, say) delays nobody else.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::connection::{Connection, Outcome, Work};

/// How long one turn waits for a poller.
const TURN: Duration = Duration::from_millis(20);
/// A poller that keeps us waiting this long is named in the log.
const WARN_AFTER: Duration = Duration::from_secs(1);
/// Threads of the pool.
const THREADS: usize = 2;

/// Something that may take time.
pub(crate) enum Job {
    /// Work on a connection for which a poller must be waited for.
    Perform(Waiting),
    /// A value whose drop may take time.
    Drop(Box<dyn Send>),
}

/// A connection on its way to a worker.
pub(crate) struct Waiting {
    pub(crate) endpoint: u32,
    pub(crate) connection: Box<Connection>,
    pub(crate) work: Work,
    since: Instant,
    warned: bool,
}

impl Waiting {
    pub(crate) fn new(endpoint: u32, connection: Box<Connection>, work: Work) -> Self {
        Self { endpoint, connection, work, since: Instant::now(), warned: false }
    }
}

/// A connection that comes back from a worker.
pub(crate) struct Returned {
    pub(crate) endpoint: u32,
    pub(crate) connection: Box<Connection>,
    pub(crate) outcome: Outcome,
}

#[derive(Default)]
struct Line {
    jobs: VecDeque<Job>,
    closed: bool,
}

struct Shared {
    line: Mutex<Line>,
    more: Condvar,
    deliver: Box<dyn Fn(Returned) + Send + Sync>,
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job) {
        self.line().jobs.push_back(job);
        self.more.notify_one();
    }

    fn next(&self) -> Option<Job> {
        let mut line = self.line();
        loop {
            if let Some(job) = line.jobs.pop_front() {
                return Some(job);
            }
            if line.closed {
                return None;
            }
            line = self.more.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The pool. Its threads start with the first job and inherit the CPUs of the control thread; dropping it waits for the
/// jobs that are left.
pub(crate) struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    spawn: Spawn,
    /// The last failure to start a thread was logged.
    told: bool,
}

/// Starts one thread of the pool.
type Spawn = fn(Arc<Shared>) -> io::Result<JoinHandle<()>>;

fn spawn(shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("vhost-work".into()).spawn(move || run(&shared))
}

impl Workers {
    /// A pool that hands finished connections to `deliver`.
    pub(crate) fn new(deliver: Box<dyn Fn(Returned) + Send + Sync>) -> Self {
        let shared = Shared { line: Mutex::default(), more: Condvar::new(), deliver };
        Self { shared: Arc::new(shared), threads: Vec::new(), spawn, told: false }
    }

    /// Hands a job over. Without any thread to be had it is done here; if it has to wait, it waits for
    /// [`Workers::rescue`].
    pub(crate) fn submit(&mut self, job: Job) {
        self.staff();
        if self.threads.is_empty() {
            do_job(&self.shared, job);
        } else {
            self.shared.push(job);
        }
    }

    /// Starts the threads that are missing, as far as they are to be had.
    fn staff(&mut self) {
        while self.threads.len() < THREADS {
            match (self.spawn)(Arc::clone(&self.shared)) {
                Ok(thread) => self.threads.push(thread),
                Err(error) => {
                    if !std::mem::replace(&mut self.told, true) {
                        log::warn!(target: crate::config::LOG_TARGET, "cannot start a worker thread: {error}");
                    }
                    return;
                }
            }
        }
        self.told = false;
    }

    /// Whether jobs wait and there is no thread to do them.
    pub(crate) fn is_stranded(&self) -> bool {
        self.threads.is_empty() && !self.shared.line().jobs.is_empty()
    }

    /// Tries again to start threads for jobs that wait without any, or else gives each job a turn here.
    pub(crate) fn rescue(&mut self) {
        if !self.is_stranded() {
            return;
        }
        self.staff();
        if self.threads.is_empty() {
            let waiting = std::mem::take(&mut self.shared.line().jobs);
            waiting.into_iter().for_each(|job| do_job(&self.shared, job));
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.line().closed = true;
        self.shared.more.notify_all();
        for thread in self.threads.drain(..) {
            // A worker does not panic; if it did, there is nothing left to wait for.
            let _ = thread.join();
        }
        // What is left when there was no thread.
        run(&self.shared);
    }
}

fn run(shared: &Shared) {
    while let Some(job) = shared.next() {
        do_job(shared, job);
    }
}

fn do_job(shared: &Shared, job: Job) {
    match job {
        Job::Drop(value) => drop(value),
        Job::Perform(waiting) => perform(shared, waiting),
    }
}

fn perform(shared: &Shared, mut waiting: Waiting) {
    let Waiting { endpoint, mut connection, work, since, warned } = waiting;
    let stuck = match connection.perform(work, TURN) {
        Outcome::Stuck(work, stuck) => (work, stuck),
        outcome => return (shared.deliver)(Returned { endpoint, connection, outcome }),
    };
    let (work, stuck) = stuck;
    connection.device.relieve_pollers();
    let late = since.elapsed() > WARN_AFTER;
    if late && !warned {
        let path = connection.device.slot().config.path.display().to_string();
        log::warn!(target: crate::config::LOG_TARGET, "({path}) the poller of ring {} does not leave its burst; waiting for it", stuck.ring);
    }
    // The last jobs of a pool that ends are not waited for for ever: the gates are closed, and what pollers can reach stays mapped.
    if late && shared.line().closed {
        let outcome = Outcome::Stuck(work, stuck);
        return (shared.deliver)(Returned { endpoint, connection, outcome });
    }
    waiting = Waiting { endpoint, connection, work, since, warned: warned || late };
    shared.push(Job::Perform(waiting));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DeviceConfig;
    use crate::device::{Device, Slot};
    use crate::session::{End, Session};
    use crate::testing::MockDriver;
    use eal::gate::{Entry, FenceMode};
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::channel;
    use virtio::Features;

    #[test]
    fn without_threads_a_job_that_waits_is_done_by_and_by() {
        let slot =
            Slot::new(DeviceConfig::new("/nowhere"), FenceMode::register(), Box::new(|_| {}));
        let driver = MockDriver::new(8, Features::VERSION_1, 0).unwrap();
        driver.put_in_service(&slot.vrings[1]).unwrap();
        let mut poller = slot.vrings[1].claim("test").unwrap().poller_gate();
        let Entry::Changed(inside) = poller.enter() else { panic!("the gate is open") };

        let (socket, _front) = UnixStream::pair().unwrap();
        let (session, device) = (Session::new(socket), Device::new(Arc::clone(&slot)));
        let connection = Connection { session, device, generation: 1, since: Instant::now() };
        let (deliver, delivered) = channel();
        let mut workers = Workers::new(Box::new(move |back| deliver.send(back).unwrap()));
        workers.spawn = |_| Err(io::ErrorKind::OutOfMemory.into());
        let work = Work::HangUp(End::Removed);
        workers.submit(Job::Perform(Waiting::new(7, Box::new(connection), work)));
        workers.rescue();
        assert!(workers.is_stranded());
        assert!(delivered.try_recv().is_err());

        drop(inside);
        workers.rescue();
        assert!(!workers.is_stranded());
        let back = delivered.try_recv().unwrap();
        assert_eq!(back.endpoint, 7);
        assert!(matches!(back.outcome, Outcome::Finished));
    }
}
