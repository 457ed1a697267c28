//! The primary's side: one control thread that lets secondaries in and notices their end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::error::Error;
use crate::mem::Memory;
use crate::mem::header::{LAYOUT_VERSION, build_id};
use crate::process::{OwnerId, ProcessFd, Reaper, peer_process};
use crate::runtime::socket_path;

use super::wire::{self, Hello, Welcome};

/// Connections at once; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 256;

/// How long a failed accept is left alone.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// The running thread. Dropping it ends the thread; secondaries keep what they have mapped.
pub(crate) struct Server {
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens in `dir` and serves on a thread that `spawn` starts.
    pub fn start(
        dir: &Path,
        memory: Memory,
        reaper: Arc<Reaper>,
        spawn: impl FnOnce(Box<dyn FnOnce() + Send>) -> Result<JoinHandle<()>, Error>,
    ) -> Result<Self, Error> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let stop = EventFd::from_flags(flags).map_err(Error::io("create an eventfd"))?;
        let stop = Arc::new(stop);
        let mut state = State::new(dir, memory, reaper, Arc::clone(&stop))
            .map_err(Error::io("listen for secondary processes"))?;
        let thread = spawn(Box::new(move || state.serve()))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop.write(1);
        let own = std::thread::current().id();
        // Inside a reaping hook this is the thread itself, which ends when the hook returns.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != own) {
            let _ = thread.join();
        }
    }
}

/// Epoll tokens below the first connection's.
const STOP: u64 = 0;
const LISTENER: u64 = 1;
const FIRST: u64 = 2;
/// Set in the token of a connection's process handle.
const PROCESS: u64 = 1 << 63;

struct State {
    epoll: Epoll,
    listener: UnixListener,
    _dir: File,
    memory: Memory,
    reaper: Arc<Reaper>,
    connections: BTreeMap<u64, Connection>,
    next: u64,
    stop: Arc<EventFd>,
}

struct Connection {
    stream: UnixStream,
    /// Set once the process has been let in.
    member: Option<(OwnerId, ProcessFd)>,
}

impl State {
    fn new(
        dir: &Path,
        memory: Memory,
        reaper: Arc<Reaper>,
        stop: Arc<EventFd>,
    ) -> io::Result<Self> {
        let (handle, path) = socket_path(dir)?;
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&*stop, EpollEvent::new(EpollFlags::EPOLLIN, STOP))?;
        epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
        let connections = BTreeMap::new();
        Ok(Self { epoll, listener, _dir: handle, memory, reaper, connections, next: FIRST, stop })
    }

    fn serve(&mut self) {
        let mut stopping = false;
        let mut events = [EpollEvent::empty(); 16];
        loop {
            // Goodbyes that have arrived before the stop are still heard.
            let timeout = if stopping { EpollTimeout::ZERO } else { EpollTimeout::NONE };
            let count = match self.epoll.wait(&mut events, timeout) {
                Ok(0) if stopping => return,
                Ok(count) => count,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(errno) => {
                    log::error!(target: "eal", "secondary processes are no longer watched: {errno}");
                    return;
                }
            };
            for event in events.iter().take(count) {
                stopping |= event.data() == STOP;
                self.handle(event.data());
            }
        }
    }

    fn handle(&mut self, token: u64) {
        match token {
            STOP => drop(self.stop.read()),
            LISTENER => self.accept(),
            token if token & PROCESS != 0 => self.process_ended(token & !PROCESS),
            token => self.message(token),
        }
    }

    fn accept(&mut self) {
        let stream = match self.listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => {
                // Out of descriptors or memory: the request stays pending, and asking again at once is no use.
                std::thread::sleep(ACCEPT_PAUSE);
                return;
            }
        };
        let token = self.next;
        self.next += 1;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, token);
        let ready = stream.set_nonblocking(true).is_ok() && self.epoll.add(&stream, event).is_ok();
        if ready && self.connections.len() < MAX_CONNECTIONS {
            self.connections.insert(token, Connection { stream, member: None });
        }
    }

    fn message(&mut self, token: u64) {
        let Some(connection) = self.connections.get(&token) else { return };
        let received = match wire::receive(&connection.stream) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // Killed before it read our answer.
            Err(_) if connection.member.is_some() => return self.mute(token),
            Err(_) => return self.hang_up(token),
        };
        match (received.hello(), connection.member.is_some()) {
            (Some(hello), false) => self.hello(token, hello),
            _ if received.is_bye() => self.leave(token),
            // A member that is only disconnected may still be polling: its end is the pidfd's to tell.
            (_, true) if received.is_end() => self.mute(token),
            (_, true) => {}
            (_, false) => self.hang_up(token),
        }
    }

    fn hello(&mut self, token: u64, hello: Hello) {
        let ours = Hello { layout: LAYOUT_VERSION, build: build_id() };
        let result = if hello == ours { self.let_in(token) } else { Err(wire::OTHER_BUILD) };
        if let Err(refusal) = result {
            let answer = Welcome { refusal, ..self.welcome() };
            if let Some(connection) = self.connections.get(&token) {
                let _ = wire::send(&connection.stream, &answer.words(), &[]);
            }
            self.hang_up(token);
        }
    }

    /// Gives the process a slot and the files.
    fn let_in(&mut self, token: u64) -> Result<(), u64> {
        self.memory.settle().map_err(|error| {
            log::error!(target: "eal", "a secondary process is turned away: {error}");
            wire::NO_MEMORY
        })?;
        let welcome = self.welcome();
        let Some(connection) = self.connections.get_mut(&token) else { return Ok(()) };
        let (pid, process) = peer_process(&connection.stream).map_err(|_| wire::NOT_WATCHED)?;
        let owner = self.memory.processes().join(pid).map_err(|_| wire::TABLE_FULL)?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, token | PROCESS);
        let watched = self.epoll.add(&process, event).is_ok();
        let [(private, _), (data, _)] = self.memory.files();
        let answer = Welcome { owner: owner.raw().into(), ..welcome };
        let sent =
            watched && wire::send(&connection.stream, &answer.words(), &[private, data]).is_ok();
        connection.member = Some((owner, process));
        if !sent {
            self.leave(token);
            return Ok(());
        }
        log::debug!(target: "eal", "{owner} (pid {pid}) has joined");
        Ok(())
    }

    fn welcome(&self) -> Welcome {
        let [(_, private_page), (_, data_page)] = self.memory.files();
        let (private_len, data_len) = self.memory.reserved_lens();
        Welcome {
            private_len,
            data_len,
            private_page,
            data_page,
            layout: LAYOUT_VERSION,
            build: build_id(),
            ..Welcome::default()
        }
    }

    fn process_ended(&mut self, token: u64) {
        if let Some((owner, _)) = self.connections.get(&token).and_then(|c| c.member.as_ref()) {
            log::info!(target: "eal", "{owner} has ended without leaving; what it held is reclaimed");
        }
        self.leave(token);
    }

    /// Reaps a member that has ended or says goodbye, and forgets the connection.
    fn leave(&mut self, token: u64) {
        let Some(connection) = self.connections.remove(&token) else { return };
        self.forget(connection.stream.as_fd());
        if let Some((owner, process)) = connection.member {
            self.forget(process.as_fd());
            self.reaper.reap(owner);
        }
    }

    /// Stops listening to a connection whose process is still watched.
    fn mute(&mut self, token: u64) {
        if let Some(connection) = self.connections.get(&token) {
            self.forget(connection.stream.as_fd());
        }
    }

    fn hang_up(&mut self, token: u64) {
        if let Some(connection) = self.connections.remove(&token) {
            self.forget(connection.stream.as_fd());
        }
    }

    fn forget(&self, fd: std::os::fd::BorrowedFd<'_>) {
        let _ = self.epoll.delete(fd);
    }
}
