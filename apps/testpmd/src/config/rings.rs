//! Settings of a queue that devices with ring registers have. Ports here keep and show them.

/// One direction's settings, as `show config rxtx` shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingSettings {
    /// Prefetch threshold: `--rxpt`, `--txpt`.
    pub prefetch: u8,
    /// Host threshold: `--rxht`, `--txht`.
    pub host: u8,
    /// Write-back threshold: `--rxwt`, `--txwt`.
    pub write_back: u8,
    /// Free threshold: `--rxfreet`, `--txfreet`.
    pub free: u16,
    /// Transmit report-status threshold: `--txrst`.
    pub report: u16,
}
