//! DTS plan vhost_pmd_xstats: packets by size and by kind of address, on each of two queues, over five split paths.

/// The plan.
const PLAN: &str = include_str!("../plans/xstats.plan");

lab::dts_cases!(PLAN,
    inorder_mergeable => "1",
    inorder_non_mergeable => "2",
    mergeable => "3",
    non_mergeable => "4",
    vector_rx => "5",
);
