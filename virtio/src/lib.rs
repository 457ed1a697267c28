//! What both ends of a virtio ring share: layouts, feature bits, net header, vhost-user wire.

pub mod vhost_user;
