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

mod component;
mod regex;
mod syslog;

use std::io::Write;
use std::path::Path;
use std::sync::{OnceLock, PoisonError, RwLock};

use log::{LevelFilter, Log, Metadata, Record};

pub(crate) use component::COMPONENTS;
pub use component::Component;
use syslog::Syslog;

/// The level that components have when nothing else is said: info.
pub const DEFAULT_LEVEL: u8 = 7;
/// The highest level: debug.
pub const MAX_LEVEL: u8 = 8;

/// Levels by component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogConfig {
    /// Nothing above this is written, whatever its component's level.
    pub ceiling: u8,
    /// Components with their levels; the last entry that picks a component counts.
    pub levels: Vec<(Component, u8)>,
    /// Log to the machine's log (`/dev/log`) too, as this facility (RFC 5424, table 1).
    pub syslog: Option<u8>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { ceiling: MAX_LEVEL, levels: Vec::new(), syslog: None }
    }
}

impl LogConfig {
    /// Whether a line of `level` to the log target `target` is written.
    pub(crate) fn shows(&self, target: &str, level: u8) -> bool {
        let own = self.levels.iter().rev().find(|(component, _)| component.picks(target));
        level <= own.map_or(DEFAULT_LEVEL, |&(_, level)| level).min(self.ceiling)
    }

    /// The most talkative that any component may be.
    fn most(&self) -> LevelFilter {
        let levels = self.levels.iter().map(|&(_, level)| level);
        filter(levels.max().unwrap_or(0).max(DEFAULT_LEVEL).min(self.ceiling))
    }
}

#[derive(Default)]
struct Logger {
    config: RwLock<LogConfig>,
    syslog: RwLock<Option<Syslog>>,
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Makes this the process's logger. False when the process has another one already: that one stays, and only it
/// decides what is written. Called again, it replaces the levels.
pub fn init(config: &LogConfig) -> bool {
    let logger = LOGGER.get_or_init(Logger::default);
    logger.set(config, Path::new(syslog::SOCKET));
    log::set_max_level(config.most());
    let installed = log::set_logger(logger).is_ok();
    installed || std::ptr::addr_eq(log::logger(), logger)
}

/// Sets the level of every component that matches `pattern`, from now on. False before [`init`].
pub fn set_level(pattern: &str, level: u8) -> bool {
    let Some(logger) = LOGGER.get() else { return false };
    let mut config = logger.config.write().unwrap_or_else(PoisonError::into_inner);
    let component = Component::from(pattern);
    config.levels.retain(|(known, _)| *known != component);
    config.levels.push((component, level));
    log::set_max_level(config.most());
    true
}

impl Logger {
    fn set(&self, config: &LogConfig, socket: &Path) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config.clone();
        let connected = config.syslog.map(|facility| Syslog::connect(socket, facility));
        if let Some(Err(error)) = &connected {
            let socket = socket.display();
            let line = format!("EAL: no log at '{socket}' ({error}): standard error only\n");
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
        let mut syslog = self.syslog.write().unwrap_or_else(PoisonError::into_inner);
        *syslog = connected.and_then(Result::ok);
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        config.shows(metadata.target(), number(metadata.level()))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{}: {}\n", signature(record.target()), record.args());
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
            let syslog = self.syslog.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(syslog) = &*syslog {
                syslog.send(number(record.level()), line.trim_end());
            }
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
fn signature(target: &str) -> &str {
    if target == "eal" { "EAL" } else { target }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn lines_go_to_the_machines_log_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let logger = Logger::default();
        logger.set(&LogConfig { syslog: Some(1), ..LogConfig::default() }, &path);
        let line = |level, text| {
            let (mut record, target) = (Record::builder(), "pmd.net.vhost");
            logger.log(&record.level(level).target(target).args(format_args!("{text}")).build());
        };
        line(log::Level::Debug, "too small to tell");
        line(log::Level::Warn, "a peer left");
        let mut buffer = [0; 256];
        let len = log.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..len]).unwrap();
        assert!(text.starts_with("<12>") && text.ends_with("pmd.net.vhost: a peer left"), "{text}");
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
