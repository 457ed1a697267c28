//! The memory of an `Eal`: one window of addresses over two files.
//!
//! ```text
//! window base                                                          (grows up)
//! | local page      | private file               | data file           |
//! | process-private | our processes only         | goes to peers       |
//! ```
//!
//! *Private* holds what must be believed (metadata of packets, pools, tables), *data* what a peer may read
//! and write (packet bytes, rings). In files and in shared structures a place is an offset, never an address: each
//! process maps the window where its kernel puts it. The distance between the two files' first bytes is the same everywhere.
//!
//! **Threads.** A [`Memory`] is a handle that may be cloned and used from any thread. Allocation takes a
//! lock and is for set-up, not for bursts.
//!
//! ```
//! use eal::mem::FileKind;
//! # fn main() -> Result<(), eal::Error> {
//! let eal = eal::Eal::new(eal::EalConfig::default())?;
//! let extent = eal.memory().alloc(FileKind::Data, 4096, 64)?;
//! let first = eal.memory().pointer(&extent);
//! let iova = eal.memory().iova_base() + extent.offset;
//! # let _ = (first, iova);
//! eal.memory().free(extent);
//! # Ok(())
//! # }
//! ```

mod allocation;
mod available;
pub(crate) mod backing;
mod cgroup;
mod choice;
mod extents;
mod growth;
pub(crate) mod header;
mod huge;
mod local;
mod memory;
mod named;
mod numa;
mod space;
mod startup;
mod window;
mod zones;

use std::fmt;

pub use allocation::Allocation;
pub use local::LocalContext;
pub use memory::{InUseCheck, Memory, WeakMemory};
pub(crate) use numa::Nodes;
pub(crate) use startup::Invitation;

/// One of the two files of a window.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FileKind {
    /// Reached by our own processes only.
    Private,
    /// Handed to peers; nothing in it is believed.
    Data,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Private => "private",
            Self::Data => "data",
        })
    }
}

/// A run of bytes in one of the files: where it lies in every process. Knowing a place is not holding it; what is held is
/// an [`Allocation`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Extent {
    /// Which file.
    pub file: FileKind,
    /// Bytes from the start of that file.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
}

#[cfg(test)]
mod tests;
