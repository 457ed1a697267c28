//! The cycle clock: the processor's own counter, for measuring inside bursts.
//!
//! [`now`] costs some twenty cycles and no system call. [`hz`] says how fast it runs: from what the processor
//! says of itself, or measured against the kernel's monotonic clock. A measurement takes two milliseconds
//! at the first call and is refined once by a later call, so two calls may differ by some parts in ten thousand.
//!
//! ```
//! let start = eal::clock::now();
//! let spent = eal::clock::now() - start;
//! assert!(spent.as_secs_f64() < 1.0);
//! ```
//!
//! Speed and origin of the counter are facts about the machine, not about an `Eal`: they are the one thing
//! here that is kept in a static.

#![allow(unsafe_code, reason = "reads the time stamp counter")]

use std::ops::{Add, Sub};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A count of the cycle counter: an instant, or the time between two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Cycles(pub u64);

impl Cycles {
    /// The number of cycles that `duration` takes.
    pub fn from_duration(duration: Duration) -> Self {
        Self((duration.as_secs_f64() * hz() as f64) as u64)
    }

    /// Seconds that these cycles take.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / hz() as f64
    }

    /// The time that these cycles take.
    pub fn as_duration(self) -> Duration {
        Duration::from_secs_f64(self.as_secs_f64())
    }
}

impl Sub for Cycles {
    type Output = Self;

    /// The cycles between two instants; 0 when they come from CPUs whose counters are slightly apart.
    fn sub(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Cycles {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self(self.0.wrapping_add(more.0))
    }
}

/// The counter's present value.
#[inline]
pub fn now() -> Cycles {
    Cycles(counter())
}

/// Counts a second.
pub fn hz() -> u64 {
    match HZ.load(Ordering::Relaxed) {
        0 => first_hz(),
        known => refine(known),
    }
}

/// 0 before the first question.
static HZ: AtomicU64 = AtomicU64::new(0);
/// Where the measurement started; `None` when the processor says its speed.
static ANCHOR: OnceLock<Option<(Instant, u64)>> = OnceLock::new();
/// Set once the measurement was refined.
static REFINED: AtomicU64 = AtomicU64::new(0);

const FIRST_MEASURE: Duration = Duration::from_millis(2);
const SECOND_MEASURE: Duration = Duration::from_secs(1);

#[cold]
fn first_hz() -> u64 {
    let nominal = nominal_hz();
    let anchor = ANCHOR.get_or_init(|| nominal.is_none().then(sample));
    let hz = match (nominal, anchor) {
        (Some(hz), _) => hz,
        (None, Some(anchor)) => measure(*anchor, FIRST_MEASURE),
        (None, None) => 1_000_000_000,
    };
    HZ.store(hz, Ordering::Relaxed);
    hz
}

fn refine(known: u64) -> u64 {
    if REFINED.load(Ordering::Relaxed) != 0 {
        return known;
    }
    let Some(Some(anchor)) = ANCHOR.get() else { return known };
    if anchor.0.elapsed() < SECOND_MEASURE {
        return known;
    }
    let hz = measure(*anchor, SECOND_MEASURE);
    HZ.store(hz, Ordering::Relaxed);
    REFINED.store(1, Ordering::Relaxed);
    hz
}

/// Waits until `least` has passed since the anchor and divides.
fn measure(anchor: (Instant, u64), least: Duration) -> u64 {
    while anchor.0.elapsed() < least {
        std::hint::spin_loop();
    }
    let end = sample();
    let seconds = end.0.duration_since(anchor.0).as_secs_f64();
    ((end.1.saturating_sub(anchor.1)) as f64 / seconds) as u64
}

/// Both clocks at one instant: the tightest of some tries, since the thread may be interrupted between them.
fn sample() -> (Instant, u64) {
    let try_once = || {
        let before = counter();
        let instant = Instant::now();
        let after = counter();
        (after.wrapping_sub(before), (instant, before + after.wrapping_sub(before) / 2))
    };
    let first = try_once();
    (0..8).map(|_| try_once()).fold(first, |best, next| if next.0 < best.0 { next } else { best }).1
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn counter() -> u64 {
    // SAFETY: every x86-64 processor has the time stamp counter, and Linux lets user space read it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn counter() -> u64 {
    let count: u64;
    // SAFETY: reads the virtual counter, which Linux lets user space read; touches nothing else.
    unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack)) };
    count
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn counter() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// The counter's speed where the processor states it exactly: CPUID leaf 15H (Intel SDM volume 2, CPUID), crystal
/// frequency times a ratio.
#[cfg(target_arch = "x86_64")]
fn nominal_hz() -> Option<u64> {
    use core::arch::x86_64::__cpuid;
    #[allow(unused_unsafe, reason = "older toolchains declare the function unsafe")]
    // SAFETY: every x86-64 processor has CPUID; leaf 0 tells the highest leaf.
    let highest = unsafe { __cpuid(0) }.eax;
    if highest < 0x15 {
        return None;
    }
    #[allow(unused_unsafe, reason = "older toolchains declare the function unsafe")]
    // SAFETY: the leaf exists, as just asked.
    let leaf = unsafe { __cpuid(0x15) };
    let (denominator, numerator, crystal) = (leaf.eax, leaf.ebx, leaf.ecx);
    let known = denominator != 0 && numerator != 0 && crystal != 0;
    known.then(|| u64::from(crystal) * u64::from(numerator) / u64::from(denominator))
}

#[cfg(target_arch = "aarch64")]
fn nominal_hz() -> Option<u64> {
    let hz: u64;
    // SAFETY: reads the counter's frequency register, which Linux lets user space read.
    unsafe { core::arch::asm!("mrs {}, cntfrq_el0", out(reg) hz, options(nomem, nostack)) };
    (hz != 0).then_some(hz)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn nominal_hz() -> Option<u64> {
    Some(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_agree_with_the_monotonic_clock() {
        let _ = hz();
        let (instant, start) = (Instant::now(), now());
        std::thread::sleep(Duration::from_millis(50));
        let (wall, cycles) = (instant.elapsed().as_secs_f64(), (now() - start).as_secs_f64());
        assert!((cycles / wall - 1.0).abs() < 0.02, "{cycles} s by cycles, {wall} s by the clock");
    }

    #[test]
    fn the_first_question_is_answered_fast() {
        let start = Instant::now();
        let hz = first_hz();
        assert!(hz > 1_000_000, "{hz}");
        assert!(start.elapsed() < Duration::from_millis(500));
    }

    #[test]
    fn durations_convert_both_ways() {
        let cycles = Cycles::from_duration(Duration::from_millis(10));
        let back = cycles.as_duration();
        assert!(back.abs_diff(Duration::from_millis(10)) < Duration::from_micros(100), "{back:?}");
        assert_eq!(Cycles(5) - Cycles(9), Cycles(0));
        assert_eq!(Cycles(5) + Cycles(9), Cycles(14));
    }
}
