//! A front-end for tests: a socket, some shared memory, and split rings driven by hand.
#![allow(unsafe_code, reason = "maps the memory that it shares with the backend")]
#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs::File;
use std::io::Read;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use pmd_vhost::config::{DeviceConfig, SocketRole};
use pmd_vhost::split::{Accept, Dequeue, Enqueue, GuestPacket, RxSink, Segment, TxSource};
use pmd_vhost::{DeviceHandle, Events, Service};
use virtio::Features;
use virtio::layout::{DESC_WRITE, Descriptor, RingLayout};
use virtio::ring::RingPtrs;
use virtio::vhost_user::{
    HeaderFlags, Incoming, MemoryRegion, MemoryTable, MessageReader, ProtocolFeatures, Request,
    U64, VringAddr, VringFd, VringState, WireError, recv_deadline, send,
};

/// Guest-physical address of the shared memory.
pub const GUEST: u64 = 0x1_0000_0000;
/// The front-end's own address of it, as far as the backend is told.
pub const USER: u64 = 0x7000_0000_0000;
/// Entries of each ring.
pub const RING: u16 = 64;
/// Bytes of each buffer.
pub const BUFFER: u64 = 2048;
/// Where the buffers of ring 0 begin.
const BUFFERS: u64 = 0x10_0000;
/// Bytes of the shared memory.
pub const MEMORY: u64 = 0x40_0000;
/// Bytes between two rings.
const RING_STRIDE: u64 = 0x4000;
/// Bytes of the header before each packet.
pub const HEADER: usize = 12;

pub const FEATURES: Features = Features::VERSION_1
    .union(Features::MRG_RXBUF)
    .union(Features::PROTOCOL_FEATURES)
    .union(Features::MQ);
pub const PROTOCOL: ProtocolFeatures =
    ProtocolFeatures::MQ.union(ProtocolFeatures::REPLY_ACK).union(ProtocolFeatures::STATUS);

/// Waits until `met`, at most five seconds.
#[track_caller]
pub fn eventually(what: &str, mut met: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(5);
    while !met() {
        assert!(Instant::now() < until, "not within five seconds: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A device in a directory of its own.
pub struct Bench {
    pub device: Option<DeviceHandle>,
    pub events: Events,
    pub path: PathBuf,
    pub dir: tempfile::TempDir,
}

impl Bench {
    pub fn new(service: &Service, queue_pairs: u16) -> Self {
        Self::with(service, queue_pairs, SocketRole::Server)
    }

    pub fn with(service: &Service, queue_pairs: u16, role: SocketRole) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        let mut config = DeviceConfig::new(&path);
        config.queue_pairs = queue_pairs;
        config.role = role;
        let (sender, events) = pmd_vhost::events::channel().unwrap();
        let device = service.add(config, sender).unwrap();
        device.set_active(true).unwrap();
        Self { device: Some(device), events, path, dir }
    }

    pub fn device(&self) -> &DeviceHandle {
        self.device.as_ref().unwrap()
    }

    pub fn dequeue(&self, pair: usize) -> Dequeue {
        Dequeue::claim(self.device().vring(pair * 2 + 1).unwrap(), "test").unwrap()
    }

    pub fn enqueue(&self, pair: usize) -> Enqueue {
        Enqueue::claim(self.device().vring(pair * 2).unwrap(), "test").unwrap()
    }

    /// A fresh, well-formed session forwards packets: the process is alive and well.
    #[track_caller]
    pub fn assert_alive(&self) {
        let mut front = FrontEnd::connect(&self.path);
        front.start(1);
        eventually("link up", || self.device().is_up());
        let mut dequeue = self.dequeue(0);
        for number in 0..100_u32 {
            let packet = number.to_ne_bytes().repeat(16);
            front.send(1, &packet);
            assert_eq!(receive(&mut dequeue), [packet], "packet {number}");
        }
        drop(dequeue);
        drop(front);
        eventually("link down", || !self.device().is_up() && !self.device().is_connected());
    }
}

/// The front-end.
pub struct FrontEnd {
    pub socket: UnixStream,
    pub reader: MessageReader,
    pub memory: Memory,
    pub rings: Vec<Ring>,
}

impl FrontEnd {
    pub fn connect(path: &Path) -> Self {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            match UnixStream::connect(path) {
                Ok(socket) => return Self::on(socket),
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn on(socket: UnixStream) -> Self {
        Self { socket, reader: MessageReader::new(), memory: Memory::new(), rings: Vec::new() }
    }

    /// Sends a request as it is.
    pub fn raw(
        &self,
        request: u32,
        flags: HeaderFlags,
        payload: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), WireError> {
        send(self.socket.as_fd(), request, flags, payload, fds)
    }

    pub fn answer(&mut self, wait: Duration) -> Result<Incoming, WireError> {
        recv_deadline(self.socket.as_fd(), &mut self.reader, Instant::now() + wait)
    }

    /// Sends a request that has an answer of its own and returns it.
    #[track_caller]
    pub fn ask(&mut self, request: Request, payload: &[u8]) -> Vec<u8> {
        self.raw(request as u32, HeaderFlags::REQUEST, payload, &[]).unwrap();
        let answer = self.answer(Duration::from_secs(5)).unwrap();
        assert_eq!(answer.request, Ok(request));
        assert_eq!(answer.header.flags, HeaderFlags::ANSWER.bits());
        answer.payload
    }

    #[track_caller]
    pub fn ask_number(&mut self, request: Request) -> u64 {
        let body = self.ask(request, &[]);
        U64::from_bytes(&body).unwrap().value
    }

    /// Sends a request, asks for an acknowledgement, and returns it (0 = done).
    #[track_caller]
    pub fn ack(&mut self, request: Request, payload: &[u8], fds: &[BorrowedFd<'_>]) -> u64 {
        self.raw(request as u32, HeaderFlags::REQUEST_NEED_REPLY, payload, fds).unwrap();
        let answer = self.answer(Duration::from_secs(5)).unwrap();
        assert_eq!(answer.request, Ok(request));
        assert_eq!(answer.header.flags, HeaderFlags::ANSWER.bits());
        U64::from_bytes(&answer.payload).unwrap().value
    }

    #[track_caller]
    pub fn set(&mut self, request: Request, payload: &[u8], fds: &[BorrowedFd<'_>]) {
        assert_eq!(self.ack(request, payload, fds), 0, "{request:?} refused");
    }

    /// Everything up to and including the features.
    #[track_caller]
    pub fn negotiate(&mut self) {
        self.raw(Request::SetOwner as u32, HeaderFlags::REQUEST, &[], &[]).unwrap();
        let offered = Features::from_bits_retain(self.ask_number(Request::GetFeatures));
        assert!(offered.contains(FEATURES), "{offered:?}");
        let protocol =
            ProtocolFeatures::from_bits_retain(self.ask_number(Request::GetProtocolFeatures));
        assert!(protocol.contains(PROTOCOL), "{protocol:?}");
        let body = U64 { value: PROTOCOL.bits() }.to_bytes();
        self.raw(Request::SetProtocolFeatures as u32, HeaderFlags::REQUEST, &body, &[]).unwrap();
        self.set(Request::SetFeatures, &U64 { value: FEATURES.bits() }.to_bytes(), &[]);
    }

    #[track_caller]
    pub fn share_memory(&mut self) {
        let table = MemoryTable::new(&[self.memory.region()]).unwrap().to_bytes();
        let file = self.memory.file.try_clone().unwrap();
        self.set(Request::SetMemTable, &table, &[file.as_fd()]);
    }

    /// Describes and starts one ring.
    #[track_caller]
    pub fn start_ring(&mut self, index: u32) {
        self.set(Request::SetVringNum, &VringState { index, num: RING.into() }.to_bytes(), &[]);
        self.set(Request::SetVringBase, &VringState { index, num: 0 }.to_bytes(), &[]);
        self.set(Request::SetVringAddr, &self.memory.addr(index).to_bytes(), &[]);
        let kick = event();
        self.set(Request::SetVringKick, &fd_word(index, false), &[kick.as_fd()]);
        let call = event();
        self.set(Request::SetVringCall, &fd_word(index, false), &[call.as_fd()]);
    }

    #[track_caller]
    pub fn enable(&mut self, index: u32, on: bool) {
        self.set(Request::SetVringEnable, &VringState { index, num: on.into() }.to_bytes(), &[]);
    }

    #[track_caller]
    pub fn driver_ok(&mut self) {
        self.set(Request::SetStatus, &U64 { value: 0xf }.to_bytes(), &[]);
    }

    /// Tells the guest's MTU.
    #[track_caller]
    pub fn set_mtu(&mut self, mtu: u64) {
        let body = U64 { value: (PROTOCOL | ProtocolFeatures::NET_MTU).bits() }.to_bytes();
        self.set(Request::SetProtocolFeatures, &body, &[]);
        self.set(Request::NetSetMtu, &U64 { value: mtu }.to_bytes(), &[]);
    }

    /// The whole way, in the order of DPDK's virtio-user.
    #[track_caller]
    pub fn start(&mut self, pairs: u32) {
        self.negotiate();
        self.share_memory();
        for index in 0..pairs * 2 {
            self.rings.push(self.memory.ring(index));
            self.start_ring(index);
        }
        (0..pairs * 2).for_each(|index| self.enable(index, true));
        self.driver_ok();
    }

    /// Stops a ring and returns its index.
    #[track_caller]
    pub fn base(&mut self, index: u32) -> u32 {
        let body = self.ask(Request::GetVringBase, &VringState { index, num: 0 }.to_bytes());
        let state = VringState::from_bytes(&body).unwrap();
        assert_eq!(state.index, index);
        state.num
    }

    /// Offers a packet on ring `ring`.
    #[track_caller]
    pub fn send(&mut self, ring: usize, packet: &[u8]) {
        let memory = &self.memory;
        self.rings[ring].offer(memory, packet);
    }

    /// The backend closed the connection.
    #[track_caller]
    pub fn assert_closed(&mut self) {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            match recv_deadline(self.socket.as_fd(), &mut self.reader, until) {
                Err(WireError::Closed) => return,
                Err(WireError::Io(error))
                    if error.kind() == std::io::ErrorKind::ConnectionReset =>
                {
                    return;
                }
                Err(error) => panic!("still open: {error}"),
                Ok(_) => {}
            }
        }
    }
}

pub fn fd_word(index: u32, no_fd: bool) -> [u8; 8] {
    U64 { value: VringFd { index: index as u8, no_fd }.to_word() }.to_bytes()
}

pub fn event() -> OwnedFd {
    nix::sys::eventfd::EventFd::from_value_and_flags(0, nix::sys::eventfd::EfdFlags::EFD_NONBLOCK)
        .unwrap()
        .into()
}

/// Shared memory.
pub struct Memory {
    pub file: File,
    pub base: NonNull<u8>,
}

// SAFETY: a shared mapping may be used from any thread.
unsafe impl Send for Memory {}

impl Memory {
    pub fn new() -> Self {
        let file: File =
            memfd_create(c"guest", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)
                .unwrap()
                .into();
        file.set_len(MEMORY).unwrap();
        let len = NonZeroUsize::new(MEMORY as usize).unwrap();
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping disturbs nothing.
        let base = unsafe { mmap(None, len, prot, MapFlags::MAP_SHARED, &file, 0) }.unwrap();
        Self { file, base: base.cast() }
    }

    pub fn region(&self) -> MemoryRegion {
        MemoryRegion { guest_addr: GUEST, size_bytes: MEMORY, user_addr: USER, mmap_offset: 0 }
    }

    pub fn addr(&self, index: u32) -> VringAddr {
        let (at, layout) = (USER + u64::from(index) * RING_STRIDE, RingLayout::new(RING));
        VringAddr {
            index,
            flags: 0,
            descriptor: at,
            available: at + layout.avail_offset(),
            used: at + layout.used_offset(),
            log: 0,
        }
    }

    fn at(&self, offset: u64) -> NonNull<u8> {
        NonNull::new(self.base.as_ptr().wrapping_add(offset as usize)).unwrap()
    }

    pub fn ring(&self, index: u32) -> Ring {
        let (at, layout) = (u64::from(index) * RING_STRIDE, RingLayout::new(RING));
        let (desc, avail, used) =
            (self.at(at), self.at(at + layout.avail_offset()), self.at(at + layout.used_offset()));
        // SAFETY: the parts lie in the mapping, which the tests keep while they use the ring.
        let ptrs = unsafe { RingPtrs::new(desc, avail, used, RING) }.unwrap();
        ptrs.publish_avail(0);
        ptrs.publish_used(0);
        let buffers = BUFFERS + u64::from(index) * u64::from(RING) * BUFFER;
        assert!(buffers + u64::from(RING) * BUFFER <= MEMORY);
        Ring { ptrs, buffers, avail: 0, used: 0 }
    }

    pub fn write(&self, offset: u64, bytes: &[u8]) {
        assert!(offset + bytes.len() as u64 <= MEMORY);
        // SAFETY: the range was checked.
        unsafe { self.at(offset).as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    pub fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        assert!(offset + len as u64 <= MEMORY);
        let mut bytes = vec![0; len];
        // SAFETY: the range was checked.
        unsafe { self.at(offset).as_ptr().copy_to_nonoverlapping(bytes.as_mut_ptr(), len) };
        bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the tests drop rings before or with the memory and use them no more.
        unsafe { munmap(self.base.cast(), MEMORY as usize) }.unwrap();
    }
}

/// A ring, driver side; buffer `i` belongs to descriptor `i`.
pub struct Ring {
    pub ptrs: RingPtrs,
    buffers: u64,
    pub avail: u16,
    pub used: u16,
}

impl Ring {
    fn buffer(&self, slot: u16) -> u64 {
        self.buffers + u64::from(slot) * BUFFER
    }

    /// Makes a packet with its header available to the device.
    pub fn offer(&mut self, memory: &Memory, packet: &[u8]) {
        let slot = self.avail % RING;
        let offset = self.buffer(slot);
        memory.write(offset, &[0; HEADER]);
        memory.write(offset + HEADER as u64, packet);
        let len = (HEADER + packet.len()) as u32;
        self.publish(Descriptor { addr: GUEST + offset, len, flags: 0, next: 0 });
    }

    /// Gives the device an empty buffer.
    pub fn post(&mut self) {
        let addr = GUEST + self.buffer(self.avail % RING);
        self.publish(Descriptor { addr, len: BUFFER as u32, flags: DESC_WRITE, next: 0 });
    }

    fn publish(&mut self, descriptor: Descriptor) {
        let slot = self.avail % RING;
        self.ptrs.set_descriptor(slot, descriptor);
        self.ptrs.set_avail_entry(self.avail, slot);
        self.avail = self.avail.wrapping_add(1);
        self.ptrs.publish_avail(self.avail);
    }

    /// The next packet that the device wrote.
    pub fn take(&mut self, memory: &Memory) -> Option<Vec<u8>> {
        Some(self.take_raw(memory)?[HEADER..].to_vec())
    }

    /// What the device wrote to the next buffer.
    pub fn take_raw(&mut self, memory: &Memory) -> Option<Vec<u8>> {
        if self.ptrs.used_index() == self.used {
            return None;
        }
        let element = self.ptrs.used_element(self.used);
        self.used = self.used.wrapping_add(1);
        Some(memory.read(self.buffer(element.id as u16), element.len as usize))
    }
}

/// Collects packets.
#[derive(Default)]
pub struct Collect(pub Vec<Vec<u8>>);

impl RxSink for Collect {
    fn ready(&mut self, want: usize) -> usize {
        want
    }

    fn accept(&mut self, mut packet: GuestPacket<'_>) -> Accept {
        let mut bytes = vec![0; packet.len() as usize];
        packet.read(&mut bytes);
        self.0.push(bytes);
        Accept::Taken
    }
}

/// What is there to receive now.
pub fn receive(dequeue: &mut Dequeue) -> Vec<Vec<u8>> {
    let mut collect = Collect::default();
    dequeue.dequeue(&mut collect, 64);
    collect.0
}

/// Packets to send.
pub struct Packets<'a>(pub &'a [Vec<u8>]);

// SAFETY: the packets are borrowed while the source lives, and each is one segment.
unsafe impl TxSource for Packets<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn len_bytes(&self, index: usize) -> u32 {
        self.0[index].len() as u32
    }

    fn segments(&self, index: usize) -> impl Iterator<Item = Segment> {
        let packet = &self.0[index];
        std::iter::once(Segment { data: packet.as_ptr(), len: packet.len() })
    }
}

/// A descriptor to send, and a way to see when the last copy of it is closed.
pub struct Tracked {
    sent: Option<OwnedFd>,
    watch: UnixStream,
}

impl Tracked {
    pub fn new() -> Self {
        let (sent, watch) = UnixStream::pair().unwrap();
        watch.set_nonblocking(true).unwrap();
        Self { sent: Some(sent.into()), watch }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.sent.as_ref().unwrap().as_fd()
    }

    pub fn drop_own(&mut self) {
        self.sent = None;
    }

    #[track_caller]
    pub fn assert_closed_everywhere(&mut self) {
        eventually("every copy of a descriptor closed", || {
            matches!(self.watch.read(&mut [0]), Ok(0))
        });
    }
}
