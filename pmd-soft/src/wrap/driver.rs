//! Makes wrapped ports from device strings: `net_drop0,dev=[net_vhost0,iface=/tmp/sock],every=100`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pmd_core::{DevArgs, Driver, DriverList, Error, EthDev, Probe};

use super::port::{Name, Wrapped};
use super::rate::Rate;
use super::rule::{Direction, Kind, Release};
use super::{Capturing, Corrupting, Delaying, Dropping, Tracing};
use crate::pcap::Place;

/// Wrappers around one device at most.
const DEPTH_MAX: usize = 8;
/// The longest delay that is taken.
const DELAY_US_MAX: u64 = 60_000_000;
/// The most packets that a packet may be delayed by.
const DELAY_PACKETS_MAX: u64 = 8000;

/// What a device string asks a wrapper to do.
#[derive(Debug, PartialEq)]
enum Work {
    Trace(PathBuf),
    Drop(Rate),
    Delay(Release),
    Corrupt { rate: Rate, bytes: u32, spare_bytes: u32 },
    Capture(PathBuf),
}

type Parse = fn(&DevArgs) -> Result<Work, Error>;

/// The driver of one kind of wrapper.
pub struct WrapDriver {
    name: &'static str,
    parse: Parse,
}

impl WrapDriver {
    /// The drivers of all wrappers.
    pub fn all() -> [Self; 5] {
        let kinds: [(&'static str, Parse); 5] = [
            ("net_trace", |args| Ok(Work::Trace(file(args)?))),
            ("net_drop", |args| Ok(Work::Drop(Rate::parse(args)?))),
            ("net_delay", delay),
            ("net_corrupt", corrupt),
            ("net_capture", |args| Ok(Work::Capture(file(args)?))),
        ];
        kinds.map(|(name, parse)| Self { name, parse })
    }
}

impl Driver for WrapDriver {
    fn name(&self) -> &'static str {
        self.name
    }

    fn probe(&self, probe: &Probe<'_>) -> Result<Box<dyn EthDev>, Error> {
        self.probe_among(probe, &DriverList::new())
    }

    fn probe_among(
        &self,
        probe: &Probe<'_>,
        drivers: &DriverList,
    ) -> Result<Box<dyn EthDev>, Error> {
        let args = probe.args;
        let inside = inner_device(args)?;
        let work = (self.parse)(args)?;
        let direction = direction(args)?;
        args.finish()?;
        let name =
            Name { name: args.name().to_owned(), driver: self.name, devargs: args.arguments() };
        if let Work::Trace(path) | Work::Capture(path) = &work {
            check_unused(&place(&name, path), &inside)?;
        }
        let inner = drivers.probe(&Probe { args: &inside, ..*probe })?;
        work.around(inner, name, direction)
    }
}

impl Work {
    /// The port that does the work on packets of `inner`.
    fn around(
        self,
        inner: Box<dyn EthDev>,
        name: Name,
        direction: Direction,
    ) -> Result<Box<dyn EthDev>, Error> {
        fn wrapped(inner: Box<dyn EthDev>, kind: impl Kind, name: Name) -> Box<dyn EthDev> {
            Box::new(Wrapped::new(inner, kind, Some(name)))
        }
        Ok(match self {
            Self::Drop(rate) => wrapped(inner, Dropping { rate, direction }, name),
            Self::Delay(release) => wrapped(inner, Delaying { release, direction }, name),
            Self::Corrupt { rate, bytes, spare_bytes } => {
                wrapped(inner, Corrupting { rate, direction, bytes, spare_bytes }, name)
            }
            Self::Trace(path) => {
                let file = place(&name, &path).emptied()?;
                wrapped(inner, Tracing::to_file(file, direction), name)
            }
            Self::Capture(path) => {
                let writer = place(&name, &path).writer()?;
                wrapped(inner, Capturing::new(writer, direction), name)
            }
        })
    }
}

/// Where a wrapper writes to.
fn place(name: &Name, path: &Path) -> Place {
    Place { device: name.name.clone(), key: "file", path: path.to_owned() }
}

/// The device string that is wrapped.
fn inner_device(args: &DevArgs) -> Result<DevArgs, Error> {
    let inside = args.device("dev")?;
    if with_inner(&inside)?.count() > DEPTH_MAX {
        return Err(Error::BadDevArgs(format!(
            "{}: too many devices within one another: {DEPTH_MAX} wrappers around a device are enough",
            args.name()
        )));
    }
    Ok(inside)
}

/// A device and those inside it, outermost first, not many more than may be.
fn with_inner(device: &DevArgs) -> Result<impl Iterator<Item = DevArgs>, Error> {
    // A copy: what is asked for here must not count as known to the device's driver.
    let copy = DevArgs::parse(&device.to_string())?;
    Ok(std::iter::successors(Some(copy), |args| args.device("dev").ok()).take(DEPTH_MAX + 1))
}

/// Refuses a file that a device inside uses: it would be emptied under it.
fn check_unused(place: &Place, inside: &DevArgs) -> Result<(), Error> {
    for args in with_inner(inside)? {
        let files = ["file", "rx_pcap", "tx_pcap"].into_iter().flat_map(|key| args.all(key));
        if files.map(Path::new).any(|path| place.is_same_file(path)) {
            return Err(Error::BadDevArgs(format!(
                "{place} is a file of {} too and would be overwritten: give each device a file of its own",
                args.name()
            )));
        }
    }
    Ok(())
}

fn direction(args: &DevArgs) -> Result<Direction, Error> {
    match args.get("direction") {
        None | Some("both") => Ok(Direction::BOTH),
        Some("rx") => Ok(Direction::RX),
        Some("tx") => Ok(Direction::TX),
        Some(other) => Err(Error::BadDevArgs(format!(
            "{}: 'direction={other}': write rx, tx or both",
            args.name()
        ))),
    }
}

fn file(args: &DevArgs) -> Result<PathBuf, Error> {
    Ok(PathBuf::from(args.required("file", "/tmp/packets")?))
}

fn delay(args: &DevArgs) -> Result<Work, Error> {
    let time_us = args.number("us", 0, 0..=DELAY_US_MAX)?;
    let packets = args.number("packets", 0, 0..=DELAY_PACKETS_MAX)?;
    match (time_us, packets) {
        (0, 0) => Err(Error::BadDevArgs(format!(
            "{}: say how long: write us=1000 (microseconds) or packets=10",
            args.name()
        ))),
        (time_us, 0) => Ok(Work::Delay(Release::After(Duration::from_micros(time_us)))),
        // The range above fits.
        (0, packets) => Ok(Work::Delay(Release::Behind(packets as usize))),
        _ => Err(Error::BadDevArgs(format!(
            "{}: 'us' and 'packets' do not go together: leave one of them out",
            args.name()
        ))),
    }
}

fn corrupt(args: &DevArgs) -> Result<Work, Error> {
    let rate = Rate::parse(args)?;
    let limit = u64::from(u16::MAX);
    // The ranges fit.
    let bytes = args.number("bytes", 1, 1..=limit)? as u32;
    let spare_bytes = args.number("spare", 0, 0..=limit)? as u32;
    Ok(Work::Corrupt { rate, bytes, spare_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Work, Error> {
        let args = DevArgs::parse(text)?;
        let stem = args.name().trim_end_matches(|c: char| c.is_ascii_digit());
        let driver = WrapDriver::all().into_iter().find(|driver| driver.name == stem).unwrap();
        inner_device(&args)?;
        let work = (driver.parse)(&args)?;
        direction(&args)?;
        args.finish()?;
        Ok(work)
    }

    #[test]
    fn devargs_as_one_would_write_them() {
        let dev = "dev=[net_vhost0,iface=/tmp/s,queues=2]";
        let work = |rest: &str| parsed(&format!("{rest},{dev}")).unwrap();
        assert_eq!(work("net_drop0,every=7,direction=rx"), Work::Drop(Rate::Every(7)));
        let release = Release::After(Duration::from_millis(2));
        assert_eq!(work("net_delay0,us=2000"), Work::Delay(release));
        assert_eq!(work("net_delay0,packets=5"), Work::Delay(Release::Behind(5)));
        assert_eq!(work("net_trace0,file=/tmp/t"), Work::Trace("/tmp/t".into()));
        let rate = Rate::Every(2);
        let expected = Work::Corrupt { rate, bytes: 3, spare_bytes: 14 };
        assert_eq!(work("net_corrupt0,every=2,bytes=3,spare=14"), expected);
    }

    #[test]
    fn what_is_wrong_says_what_to_write() {
        let nested = "dev=[net_drop1,".repeat(9) + "dev=[net_null0]" + &"]".repeat(9);
        for (text, part) in [
            ("net_drop0,every=7", "dev=[net_vhost0,iface=/tmp/sock]"),
            ("net_drop0,every=7,dev=net_null0", "square brackets"),
            ("net_drop0,dev=[net_null0]", "write every=100, or probability=0.01"),
            ("net_delay0,dev=[net_null0]", "write us=1000"),
            ("net_delay0,dev=[net_null0],us=1,packets=1", "leave one of them out"),
            ("net_capture0,dev=[net_null0]", "file=/tmp/packets"),
            ("net_drop0,dev=[net_null0],every=1,direction=up", "rx, tx or both"),
            ("net_drop0,dev=[net_null0],evry=1,every=1", "did you mean 'every'"),
            (&format!("net_drop0,every=1,{nested}"), "8 wrappers"),
        ] {
            let error = parsed(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let lists = "net_vhost0,iface=/tmp/s,dmas=[a],dmas=[b],dmas=[c]";
        let seven = "dev=[net_drop1,".repeat(7) + &format!("dev=[{lists}]") + &"]".repeat(7);
        parsed(&format!("net_drop0,every=1,{seven}")).unwrap();
    }
}
