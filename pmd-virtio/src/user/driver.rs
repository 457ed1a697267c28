//! The driver as the list of an app knows it.

use pmd_core::{Driver, Error, EthDev, Probe};

use super::devargs::UserArgs;
use super::port::Port;

/// Makes virtio-user ports: `net_virtio_user0,path=/tmp/vhost.sock`.
#[derive(Clone, Copy, Debug, Default)]
pub struct VirtioUserDriver;

impl Driver for VirtioUserDriver {
    fn name(&self) -> &'static str {
        "net_virtio_user"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["virtio_user"]
    }

    fn probe(&self, probe: &Probe<'_>) -> Result<Box<dyn EthDev>, Error> {
        let args = UserArgs::parse(probe.args)?;
        Ok(Box::new(Port::open(probe, &args)?))
    }
}
