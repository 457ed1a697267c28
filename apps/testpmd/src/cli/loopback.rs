//! Options of the loopback, which needs nothing but this process.

use super::Options;
use super::spec::{COUNT, Effect, Spec, Takes, value};

pub const OPTIONS: &[Spec] = &[
    Spec {
        name: "loopback",
        takes: Takes::Maybe("SECONDS"),
        effect: Effect::Maybe(loopback),
        help: "pass packets between a vhost-user and a virtio-user port of this process",
    },
    value(
        "size",
        Takes::Value("BYTES"),
        size,
        "with --loopback: packet length, 42 to 2048; 64 if not given",
    ),
    value("queues", COUNT, queues, "with --loopback: queue pairs, each with two lcores"),
];

fn loopback(o: &mut Options, text: Option<&str>) -> Result<(), String> {
    let seconds = text.map(|text| {
        let seconds = text.parse::<f64>().ok().filter(|s| s.is_finite() && *s > 0.0 && *s <= 1e9);
        seconds.ok_or_else(|| format!("loopback={text} invalid - must be a number of seconds > 0"))
    });
    o.loopback = Some(seconds.transpose()?);
    Ok(())
}

fn size(o: &mut Options, text: &str) -> Result<(), String> {
    let bytes = text.parse::<u16>().ok().filter(|bytes| (42..=2048).contains(bytes));
    o.size = Some(bytes.ok_or_else(|| format!("size {text} invalid - must be 42 to 2048 bytes"))?);
    Ok(())
}

fn queues(o: &mut Options, text: &str) -> Result<(), String> {
    let count = text.parse::<u16>().ok().filter(|count| (1..=16).contains(count));
    o.queues = Some(count.ok_or_else(|| format!("queues {text} invalid - must be 1 to 16"))?);
    Ok(())
}
