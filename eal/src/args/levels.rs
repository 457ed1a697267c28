//! Values of `--log-level` and `--syslog`.

use crate::logging::{Component, LogConfig, MAX_LEVEL};

const NAMES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];

/// `LEVEL` for everything, `REGEX,LEVEL` or `PATTERN:LEVEL` for some components.
pub(super) fn apply(text: &str, config: &mut LogConfig) -> Option<()> {
    let (component, number) = match text.split_once(',') {
        Some((regex, number)) => (Component::regex(regex)?, number),
        None => match text.split_once(':') {
            Some((pattern, number)) => (Component::pattern(pattern)?, number),
            None => {
                config.ceiling = level(text)?;
                return Some(());
            }
        },
    };
    config.levels.push((component, level(number)?));
    Some(())
}

/// A level by number or name; numbers above the highest mean that.
fn level(text: &str) -> Option<u8> {
    if let Some(place) = NAMES.iter().position(|name| *name == text) {
        return u8::try_from(place + 1).ok();
    }
    let number = super::values::number(text, u64::MAX)?.min(MAX_LEVEL.into());
    u8::try_from(number).ok().filter(|&level| level > 0)
}

/// The number of a syslog facility (RFC 5424, table 1).
pub(super) fn facility(name: &str) -> Option<u8> {
    const FACILITIES: [(&str, u8); 11] = [
        ("kern", 0),
        ("user", 1),
        ("mail", 2),
        ("daemon", 3),
        ("auth", 4),
        ("syslog", 5),
        ("lpr", 6),
        ("news", 7),
        ("uucp", 8),
        ("cron", 9),
        ("ftp", 11),
    ];
    if let Some(digit) = name.strip_prefix("local") {
        return super::values::number(digit, 7).map(|local| 16 + local as u8);
    }
    FACILITIES.iter().find(|(known, _)| *known == name).map(|&(_, number)| number)
}

/// The text that `--log-level=help` asks for.
pub(super) fn help() -> String {
    let levels: Vec<String> =
        NAMES.iter().enumerate().map(|(i, name)| format!("  {} {name}", i + 1)).collect();
    let components: Vec<String> =
        crate::logging::COMPONENTS.iter().map(|(name, _)| format!("  {name}")).collect();
    format!(
        "Log components:\n{}\nLog levels:\n{}\n\
         Usage: --log-level=LEVEL, --log-level=REGEX,LEVEL or --log-level=PATTERN:LEVEL\n",
        components.join("\n"),
        levels.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(words: &[&str]) -> LogConfig {
        let mut config = LogConfig::default();
        for text in words {
            apply(text, &mut config).unwrap();
        }
        config
    }

    #[test]
    fn log_levels_in_every_spelling() {
        assert_eq!(levels(&["7"]).ceiling, 7);
        assert_eq!(levels(&["debug"]).ceiling, 8);
        assert_eq!(levels(&["99"]).ceiling, 8);
        for word in ["pmd.net.vhost.driver,8", "pmd.net.vhost:8", "pmd.net.*:debug", "^pmd\\.,8"] {
            assert!(levels(&[word]).shows("pmd.net.vhost", 8), "{word}");
            assert!(!levels(&[word]).shows("eal", 8), "{word}");
        }
        for word in ["lib.eal:error", "eal,4", "lib.eal,error", "^lib.*,4", "l[a-z]b\\.eal,4"] {
            assert!(!levels(&[word]).shows("eal", 5), "{word}");
        }
        assert!(levels(&["user1,4"]).shows("eal", 7), "a component that is not there");
    }

    #[test]
    fn nonsense_is_refused() {
        let mut config = LogConfig::default();
        for text in ["", "0", "-1", "eal,", ",8", ":8", "eal,0", "a[b,8", "eal,loud"] {
            assert!(apply(text, &mut config).is_none(), "{text:?}");
        }
        assert_eq!(config, LogConfig::default());
    }

    #[test]
    fn facilities_by_name() {
        assert_eq!((facility("daemon"), facility("local7")), (Some(3), Some(23)));
        assert_eq!((facility("local8"), facility("loud")), (None, None));
    }

    #[test]
    fn help_lists_levels_and_components() {
        let text = help();
        assert!(text.contains("  8 debug\n") && text.contains("  pmd.net.vhost\n"), "{text}");
    }
}
