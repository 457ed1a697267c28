//! DTS plans loopback_virtio_user_server_mode_cbdma and _dsa without their DMA devices: chains on eight queues, their lengths
//! as received, and chains of 128 KiB.

/// The plan.
const PLAN: &str = include_str!("../plans/server_mode_dma.plan");

lab::dts_cases!(PLAN,
    cbdma_inorder_mergeable => "cbdma 7",
    cbdma_mergeable => "cbdma 8",
    cbdma_inorder_non_mergeable => "cbdma 9",
    cbdma_non_mergeable => "cbdma 10",
    cbdma_vectorized => "cbdma 11",
    cbdma_txonly => "cbdma 14",
    large_chains => "stress",
);

// The packets of the cbdma cases on other lcores.
lab::dts_cases_of_ours!(PLAN,
    dsa_inorder_mergeable => "dsa 3",
    dsa_mergeable => "dsa 4",
    dsa_non_mergeable => "dsa 5",
    dsa_inorder_non_mergeable => "dsa 6",
    dsa_vectorized => "dsa 7",
);
