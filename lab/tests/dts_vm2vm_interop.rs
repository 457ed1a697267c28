//! DTS plan vm2vm_virtio_user: what fits in a ring of 256 descriptors, counted at the other end of a vhost process.

/// The plan.
const PLAN: &str = include_str!("../plans/vm2vm.plan");

lab::dts_cases!(PLAN,
    mergeable => "5",
    inorder_mergeable => "6",
    non_mergeable => "7",
    inorder_non_mergeable => "8",
    vector_rx => "9",
);
