//! DTS plans perf_virtio_user_loopback and loopback_vhost_async_perf_dsa (without DMA devices): five split paths.

/// The plan.
const PLAN: &str = include_str!("../plans/perf_loopback.plan");

lab::dts_cases!(PLAN,
    mergeable => "5",
    non_mergeable => "6",
    vector_rx => "7",
    inorder_mergeable => "8",
    inorder_non_mergeable => "9",
);

// The paths of the cases above, launched anew for each size.
lab::dts_cases_of_ours!(PLAN,
    async_inorder_mergeable => "async 1",
    async_inorder_non_mergeable => "async 2",
    async_mergeable => "async 3",
    async_non_mergeable => "async 4",
    async_vectorized => "async 5",
);
