//! DTS plans vm2vm_virtio_user_cbdma and _dsa without their DMA devices: two queues, rings of 4096 and 256, three shapes of
//! chains, exact counts.

/// The plan.
const PLAN: &str = include_str!("../plans/vm2vm_dma.plan");

lab::dts_cases!(PLAN,
    cbdma_non_mergeable => "cbdma 1",
    cbdma_inorder_non_mergeable => "cbdma 2",
    cbdma_vectorized => "cbdma 3",
    cbdma_inorder_mergeable_direct => "cbdma 4",
    cbdma_mergeable_indirect => "cbdma 5",
    dsa_inorder_mergeable_large_ring => "dsa 15",
    dsa_vectorized_and_inorder => "dsa 17",
);

// The packets of the cbdma cases on other lcores.
lab::dts_cases_of_ours!(PLAN,
    dsa_non_mergeable => "dsa 1",
    dsa_inorder_non_mergeable => "dsa 2",
    dsa_inorder_mergeable_direct => "dsa 3",
    dsa_mergeable_indirect => "dsa 4",
    dsa_vectorized => "dsa 5",
);
