//! The messages that a front-end sends, and the fixed rules of each: body, file descriptors, answer, precondition.
//!
//! The table [`RULES`] is the whole of "what is well formed": a receiver looks a message up and refuses it before
//! its handler sees it.

use super::payload::{
    Inflight, Iotlb, LogBase, MEMORY_TABLE_REGIONS_MAX, MemoryRegion, SingleRegion, U64, VringAddr,
    VringState,
};
use super::{ProtocolFeatures, VringFd};

/// Defines the requests and the conversion from their numbers.
macro_rules! requests {
    ($($(#[$meta:meta])* $name:ident = $id:literal,)+) => {
        /// Requests from the front-end (vhost-user, "Front-end message types").
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Request {
            $($(#[$meta])* $name = $id,)+
        }

        impl Request {
            /// Every request, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }

        impl TryFrom<u32> for Request {
            type Error = u32;

            /// The request of this number, or the number back if it is unknown.
            fn try_from(id: u32) -> Result<Self, u32> {
                match id {
                    $($id => Ok(Self::$name),)+
                    unknown => Err(unknown),
                }
            }
        }
    };
}

requests! {
    /// Ask for the offered virtio features.
    GetFeatures = 1,
    /// Set the negotiated virtio features.
    SetFeatures = 2,
    /// Start of a session.
    SetOwner = 3,
    /// Deprecated end of a session.
    ResetOwner = 4,
    /// Replace the table of guest memory.
    SetMemTable = 5,
    /// Set the dirty log.
    SetLogBase = 6,
    /// Set the event that tells of log writes.
    SetLogFd = 7,
    /// Set a ring's size.
    SetVringNum = 8,
    /// Set a ring's addresses.
    SetVringAddr = 9,
    /// Set the index at which a ring goes on.
    SetVringBase = 10,
    /// Stop a ring and ask for its index.
    GetVringBase = 11,
    /// Set the event by which the front-end kicks; starts the ring.
    SetVringKick = 12,
    /// Set the event by which the back-end calls.
    SetVringCall = 13,
    /// Set the event by which the back-end tells of ring errors.
    SetVringErr = 14,
    /// Ask for the offered protocol features.
    GetProtocolFeatures = 15,
    /// Set the negotiated protocol features.
    SetProtocolFeatures = 16,
    /// Ask how many queues there can be.
    GetQueueNum = 17,
    /// Enable or disable a ring.
    SetVringEnable = 18,
    /// Announce a migrated guest.
    SendRarp = 19,
    /// Tell the guest's MTU.
    NetSetMtu = 20,
    /// Hand over the socket for requests of the back-end.
    SetBackendReqFd = 21,
    /// IOTLB update or invalidation.
    IotlbMsg = 22,
    /// Set a ring's byte order.
    SetVringEndian = 23,
    /// Read the configuration space.
    GetConfig = 24,
    /// Write the configuration space.
    SetConfig = 25,
    /// Create a crypto session.
    CreateCryptoSession = 26,
    /// Close a crypto session.
    CloseCryptoSession = 27,
    /// Post-copy migration is coming.
    PostcopyAdvise = 28,
    /// Post-copy migration begins.
    PostcopyListen = 29,
    /// Post-copy migration is over.
    PostcopyEnd = 30,
    /// Ask for memory that outlives the back-end.
    GetInflightFd = 31,
    /// Hand back memory that outlived the back-end.
    SetInflightFd = 32,
    /// Hand over a socket of a graphics front-end.
    GpuSetSocket = 33,
    /// Reset the device, keep the connection.
    ResetDevice = 34,
    /// Kick a ring by message.
    VringKick = 35,
    /// Ask how many memory regions there can be.
    GetMaxMemSlots = 36,
    /// Add one memory region.
    AddMemReg = 37,
    /// Remove one memory region.
    RemMemReg = 38,
    /// Set the virtio device status.
    SetStatus = 39,
    /// Ask for the virtio device status.
    GetStatus = 40,
    /// Ask for a shared object.
    GetSharedObject = 41,
    /// Begin a transfer of device state.
    SetDeviceStateFd = 42,
    /// End a transfer of device state.
    CheckDeviceState = 43,
    /// Ask for the shared memory areas.
    GetShmemConfig = 44,
}

/// What length a body must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadRule {
    /// Exactly this many bytes (0 = no body).
    Exact(u32),
    /// A memory table: 8 bytes and up to eight regions.
    MemoryTable,
    /// A configuration space access: 12 bytes and up to 256 more.
    Config,
    /// A body that only back-ends of other device types know; any length up to the general limit.
    Opaque,
}

impl PayloadRule {
    /// Whether a body of `bytes` is right.
    pub fn allows(self, bytes: usize) -> bool {
        let table_max = 8 + MEMORY_TABLE_REGIONS_MAX * MemoryRegion::BYTES;
        match self {
            Self::Exact(exact) => bytes == exact as usize,
            Self::MemoryTable => {
                (8..=table_max).contains(&bytes) && bytes % MemoryRegion::BYTES == 8
            }
            Self::Config => (12..=12 + 256).contains(&bytes),
            Self::Opaque => true,
        }
    }
}

/// How many file descriptors must come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FdRule {
    /// Exactly this many.
    Exact(usize),
    /// One for each region of the memory table, as its first word counts them.
    PerRegion,
    /// One, or none when bit 8 of the body's word says so.
    Vring,
    /// None or one.
    AtMostOne,
}

impl FdRule {
    /// Whether `fds` descriptors are right for this body.
    pub fn allows(self, payload: &[u8], fds: usize) -> bool {
        match self {
            Self::Exact(exact) => fds == exact,
            Self::PerRegion => payload
                .first_chunk()
                .is_some_and(|count| u32::from_ne_bytes(*count) as usize == fds),
            Self::Vring => U64::from_bytes(payload)
                .and_then(|word| VringFd::from_word(word.value))
                .is_some_and(|word| fds == usize::from(!word.no_fd)),
            Self::AtMostOne => fds <= 1,
        }
    }
}

/// Whether and when a message is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyRule {
    /// It has an answer of its own, and only that.
    Native,
    /// Its own answer once this protocol feature is negotiated, else an acknowledgement if asked for.
    NativeWith(ProtocolFeatures),
    /// An acknowledgement (u64, 0 = success) if the header asks and `REPLY_ACK` is negotiated.
    Ack,
}

/// What must have been negotiated before a message may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeedRule {
    /// Nothing.
    Nothing,
    /// Virtio feature bit 30 was offered.
    Bit30Offered,
    /// Virtio feature bit 30 was negotiated.
    Bit30Negotiated,
    /// This protocol feature was negotiated.
    Protocol(ProtocolFeatures),
    /// This virtio feature bit was negotiated.
    Virtio(u8),
    /// It belongs to another device type.
    OtherDevice,
}

/// The fixed rules of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The message.
    pub request: Request,
    /// Its body.
    pub payload: PayloadRule,
    /// Its file descriptors.
    pub fds: FdRule,
    /// Its answer.
    pub reply: ReplyRule,
    /// Its precondition.
    pub need: NeedRule,
}

impl Rule {
    /// Whether body and descriptors have the right shape.
    pub fn is_well_formed(&self, payload: &[u8], fds: usize) -> bool {
        self.payload.allows(payload.len()) && self.fds.allows(payload, fds)
    }
}

impl Request {
    /// The fixed rules of this message.
    pub fn rule(self) -> &'static Rule {
        // The ids are dense from 1 and RULES is in their order; a test holds both to it.
        RULES.get(self as usize - 1).unwrap_or(&RULES[0])
    }
}

const NONE: PayloadRule = PayloadRule::Exact(0);
const NUMBER: PayloadRule = PayloadRule::Exact(U64::BYTES as u32);
const STATE: PayloadRule = PayloadRule::Exact(VringState::BYTES as u32);
const NO_FD: FdRule = FdRule::Exact(0);
const ONE_FD: FdRule = FdRule::Exact(1);

const fn rule(
    request: Request,
    payload: PayloadRule,
    fds: FdRule,
    reply: ReplyRule,
    need: NeedRule,
) -> Rule {
    Rule { request, payload, fds, reply, need }
}

/// The rules of every message, in the order of the numbers (vhost-user, "Front-end message types").
pub static RULES: &[Rule] = {
    use FdRule::{AtMostOne, PerRegion, Vring};
    use NeedRule::{Bit30Negotiated, Bit30Offered, Nothing, OtherDevice, Protocol, Virtio};
    use ProtocolFeatures as P;
    use ReplyRule::{Ack, Native, NativeWith};
    use Request as R;
    const IOMMU_PLATFORM: u8 = 33;
    &[
        rule(R::GetFeatures, NONE, NO_FD, Native, Nothing),
        rule(R::SetFeatures, NUMBER, NO_FD, Ack, Nothing),
        rule(R::SetOwner, NONE, NO_FD, Ack, Nothing),
        rule(R::ResetOwner, NONE, NO_FD, Ack, Nothing),
        rule(R::SetMemTable, PayloadRule::MemoryTable, PerRegion, Ack, Nothing),
        rule(
            R::SetLogBase,
            PayloadRule::Exact(LogBase::BYTES as u32),
            ONE_FD,
            NativeWith(P::LOG_SHMFD),
            Protocol(P::LOG_SHMFD),
        ),
        rule(R::SetLogFd, NONE, ONE_FD, Ack, Nothing),
        rule(R::SetVringNum, STATE, NO_FD, Ack, Nothing),
        rule(R::SetVringAddr, PayloadRule::Exact(VringAddr::BYTES as u32), NO_FD, Ack, Nothing),
        rule(R::SetVringBase, STATE, NO_FD, Ack, Nothing),
        rule(R::GetVringBase, STATE, NO_FD, Native, Nothing),
        rule(R::SetVringKick, NUMBER, Vring, Ack, Nothing),
        rule(R::SetVringCall, NUMBER, Vring, Ack, Nothing),
        rule(R::SetVringErr, NUMBER, Vring, Ack, Nothing),
        rule(R::GetProtocolFeatures, NONE, NO_FD, Native, Bit30Offered),
        rule(R::SetProtocolFeatures, NUMBER, NO_FD, Ack, Bit30Offered),
        rule(R::GetQueueNum, NONE, NO_FD, Native, Protocol(P::MQ)),
        rule(R::SetVringEnable, STATE, NO_FD, Ack, Bit30Negotiated),
        rule(R::SendRarp, NUMBER, NO_FD, Ack, Protocol(P::RARP)),
        rule(R::NetSetMtu, NUMBER, NO_FD, Ack, Protocol(P::NET_MTU)),
        rule(R::SetBackendReqFd, NONE, ONE_FD, Ack, Protocol(P::BACKEND_REQ)),
        rule(
            R::IotlbMsg,
            PayloadRule::Exact(Iotlb::BYTES as u32),
            NO_FD,
            Native,
            Virtio(IOMMU_PLATFORM),
        ),
        rule(R::SetVringEndian, STATE, NO_FD, Ack, Protocol(P::CROSS_ENDIAN)),
        rule(R::GetConfig, PayloadRule::Config, NO_FD, Native, Protocol(P::CONFIG)),
        rule(R::SetConfig, PayloadRule::Config, NO_FD, Ack, Protocol(P::CONFIG)),
        rule(R::CreateCryptoSession, PayloadRule::Opaque, NO_FD, Native, OtherDevice),
        rule(R::CloseCryptoSession, NUMBER, NO_FD, Ack, OtherDevice),
        rule(R::PostcopyAdvise, NONE, NO_FD, Native, Protocol(P::PAGEFAULT)),
        rule(R::PostcopyListen, NONE, NO_FD, Ack, Protocol(P::PAGEFAULT)),
        rule(R::PostcopyEnd, NONE, NO_FD, Native, Protocol(P::PAGEFAULT)),
        rule(
            R::GetInflightFd,
            PayloadRule::Exact(Inflight::BYTES as u32),
            NO_FD,
            Native,
            Protocol(P::INFLIGHT_SHMFD),
        ),
        rule(
            R::SetInflightFd,
            PayloadRule::Exact(Inflight::BYTES as u32),
            ONE_FD,
            Ack,
            Protocol(P::INFLIGHT_SHMFD),
        ),
        rule(R::GpuSetSocket, NONE, ONE_FD, Ack, OtherDevice),
        rule(R::ResetDevice, NONE, NO_FD, Ack, Protocol(P::RESET_DEVICE)),
        rule(R::VringKick, STATE, NO_FD, Ack, Protocol(P::INBAND_NOTIFICATIONS)),
        rule(R::GetMaxMemSlots, NONE, NO_FD, Native, Protocol(P::CONFIGURE_MEM_SLOTS)),
        rule(
            R::AddMemReg,
            PayloadRule::Exact(SingleRegion::BYTES as u32),
            ONE_FD,
            Ack,
            Protocol(P::CONFIGURE_MEM_SLOTS),
        ),
        // Some front-ends send the region's descriptor along; it is closed.
        rule(
            R::RemMemReg,
            PayloadRule::Exact(SingleRegion::BYTES as u32),
            AtMostOne,
            Ack,
            Protocol(P::CONFIGURE_MEM_SLOTS),
        ),
        rule(R::SetStatus, NUMBER, NO_FD, Ack, Protocol(P::STATUS)),
        rule(R::GetStatus, NONE, NO_FD, Native, Protocol(P::STATUS)),
        rule(R::GetSharedObject, PayloadRule::Exact(16), NO_FD, Native, Protocol(P::SHARED_OBJECT)),
        rule(R::SetDeviceStateFd, NUMBER, ONE_FD, Native, Protocol(P::DEVICE_STATE)),
        rule(R::CheckDeviceState, NONE, NO_FD, Native, Protocol(P::DEVICE_STATE)),
        rule(R::GetShmemConfig, NONE, NO_FD, Native, OtherDevice),
    ]
};

#[cfg(test)]
mod tests;
