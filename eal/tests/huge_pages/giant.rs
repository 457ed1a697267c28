//! Pages of 1 GiB, set aside for the length of a test.

use eal::{Eal, EalConfig, FileKind};

use super::{MIB, touch, turn};

const FILE: &str = "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages";

fn count() -> Option<u64> {
    std::fs::read_to_string(FILE).ok()?.trim().parse().ok()
}

/// One page more than there were.
struct Reserved {
    before: u64,
}

impl Reserved {
    fn new(test: &str) -> Option<Self> {
        let reserved = count().and_then(|before| {
            std::fs::write(FILE, (before + 1).to_string()).ok()?;
            let reserved = Self { before };
            (count()? > before).then_some(reserved)
        });
        if reserved.is_none() {
            println!("SKIP {test}: a page of 1 GiB that can be set aside");
        }
        reserved
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        std::fs::write(FILE, self.before.to_string()).unwrap();
    }
}

#[test]
fn a_large_amount_gets_a_page_of_1_gib() {
    let _turn = turn();
    let Some(_page) = Reserved::new("a_large_amount_gets_a_page_of_1_gib") else { return };
    let config = EalConfig { memory_bytes: 1 << 30, ..EalConfig::default() };
    let eal = Eal::new(config.clone()).unwrap();
    assert_eq!(eal.memory().describe(), "memory: 1 GiB pages (memfd), sealed");
    assert_eq!(eal.memory().data_committed(), 1 << 30);
    let extent = eal.memory().alloc(FileKind::Data, 1000 * MIB, 64).unwrap();
    // SAFETY: the last byte of the extent, which is mapped and held here alone.
    let last = unsafe { eal.memory().pointer(&extent).add(extent.len as usize - 1) };
    // SAFETY: as above.
    unsafe { last.write_volatile(1) };
    touch(eal.memory(), 3 * MIB);
    let error = eal.memory().alloc(FileKind::Data, 64 * MIB, 64).unwrap_err();
    assert!(error.to_string().contains("hugepages-1048576kB/nr_hugepages'"), "{error}");

    let small = Eal::new(EalConfig { memory_bytes: 32 * MIB, ..config }).unwrap();
    assert!(!small.memory().describe().contains("1 GiB pages"), "{}", small.memory().describe());
}
