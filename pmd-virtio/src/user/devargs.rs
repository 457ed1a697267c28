//! The device string of a virtio-user port: DPDK's keys with DPDK's defaults.

use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use pmd_core::{DevArgs, Error, MacAddr};

/// The longest path of a Unix socket in bytes (`sun_path` less its final zero, unix(7)).
const PATH_BYTES_MAX: usize = 107;
/// A vhost-user ring index is 8 bits wide, and a pair takes two.
const QUEUES_MAX: u64 = 128;
const QUEUE_SIZE_MIN: u64 = 32;
const QUEUE_SIZE_MAX: u64 = virtio::layout::MAX_RING_SIZE as u64;

/// What a device string asks for, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserArgs {
    /// The socket.
    pub path: PathBuf,
    /// Create the socket and wait for the device there, instead of connecting to it.
    pub server: bool,
    /// The port's address; a random local one when none was given.
    pub mac: MacAddr,
    /// Queue pairs.
    pub queue_pairs: u16,
    /// Entries of every ring.
    pub queue_size: u16,
    /// Whether a packet may fill several receive buffers.
    pub mergeable: bool,
    /// Whether buffers are to be used in order, where the device offers that.
    pub in_order: bool,
    /// A wish for the fastest path there is; the split ring's is always taken.
    pub vectorized: bool,
    /// The link speed to report, in Mbit/s.
    pub speed_mbps: Option<u32>,
}

impl UserArgs {
    /// Reads `args` and looks at what the path names now.
    ///
    /// # Errors
    ///
    /// [`Error::BadDevArgs`], [`Error::NotPowerOfTwo`] for what is wrong, [`Error::Unsupported`] for what a ring or
    /// device of another kind would need.
    pub fn parse(args: &DevArgs) -> Result<Self, Error> {
        let parsed = Self {
            path: socket_path(args)?,
            server: args.flag("server", false)?,
            mac: address(args)?,
            queue_pairs: args.number("queues", 1, 1..=QUEUES_MAX)? as u16,
            queue_size: queue_size(args)?,
            mergeable: args.flag("mrg_rxbuf", true)?,
            in_order: args.flag("in_order", true)?,
            vectorized: args.flag("vectorized", false)?,
            speed_mbps: args.parsed("speed")?,
        };
        refuse_other_rings(args)?;
        refuse_tap(args)?;
        args.finish()?;
        Ok(parsed)
    }

    /// Whether DPDK's port would have a control queue, which it emulates.
    pub(super) fn has_control_queue(&self) -> bool {
        self.queue_pairs > 1
    }
}

fn socket_path(args: &DevArgs) -> Result<PathBuf, Error> {
    let text = args.required("path", "/tmp/vhost.sock")?;
    let path = PathBuf::from(text);
    if text.len() > PATH_BYTES_MAX {
        return Err(bad(
            args,
            format!(
                "'path={text}' has {} bytes: a socket's path has at most {PATH_BYTES_MAX}",
                text.len()
            ),
        ));
    }
    let Ok(found) = std::fs::metadata(&path) else { return Ok(path) };
    let kind = found.file_type();
    if kind.is_char_device() {
        return Err(Error::Unsupported {
            what: format!("path={text} (a kernel device)"),
            instead: "give the path of a vhost-user socket, as in path=/tmp/vhost.sock".into(),
        });
    }
    if !kind.is_socket() {
        return Err(bad(
            args,
            format!("'path={text}' exists and is no socket: remove it or give another path"),
        ));
    }
    Ok(path)
}

fn address(args: &DevArgs) -> Result<MacAddr, Error> {
    match args.parsed::<MacAddr>("mac")? {
        Some(mac) if mac.is_assignable() => Ok(mac),
        Some(mac) => Err(bad(args, format!("'mac={mac}' is no unicast address"))),
        None => Ok(MacAddr::local(RandomState::new().hash_one(std::process::id()))),
    }
}

fn queue_size(args: &DevArgs) -> Result<u16, Error> {
    let size = args.number("queue_size", 256, QUEUE_SIZE_MIN..=QUEUE_SIZE_MAX)?;
    if !size.is_power_of_two() {
        return Err(Error::NotPowerOfTwo { value: size });
    }
    Ok(size as u16)
}

/// Ring kinds and queues that are not there yet are refused when they are asked for.
fn refuse_other_rings(args: &DevArgs) -> Result<(), Error> {
    for key in ["packed_vq", "cq"] {
        if args.flag(key, false)? {
            return Err(Error::Unsupported {
                what: format!("{key}=1"),
                instead: format!(
                    "write {key}=0 for the split rings without control queue that there are"
                ),
            });
        }
    }
    Ok(())
}

fn refuse_tap(args: &DevArgs) -> Result<(), Error> {
    match args.get("iface") {
        Some(_) => Err(bad(
            args,
            "'iface=' names the tap of a kernel device; a vhost-user port has none: leave it out"
                .into(),
        )),
        None => Ok(()),
    }
}

fn bad(args: &DevArgs, what: String) -> Error {
    Error::BadDevArgs(format!("{}: {what}", args.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<UserArgs, Error> {
        UserArgs::parse(&DevArgs::parse(text).unwrap())
    }

    #[test]
    fn defaults_are_those_of_dpdk() {
        let a = parse("virtio_user0,path=/nowhere/sock").unwrap();
        assert_eq!((a.server, a.queue_pairs, a.queue_size, a.mergeable), (false, 1, 256, true));
        assert_eq!((a.in_order, a.vectorized), (true, false));
        assert!(a.mac.is_assignable());
        assert_ne!(a.mac, parse("virtio_user0,path=/nowhere/sock").unwrap().mac);
    }

    #[test]
    fn everything_given() {
        let a = parse(
            "net_virtio_user0,mac=00:11:22:33:44:10,path=/nowhere/s,queue_size=1024,packed_vq=0,\
             mrg_rxbuf=0,in_order=0,,vectorized=0,queues=8,server=1,cq=0,speed=10000",
        )
        .unwrap();
        assert_eq!(a.mac.to_string(), "00:11:22:33:44:10");
        assert_eq!((a.server, a.queue_pairs, a.queue_size, a.mergeable), (true, 8, 1024, false));
        assert_eq!(a.speed_mbps, Some(10_000));
        assert_eq!((a.in_order, a.vectorized), (false, false));
        let largest =
            parse("virtio_user0,path=/s,queue_size=32768,in_order=1,vectorized=1").unwrap();
        assert_eq!(
            (largest.queue_size, largest.in_order, largest.vectorized),
            (32_768, true, true)
        );
    }

    #[test]
    fn what_is_not_there_yet_is_refused_with_advice() {
        for key in ["packed_vq", "cq"] {
            let error = parse(&format!("virtio_user0,path=/nowhere/s,{key}=1")).unwrap_err();
            assert!(matches!(error, Error::Unsupported { .. }));
            assert!(error.to_string().contains(&format!("{key}=0")), "{error}");
        }
        let kernel = parse("virtio_user0,path=/dev/null").unwrap_err();
        assert!(matches!(kernel, Error::Unsupported { .. }), "{kernel}");
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let long = format!("path=/{}", "x".repeat(107));
        for items in [
            "",
            "path=",
            "path=/",
            "path=/s,queues=0",
            "path=/s,queues=129",
            "path=/s,queue_size=16",
            "path=/s,queue_size=65536",
            "path=/s,server=2",
            "path=/s,mac=ff:ff:ff:ff:ff:ff",
            "path=/s,mac=1:2:3",
            "path=/s,iface=tap0",
            "path=/s,quues=1",
            "path=/s,mrg_rxbuf=yes",
            &long,
        ] {
            let error = parse(&format!("virtio_user0,{items}")).unwrap_err();
            assert!(matches!(error, Error::BadDevArgs(_)), "{items}: {error:?}");
        }
        let odd = parse("virtio_user0,path=/s,queue_size=255").unwrap_err();
        assert!(matches!(odd, Error::NotPowerOfTwo { value: 255 }));
    }

    proptest! {
        #[test]
        fn no_string_panics(text in "virtio_user0(,(path|queues|mac|queue_size|server|speed)=[0-9a-fx:/-]{0,20}){0,6}") {
            if let Ok(args) = DevArgs::parse(&text) {
                let _ = UserArgs::parse(&args);
            }
        }
    }
}
