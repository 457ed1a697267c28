//! The ports of an app, by number.

use std::fmt;

use eal::Eal;

use crate::{DevArgs, DriverList, Error, EthDev, Probe};

/// A port's number: small, given in order of creation, used again after a port is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(pub u16);

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The ports of an app. A plain value: one app may have several.
#[derive(Default)]
pub struct Ports {
    slots: Vec<Option<Box<dyn EthDev>>>,
}

impl Ports {
    /// No ports.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the device of `args` with one of `drivers` and gives it the lowest free number.
    ///
    /// # Errors
    ///
    /// [`Error::NameTaken`], [`Error::NoDriver`], or what the driver answers; nothing is changed then.
    pub fn attach(
        &mut self,
        eal: &Eal,
        drivers: &DriverList,
        args: &DevArgs,
    ) -> Result<PortId, Error> {
        if self.by_name(args.name()).is_some() {
            return Err(Error::NameTaken(args.name().to_owned()));
        }
        let port = self.lowest_free()?;
        let dev = drivers.probe(&Probe { eal, args, port })?;
        self.insert(port, dev);
        Ok(port)
    }

    /// Adds a device made elsewhere under the lowest free number.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when all 65,535 numbers are used.
    pub fn add(&mut self, dev: Box<dyn EthDev>) -> Result<PortId, Error> {
        let port = self.lowest_free()?;
        self.insert(port, dev);
        Ok(port)
    }

    fn lowest_free(&self) -> Result<PortId, Error> {
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        let limit = u64::from(u16::MAX);
        u16::try_from(free).ok().filter(|&n| n < u16::MAX).map(PortId).ok_or(Error::OutOfRange {
            what: "number of ports",
            value: limit + 1,
            min: 0,
            max: limit,
        })
    }

    fn insert(&mut self, port: PortId, dev: Box<dyn EthDev>) {
        let at = usize::from(port.0);
        if at == self.slots.len() {
            self.slots.push(Some(dev));
        } else {
            self.slots[at] = Some(dev);
        }
    }

    /// Takes a port out; its number is free again.
    pub fn remove(&mut self, port: PortId) -> Option<Box<dyn EthDev>> {
        self.slots.get_mut(usize::from(port.0))?.take()
    }

    /// The control half of a port.
    pub fn get(&self, port: PortId) -> Option<&dyn EthDev> {
        self.slots.get(usize::from(port.0))?.as_deref()
    }

    /// The control half of a port, to change it.
    pub fn get_mut(&mut self, port: PortId) -> Option<&mut (dyn EthDev + 'static)> {
        self.slots.get_mut(usize::from(port.0))?.as_deref_mut()
    }

    /// The port with that device name.
    pub fn by_name(&self, name: &str) -> Option<PortId> {
        self.iter().find(|(_, dev)| dev.info().name == name).map(|(id, _)| id)
    }

    /// All ports in order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (PortId, &dyn EthDev)> {
        (0u16..).map(PortId).zip(&self.slots).filter_map(|(id, dev)| Some((id, dev.as_deref()?)))
    }

    /// The numbers of all ports.
    pub fn ids(&self) -> Vec<PortId> {
        self.iter().map(|(id, _)| id).collect()
    }

    /// How many ports there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
