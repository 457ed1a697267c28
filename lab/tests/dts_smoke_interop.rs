//! DTS plan virtio_smoke, its first case.

/// The plan.
const PLAN: &str = include_str!("../plans/smoke.plan");

lab::dts_cases!(PLAN,
    two_queues_then_eight => "1",
);
