//! Makes `net_vhost` ports from device strings.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use eal::Eal;
use pmd_core::{DevArgs, Driver, Error, EthDev, Probe};

use super::port::VhostPort;
use crate::config::{DeviceConfig, LOG_TARGET, QUEUE_PAIRS_MAX, SocketRole};
use crate::service::{Service, reserve_descriptors};

/// The driver of `net_vhost` devices. All its ports of one `Eal` share one control thread.
///
/// ```
/// use eal::{Eal, EalConfig};
/// use pmd_core::{DevArgs, DriverList, Ports};
/// use pmd_vhost::ethdev::VhostDriver;
///
/// let eal = Eal::new(EalConfig::default())?;
/// let drivers = DriverList::new().with(VhostDriver::new());
/// let mut ports = Ports::new();
/// let port = ports.attach(&eal, &drivers, &DevArgs::parse("net_vhost0,iface=/tmp/guest.sock,queues=2")?)?;
/// assert_eq!(ports.get(port).map(|dev| dev.info().rx.max_queues), Some(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct VhostDriver {
    /// By the `Eal` that they serve.
    services: Mutex<Vec<(u64, Weak<Service>)>>,
}

impl VhostDriver {
    /// The driver, without any thread yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The control thread for ports of `eal`.
    fn service(&self, eal: &Eal) -> Result<Arc<Service>, Error> {
        let unique = eal.memory().unique();
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.retain(|(_, service)| service.strong_count() > 0);
        let found = services.iter().find(|(of, _)| *of == unique);
        if let Some(service) = found.and_then(|(_, service)| service.upgrade()) {
            return Ok(service);
        }
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            eal.spawn_control(name, body).map_err(io::Error::other)
        };
        let service = Arc::new(Service::start_with(spawn).map_err(super::port::convert)?);
        services.push((unique, Arc::downgrade(&service)));
        Ok(service)
    }
}

impl Driver for VhostDriver {
    fn name(&self) -> &'static str {
        "net_vhost"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["eth_vhost"]
    }

    fn probe(&self, probe: &Probe<'_>) -> Result<Box<dyn EthDev>, Error> {
        let config = parse(probe.args)?;
        // Its event descriptor is made before its socket.
        reserve_descriptors(usize::from(probe.port.0) + 1, config.rings());
        let service = self.service(probe.eal)?;
        Ok(Box::new(VhostPort::new(probe, service, config)?))
    }
}

/// Reads the device string.
fn parse(args: &DevArgs) -> Result<DeviceConfig, Error> {
    let path = PathBuf::from(args.required("iface", "/tmp/vhost.sock")?);
    let queues = args.number("queues", 1, 1..=u64::from(QUEUE_PAIRS_MAX))?;
    let client = args.flag("client", false)?;
    // Without offloads the old and the new meaning of the transmit flags are the same.
    args.flag("legacy-ol-flags", false)?;
    if args.flag("tso", false)? {
        let name = args.name();
        log::warn!(target: LOG_TARGET, "{name}: tso=1 has no effect yet: segmentation by the device is not offered, guests send whole frames");
    }
    for key in ["iommu-support", "postcopy-support", "linear-buffer", "ext-buffer"] {
        if args.flag(key, false)? {
            let (what, instead) =
                (format!("{}: '{key}=1'", args.name()), format!("leave out '{key}'"));
            return Err(Error::Unsupported { what, instead });
        }
    }
    refuse_dma(args)?;
    args.finish()?;
    let mut config = DeviceConfig::new(path);
    // The range above fits.
    config.queue_pairs = u16::try_from(queues).unwrap_or(QUEUE_PAIRS_MAX);
    config.role = if client { SocketRole::Client } else { SocketRole::Server };
    Ok(config)
}

/// Copying by DMA engines is not DPDK's either: those devargs are of a patched driver, and DPDK's own refuses them, too.
fn refuse_dma(args: &DevArgs) -> Result<(), Error> {
    let text = args.arguments();
    let is_dma = |item: &&str| item.starts_with("dmas=") || item.starts_with("dma-ring-size=");
    let Some(item) = text.split(',').find(is_dma) else { return Ok(()) };
    let key = item.split_once('=').map_or(item, |(key, _)| key);
    let name = args.name();
    let known = ["dmas", "dma-ring-size"].into_iter().filter(|dma| text.contains(dma));
    let leave = known.collect::<Vec<_>>().join("= and ");
    Err(Error::BadDevArgs(format!(
        "{name}: '{key}=' needs a vhost driver that copies by DMA, which DPDK's own does not: leave out {leave}=, packets and counts are the same"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<DeviceConfig, Error> {
        parse(&DevArgs::parse(text).unwrap())
    }

    #[test]
    fn devargs_as_procedures_write_them() {
        let plain = config("net_vhost0,iface=/tmp/vhost-net,queues=2,client=0").unwrap();
        assert_eq!((plain.queue_pairs, plain.role), (2, SocketRole::Server));
        assert_eq!(plain.path, PathBuf::from("/tmp/vhost-net"));
        let client = config("eth_vhost0,iface=vhost-net,client=1,legacy-ol-flags=1,tso=0").unwrap();
        assert_eq!((client.queue_pairs, client.role), (1, SocketRole::Client));
    }

    #[test]
    fn what_plans_write_for_offloads_is_taken() {
        let text = "net_vhost0,iface=vhost-net,queues=8,client=1,tso=1,legacy-ol-flags=1";
        let config = config(text).unwrap();
        assert_eq!((config.queue_pairs, config.role), (8, SocketRole::Client));
        assert_eq!(
            config.features,
            crate::config::FEATURES,
            "nothing is offered that is not there"
        );
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        for key in ["iommu-support", "postcopy-support", "linear-buffer", "ext-buffer"] {
            let unsupported = config(&format!("net_vhost0,iface=x,{key}=1")).unwrap_err();
            assert!(matches!(unsupported, Error::Unsupported { .. }), "{unsupported}");
            config(&format!("net_vhost0,iface=x,{key}=0")).unwrap();
        }
        for bad in [
            "net_vhost0",
            "net_vhost0,iface=",
            "net_vhost0,iface=x,queues=0",
            "net_vhost0,iface=x,queues=129",
            "net_vhost0,iface=x,client=2",
        ] {
            assert!(matches!(config(bad), Err(Error::BadDevArgs(_))), "{bad}");
        }
        let unknown = config("net_vhost0,iface=x,queus=2").unwrap_err().to_string();
        assert!(unknown.contains("did you mean 'queues'?"), "{unknown}");
    }

    #[test]
    fn dma_devargs_are_refused_as_by_dpdks_own_driver() {
        for (text, leave) in [
            ("net_vhost0,iface=x,dmas=[txq0@0000:00:04.0;rxq0@0000:00:04.1]", "leave out dmas=,"),
            (
                "net_vhost0,iface=x,dma-ring-size=2048,dmas=[txq0@a]",
                "leave out dmas= and dma-ring-size=,",
            ),
            ("net_vhost0,dmas=[txq0@a,txq1@b],iface=x,queues=2", "leave out dmas=,"),
        ] {
            let refused = config(text).unwrap_err().to_string();
            assert!(
                refused.contains(leave) && refused.contains("counts are the same"),
                "{refused}"
            );
        }
    }
}
