//! DTS plan loopback_multi_queues: five split paths with one queue and with eight; every queue receives and sends.

/// The plan.
const PLAN: &str = include_str!("../plans/loopback_queues.plan");

lab::dts_cases!(PLAN,
    inorder_mergeable => "3",
    inorder_non_mergeable => "4",
    mergeable => "5",
    non_mergeable => "6",
    vector_rx => "7",
);
