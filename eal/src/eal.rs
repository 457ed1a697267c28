//! The `Eal` value.

use std::sync::Mutex;
use std::thread::JoinHandle;

use crate::alarm::Alarms;
use crate::config::EalConfig;
use crate::error::Error;
use crate::lcore::{self, LcoreMap, Lcores};
use crate::mem::Memory;

/// Memory, lcores, processes and alarms of one application, or of one part of it: several may live side by
/// side in a process.
///
/// Dropping it waits for jobs that still run on its lcores. The memory goes with the last [`Memory`] handle.
pub struct Eal {
    config: EalConfig,
    alarms: Alarms,
    lcores: Lcores,
    map: LcoreMap,
    ids: Vec<u32>,
    main: u32,
    control_cpus: Vec<u32>,
    memory: Memory,
    main_thread: Mutex<std::thread::ThreadId>,
}

impl Eal {
    /// Brings an `Eal` up.
    ///
    /// # Errors
    ///
    /// What is missing: CPUs ([`Error::NoCpu`]), memory, or the file prefix, which another primary may hold.
    pub fn new(config: EalConfig) -> Result<Self, Error> {
        let memory = Memory::create(&config)?;
        log::info!(target: "eal", "{}", memory.describe());
        Self::assemble(config, memory)
    }

    fn assemble(config: EalConfig, memory: Memory) -> Result<Self, Error> {
        let available = lcore::affinity();
        let map = match &config.lcores {
            Some(map) => map.clone(),
            None => LcoreMap::on_own_cpus(&available).unwrap_or_default(),
        };
        lcore::check_cpus(&map)?;
        let ids: Vec<u32> = map.ids().collect();
        let first = ids.first().copied().unwrap_or(0);
        let main = config.main_lcore.unwrap_or(first);
        let main_cpus = map.cpus(main).ok_or(Error::NoLcore { lcore: main })?.to_vec();
        let taken = map.all_cpus();
        let mut control_cpus: Vec<u32> = available.difference(&taken).copied().collect();
        if control_cpus.is_empty() {
            control_cpus.clone_from(&main_cpus);
        }
        if config.pin_main {
            lcore::pin(&main_cpus).map_err(Error::io("pin the main thread to its CPUs"))?;
        }
        lcore::enter(memory.unique(), main);
        Ok(Self {
            lcores: Lcores::new(&map, main, memory.unique()),
            alarms: Alarms::new(control_cpus.clone()),
            config,
            map,
            ids,
            main,
            control_cpus,
            memory,
            main_thread: Mutex::new(std::thread::current().id()),
        })
    }

    /// The memory.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What the `Eal` was made from.
    pub fn config(&self) -> &EalConfig {
        &self.config
    }

    /// All lcore ids, rising, the main one among them.
    pub fn lcores(&self) -> &[u32] {
        &self.ids
    }

    /// The lcore of the thread that made the `Eal`.
    pub fn main_lcore(&self) -> u32 {
        self.main
    }

    /// The CPUs of an lcore.
    pub fn cpus(&self, lcore: u32) -> Option<&[u32]> {
        self.map.cpus(lcore)
    }

    /// The memory node (socket) of an lcore's first CPU.
    pub fn socket_of(&self, lcore: u32) -> u32 {
        self.map.cpus(lcore).and_then(|cpus| cpus.first()).map_or(0, |&cpu| lcore::socket_of(cpu))
    }

    /// The lcore that the calling thread is in this `Eal`, if any.
    pub fn current_lcore(&self) -> Option<u32> {
        lcore::current(self.memory.unique())
    }

    /// Runs `job` on an idle lcore other than the main one.
    ///
    /// # Errors
    ///
    /// [`Error::NoLcore`], [`Error::MainLcore`], [`Error::LcoreBusy`] until [`Eal::wait`] has collected the last job,
    /// [`Error::Io`] when the thread cannot be started or pinned.
    pub fn launch(&self, lcore: u32, job: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        if lcore == self.main {
            return Err(Error::MainLcore { lcore });
        }
        self.lcores.launch(lcore, Box::new(job))
    }

    /// Waits for an lcore's job; at once when there is none.
    ///
    /// # Errors
    ///
    /// [`Error::LcorePanicked`] with what the job's panic said; [`Error::NoLcore`], [`Error::MainLcore`].
    pub fn wait(&self, lcore: u32) -> Result<(), Error> {
        if lcore == self.main {
            return Err(Error::MainLcore { lcore });
        }
        self.lcores.wait(lcore)
    }

    /// Starts a thread for control work, on CPUs where no lcore polls when there are such.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the thread cannot be started.
    pub fn spawn_control(
        &self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<JoinHandle<()>, Error> {
        spawn_on(self.control_cpus.clone(), name, work)
    }

    /// Calls to be made later.
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }
}

/// Starts a named thread on these CPUs; where they are refused it runs wherever the kernel puts it.
fn spawn_on(
    cpus: Vec<u32>,
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Error> {
    let body = move || {
        let _ = lcore::pin(&cpus);
        work();
    };
    let builder = std::thread::Builder::new().name(name.into());
    builder.spawn(body).map_err(Error::io("start a control thread"))
}

impl Drop for Eal {
    fn drop(&mut self) {
        let made_by = *self.main_thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if made_by == std::thread::current().id() {
            lcore::leave(self.memory.unique());
        }
    }
}
