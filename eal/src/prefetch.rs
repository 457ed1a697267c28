//! Cache hints for burst loops.
#![allow(unsafe_code, reason = "calls a processor hint")]

/// Asks the cache for the line at `at`, to read or write it soon. Any address will do, mapped or not. On processors for
/// which no hint is known it does nothing.
///
/// ```
/// eal::prefetch(std::ptr::null());
/// ```
#[inline(always)]
pub fn prefetch(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint that never faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
