//! What a start tells: the lines that users and scripts of DPDK look for, and what of the configuration does not act here.

use std::path::Path;

use crate::config::{EalConfig, IovaMode};
use crate::topology::Topology;

/// Tells what the machine has; before anything is made.
pub(crate) fn machine(topology: &Topology) {
    if let Some(cpus) = topology.cpus() {
        log::info!(target: "eal", "Detected CPU lcores: {}", cpus.len());
    }
    log::info!(target: "eal", "Detected NUMA nodes: {}", topology.nodes().len());
    log::info!(target: "eal", "Detected static linkage of pmd-rs");
}

/// Tells what was made of the configuration.
pub(crate) fn configuration(config: &EalConfig, runtime_dir: Option<&Path>) {
    if let Some(dir) = runtime_dir {
        log::info!(target: "eal", "Multi-process socket {}/socket", dir.display());
    }
    log::info!(target: "eal", "{}", iova(config.iova_mode));
    for line in [simd(config), blocked(config), no_pci_drivers(config)].into_iter().flatten() {
        log::info!(target: "eal", "{line}");
    }
    log::debug!(target: "eal", "{}", pci(config));
    if !config.ignored.is_empty() {
        log::info!(target: "eal", "options without effect here: {}", config.ignored.join(" "));
    }
}

fn iova(asked: Option<IovaMode>) -> &'static str {
    match asked {
        Some(IovaMode::Pa) => {
            "Selected IOVA mode 'VA': 'PA' changes nothing, as peers get offsets and no device needs physical addresses"
        }
        _ => "Selected IOVA mode 'VA'",
    }
}

/// Said when the width was chosen.
fn simd(config: &EalConfig) -> Option<String> {
    let bits = config.max_simd_bits;
    let chosen = bits != EalConfig::default().max_simd_bits;
    chosen.then(|| format!("data paths may use SIMD registers of up to {bits} bits"))
}

/// Said when devices are to be left alone by name.
fn blocked(config: &EalConfig) -> Option<String> {
    let named: Vec<&str> = blocks(config, false).collect();
    (!named.is_empty()).then(|| format!("not made, as --block (-b) says: {}", named.join(", ")))
}

/// Said when PCI devices are to be left alone.
fn no_pci_drivers(config: &EalConfig) -> Option<String> {
    let named: Vec<&str> = blocks(config, true).collect();
    (!named.is_empty()).then(|| {
        format!(
            "no driver takes PCI devices yet: --block (-b) {} changes nothing",
            named.join(", ")
        )
    })
}

/// The blocked devices that are PCI addresses, or those that are names.
fn blocks(config: &EalConfig, pci: bool) -> impl Iterator<Item = &str> {
    let of_kind =
        move |device: &&str| device.split(',').next().is_some_and(|name| name.contains(':')) == pci;
    config.block.iter().map(String::as_str).filter(of_kind)
}

/// What is done about PCI devices.
fn pci(config: &EalConfig) -> String {
    if config.no_pci {
        return "PCI devices are not looked for (--no-pci)".into();
    }
    let devices = std::fs::read_dir(config.sysfs.join("bus/pci/devices"));
    format!("{} PCI devices; no driver takes one yet", devices.map_or(0, Iterator::count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_named_when_they_were_chosen() {
        let config = EalConfig { max_simd_bits: 512, ..EalConfig::default() };
        assert!(simd(&config).is_some_and(|line| line.contains("512 bits")));
        assert_eq!(simd(&EalConfig::default()), None);
    }

    #[test]
    fn blocked_pci_devices_are_named() {
        let block = vec!["0000:03:00.0".into(), "net_null0".into()];
        let config = EalConfig { block, ..EalConfig::default() };
        let line = no_pci_drivers(&config).unwrap();
        assert!(line.contains("(-b) 0000:03:00.0 changes nothing"), "{line}");
        assert_eq!(blocked(&config).unwrap(), "not made, as --block (-b) says: net_null0");
    }

    #[test]
    fn pci_devices_are_counted_unless_told_not_to() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("bus/pci/devices/0000:00:03.0")).unwrap();
        let config = EalConfig { sysfs: tree.path().into(), ..EalConfig::default() };
        assert!(pci(&config).starts_with("1 PCI devices"));
        assert!(pci(&EalConfig { no_pci: true, ..config }).contains("--no-pci"));
    }

    #[test]
    fn either_iova_mode_is_answered_with_the_one_there_is() {
        assert_eq!(iova(Some(IovaMode::Va)), iova(None));
        assert!(
            iova(Some(IovaMode::Pa)).starts_with("Selected IOVA mode 'VA': 'PA' changes nothing")
        );
    }
}
