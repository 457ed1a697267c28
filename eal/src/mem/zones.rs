//! The directory of zones: extents that have names, so that other processes find them.
//!
//! Only the primary writes it, one entry at a time. An entry's state word is a version that is odd while the
//! entry stands and even while it is free or being changed; readers read the word, the entry, and the word again.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::error::Error;

use super::{Extent, FileKind};

/// Longest zone name in bytes.
pub(crate) const NAME_BYTES: usize = 64;
const ZONES: usize = 2048;

/// Names and places of all zones.
#[repr(C)]
pub(crate) struct ZoneTable {
    entries: [Entry; ZONES],
}

#[repr(C)]
struct Entry {
    state: AtomicU64,
    file: AtomicU64,
    offset: AtomicU64,
    len: AtomicU64,
    name: [AtomicU64; NAME_BYTES / 8],
    reserved: [AtomicU64; 4],
}

const _: () = assert!(std::mem::size_of::<Entry>() == 128);

type Packed = [u64; NAME_BYTES / 8];

impl ZoneTable {
    /// Finds a zone.
    pub fn lookup(&self, name: &str) -> Option<Extent> {
        let wanted = pack(name).ok()?;
        self.entries.iter().find_map(|entry| entry.read(&wanted))
    }

    /// Whether `name` could be published now.
    pub fn check_free(&self, name: &str) -> Result<(), Error> {
        let packed = pack(name)?;
        if self.entries.iter().any(|entry| entry.read(&packed).is_some()) {
            return Err(Error::Name { name: name.into(), problem: "is taken already" });
        }
        Ok(())
    }

    /// Publishes a zone. Only the primary calls this, one call at a time.
    pub fn insert(&self, name: &str, extent: Extent) -> Result<(), Error> {
        let packed = pack(name)?;
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.state.load(Ordering::Relaxed) & 1 == 0)
            .ok_or(Error::TableFull { table: "zones", limit: ZONES })?;
        entry.write(&packed, extent);
        Ok(())
    }

    /// Takes a zone out of the directory. Only the primary calls this, one call at a time.
    pub fn remove(&self, name: &str) -> Option<Extent> {
        let wanted = pack(name).ok()?;
        let (entry, extent) =
            self.entries.iter().find_map(|entry| Some((entry, entry.read(&wanted)?)))?;
        entry.state.fetch_add(1, Ordering::AcqRel);
        Some(extent)
    }
}

impl Entry {
    /// The extent, when the entry stands under this name.
    fn read(&self, wanted: &Packed) -> Option<Extent> {
        let version = self.state.load(Ordering::Acquire);
        if version & 1 == 0 {
            return None;
        }
        let named = self.name.iter().zip(wanted).all(|(a, b)| a.load(Ordering::Relaxed) == *b);
        let file = match self.file.load(Ordering::Relaxed) {
            0 => FileKind::Private,
            _ => FileKind::Data,
        };
        let offset = self.offset.load(Ordering::Relaxed);
        let len = self.len.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let unchanged = self.state.load(Ordering::Relaxed) == version;
        (named && unchanged).then_some(Extent { file, offset, len })
    }

    fn write(&self, name: &Packed, extent: Extent) {
        // The word is even here: readers that caught the old version find it changed when they look again.
        fence(Ordering::Release);
        for (to, from) in self.name.iter().zip(name) {
            to.store(*from, Ordering::Relaxed);
        }
        self.file.store(u64::from(extent.file == FileKind::Data), Ordering::Relaxed);
        self.offset.store(extent.offset, Ordering::Relaxed);
        self.len.store(extent.len, Ordering::Relaxed);
        let version = self.state.load(Ordering::Relaxed);
        self.state.store(version + 1, Ordering::Release);
    }
}

fn pack(name: &str) -> Result<Packed, Error> {
    let problem = |problem| Error::Name { name: name.into(), problem };
    if name.is_empty() {
        return Err(problem("is empty"));
    }
    if name.len() > NAME_BYTES {
        return Err(problem("is longer than 64 bytes"));
    }
    let mut packed = Packed::default();
    for (word, chunk) in packed.iter_mut().zip(name.as_bytes().chunks(8)) {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        *word = u64::from_le_bytes(bytes);
    }
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Box<ZoneTable> {
        let entries: Vec<Entry> = (0..ZONES).map(|_| Entry::default()).collect();
        let entries: Box<[Entry; ZONES]> = entries.into_boxed_slice().try_into().ok().unwrap();
        Box::new(ZoneTable { entries: *entries })
    }

    impl Default for Entry {
        fn default() -> Self {
            Self {
                state: AtomicU64::new(0),
                file: AtomicU64::new(0),
                offset: AtomicU64::new(0),
                len: AtomicU64::new(0),
                name: Default::default(),
                reserved: Default::default(),
            }
        }
    }

    fn extent(offset: u64) -> Extent {
        Extent { file: FileKind::Data, offset, len: 640 }
    }

    #[test]
    fn a_zone_is_found_by_its_whole_name() {
        let table = table();
        table.insert("pool-0", extent(64)).unwrap();
        table.insert("pool-01", extent(128)).unwrap();
        assert_eq!(table.lookup("pool-0"), Some(extent(64)));
        assert_eq!(table.lookup("pool-01"), Some(extent(128)));
        assert_eq!(table.lookup("pool"), None);
        assert!(table.check_free("pool-0").is_err());
    }

    #[test]
    fn removed_zones_make_room() {
        let table = table();
        for i in 0..ZONES as u64 {
            table.insert(&format!("zone {i}"), extent(i * 64)).unwrap();
        }
        assert!(matches!(table.insert("one more", extent(0)), Err(Error::TableFull { .. })));
        assert_eq!(table.remove("zone 77"), Some(extent(77 * 64)));
        assert_eq!(table.lookup("zone 77"), None);
        table.insert("one more", extent(77)).unwrap();
        assert_eq!(table.lookup("one more"), Some(extent(77)));
    }

    #[test]
    fn names_are_limited() {
        assert!(pack("").is_err());
        assert!(pack(&"x".repeat(64)).is_ok());
        assert!(pack(&"x".repeat(65)).is_err());
    }
}
