//! DTS plan loopback_virtio_user_server_mode: virtio-user listens, each side goes and comes back, all queues forward again.
//!
//! Beyond the plan, two cases are followed once more with the programs killed where the plan quits them.

/// The plan.
const PLAN: &str = include_str!("../plans/server_mode.plan");

lab::dts_cases!(PLAN,
    basic => "2",
    mergeable => "3",
    inorder_mergeable => "4",
    inorder_non_mergeable => "5",
    non_mergeable => "6",
    vector_rx => "7",
    mergeable_killed => "3 killed",
    inorder_non_mergeable_killed => "5 killed",
    lengths_inorder_mergeable => "14a",
    lengths_mergeable => "14b",
    lengths_non_mergeable => "14c",
    lengths_inorder_non_mergeable => "14d",
    lengths_vectorized => "14e",
);
