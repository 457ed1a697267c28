//! How a memory comes up: which pages it gets, how large a window, and the first commits.

#![allow(unsafe_code, reason = "looks at the header of a file that was just mapped")]

use std::any::Any;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::EalConfig;
use crate::error::Error;
use crate::gate::FenceMode;
use crate::process::{OwnerId, ProcessTable};

use super::FileKind;
use super::available::check_machine;
use super::backing::{Backing, BackingKind};
use super::choice::{Choice, bad_huge_dir};
use super::header::{HEADER_BYTES, Header, same};
use super::huge::HUGE_PAGE_BYTES;
use super::memory::{Memory, Parts};
use super::numa::{Nodes, Part};
use super::window::Window;

/// Smallest reservations that are tried when the address-space limit refuses larger ones.
const SMALLEST: (u64, u64) = (64 << 20, 256 << 20);

/// What a secondary learns from its primary over their socket.
pub(crate) struct Invitation {
    pub owner: OwnerId,
    pub private_len: u64,
    pub data_len: u64,
    /// Private and data file, each with its page size in bytes.
    pub files: [(OwnedFd, u64); 2],
}

impl Memory {
    /// Makes the memory of a primary.
    pub(crate) fn create(config: &EalConfig, nodes: &Nodes) -> Result<Self, Error> {
        let mut choice = Choice::now(config)?;
        let page_bytes = choice.page_bytes();
        let plan = nodes.plan(config, page_bytes.max(HUGE_PAGE_BYTES))?;
        choice.check_nodes(nodes, &plan)?;
        // Free huge pages are there; ordinary ones are promised without end.
        if choice.data == BackingKind::Plain {
            check_machine(config.floor_bytes())?;
        }
        let window = reserve(config, page_bytes)?;
        let (private_len, data_len) = (window.len(FileKind::Private), window.len(FileKind::Data));
        let create = |kind: &BackingKind, len| {
            Backing::create(kind, len).map_err(|error| match kind {
                BackingKind::HugeFile { dir, .. } => bad_huge_dir(dir, &error),
                _ => Error::Io { action: "create a memory file", source: error },
            })
        };
        let private = create_private(&choice.private, private_len, &window)?;
        let data = create(&choice.data, data_len)?;
        let fences = primary_fences(config.fences)?;
        let memory = Self::new(Parts {
            window,
            private,
            data,
            owner: ProcessTable::primary(),
            fences,
            unique: next_mapping(),
            iova_base: config.iova_base,
            primary: true,
            choice,
            nodes: nodes.clone(),
            socket_limits: config.socket_limit_bytes.clone(),
            _membership: None,
        });
        memory.start(config.iova_base, &plan)?;
        Ok(memory)
    }

    /// Maps the memory of another process.
    pub(crate) fn join(
        invitation: Invitation,
        membership: Box<dyn Any + Send + Sync>,
    ) -> Result<Self, Error> {
        let [(private, private_page), (data, data_page)] = invitation.files;
        let align = private_page.max(data_page).max(HUGE_PAGE_BYTES);
        let window = Window::reserve(invitation.private_len, invitation.data_len, align)?;
        let private = Backing::adopt(private, private_page);
        let data = Backing::adopt(data, data_page);
        for (file, backing) in [(FileKind::Private, &private), (FileKind::Data, &data)] {
            window
                .map_follower(file, backing.fd())
                .map_err(Error::io("map the primary's memory"))?;
        }
        let header = header(&window);
        header.check()?;
        same(
            "the size of the data file",
            header.data_len.load(Ordering::Relaxed),
            invitation.data_len,
        )?;
        let fences = header.fences();
        require(fences)?;
        let iova_base = header.iova_base.load(Ordering::Relaxed);
        let choice = Choice::of_another(&private, &data);
        Ok(Self::new(Parts {
            window,
            private,
            data,
            owner: invitation.owner,
            fences,
            unique: next_mapping(),
            iova_base,
            primary: false,
            choice,
            nodes: Nodes::unknown(),
            socket_limits: Vec::new(),
            _membership: Some(membership),
        }))
    }

    fn start(&self, iova_base: u64, plan: &[Part]) -> Result<(), Error> {
        let header = self.header();
        let [(_, private_page_bytes), _] = self.files();
        let lens = (self.reserved(FileKind::Private), self.reserved(FileKind::Data));
        header.processes.open();
        header.private_committed.store(first_private_bytes(private_page_bytes), Ordering::Relaxed);
        self.open_space(FileKind::Private, HEADER_BYTES);
        let mut end: u64 = 0;
        for part in plan {
            end = end.saturating_add(part.bytes).min(lens.1);
            self.commit(FileKind::Data, end, part.node)?;
        }
        self.open_space(FileKind::Data, 0);
        header.publish(nonce(), self.fences(), iova_base, lens);
        Ok(())
    }
}

/// The header in a window whose private file is mapped.
fn header(window: &Window) -> &Header {
    // SAFETY: called after the whole private file was mapped; the window outlives the reference.
    unsafe { Header::at(window.address(FileKind::Private, 0)) }
}

/// Bytes of the private file that are mapped from the start.
fn first_private_bytes(page_bytes: u64) -> u64 {
    HEADER_BYTES.next_multiple_of(page_bytes.max(HUGE_PAGE_BYTES))
}

/// Creates the private file and maps its beginning, on ordinary pages when huge ones run out.
fn create_private(kind: &BackingKind, len: u64, window: &Window) -> Result<Backing, Error> {
    let make = |kind: &BackingKind| -> std::io::Result<Backing> {
        let backing = Backing::create(kind, len)?;
        let first = first_private_bytes(backing.page_bytes());
        window.map(FileKind::Private, backing.fd(), 0, first, backing.is_huge())?;
        Ok(backing)
    };
    make(kind)
        .or_else(|_| make(&BackingKind::Plain))
        .map_err(Error::io("create the private memory file"))
}

/// Reserves the window, halving it while the address-space limit refuses.
fn reserve(config: &EalConfig, page_bytes: u64) -> Result<Window, Error> {
    let align = page_bytes.max(HUGE_PAGE_BYTES);
    let round = |bytes: u64| bytes.max(1).checked_next_multiple_of(align).unwrap_or(bytes);
    let mut private = round(config.private_reserve_bytes.max(HEADER_BYTES));
    // Parts of several nodes are rounded up each.
    let parts = config.socket_mem_bytes.len() as u64;
    let floor = config.floor_bytes() + parts * align;
    let mut data = round(config.data_reserve_bytes.max(floor));
    loop {
        let error = match Window::reserve(private, data, align) {
            Ok(window) => return Ok(window),
            Err(error) => error,
        };
        let smaller = (round(private / 2), round(data / 2));
        if smaller.0 < SMALLEST.0 || smaller.1 < SMALLEST.1.max(floor) {
            return Err(error);
        }
        (private, data) = smaller;
    }
}

/// What the primary fences with: as configured, or the best that the kernel allows.
fn primary_fences(wanted: Option<FenceMode>) -> Result<FenceMode, Error> {
    match wanted {
        None => Ok(FenceMode::register()),
        Some(fences) => require(fences).map(|()| fences),
    }
}

/// Makes this process one in which `fences` works.
fn require(fences: FenceMode) -> Result<(), Error> {
    if fences == FenceMode::Asymmetric && FenceMode::register() != fences {
        return Err(Error::NoBarrier);
    }
    Ok(())
}

/// The number of a new mapping: never the same twice in this process.
fn next_mapping() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A number unlike those of other memories in this and other processes.
fn nonce() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.write_u64(COUNT.fetch_add(1, Ordering::Relaxed));
    hasher.finish() | 1
}
