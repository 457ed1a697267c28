//! The front-end's side of vhost-user: requests with checked answers, over one connected socket.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use eal::Memory;
use virtio::Features;
use virtio::vhost_user::{
    HeaderFlags, Incoming, MemoryRegion, MemoryTable, MessageReader, ProtocolFeatures, Request,
    U64, VringAddr, VringFd, VringState, WireError, recv_deadline, send_within,
};

use crate::transport::{DeviceStatus, RingSetup, Transport, TransportError};

/// What this front-end can make use of: the set that DPDK's virtio-user negotiates.
const PROTOCOL: ProtocolFeatures =
    ProtocolFeatures::MQ.union(ProtocolFeatures::REPLY_ACK).union(ProtocolFeatures::STATUS);

/// A connection to a back-end. Owned by the port's control thread.
///
/// Requests are answered by the [deadline](Frontend::set_deadline) or fail. After an error the position in the byte stream is unknown: drop it.
#[derive(Debug)]
pub struct Frontend {
    socket: UnixStream,
    reader: MessageReader,
    deadline: Instant,
    owner_set: bool,
    features: Features,
    protocol: ProtocolFeatures,
}

impl Frontend {
    /// A front-end at the start of a session; its first requests have `patience` to be answered.
    pub fn new(socket: UnixStream, patience: Duration) -> Self {
        Self {
            socket,
            reader: MessageReader::new(),
            deadline: Instant::now() + patience,
            owner_set: false,
            features: Features::empty(),
            protocol: ProtocolFeatures::empty(),
        }
    }

    /// Gives all requests from now on `patience` together.
    pub fn set_deadline(&mut self, patience: Duration) {
        self.deadline = Instant::now() + patience;
    }

    /// Looks at a socket that became readable between requests: the peer is gone, or spoke unasked. `Ok` means neither.
    ///
    /// # Errors
    ///
    /// [`TransportError::Wire`] or [`TransportError::Unasked`].
    pub fn check(&mut self) -> Result<(), TransportError> {
        match self.reader.read(self.socket.as_fd())? {
            Some(_) => Err(TransportError::Unasked),
            None if self.reader.started_at().is_some() => Err(TransportError::Unasked),
            None => Ok(()),
        }
    }

    fn tell(
        &mut self,
        request: Request,
        flags: HeaderFlags,
        payload: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), TransportError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        Ok(send_within(self.socket.as_fd(), request as u32, flags, payload, fds, left)?)
    }

    /// Sends a request that has an answer of its own, and returns that.
    fn ask(&mut self, request: Request, payload: &[u8]) -> Result<Incoming, TransportError> {
        self.tell(request, HeaderFlags::REQUEST, payload, &[])?;
        self.answer(request)
    }

    fn ask_number(&mut self, request: Request) -> Result<u64, TransportError> {
        let answer = self.ask(request, &[])?;
        U64::from_bytes(&answer.payload).map(|number| number.value).ok_or(bad_reply(request))
    }

    /// Sends a request and, where the peer can acknowledge, waits until it did.
    fn demand(
        &mut self,
        request: Request,
        payload: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), TransportError> {
        if !self.protocol.contains(ProtocolFeatures::REPLY_ACK) {
            return self.tell(request, HeaderFlags::REQUEST, payload, fds);
        }
        self.tell(request, HeaderFlags::REQUEST_NEED_REPLY, payload, fds)?;
        let answer = self.answer(request)?;
        match U64::from_bytes(&answer.payload) {
            Some(U64 { value: 0 }) => Ok(()),
            Some(_) => Err(TransportError::Refused { request: name_of(request) }),
            None => Err(bad_reply(request)),
        }
    }

    /// The next message, which must be the answer to `request`: same id, reply flags, no descriptors.
    fn answer(&mut self, request: Request) -> Result<Incoming, TransportError> {
        let answer = recv_deadline(self.socket.as_fd(), &mut self.reader, self.deadline)?;
        let fits = answer.request == Ok(request)
            && answer.header.flags == HeaderFlags::ANSWER.bits()
            && answer.fds.is_empty();
        if fits { Ok(answer) } else { Err(bad_reply(request)) }
    }

    /// Settles the protocol features (vhost-user, "Protocol features"); they come before the features themselves.
    fn settle_protocol(&mut self) -> Result<(), TransportError> {
        let offered = self.ask_number(Request::GetProtocolFeatures)?;
        let protocol = PROTOCOL.intersection(ProtocolFeatures::from_bits_truncate(offered));
        self.tell_number(Request::SetProtocolFeatures, protocol.bits())?;
        self.protocol = protocol;
        Ok(())
    }

    fn tell_number(&mut self, request: Request, value: u64) -> Result<(), TransportError> {
        self.tell(request, HeaderFlags::REQUEST, &U64 { value }.to_bytes(), &[])
    }

    fn tell_state(&mut self, request: Request, index: u16, num: u32) -> Result<(), TransportError> {
        let state = VringState { index: index.into(), num };
        self.tell(request, HeaderFlags::REQUEST, &state.to_bytes(), &[])
    }

    fn give_event(
        &mut self,
        request: Request,
        index: u16,
        fd: BorrowedFd<'_>,
    ) -> Result<(), TransportError> {
        // A port has at most 128 queue pairs, so an index fits.
        let word = VringFd { index: index as u8, no_fd: false }.to_word();
        self.tell(request, HeaderFlags::REQUEST, &U64 { value: word }.to_bytes(), &[fd])
    }
}

impl AsFd for Frontend {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Transport for Frontend {
    fn offered(&mut self) -> Result<Features, TransportError> {
        if !self.owner_set {
            self.tell(Request::SetOwner, HeaderFlags::REQUEST, &[], &[])?;
            self.owner_set = true;
        }
        let features = Features::from_bits_truncate(self.ask_number(Request::GetFeatures)?);
        if features.contains(Features::PROTOCOL_FEATURES) {
            self.settle_protocol()?;
        }
        Ok(features)
    }

    fn accept(&mut self, features: Features) -> Result<(), TransportError> {
        self.demand(Request::SetFeatures, &U64 { value: features.bits() }.to_bytes(), &[])?;
        self.features = features;
        Ok(())
    }

    fn max_queue_pairs(&mut self) -> Result<u16, TransportError> {
        if !self.protocol.contains(ProtocolFeatures::MQ) {
            return Ok(1);
        }
        let pairs = self.ask_number(Request::GetQueueNum)?;
        Ok(u16::try_from(pairs).unwrap_or(u16::MAX))
    }

    /// One region: the data file, in which guest address, user address and IOVA are the same number.
    fn share_memory(&mut self, memory: &Memory) -> Result<(), TransportError> {
        let region = MemoryRegion {
            guest_addr: memory.iova_base(),
            size_bytes: memory.data_committed(),
            user_addr: memory.iova_base(),
            mmap_offset: 0,
        };
        let table = MemoryTable::new(&[region]).unwrap_or_default();
        self.demand(Request::SetMemTable, &table.to_bytes(), &[memory.data_fd()])
    }

    fn start_ring(&mut self, ring: &RingSetup<'_>) -> Result<(), TransportError> {
        self.tell_state(Request::SetVringNum, ring.index, ring.size.into())?;
        self.tell_state(Request::SetVringBase, ring.index, 0)?;
        let addr = VringAddr {
            index: ring.index.into(),
            flags: 0,
            descriptor: ring.addresses.desc,
            used: ring.addresses.used,
            available: ring.addresses.avail,
            log: 0,
        };
        self.demand(Request::SetVringAddr, &addr.to_bytes(), &[])?;
        self.give_event(Request::SetVringCall, ring.index, ring.call)?;
        self.give_event(Request::SetVringKick, ring.index, ring.kick)
    }

    /// Without protocol features all rings are enabled from the start (vhost-user, "Ring states").
    fn enable_ring(&mut self, index: u16, enabled: bool) -> Result<(), TransportError> {
        if !self.features.contains(Features::PROTOCOL_FEATURES) {
            return Ok(());
        }
        let state = VringState { index: index.into(), num: enabled.into() };
        self.demand(Request::SetVringEnable, &state.to_bytes(), &[])
    }

    fn stop_ring(&mut self, index: u16) -> Result<u16, TransportError> {
        let asked = VringState { index: index.into(), num: 0 };
        let answer = self.ask(Request::GetVringBase, &asked.to_bytes())?;
        let state = VringState::from_bytes(&answer.payload)
            .filter(|state| state.index == u32::from(index))
            .ok_or(bad_reply(Request::GetVringBase))?;
        Ok(state.num as u16)
    }

    /// A back-end that knows no status goes to work when its rings are there; asking it for its features
    /// makes sure that it has read that far.
    fn set_status(&mut self, status: DeviceStatus) -> Result<(), TransportError> {
        if self.protocol.contains(ProtocolFeatures::STATUS) {
            let value = u64::from(status.bits());
            return self.demand(Request::SetStatus, &U64 { value }.to_bytes(), &[]);
        }
        self.ask_number(Request::GetFeatures).map(|_| ())
    }
}

fn bad_reply(request: Request) -> TransportError {
    TransportError::BadReply { request: name_of(request) }
}

/// The request's name in the vhost-user document, for people who read both ends' logs.
fn name_of(request: Request) -> &'static str {
    match request {
        Request::GetFeatures => "GET_FEATURES",
        Request::SetFeatures => "SET_FEATURES",
        Request::GetProtocolFeatures => "GET_PROTOCOL_FEATURES",
        Request::GetQueueNum => "GET_QUEUE_NUM",
        Request::SetMemTable => "SET_MEM_TABLE",
        Request::SetVringAddr => "SET_VRING_ADDR",
        Request::SetVringEnable => "SET_VRING_ENABLE",
        Request::GetVringBase => "GET_VRING_BASE",
        Request::SetStatus => "SET_STATUS",
        _ => "a request",
    }
}

/// Whether the connection simply ended, which is what happens when a peer quits.
pub(super) fn is_hang_up(error: &TransportError) -> bool {
    matches!(error, TransportError::Wire(WireError::Closed))
}
