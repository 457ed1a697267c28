//! Protocol features: what the two ends agree on beside the virtio features.

use bitflags::bitflags;

bitflags! {
    /// Protocol feature bits (vhost-user, "Protocol features").
    ///
    /// They are negotiated only when the virtio feature bit 30 (`PROTOCOL_FEATURES`) was offered.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct ProtocolFeatures: u64 {
        /// Several queues; `GET_QUEUE_NUM` may be asked.
        const MQ = 1 << 0;
        /// The dirty log is shared memory, and `SET_LOG_BASE` is answered.
        const LOG_SHMFD = 1 << 1;
        /// `SEND_RARP`.
        const RARP = 1 << 2;
        /// A front-end may ask for an acknowledgement of any message.
        const REPLY_ACK = 1 << 3;
        /// `NET_SET_MTU`.
        const NET_MTU = 1 << 4;
        /// `SET_BACKEND_REQ_FD`: the back-end may send requests of its own.
        const BACKEND_REQ = 1 << 5;
        /// `SET_VRING_ENDIAN`.
        const CROSS_ENDIAN = 1 << 6;
        /// Crypto session messages.
        const CRYPTO_SESSION = 1 << 7;
        /// Post-copy migration.
        const PAGEFAULT = 1 << 8;
        /// `GET_CONFIG` and `SET_CONFIG`.
        const CONFIG = 1 << 9;
        /// The back-end may send file descriptors with its requests.
        const BACKEND_SEND_FD = 1 << 10;
        /// Host notifier areas.
        const HOST_NOTIFIER = 1 << 11;
        /// `GET_INFLIGHT_FD` and `SET_INFLIGHT_FD`.
        const INFLIGHT_SHMFD = 1 << 12;
        /// `RESET_DEVICE`.
        const RESET_DEVICE = 1 << 13;
        /// `VRING_KICK` and its kin: notifications as messages.
        const INBAND_NOTIFICATIONS = 1 << 14;
        /// `ADD_MEM_REG`, `REM_MEM_REG`, `GET_MAX_MEM_SLOTS`.
        const CONFIGURE_MEM_SLOTS = 1 << 15;
        /// `SET_STATUS` and `GET_STATUS`.
        const STATUS = 1 << 16;
        /// Xen memory mappings.
        const XEN_MMAP = 1 << 17;
        /// Shared objects.
        const SHARED_OBJECT = 1 << 18;
        /// Device state transfer.
        const DEVICE_STATE = 1 << 19;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_document() {
        // What DPDK 22.11's virtio-user negotiates with its own vhost port was recorded as 0x10009.
        let virtio_user =
            ProtocolFeatures::MQ | ProtocolFeatures::REPLY_ACK | ProtocolFeatures::STATUS;
        assert_eq!(virtio_user.bits(), 0x10009);
        assert_eq!(ProtocolFeatures::all().bits(), (1 << 20) - 1);
    }
}
