//! A vhost-user back-end that follows a script instead of moving packets, and what the tests share.

#![allow(dead_code, reason = "each test file uses a part")]

use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use eal::{Eal, EalConfig, HugePolicy};
use pmd_core::{
    DevArgs, DriverList, EthDev, Event, Mbuf, MbufPool, PortConfig, PortId, Probe, RxQueueConfig,
    TxQueueConfig,
};
use pmd_virtio::VirtioUserDriver;
use virtio::Features;
use virtio::vhost_user::{
    Header, HeaderFlags, Incoming, MessageReader, ProtocolFeatures, Request, U64, VringState,
    WireError, recv_deadline, send,
};

/// What the back-end does when it meets a certain request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// Never answers again, but keeps the connection.
    Silence,
    /// Closes the connection.
    HangUp,
    /// Says no where an acknowledgement is asked for.
    Refuse,
    /// Answers another request.
    WrongRequest,
    /// Answers with a body that is too long.
    WrongSize,
    /// Answers without the reply flag.
    NoReplyFlag,
    /// Answers with a version that does not exist.
    WrongVersion,
    /// Answers with a descriptor that nobody asked for.
    StrayFd,
    /// Answers twice.
    Twice,
    /// Answers rightly, a byte at a time.
    Trickle,
}

/// How a back-end behaves.
#[derive(Clone, Debug)]
pub struct Script {
    pub features: Features,
    pub protocol: ProtocolFeatures,
    pub queue_pairs: u64,
    pub quirk: Option<(Request, Quirk)>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            features: Features::VERSION_1
                | Features::MRG_RXBUF
                | Features::MQ
                | Features::PROTOCOL_FEATURES,
            protocol: ProtocolFeatures::MQ | ProtocolFeatures::REPLY_ACK | ProtocolFeatures::STATUS,
            queue_pairs: 8,
            quirk: None,
        }
    }
}

/// A message that the back-end got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub session: u64,
    pub request: Request,
    pub payload: Vec<u8>,
    pub fds: usize,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    script: Mutex<Script>,
    sessions: AtomicU64,
    stop: AtomicBool,
    hang_up: AtomicBool,
    speak: AtomicBool,
}

/// A scripted back-end in a thread of its own.
pub struct Backend {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

impl Backend {
    /// Listens on `path`, for one front-end after the other.
    pub fn listen(path: &Path, script: Script) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let path = path.to_owned();
        Self::spawn(script, move |state| {
            while !state.stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((socket, _)) => session(state, &socket),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {
                        std::thread::sleep(Duration::from_millis(1))
                    }
                    Err(e) => panic!("accept: {e}"),
                }
            }
            let _ = std::fs::remove_file(&path);
        })
    }

    /// Connects to `path` again and again.
    pub fn connect(path: &Path, script: Script) -> Self {
        let path = path.to_owned();
        Self::spawn(script, move |state| {
            while !state.stop.load(Ordering::Relaxed) {
                match UnixStream::connect(&path) {
                    Ok(socket) => session(state, &socket),
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        })
    }

    fn spawn(script: Script, life: impl FnOnce(&State) + Send + 'static) -> Self {
        let state = Arc::new(State { script: Mutex::new(script), ..State::default() });
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || life(&shared));
        Self { state, thread: Some(thread) }
    }

    /// Everything that came so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The requests of the session that is counted `session` from 1.
    pub fn requests(&self, session: u64) -> Vec<Request> {
        self.seen().iter().filter(|seen| seen.session == session).map(|seen| seen.request).collect()
    }

    /// How many connections there were.
    pub fn sessions(&self) -> u64 {
        self.state.sessions.load(Ordering::Relaxed)
    }

    /// Another behaviour for the next message on.
    pub fn set_script(&self, script: Script) {
        *self.state.script.lock().unwrap() = script;
    }

    /// Closes the connection, as a dying process does.
    pub fn hang_up(&self) {
        self.state.hang_up.store(true, Ordering::Relaxed);
    }

    /// Sends a message that nobody asked for.
    pub fn speak(&self) {
        self.state.speak.store(true, Ordering::Relaxed);
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn session(state: &State, socket: &UnixStream) {
    let number = state.sessions.fetch_add(1, Ordering::Relaxed) + 1;
    let mut reader = MessageReader::new();
    let mut silent = false;
    while !state.stop.load(Ordering::Relaxed) && !state.hang_up.swap(false, Ordering::Relaxed) {
        if state.speak.swap(false, Ordering::Relaxed) {
            let _ = reply(socket, Request::GetFeatures, HeaderFlags::ANSWER, &[0; 8]);
        }
        let soon = Instant::now() + Duration::from_millis(1);
        match recv_deadline(socket.as_fd(), &mut reader, soon) {
            Ok(message) => {
                note(state, number, &message);
                if silent {
                    continue;
                }
                match answer(state, socket, &message) {
                    Ok(Quiet::No) => {}
                    Ok(Quiet::Yes) => silent = true,
                    Err(_) => return,
                }
            }
            Err(WireError::TimedOut) => {}
            Err(_) => return,
        }
    }
}

fn note(state: &State, session: u64, message: &Incoming) {
    state.seen.lock().unwrap().push(Seen {
        session,
        request: message.request.unwrap(),
        payload: message.payload.clone(),
        fds: message.fds.len(),
    });
}

enum Quiet {
    No,
    Yes,
}

/// `Err` ends the session.
fn answer(state: &State, socket: &UnixStream, message: &Incoming) -> Result<Quiet, WireError> {
    let script = state.script.lock().unwrap().clone();
    let request = message.request.unwrap();
    let number = |value: u64| Some(U64 { value }.to_bytes().to_vec());
    let native = match request {
        Request::GetFeatures => number(script.features.bits()),
        Request::GetProtocolFeatures => number(script.protocol.bits()),
        Request::GetQueueNum => number(script.queue_pairs),
        Request::GetVringBase => {
            let asked = VringState::from_bytes(&message.payload).unwrap();
            Some(VringState { num: 7, ..asked }.to_bytes().to_vec())
        }
        _ => None,
    };
    let quirk = script.quirk.filter(|(at, _)| *at == request).map(|(_, quirk)| quirk);
    let ack = message
        .header
        .needs_reply()
        .then(|| number(u64::from(quirk == Some(Quirk::Refuse))))
        .flatten();
    let Some(body) = native.or(ack) else {
        return match quirk {
            Some(Quirk::HangUp) => Err(WireError::Closed),
            _ => Ok(Quiet::No),
        };
    };
    match quirk {
        None | Some(Quirk::Refuse) => reply(socket, request, HeaderFlags::ANSWER, &body)?,
        Some(Quirk::Silence) => return Ok(Quiet::Yes),
        Some(Quirk::HangUp) => return Err(WireError::Closed),
        Some(Quirk::WrongRequest) => reply(socket, Request::SetOwner, HeaderFlags::ANSWER, &body)?,
        Some(Quirk::WrongSize) => reply(socket, request, HeaderFlags::ANSWER, &[0; 64])?,
        Some(Quirk::NoReplyFlag) => reply(socket, request, HeaderFlags::REQUEST, &body)?,
        Some(Quirk::WrongVersion) => {
            let flags = HeaderFlags::from_bits_retain(0x6);
            reply(socket, request, flags, &body)?;
        }
        Some(Quirk::StrayFd) => {
            let flags = HeaderFlags::ANSWER;
            send(socket.as_fd(), request as u32, flags, &body, &[socket.as_fd()])?;
        }
        Some(Quirk::Trickle) => {
            let size = body.len() as u32;
            let flags = HeaderFlags::ANSWER.bits();
            let header = Header { request: request as u32, flags, size };
            for byte in header.to_bytes().iter().chain(&body) {
                let mut socket = socket;
                socket.write_all(&[*byte])?;
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        Some(Quirk::Twice) => {
            reply(socket, request, HeaderFlags::ANSWER, &body)?;
            reply(socket, request, HeaderFlags::ANSWER, &body)?;
        }
    }
    Ok(Quiet::No)
}

fn reply(
    socket: &UnixStream,
    request: Request,
    flags: HeaderFlags,
    body: &[u8],
) -> Result<(), WireError> {
    send(socket.as_fd(), request as u32, flags, body, &[])
}

/// A directory with a socket path in it, an `Eal` on ordinary pages, and a pool.
pub struct Lab {
    pub dir: tempfile::TempDir,
    pub eal: Eal,
    pub pool: MbufPool,
}

impl Lab {
    pub fn new() -> Self {
        let eal = Eal::new(EalConfig { huge: HugePolicy::Never, ..EalConfig::default() }).unwrap();
        let pool = MbufPool::create(eal.memory(), "pool", 4096, 2048, 32).unwrap();
        Self { dir: tempfile::tempdir().unwrap(), eal, pool }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("sock")
    }

    /// A port that is not configured.
    pub fn port(&self, items: &str) -> Result<Box<dyn EthDev>, pmd_core::Error> {
        let text = format!("net_virtio_user0,path={}{items}", self.path().display());
        let args = DevArgs::parse(&text)?;
        let drivers = DriverList::new().with(VirtioUserDriver);
        drivers.probe(&Probe { eal: &self.eal, args: &args, port: PortId(0) })
    }

    /// A port with `pairs` queue pairs, ready to be started.
    pub fn ready(&self, items: &str, pairs: u16) -> Box<dyn EthDev> {
        let mut port = self.port(items).unwrap();
        set_up(port.as_mut(), &self.pool, pairs);
        port
    }

    /// Mbufs that are not in the pool.
    pub fn in_use(&self) -> u32 {
        in_use(&self.pool)
    }
}

/// Mbufs that are not in `pool`, once its count is exact: a control thread may just be giving some back.
pub fn in_use(pool: &MbufPool) -> u32 {
    let until = Instant::now() + Duration::from_secs(1);
    loop {
        let audit = pool.audit();
        if audit.is_exact() || Instant::now() > until {
            assert_eq!(audit.in_use + audit.free, audit.size, "{audit:?}");
            return audit.in_use;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn set_up(port: &mut dyn EthDev, pool: &MbufPool, pairs: u16) {
    port.configure(&PortConfig { rx_queues: pairs, tx_queues: pairs, ..PortConfig::default() })
        .unwrap();
    for queue in 0..pairs {
        port.setup_rx(queue, &RxQueueConfig { descriptors: 0, pool: pool.clone() }).unwrap();
        port.setup_tx(queue, &TxQueueConfig::default()).unwrap();
    }
}

/// Waits until `true`, and says how long that took.
#[track_caller]
pub fn within(limit: Duration, what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let from = Instant::now();
    while !is_so() {
        assert!(from.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_micros(500));
    }
    from.elapsed()
}

/// The events that wait.
pub fn events(port: &dyn EthDev) -> Vec<Event> {
    std::iter::from_fn(|| port.events().try_next()).collect()
}

/// Descriptors that this process has open.
pub fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// splitmix64: the same numbers on every run.
fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The bytes of packet `number` of `queue`: its number, then noise that depends on both.
pub fn body(queue: u16, number: u64, len: usize) -> Vec<u8> {
    let mut state = number << 16 | u64::from(queue);
    let mut bytes = number.to_be_bytes().to_vec();
    while bytes.len() < len {
        bytes.extend_from_slice(&mix(&mut state).to_be_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A packet in as many mbufs as it takes.
pub fn packet(pool: &MbufPool, bytes: &[u8]) -> Option<Mbuf> {
    let mut chain: Option<Mbuf> = None;
    for part in bytes.chunks(2048) {
        let mut mbuf = pool.take()?;
        mbuf.append(part.len() as u16).ok()?.copy_from_slice(part);
        match &mut chain {
            None => chain = Some(mbuf),
            Some(head) => head.chain(mbuf).ok()?,
        }
    }
    chain
}
