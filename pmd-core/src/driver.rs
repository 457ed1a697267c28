//! Drivers: an explicit list that the app passes in.

use eal::Eal;

use crate::{DevArgs, Error, EthDev, PortId};

/// What a driver is given to make a device.
#[derive(Clone, Copy)]
pub struct Probe<'a> {
    /// Memory, lcores and alarms.
    pub eal: &'a Eal,
    /// The device string.
    pub args: &'a DevArgs,
    /// The id that the port is going to have.
    pub port: PortId,
}

/// Makes devices of one kind.
pub trait Driver: Send + Sync {
    /// The name that device names begin with: `net_vhost`.
    fn name(&self) -> &'static str;

    /// Other names it goes by: `eth_vhost`.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// Makes the device that `probe.args` describes.
    ///
    /// # Errors
    ///
    /// [`Error::BadDevArgs`] for a string that is wrong, others as the device needs. Nothing is left behind.
    fn probe(&self, probe: &Probe<'_>) -> Result<Box<dyn EthDev>, Error>;

    /// As `probe`, for a driver that wraps devices of other drivers: `drivers` are those of the app.
    ///
    /// # Errors
    ///
    /// As `probe`, and what the other driver answers.
    fn probe_among(
        &self,
        probe: &Probe<'_>,
        _drivers: &DriverList,
    ) -> Result<Box<dyn EthDev>, Error> {
        self.probe(probe)
    }
}

/// The drivers of an app, in the order in which they are asked.
#[derive(Default)]
pub struct DriverList(Vec<Box<dyn Driver>>);

impl DriverList {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// The drivers' names, in order, without aliases.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|driver| driver.name()).collect()
    }

    /// The list with one more driver.
    #[must_use]
    pub fn with(mut self, driver: impl Driver + 'static) -> Self {
        self.0.push(Box::new(driver));
        self
    }

    /// Makes the device that `probe` describes with the driver that its name asks for.
    ///
    /// # Errors
    ///
    /// [`Error::NoDriver`], or what the driver answers.
    pub fn probe(&self, probe: &Probe<'_>) -> Result<Box<dyn EthDev>, Error> {
        let name = probe.args.name();
        let takes = |d: &dyn Driver| {
            std::iter::once(&d.name()).chain(d.aliases()).any(|stem| is_instance(name, stem))
        };
        match self.0.iter().find(|d| takes(d.as_ref())) {
            Some(driver) => driver.probe_among(probe, self),
            None => Err(Error::NoDriver(name.to_owned())),
        }
    }
}

/// Whether `name` is `stem` followed by nothing but digits; `net_vhost` alone is legal.
fn is_instance(name: &str, stem: &str) -> bool {
    name.strip_prefix(stem).is_some_and(|index| index.bytes().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_instances() {
        assert!(is_instance("net_vhost0", "net_vhost"));
        assert!(is_instance("net_vhost", "net_vhost"));
        assert!(is_instance("net_vhost17", "net_vhost"));
        assert!(!is_instance("net_vhost_x", "net_vhost"));
        assert!(!is_instance("net_virtio_user0", "net_vhost"));
    }
}
