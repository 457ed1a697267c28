//! Why a port cannot do something, in the numbers and words that the reference prints.

use nix::errno::Errno;
use pmd_core::Error;

/// The error number that stands for `error`.
pub fn errno(error: &Error) -> Errno {
    match error {
        Error::NoOperation(_) | Error::Unsupported { .. } => Errno::EOPNOTSUPP,
        Error::OutOfRange { .. }
        | Error::NoQueue { .. }
        | Error::BadMac(_)
        | Error::NotPowerOfTwo { .. }
        | Error::MbufTooSmall { .. }
        | Error::Offloads { .. } => Errno::EINVAL,
        Error::WrongState { .. } | Error::Claimed { .. } | Error::Quarantined { .. } => {
            Errno::EBUSY
        }
        Error::Io { source, .. } => source.raw_os_error().map_or(Errno::EIO, Errno::from_raw),
        Error::Eal(_) => Errno::ENOMEM,
        _ => Errno::EIO,
    }
}

/// The system's words for an error number.
pub fn words(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_s_words() {
        assert_eq!(words(errno(&Error::NoOperation("x"))), "Operation not supported");
        assert_eq!(words(errno(&Error::NoQueue { queue: 1, queues: 1 })), "Invalid argument");
        assert_eq!(words(Errno::ENODEV), "No such device");
        assert_eq!(errno(&Error::NoOperation("x")) as i32, 95);
    }
}
