//! Log levels by component, in DPDK's numbering, for applications that want them.
//!
//! Libraries write to the `log` facade with their component as target (`eal`, `pmd.net.vhost`). An application
//! that has no logger of its own calls [`init`], which installs one that writes `COMPONENT: text` to standard error
//! and whose levels [`set_level`] changes while it runs. A logger serves the whole process, not one `Eal`.
//!
//! | level | name | `log` facade |
//! |---|---|---|
//! | 1 to 4 | emergency, alert, critical, error | `error!` |
//! | 5 | warning | `warn!` |
//! | 6, 7 | notice, info | `info!` (from 7) |
//! | 8 | debug | `debug!`, `trace!` |

use std::io::Write;
use std::sync::{OnceLock, PoisonError, RwLock};

use log::{LevelFilter, Log, Metadata, Record};

/// The level that components have when nothing else is said: info.
pub const DEFAULT_LEVEL: u8 = 7;
/// The highest level: debug.
pub const MAX_LEVEL: u8 = 8;

/// Levels by component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogConfig {
    /// Nothing above this is written, whatever its component's level.
    pub ceiling: u8,
    /// Component patterns (`*` and `?` match) with their levels; the last one that matches counts.
    pub levels: Vec<(String, u8)>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { ceiling: MAX_LEVEL, levels: Vec::new() }
    }
}

impl LogConfig {
    /// Whether a line of `level` from `component` is written.
    fn shows(&self, component: &str, level: u8) -> bool {
        let own = self.levels.iter().rev().find(|(pattern, _)| matches(pattern, component));
        level <= own.map_or(DEFAULT_LEVEL, |&(_, level)| level).min(self.ceiling)
    }

    /// The most talkative that any component may be.
    fn most(&self) -> LevelFilter {
        let levels = self.levels.iter().map(|&(_, level)| level);
        filter(levels.max().unwrap_or(0).max(DEFAULT_LEVEL).min(self.ceiling))
    }
}

struct Logger {
    config: RwLock<LogConfig>,
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Makes this the process's logger. False when the process has another one already: that one stays, and only it
/// decides what is written. Called again, it replaces the levels.
pub fn init(config: &LogConfig) -> bool {
    let logger = LOGGER.get_or_init(|| Logger { config: RwLock::new(config.clone()) });
    *logger.config.write().unwrap_or_else(PoisonError::into_inner) = config.clone();
    log::set_max_level(config.most());
    let installed = log::set_logger(logger).is_ok();
    installed || std::ptr::addr_eq(log::logger(), logger)
}

/// Sets the level of every component that matches `pattern`, from now on. False before [`init`].
pub fn set_level(pattern: &str, level: u8) -> bool {
    let Some(logger) = LOGGER.get() else { return false };
    let mut config = logger.config.write().unwrap_or_else(PoisonError::into_inner);
    config.levels.retain(|(known, _)| known != pattern);
    config.levels.push((pattern.into(), level));
    log::set_max_level(config.most());
    true
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        config.shows(metadata.target(), number(metadata.level()))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{}: {}\n", component(record.target()), record.args());
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

/// DPDK's number of a level of the facade.
fn number(level: log::Level) -> u8 {
    match level {
        log::Level::Error => 4,
        log::Level::Warn => 5,
        log::Level::Info => 7,
        log::Level::Debug | log::Level::Trace => 8,
    }
}

fn filter(level: u8) -> LevelFilter {
    match level {
        0..=3 => LevelFilter::Off,
        4 => LevelFilter::Error,
        5 | 6 => LevelFilter::Warn,
        7 => LevelFilter::Info,
        _ => LevelFilter::Trace,
    }
}

/// How a component signs its lines: the EAL in capitals, as its users know it.
fn component(target: &str) -> &str {
    if target == "eal" { "EAL" } else { target }
}

/// Whether `text` fits `pattern`, in which `*` stands for anything and `?` for one byte.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut retry) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    (p, t) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_like_globs() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "eal"),
            ("pmd.net.*", "pmd.net.vhost"),
            ("pmd.*.vhost", "pmd.net.vhost"),
            ("e?l", "eal"),
            ("*vhost*", "pmd.net.vhost.driver"),
            ("a*b*c", "a-b-b-c"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("", "eal"), ("eal", "eal2"), ("pmd.*", "pmd"), ("?", ""), ("a*b", "a-c")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn the_last_match_counts_and_the_ceiling_caps() {
        let mut config = LogConfig::default();
        assert!(config.shows("eal", 7) && !config.shows("eal", 8));
        config.levels = vec![("pmd.*".into(), 8), ("pmd.net.vhost".into(), 4)];
        assert!(config.shows("pmd.net.virtio", 8));
        assert!(!config.shows("pmd.net.vhost", 5));
        assert_eq!(config.most(), LevelFilter::Trace);
        config.ceiling = 5;
        assert!(!config.shows("pmd.net.virtio", 7));
        assert_eq!(config.most(), LevelFilter::Warn);
    }

    #[test]
    fn levels_change_at_run_time() {
        assert!(init(&LogConfig::default()));
        assert!(!log::log_enabled!(target: "eal.test.run-time", log::Level::Debug));
        assert!(set_level("eal.test.*", 8));
        assert!(log::log_enabled!(target: "eal.test.run-time", log::Level::Debug));
        assert!(set_level("eal.test.*", 4));
        assert!(!log::log_enabled!(target: "eal.test.run-time", log::Level::Warn));
    }
}
