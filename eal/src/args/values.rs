//! Values of EAL options. Every function returns `None` for what it does not understand.

use crate::logging::{LogConfig, MAX_LEVEL};

/// Most that a memory option may ask for, in MiB: what fits into an offset with room to spare.
const MAX_MEBIBYTES: u64 = 1 << 36;

/// A decimal number up to `most`.
pub(super) fn number(text: &str, most: u64) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.filter(|&number| number <= most)
}

/// The sum of figures in MiB, in bytes.
pub(super) fn mebibytes(text: &str) -> Option<u64> {
    let mut sum: u64 = 0;
    for figure in text.split(',') {
        sum = sum.checked_add(number(figure, MAX_MEBIBYTES)?)?;
    }
    (1..=MAX_MEBIBYTES).contains(&sum).then_some(sum << 20)
}

/// Any text but none.
pub(super) fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.into())
}

/// A register width in bits; 0 lifts the limit.
pub(super) fn simd_bits(text: &str) -> Option<u16> {
    let bits = number(text, 1 << 15)? as u16;
    match bits {
        0 => Some(1 << 15),
        64.. if bits.is_power_of_two() => Some(bits),
        _ => None,
    }
}

/// `LEVEL` for everything, `PATTERN,LEVEL` or `REGEX:LEVEL` for some components.
pub(super) fn log_level(text: &str, config: &mut LogConfig) -> Option<()> {
    let (pattern, number) = match text.rsplit_once([',', ':']) {
        None => {
            config.ceiling = level(text)?;
            return Some(());
        }
        Some((pattern, number)) if text[pattern.len()..].starts_with(',') => {
            (non_empty(pattern)?, number)
        }
        Some((regex, number)) => (glob(regex)?, number),
    };
    config.levels.push((pattern, level(number)?));
    Some(())
}

fn level(text: &str) -> Option<u8> {
    const NAMES: [&str; 8] =
        ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];
    if let Some(place) = NAMES.iter().position(|name| *name == text) {
        return Some(place as u8 + 1);
    }
    let level = number(text, MAX_LEVEL.into())? as u8;
    (level > 0).then_some(level)
}

/// The regular expressions that people type here, as globs: dots, `.*`, `^` and `$`.
fn glob(regex: &str) -> Option<String> {
    if regex.is_empty() || regex.contains(['[', ']', '(', ')', '+', '|', '{', '}', '?', '\\']) {
        return None;
    }
    let (from_start, regex) = strip(regex.strip_prefix('^'), regex);
    let (to_end, regex) = strip(regex.strip_suffix('$'), regex);
    // A star without a dot before it is a glob that was typed here by mistake; it means the same.
    let middle = regex.replace(".*", "*").replace('.', "?");
    let (before, after) = (if from_start { "" } else { "*" }, if to_end { "" } else { "*" });
    Some(format!("{before}{middle}{after}"))
}

fn strip<'a>(stripped: Option<&'a str>, whole: &'a str) -> (bool, &'a str) {
    (stripped.is_some(), stripped.unwrap_or(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_a_sum_of_mebibytes() {
        assert_eq!(mebibytes("1024"), Some(1 << 30));
        assert_eq!(mebibytes("512,512"), Some(1 << 30));
        assert_eq!(mebibytes("1024,0"), Some(1 << 30));
        for text in ["", "0", "0,0", "x", "-1", "1,", "18446744073709551615", "1 "] {
            assert_eq!(mebibytes(text), None, "{text:?}");
        }
    }

    #[test]
    fn log_levels_in_every_spelling() {
        let mut config = LogConfig::default();
        for text in [
            "7",
            "user1,5",
            "pmd.net.vhost.driver,8",
            "pmd.net.*,debug",
            "^pmd.net.*:8",
            "lib.eal:error",
        ] {
            log_level(text, &mut config).unwrap();
        }
        assert_eq!(config.ceiling, 7);
        let expected = [
            ("user1", 5),
            ("pmd.net.vhost.driver", 8),
            ("pmd.net.*", 8),
            ("pmd?net**", 8),
            ("*lib?eal*", 4),
        ];
        assert_eq!(config.levels, expected.map(|(pattern, level)| (pattern.to_string(), level)));
        for text in ["", "0", "9", "eal,", ",8", ":8", "eal,9", "a(b:8"] {
            assert!(log_level(text, &mut config).is_none(), "{text:?}");
        }
    }

    #[test]
    fn register_widths_are_powers_of_two() {
        assert_eq!(simd_bits("512"), Some(512));
        assert_eq!(simd_bits("0"), Some(32768));
        for text in ["1", "32", "100", "65536", "x"] {
            assert_eq!(simd_bits(text), None, "{text}");
        }
    }
}
