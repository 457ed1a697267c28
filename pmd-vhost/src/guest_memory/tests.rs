use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{ftruncate, pipe};

use super::*;

const PAGE: u64 = 4096;

fn file(bytes: u64) -> OwnedFd {
    let fd = memfd_create("guest", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
    ftruncate(&fd, bytes as i64).unwrap();
    fd
}

fn spec(guest_addr: u64, user_addr: u64, size_bytes: u64, mmap_offset: u64) -> RegionSpec {
    RegionSpec { guest_addr, size_bytes, user_addr, mmap_offset, fd: file(16 * PAGE) }
}

fn refused(specs: Vec<RegionSpec>) -> BadTable {
    match GuestMemory::map(specs) {
        Err(Error::MemoryTable(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn addresses_lead_to_the_bytes_of_the_file() {
    let fd = file(4 * PAGE);
    nix::sys::uio::pwrite(&fd, b"hello", (PAGE + 7) as i64).unwrap();
    let region = RegionSpec {
        guest_addr: 0x10000,
        size_bytes: 2 * PAGE,
        user_addr: 0x7000,
        mmap_offset: PAGE,
        fd,
    };
    let memory = GuestMemory::map(vec![region]).unwrap();
    let mut t = Translator::new();
    t.refill(&memory);
    let piece = t.piece(0x10007, 5).unwrap();
    let mut bytes = [0u8; 5];
    // SAFETY: the piece is inside the mapping, which lives.
    unsafe { piece.host.copy_to_nonoverlapping(bytes.as_mut_ptr(), 5) };
    assert_eq!(&bytes, b"hello");
    assert_eq!(memory.user_to_host(0x7007, 5).unwrap().as_ptr(), piece.host);
    assert!(memory.user_to_host(0x7000, 2 * PAGE).is_some());
    assert!(memory.user_to_host(0x7000, 2 * PAGE + 1).is_none());
    assert!(memory.user_to_host(0x6FFF, 1).is_none());
    assert!(memory.user_to_host(u64::MAX, 2).is_none());
}

#[test]
fn pieces_end_where_regions_end() {
    let memory = GuestMemory::map(vec![
        spec(0, 0x100000, PAGE, 0),
        spec(PAGE, 0x200000, PAGE, 0),
        spec(u64::MAX - PAGE, 0x300000, PAGE, 0),
    ])
    .unwrap();
    let mut t = Translator::new();
    t.refill(&memory);
    assert_eq!(t.piece(0, PAGE as u32).unwrap().len, PAGE as u32);
    assert_eq!(t.piece(PAGE - 10, 100).unwrap().len, 10);
    assert_eq!(t.piece(PAGE, 100).unwrap().len, 100);
    assert_eq!(t.piece(2 * PAGE - 1, u32::MAX).unwrap().len, 1);
    assert!(t.piece(2 * PAGE, 1).is_none());
    assert_eq!(t.piece(u64::MAX - 1, u32::MAX).unwrap().len, 1);
    assert!(t.piece(u64::MAX, 1).is_none());
    assert!(Translator::new().piece(0, 1).is_none());
}

#[test]
fn bad_tables_are_refused_whole() {
    assert_eq!(refused(vec![]), BadTable::Count(0));
    let nine = (0..9).map(|i| spec(i * PAGE, i * PAGE, PAGE, 0)).collect();
    assert_eq!(refused(nine), BadTable::Count(9));
    for bad in [
        spec(0, 0, 0, 0),
        spec(u64::MAX - 10, 0, PAGE, 0),
        spec(0, u64::MAX - 10, PAGE, 0),
        spec(0, 0, PAGE, u64::MAX - 10),
    ] {
        assert_eq!(refused(vec![bad]), BadTable::Range);
    }
    let past = BadTable::File { has: 16 * PAGE, needs: 16 * PAGE + 1 };
    assert_eq!(refused(vec![spec(0, 0, PAGE, 15 * PAGE + 1)]), past);
    assert_eq!(
        refused(vec![spec(0, 0, PAGE, 0), spec(PAGE - 1, PAGE, PAGE, 0)]),
        BadTable::Overlap
    );
    assert_eq!(
        refused(vec![spec(0, 0, PAGE, 0), spec(PAGE, PAGE - 1, PAGE, 0)]),
        BadTable::Overlap
    );
    let (end, _other) = pipe().unwrap();
    let pipe = RegionSpec { fd: end, ..spec(0, 0, PAGE, 0) };
    assert_eq!(refused(vec![pipe]), BadTable::Unmappable);
}

#[test]
fn seals_are_seen() {
    assert!(!GuestMemory::map(vec![spec(0, 0, PAGE, 0)]).unwrap().is_sealed());
    let one = spec(0, 0, PAGE, 0);
    let seals = nix::fcntl::SealFlag::F_SEAL_SHRINK;
    nix::fcntl::fcntl(&one.fd, nix::fcntl::FcntlArg::F_ADD_SEALS(seals)).unwrap();
    assert!(GuestMemory::map(vec![one]).unwrap().is_sealed());
}
