//! DTS plan loopback_multi_paths_port_restart: five split paths, six frame sizes, a port that is stopped and started.

/// The plan.
const PLAN: &str = include_str!("../plans/loopback_paths.plan");

lab::dts_cases!(PLAN,
    inorder_mergeable => "5",
    inorder_non_mergeable => "6",
    mergeable_restarted_100_times => "7",
    non_mergeable => "8",
    vector_rx => "9",
);
