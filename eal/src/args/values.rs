//! Values of EAL options. Every function returns `None` for what it does not understand.

/// Most that a memory option may ask for, in MiB: what fits into an offset with room to spare.
const MAX_MEBIBYTES: u64 = 1 << 36;
/// Stack of a worker thread when an option asks for one without a size.
pub(super) const DEFAULT_STACK_BYTES: usize = 8 << 20;
/// Smallest and largest stack that can be asked for, in KiB.
const STACK_KIBIBYTES: std::ops::RangeInclusive<u64> = 64..=1 << 20;

/// A decimal number up to `most`.
pub(super) fn number(text: &str, most: u64) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.filter(|&number| number <= most)
}

/// A decimal or, with `0x`, hexadecimal number.
pub(super) fn address(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None => number(text, u64::MAX),
    }
}

/// A figure above 0 in MiB, in bytes.
pub(super) fn mebibytes(text: &str) -> Option<u64> {
    number(text, MAX_MEBIBYTES).filter(|&figure| figure > 0).map(|figure| figure << 20)
}

/// Figures in MiB, one for each memory node, in bytes.
pub(super) fn mebibytes_by_node(text: &str) -> Option<Vec<u64>> {
    let figures = text.split(',').map(|figure| number(figure, MAX_MEBIBYTES));
    let bytes: Vec<u64> = figures.map(|figure| Some(figure? << 20)).collect::<Option<_>>()?;
    let sum = bytes.iter().try_fold(0u64, |sum, &bytes| sum.checked_add(bytes))?;
    (sum <= MAX_MEBIBYTES << 20).then_some(bytes)
}

/// Any text but none.
pub(super) fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.into())
}

/// One of the words given.
pub(super) fn one_of(text: &str, words: &[&str]) -> Option<()> {
    words.contains(&text).then_some(())
}

/// A register width in bits; 0 lifts the limit.
pub(super) fn simd_bits(text: &str) -> Option<u16> {
    let bits = u16::try_from(address(text)?).ok()?;
    match bits {
        0 => Some(1 << 15),
        64.. if bits.is_power_of_two() => Some(bits),
        _ => None,
    }
}

/// A stack size in KiB, in bytes.
pub(super) fn stack_bytes(text: &str) -> Option<usize> {
    let kibibytes = number(text, u64::MAX).filter(|size| STACK_KIBIBYTES.contains(size))?;
    usize::try_from(kibibytes << 10).ok()
}

/// Five groups of hexadecimal digits.
pub(super) fn uuid(text: &str) -> Option<()> {
    let lens = text.split('-').map(|group| (group.len(), group.bytes()));
    let hex = text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    (hex && lens.map(|(len, _)| len).eq([8, 4, 4, 4, 12])).then_some(())
}

/// What `-a` and `-b` name, with its arguments.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Device {
    /// By its full PCI address, `domain:bus:device.function`.
    Pci(String),
    /// By its name, as in `--vdev`.
    Named(String),
}

/// A PCI address, long or short, or a device's name.
pub(super) fn device(text: &str) -> Option<Device> {
    let (name, arguments) = text.split_at(text.find(',').unwrap_or(text.len()));
    let (bus, plain) = name.split_once(':').unwrap_or(("", name));
    match bus {
        "vdev" => return named(plain).map(|name| Device::Named(format!("{name}{arguments}"))),
        "pci" => return pci(plain).map(|address| Device::Pci(address + arguments)),
        _ => {}
    }
    match pci(name) {
        Some(address) => Some(Device::Pci(address + arguments)),
        None => named(name).map(|name| Device::Named(format!("{name}{arguments}"))),
    }
}

/// A name begins with a letter and has nothing in it that a PCI address would have.
fn named(name: &str) -> Option<&str> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let good = name.starts_with(|first: char| first.is_ascii_alphabetic());
    (good && name.bytes().all(word)).then_some(name)
}

/// `[domain:]bus:device.function` in hexadecimal, in full.
fn pci(text: &str) -> Option<String> {
    let (place, function) = text.rsplit_once('.')?;
    let parts: Vec<&str> = place.split(':').collect();
    let (domain, bus, device) = match parts[..] {
        [bus, device] => ("0", bus, device),
        [domain, bus, device] => (domain, bus, device),
        _ => return None,
    };
    let (domain, bus) = (hex(domain, 0xffff_ffff)?, hex(bus, 0xff)?);
    let (device, function) = (hex(device, 0x1f)?, hex(function, 7)?);
    Some(format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"))
}

fn hex(digits: &str, most: u32) -> Option<u32> {
    let hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = if hex { u32::from_str_radix(digits, 16).ok() } else { None };
    number.filter(|&number| number <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_a_figure_in_mebibytes() {
        assert_eq!(mebibytes("1024"), Some(1 << 30));
        for text in ["", "0", "512,512", "x", "-1", "1,", "18446744073709551615", "1 "] {
            assert_eq!(mebibytes(text), None, "{text:?}");
        }
    }

    #[test]
    fn memory_by_node_keeps_the_places() {
        assert_eq!(mebibytes_by_node("0,512,0"), Some(vec![0, 512 << 20, 0]));
        assert_eq!(mebibytes_by_node("1024"), Some(vec![1 << 30]));
        let much = format!("{MAX_MEBIBYTES},1");
        for text in ["", "1,", ",1", "1,-1", "1;2", &much] {
            assert_eq!(mebibytes_by_node(text), None, "{text:?}");
        }
    }

    #[test]
    fn register_widths_are_powers_of_two() {
        assert_eq!(simd_bits("512"), Some(512));
        assert_eq!(simd_bits("0x100"), Some(256));
        assert_eq!(simd_bits("0"), Some(32768));
        for text in ["1", "32", "100", "65536", "65664", "x"] {
            assert_eq!(simd_bits(text), None, "{text}");
        }
    }

    #[test]
    fn devices_are_pci_addresses_or_names() {
        let pci = |text: &str| Some(Device::Pci(text.into()));
        assert_eq!(device("0000:03:00.0"), pci("0000:03:00.0"));
        assert_eq!(device("00:03.0,vectorized=1"), pci("0000:00:03.0,vectorized=1"));
        assert_eq!(device("pci:af:1F.7"), pci("0000:af:1f.7"));
        assert_eq!(device("10000:e1:00.0"), pci("10000:e1:00.0"));
        let named = |text: &str| Some(Device::Named(text.into()));
        assert_eq!(device("net_vhost0,iface=/tmp/a:b"), named("net_vhost0,iface=/tmp/a:b"));
        assert_eq!(device("vdev:net_null1"), named("net_null1"));
        for text in ["", "1", "03:00", "00:20.0", "00:03.8", "100:00.0", "g0:00.0", "a b", ",x=1"] {
            assert_eq!(device(text), None, "{text:?}");
        }
    }

    #[test]
    fn addresses_stacks_and_tokens() {
        assert_eq!((address("0x10"), address("16"), address("0x")), (Some(16), Some(16), None));
        assert_eq!((stack_bytes("1024"), stack_bytes("1")), (Some(1 << 20), None));
        assert!(uuid("14d63f20-8445-11ea-8900-1f9ce7d5650d").is_some());
        assert!(uuid("14d63f20-8445-11ea-8900").is_none());
        assert!(uuid("14d63f20-8445-11ea-8900-1f9ce7d5650g").is_none());
    }
}
