//! Lcores: threads pinned to CPUs, parked until a job is launched on them.
//!
//! The thread that makes the `Eal` is the *main* lcore and runs no launched jobs. The others get their
//! thread at the first launch. A job that panics is reported by [`Eal::wait`](crate::Eal::wait), and its
//! lcore can be used again.

mod map;

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::error::Error;
use crate::topology::Topology;

pub(crate) use map::parse_numbers;
pub use map::{LIST_FORM, LcoreMap, MAP_FORM, MASK_FORM, MAX_LCORE};

type Job = Box<dyn FnOnce() + Send>;

thread_local! {
    /// The lcores that this thread is, one for each `Eal` that made it one, by the `Eal`'s nonce.
    static CURRENT: RefCell<Vec<(u64, u32)>> = const { RefCell::new(Vec::new()) };
}

/// The worker lcores of an `Eal`.
pub(crate) struct Lcores {
    workers: Vec<Worker>,
    unique: u64,
    /// Stack of each worker's thread in bytes; `None` leaves it to the system.
    stack_bytes: Option<usize>,
}

struct Worker {
    lcore: u32,
    cpus: Vec<u32>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    Ready(Job),
    Running,
    Done(Result<(), String>),
    Quit,
}

impl Lcores {
    /// Prepares every lcore of `map` but `main`.
    pub fn new(map: &LcoreMap, main: u32, unique: u64, stack_bytes: Option<usize>) -> Self {
        let worker = |lcore| Worker {
            lcore,
            cpus: map.cpus(lcore).unwrap_or_default().to_vec(),
            shared: Arc::default(),
            thread: Mutex::default(),
        };
        let workers = map.ids().filter(|&id| id != main).map(worker).collect();
        Self { workers, unique, stack_bytes }
    }

    /// Gives an idle lcore a job.
    pub fn launch(&self, lcore: u32, job: Job) -> Result<(), Error> {
        let worker = self.worker(lcore)?;
        let mut state = lock(&worker.shared.state);
        if !matches!(*state, State::Idle) {
            return Err(Error::LcoreBusy { lcore });
        }
        worker.start(self.unique, self.stack_bytes)?;
        *state = State::Ready(job);
        worker.shared.changed.notify_all();
        Ok(())
    }

    /// Waits until the lcore is idle and tells how its last job ended.
    pub fn wait(&self, lcore: u32) -> Result<(), Error> {
        let worker = self.worker(lcore)?;
        let mut state = lock(&worker.shared.state);
        loop {
            match std::mem::take(&mut *state) {
                State::Idle => return Ok(()),
                State::Done(result) => {
                    return result.map_err(|message| Error::LcorePanicked { lcore, message });
                }
                busy => *state = busy,
            }
            state = worker.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn worker(&self, lcore: u32) -> Result<&Worker, Error> {
        self.workers.iter().find(|worker| worker.lcore == lcore).ok_or(Error::NoLcore { lcore })
    }
}

impl Drop for Lcores {
    /// Waits for jobs that still run.
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.stop();
        }
    }
}

impl Worker {
    fn start(&self, unique: u64, stack_bytes: Option<usize>) -> Result<(), Error> {
        let mut thread = lock(&self.thread);
        if thread.is_some() {
            return Ok(());
        }
        let (lcore, shared) = (self.lcore, Arc::clone(&self.shared));
        let cpus = self.cpus.clone();
        let (report, pinned) = std::sync::mpsc::sync_channel(1);
        let body = move || {
            let result = pin(&cpus);
            let go_on = result.is_ok();
            if report.send(result).is_ok() && go_on {
                enter(unique, lcore);
                shared.serve();
            }
        };
        let builder = std::thread::Builder::new().name(format!("lcore-{lcore}"));
        let builder = match stack_bytes {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        };
        let handle = builder.spawn(body).map_err(Error::io("start an lcore thread"))?;
        let gone = || Error::Configuration(format!("the thread of lcore {lcore} ended early"));
        pinned.recv().map_err(|_| gone())?.map_err(Error::io("pin an lcore to its CPUs"))?;
        *thread = Some(handle);
        Ok(())
    }

    fn stop(&self) {
        let Some(handle) = lock(&self.thread).take() else { return };
        let mut state = lock(&self.shared.state);
        while matches!(*state, State::Ready(_) | State::Running) {
            if handle.thread().id() == std::thread::current().id() {
                // The last handle on the Eal went away inside a job: the thread ends after it.
                *state = State::Quit;
                return;
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        *state = State::Quit;
        self.shared.changed.notify_all();
        drop(state);
        let _ = handle.join();
    }
}

impl Shared {
    fn serve(&self) {
        while let Some(job) = self.next_job() {
            let result =
                catch_unwind(AssertUnwindSafe(job)).map_err(|panic| panic_message(&*panic));
            let mut state = lock(&self.state);
            if matches!(*state, State::Quit) {
                return;
            }
            *state = State::Done(result);
            self.changed.notify_all();
        }
    }

    fn next_job(&self) -> Option<Job> {
        let mut state = lock(&self.state);
        loop {
            match std::mem::replace(&mut *state, State::Running) {
                State::Ready(job) => return Some(job),
                State::Quit => return None,
                other => *state = other,
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

/// Makes this thread an lcore of the `Eal` with nonce `unique`.
pub(crate) fn enter(unique: u64, lcore: u32) {
    leave(unique);
    CURRENT.with_borrow_mut(|current| current.push((unique, lcore)));
}

/// Undoes [`enter`].
pub(crate) fn leave(unique: u64) {
    CURRENT.with_borrow_mut(|current| current.retain(|(eal, _)| *eal != unique));
}

/// The lcore that this thread is for the `Eal` with nonce `unique`.
pub(crate) fn current(unique: u64) -> Option<u32> {
    CURRENT
        .with_borrow(|current| current.iter().find(|(eal, _)| *eal == unique).map(|entry| entry.1))
}

/// Restricts this thread to `cpus`.
pub(crate) fn pin(cpus: &[u32]) -> nix::Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu as usize)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set)
}

/// The CPUs that this thread may run on.
pub(crate) fn affinity() -> BTreeSet<u32> {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else { return BTreeSet::from([0]) };
    let count = CpuSet::count();
    (0..count).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).map(|cpu| cpu as u32).collect()
}

/// Refuses lcores on CPUs that the machine does not offer.
pub(crate) fn check_cpus(map: &LcoreMap, topology: &Topology) -> Result<(), Error> {
    let Some(cpus) = topology.cpus() else { return Ok(()) };
    for lcore in map.ids() {
        let missing = map.cpus(lcore).unwrap_or_default().iter().find(|cpu| !cpus.contains(cpu));
        if let Some(&cpu) = missing {
            let instead = map.on_cpus(cpus).to_string();
            return Err(Error::NoCpu { lcore, cpu, online: map::ranges(cpus), instead });
        }
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lcores(text: &str) -> Lcores {
        Lcores::new(&LcoreMap::parse_map(text).unwrap(), 0, 99, None)
    }

    #[test]
    fn a_job_runs_pinned_and_knows_its_lcore() {
        let lcores = lcores("0@0,7@0");
        let (send, receive) = std::sync::mpsc::channel();
        let job = move || send.send((current(99), current(1), affinity())).unwrap();
        lcores.launch(7, Box::new(job)).unwrap();
        lcores.wait(7).unwrap();
        assert_eq!(receive.recv().unwrap(), (Some(7), None, BTreeSet::from([0])));
    }

    #[test]
    fn a_panic_is_reported_once_and_the_lcore_lives_on() {
        let lcores = lcores("0@0,1@0");
        lcores.launch(1, Box::new(|| panic!("no {}", "good"))).unwrap();
        let error = lcores.wait(1).unwrap_err();
        assert_eq!(error.to_string(), "the job of lcore 1 panicked: no good");
        lcores.wait(1).unwrap();
        lcores.launch(1, Box::new(|| ())).unwrap();
        lcores.wait(1).unwrap();
    }

    #[test]
    fn a_busy_lcore_and_unknown_ones_are_refused() {
        let lcores = lcores("0@0,1@0");
        let (send, receive) = std::sync::mpsc::channel::<()>();
        lcores.launch(1, Box::new(move || _ = receive.recv())).unwrap();
        assert!(matches!(lcores.launch(1, Box::new(|| ())), Err(Error::LcoreBusy { lcore: 1 })));
        assert!(matches!(lcores.launch(5, Box::new(|| ())), Err(Error::NoLcore { lcore: 5 })));
        drop(send);
        lcores.wait(1).unwrap();
    }

    #[test]
    fn missing_cpus_are_named_with_a_way_out() {
        let tree = crate::topology::fake_tree(2);
        let topology = Topology::read(tree.path());
        let error = check_cpus(&LcoreMap::parse_list("1000").unwrap(), &topology).unwrap_err();
        assert!(error.to_string().contains("--lcores '1000@0'"), "{error}");
        assert!(error.to_string().contains("(it has 0-3)"), "{error}");
        assert!(check_cpus(&LcoreMap::parse_list("0-3").unwrap(), &topology).is_ok());
    }

    #[test]
    fn a_stack_is_as_large_as_asked() {
        fn deep(levels: u32) -> u64 {
            let block = std::hint::black_box([u64::from(levels); 1024]);
            if levels == 0 { block[0] } else { deep(levels - 1) + block[levels as usize % 1024] }
        }
        let map = LcoreMap::parse_map("0@0,1@0").unwrap();
        let lcores = Lcores::new(&map, 0, 99, Some(64 << 20));
        let (send, receive) = std::sync::mpsc::channel();
        // About 32 MiB of stack: four times what the system gives.
        lcores.launch(1, Box::new(move || send.send(deep(4000)).unwrap())).unwrap();
        lcores.wait(1).unwrap();
        assert_eq!(receive.recv(), Ok(4000 * 4001 / 2));
    }

    #[test]
    fn pinning_fails_for_a_cpu_that_is_not_there() {
        let lcores = lcores("0@0,1@1000");
        assert!(matches!(lcores.launch(1, Box::new(|| ())), Err(Error::Io { .. })));
    }
}
