//! What is held of a memory, as opposed to what is known of it.

use std::ops::Deref;

use super::Extent;

/// An extent that was handed out and is held: what [`Memory::free`](super::Memory::free) takes.
///
/// Only allocating makes one, and it cannot be copied, so nothing is given back twice or by those who merely know where it
/// lies. Dropping one gives nothing back: the extent then stays taken as long as the memory exists.
///
/// ```compile_fail,E0382
/// # let eal = eal::Eal::new(eal::EalConfig::default()).unwrap();
/// let block = eal.memory().alloc(eal::FileKind::Data, 4096, 64).unwrap();
/// eal.memory().free(block);
/// eal.memory().free(block); // error: it is not held any more
/// ```
#[derive(PartialEq, Eq, Debug)]
pub struct Allocation {
    extent: Extent,
    /// The mapping that it was allocated through.
    mapping: u64,
}

impl Allocation {
    pub(super) fn new(extent: Extent, mapping: u64) -> Self {
        Self { extent, mapping }
    }

    /// The number of the mapping that it was allocated through, see [`Memory::unique`](super::Memory::unique).
    pub(super) fn mapping(&self) -> u64 {
        self.mapping
    }

    /// Where it lies.
    pub fn extent(&self) -> Extent {
        self.extent
    }
}

impl Deref for Allocation {
    type Target = Extent;

    fn deref(&self) -> &Extent {
        &self.extent
    }
}
