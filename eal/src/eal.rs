//! The `Eal` value.

use std::sync::Arc;
use std::thread::{JoinHandle, ThreadId};

use crate::alarm::Alarms;
use crate::announce;
use crate::config::{EalConfig, ProcessType};
use crate::error::Error;
use crate::lcore::{self, LcoreMap, Lcores};
use crate::mem::{Memory, Nodes};
use crate::process::{OwnerId, Reaper};
use crate::runtime::PrimaryDir;
use crate::share::{self, Server};
use crate::topology::Topology;

/// Memory, lcores, processes and alarms of one application, or of one part of it: several may live side by
/// side in a process.
///
/// Dropping it waits for jobs that still run on its lcores. The memory goes with the last [`Memory`] handle.
pub struct Eal {
    // Dropped in this order: whoever may still call into the rest goes first.
    server: Option<Server>,
    alarms: Alarms,
    lcores: Lcores,
    reaper: Arc<Reaper>,
    config: EalConfig,
    cpus: Cpus,
    memory: Memory,
    made_by: ThreadId,
    dir: Option<PrimaryDir>,
}

/// Which lcores there are, and who runs where.
struct Cpus {
    map: LcoreMap,
    ids: Vec<u32>,
    main: u32,
    control: Vec<u32>,
    topology: Topology,
}

impl Eal {
    /// Brings an `Eal` up: as a primary, or as [`EalConfig::process`] says.
    ///
    /// # Errors
    ///
    /// What is missing: CPUs ([`Error::NoCpu`]), memory, the fences asked for ([`Error::NoBarrier`]), or the file prefix,
    /// which another primary may hold ([`Error::PrimaryRunning`]).
    pub fn new(config: EalConfig) -> Result<Self, Error> {
        match config.process {
            ProcessType::Primary => Self::primary(config),
            ProcessType::Secondary => Self::attach(config),
            ProcessType::Auto => match Self::attach(config.clone()) {
                Err(Error::NoPrimary { .. }) => Self::primary(config),
                result => result,
            },
        }
    }

    /// Joins the primary that runs under the configuration's file prefix. Memory settings are the primary's.
    ///
    /// # Errors
    ///
    /// [`Error::NoPrimary`] when none answers, [`Error::Mismatch`] when it is another program, [`Error::NoBarrier`],
    /// [`Error::TableFull`], [`Error::NoCpu`].
    pub fn attach(config: EalConfig) -> Result<Self, Error> {
        config.check()?;
        let cpus = Cpus::new(&config)?;
        announce::machine(&cpus.topology);
        let prefix = config.file_prefix.as_deref().ok_or_else(|| {
            Error::Configuration("a secondary process needs the file prefix of its primary".into())
        })?;
        let memory = share::join(&config, prefix)?;
        Self::assemble(config, cpus, memory, None)
    }

    fn primary(config: EalConfig) -> Result<Self, Error> {
        config.check()?;
        let cpus = Cpus::new(&config)?;
        announce::machine(&cpus.topology);
        let dir = config.file_prefix.as_deref();
        let dir = dir.map(|prefix| PrimaryDir::create(&config, prefix)).transpose()?;
        announce::configuration(&config, dir.as_ref().map(PrimaryDir::path));
        let memory = Memory::create(&config, &cpus.nodes())?;
        log::info!(target: "eal", "{}", memory.describe());
        Self::assemble(config, cpus, memory, dir)
    }

    fn assemble(
        config: EalConfig,
        cpus: Cpus,
        memory: Memory,
        dir: Option<PrimaryDir>,
    ) -> Result<Self, Error> {
        let reaper = Arc::new(Reaper::new(memory.clone()));
        let server = match &dir {
            Some(dir) => {
                let spawn = |work| spawn_on(cpus.control.clone(), "eal-share", work);
                Some(Server::start(dir.path(), memory.clone(), Arc::clone(&reaper), spawn)?)
            }
            None => None,
        };
        if config.pin_main {
            let main = cpus.map.cpus(cpus.main).unwrap_or_default();
            lcore::pin(main).map_err(Error::io("pin the main thread to its CPUs"))?;
        }
        lcore::enter(memory.unique(), cpus.main);
        Ok(Self {
            server,
            alarms: Alarms::new(cpus.control.clone()),
            lcores: Lcores::new(&cpus.map, cpus.main, memory.unique(), config.worker_stack_bytes),
            reaper,
            config,
            cpus,
            memory,
            made_by: std::thread::current().id(),
            dir,
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
        &self.cpus.ids
    }

    /// The lcore of the thread that made the `Eal`.
    pub fn main_lcore(&self) -> u32 {
        self.cpus.main
    }

    /// The CPUs of an lcore.
    pub fn cpus(&self, lcore: u32) -> Option<&[u32]> {
        self.cpus.map.cpus(lcore)
    }

    /// The memory node (socket) of an lcore's first CPU.
    pub fn socket_of(&self, lcore: u32) -> u32 {
        self.cpus.node_of(lcore)
    }

    /// The memory nodes (sockets) of the machine, rising; at least one.
    pub fn sockets(&self) -> Vec<u32> {
        self.cpus.topology.nodes()
    }

    /// Widest SIMD registers that data paths may use, in bits.
    pub fn max_simd_bits(&self) -> u16 {
        self.config.max_simd_bits
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
        if lcore == self.cpus.main {
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
        if lcore == self.cpus.main {
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
        spawn_on(self.cpus.control.clone(), name, work)
    }

    /// Calls to be made later.
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// Has `hook` called with the owner id of every process that ends or leaves, so that what is marked with that
    /// id can be taken back. Hooks run one process at a time in the order in which they were registered, on a control
    /// thread. A hook must bear being called again for the same process, and must not register hooks or reap.
    ///
    /// In a primary this happens by itself; in a secondary only through [`Eal::reap`].
    pub fn on_process_death(&self, hook: Box<dyn Fn(OwnerId) + Send>) {
        self.reaper.add(hook);
    }

    /// Looks whether a process has ended and reaps it. True when this call did so; false when it lives, is unknown, or
    /// is being reaped by another.
    pub fn reap(&self, owner: OwnerId) -> bool {
        self.reaper.reap_if_dead(owner)
    }

    /// The processes that share the memory, the primary first.
    pub fn members(&self) -> Vec<OwnerId> {
        self.memory.processes().members()
    }

    /// Whether a process has joined and is not being reaped.
    pub fn is_member(&self, owner: OwnerId) -> bool {
        self.memory.processes().is_live(owner)
    }

    /// The pid of a process that shares the memory.
    pub fn pid_of(&self, owner: OwnerId) -> Option<u32> {
        self.memory.processes().pid(owner)
    }

    /// The directory through which secondaries join; `None` without a file prefix and in secondaries.
    pub fn runtime_dir(&self) -> Option<&std::path::Path> {
        self.dir.as_ref().map(PrimaryDir::path)
    }
}

impl Cpus {
    fn new(config: &EalConfig) -> Result<Self, Error> {
        let topology = Topology::read(&config.sysfs);
        let available = lcore::affinity();
        let map = match &config.lcores {
            Some(map) => map.clone(),
            None => LcoreMap::on_own_cpus(&available).unwrap_or_default(),
        };
        lcore::check_cpus(&map, &topology)?;
        let ids: Vec<u32> = map.ids().collect();
        let main = config.main_lcore.or(ids.first().copied()).unwrap_or(0);
        map.check_main(main)?;
        let main_cpus = map.cpus(main).unwrap_or_default().to_vec();
        let taken = map.all_cpus();
        let free: Vec<u32> = available.difference(&taken).copied().collect();
        let control = if free.is_empty() { main_cpus } else { free };
        Ok(Self { map, ids, main, control, topology })
    }

    /// The memory node of an lcore's first CPU.
    fn node_of(&self, lcore: u32) -> u32 {
        let first = self.map.cpus(lcore).and_then(|cpus| cpus.first());
        first.map_or(0, |&cpu| self.topology.node_of(cpu))
    }

    /// The memory nodes, and how many lcores each has.
    fn nodes(&self) -> Nodes {
        let lcores = self.ids.iter().map(|&id| self.node_of(id));
        Nodes::new(self.topology.clone(), self.node_of(self.main), lcores)
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

impl std::fmt::Debug for Eal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Eal").field("memory", &self.memory).field("lcores", &self.cpus.ids).finish()
    }
}

impl Drop for Eal {
    fn drop(&mut self) {
        if self.made_by == std::thread::current().id() {
            lcore::leave(self.memory.unique());
        }
        if self.server.take().is_some() && self.members().len() > 1 {
            let pids: Vec<u32> =
                self.members().into_iter().skip(1).filter_map(|id| self.pid_of(id)).collect();
            log::warn!(target: "eal", "secondary processes go on without their primary: {pids:?}");
        }
    }
}

#[cfg(test)]
mod tests;
