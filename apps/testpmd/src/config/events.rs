//! Which events of ports are told: `--print-event`, `--mask-event`.

use pmd_core::Event;

/// Names on command lines with the words of the line that is printed.
const EVENTS: [(&str, &str); 14] = [
    ("unknown", "unknown"),
    ("intr_lsc", "link state change"),
    ("queue_state", "queue state"),
    ("intr_reset", "reset"),
    ("vf_mbox", "VF mbox"),
    ("ipsec", "IPsec"),
    ("macsec", "MACsec"),
    ("intr_rmv", "device removal"),
    ("dev_probed", "device probed"),
    ("dev_released", "device released"),
    ("flow_aged", "flow aged"),
    ("err_recovering", "error recovering"),
    ("recovery_success", "error recovery successful"),
    ("recovery_failed", "error recovery failed"),
];
/// Not told unless asked for, as in the reference.
const QUIET: [&str; 3] = ["vf_mbox", "dev_probed", "dev_released"];

/// The events that are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventMask(u32);

impl Default for EventMask {
    fn default() -> Self {
        let told = |bit: &usize| !QUIET.contains(&EVENTS[*bit].0);
        Self((0..EVENTS.len()).filter(told).fold(0, |bits, bit| bits | 1 << bit))
    }
}

impl EventMask {
    /// Tells (`on`) or no longer tells the events of that name, or `all`.
    ///
    /// # Errors
    ///
    /// The names that there are.
    pub fn set(&mut self, name: &str, on: bool) -> Result<(), String> {
        let bits = match EVENTS.iter().position(|(known, _)| *known == name) {
            Some(bit) => 1 << bit,
            None if name == "all" => u32::MAX,
            None => {
                let names = EVENTS.map(|(known, _)| known).join(", ");
                return Err(format!("Invalid event: {name} - there are {names} and all"));
            }
        };
        self.0 = if on { self.0 | bits } else { self.0 & !bits };
        Ok(())
    }

    /// The words of the line about `event`, if it is told.
    pub fn words(self, event: &Event) -> Option<&'static str> {
        let name = match event {
            Event::Link(_) => "intr_lsc",
            Event::QueueState { .. } => "queue_state",
            Event::Removed => "intr_rmv",
            _ => return None,
        };
        let bit = EVENTS.iter().position(|(known, _)| *known == name)?;
        (self.0 >> bit & 1 == 1).then(|| EVENTS[bit].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_until_they_are_masked() {
        let mut mask = EventMask::default();
        assert_eq!(mask.words(&Event::Link(true)), Some("link state change"));
        assert_eq!(mask.words(&Event::Removed), Some("device removal"));
        mask.set("intr_lsc", false).unwrap();
        assert_eq!(mask.words(&Event::Link(true)), None);
        mask.set("all", false).unwrap();
        assert_eq!(mask.words(&Event::Removed), None);
        mask.set("intr_rmv", true).unwrap();
        assert_eq!(mask.words(&Event::Removed), Some("device removal"));
        let error = mask.set("bogus", true).unwrap_err();
        assert!(error.starts_with("Invalid event: bogus") && error.contains("queue_state"));
    }
}
