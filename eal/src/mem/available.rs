//! Whether the machine has as much memory as was just asked for: ordinary pages are taken when they are first touched, so asking for
//! too many succeeds, and the kernel ends a process later.

use crate::error::Error;

/// Bytes of memory that the machine can still give; `None` when it does not say.
pub(super) fn available_bytes() -> Option<u64> {
    available_kib(&std::fs::read_to_string("/proc/meminfo").ok()?).map(|kib| kib << 10)
}

/// Refuses more than the machine could ever give, all of its memory and swap being free.
///
/// # Errors
///
/// [`Error::Machine`].
pub(super) fn check_machine(wanted_bytes: u64) -> Result<(), Error> {
    beyond(wanted_bytes, &std::fs::read_to_string("/proc/meminfo").unwrap_or_default())
}

fn beyond(wanted_bytes: u64, meminfo: &str) -> Result<(), Error> {
    let Some(total) = kib(meminfo, "MemTotal:") else { return Ok(()) };
    let has_bytes = total.saturating_add(kib(meminfo, "SwapTotal:").unwrap_or(0)) << 10;
    match wanted_bytes > has_bytes {
        true => Err(Error::Machine { wanted_bytes, has_bytes }),
        false => Ok(()),
    }
}

/// Warns when `asked_bytes` are more than the machine can give now.
pub(super) fn warn_of_shortage(asked_bytes: u64) {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    if let Some(line) = shortage(asked_bytes, &meminfo) {
        log::warn!(target: "eal", "{line}");
    }
}

/// What to say about `asked_bytes` on a machine that describes itself by `meminfo`; nothing when it has enough or does not say.
fn shortage(asked_bytes: u64, meminfo: &str) -> Option<String> {
    let (asked, available) = (asked_bytes >> 20, available_kib(meminfo)? >> 10);
    (asked > available).then(|| {
        format!(
            "memory: {asked} MiB asked for, {available} MiB available: the kernel may end this process when they are \
             used; ask for at most {available} MiB (-m) or for fewer mbufs (--total-num-mbufs)"
        )
    })
}

fn available_kib(meminfo: &str) -> Option<u64> {
    kib(meminfo, "MemAvailable:")
}

/// The figure of one line.
fn kib(meminfo: &str, name: &str) -> Option<u64> {
    let value = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_more_than_there_is_is_worth_a_line() {
        let meminfo = "MemTotal:       24684092 kB\nMemAvailable:    1048576 kB\nBuffers: 1 kB\n";
        assert_eq!(shortage(1 << 30, meminfo), None);
        let line = shortage(100_000 << 20, meminfo).unwrap();
        assert!(line.contains("100000 MiB asked for, 1024 MiB available"), "{line}");
        assert!(line.contains("at most 1024 MiB (-m)"), "{line}");
        for text in ["", "MemTotal: 1 kB", "MemAvailable: many kB", "MemAvailable: 7"] {
            assert_eq!(shortage(u64::MAX, text), None, "{text:?}");
        }
    }

    #[test]
    fn what_the_machine_can_never_give_is_refused_with_what_it_has() {
        let meminfo = "MemTotal: 1048576 kB\nMemAvailable: 1 kB\nSwapTotal: 1048576 kB\n";
        assert!(beyond(2 << 30, meminfo).is_ok(), "swap counts, and what is free now does not");
        let text = beyond(900_000 << 20, meminfo).unwrap_err().to_string();
        let start = "Not enough memory available! Requested: 900000MB, available: 2048MB: ";
        assert!(text.starts_with(start) && text.contains("(-m, --socket-mem)"), "{text}");
        assert!(beyond(u64::MAX, "").is_ok(), "a machine that does not say");
    }
}
