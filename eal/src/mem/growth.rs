//! Making more of a file usable: at the start, and when memory runs short.

use std::sync::atomic::Ordering;

use crate::error::Error;

use super::FileKind;
use super::available::{available_bytes, warn_of_shortage};
use super::backing::{Backing, BackingKind};
use super::extents::{Extents, align_up};
use super::huge::{self, HUGE_PAGE_BYTES};
use super::memory::{Memory, lock};
use super::numa::{check_limit, limit};

/// Ordinary pages are mapped in steps of at least this many bytes; only touched pages cost memory.
const STEP_BYTES: u64 = 32 << 20;

impl Memory {
    /// Bytes of the data file that one more allocation can have now: what is free at its end, and what can be added for the
    /// main lcore's node. Others may take some of it at any time.
    pub fn room_bytes(&self) -> u64 {
        let parts = &self.inner.parts;
        let space = self.space(FileKind::Data);
        let reserved = parts.window.len(FileKind::Data) - space.end();
        let has = lock(&self.inner.spans).bytes(parts.nodes.home);
        let allowed = limit(&parts.socket_limits, parts.nodes.home).saturating_sub(has);
        let settled = space.end() > 0 || !parts.choice.may_fall_back();
        let pages = match self.backing(FileKind::Data).is_huge() && settled {
            true => parts.choice.free_bytes(),
            false => available_bytes().unwrap_or(u64::MAX),
        };
        space.tail_bytes() + reserved.min(allowed).min(pages)
    }

    /// Decides for good which pages the data file has, before it is handed to another process.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        let mut space = self.space(FileKind::Data);
        if self.data_committed() == 0 {
            self.grow(&mut space, FileKind::Data, 1, 1, None)?;
        }
        Ok(())
    }

    /// Makes at least the first `end` bytes of a file usable; what is added comes from `node`. Called with the file's space
    /// locked, or at start.
    pub(super) fn commit(&self, file: FileKind, end: u64, node: u32) -> Result<(), Error> {
        let done = self.committed(file).load(Ordering::Relaxed);
        if end <= done {
            return Ok(());
        }
        self.map_or_fall_back(file, done, end, node)?;
        if file == FileKind::Data {
            let parts = &self.inner.parts;
            parts.nodes.bind(parts.window.address(file, done), end - done, node);
            lock(&self.inner.spans).push(end, node);
        }
        self.committed(file).store(end, Ordering::Release);
        if !self.backing(file).is_huge() {
            warn_of_shortage(end - done);
        }
        if file == FileKind::Data {
            self.header().generation.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Adds what is committed to the free space. `skip` bytes at the start are taken for good.
    pub(super) fn open_space(&self, file: FileKind, skip: u64) {
        let mut space = self.space(file);
        space.grow(self.committed(file).load(Ordering::Relaxed));
        if skip > 0 {
            let _ = space.take(skip, 1);
        }
    }

    fn map_or_fall_back(
        &self,
        file: FileKind,
        done: u64,
        end: u64,
        node: u32,
    ) -> Result<(), Error> {
        let parts = &self.inner.parts;
        let backing = self.backing(file);
        let map = |backing: &Backing| {
            parts.window.map(file, backing.fd(), done, end - done, backing.is_huge())
        };
        let allowed = self.check_node(file, end - done, node);
        let allowed = allowed.and_then(|()| self.check_group(file, done, end));
        let Err(error) = allowed.and_then(|()| {
            map(backing).map_err(|error| self.map_error(backing, error, end - done))
        }) else {
            return Ok(());
        };
        let out_of_pages = matches!(error, Error::HugePages { .. });
        if !out_of_pages || done > 0 || !parts.choice.may_fall_back() {
            return Err(error);
        }
        backing
            .replace(&BackingKind::Plain, parts.window.len(file))
            .map_err(Error::io("create a memory file"))?;
        map(backing).map_err(Error::io("map memory"))?;
        log::warn!(target: "eal", "memory: {} MiB of huge pages are not free; now {}",
            (end - done) >> 20, self.describe());
        Ok(())
    }

    fn map_error(&self, backing: &Backing, error: std::io::Error, len: u64) -> Error {
        match backing.is_huge() && error.raw_os_error() == Some(libc::ENOMEM) {
            true => self.inner.parts.choice.missing(len, None),
            false => Error::Io { action: "map memory", source: error },
        }
    }

    /// Refuses huge pages that the control group would not let us touch.
    fn check_group(&self, file: FileKind, done: u64, end: u64) -> Result<(), Error> {
        let parts = &self.inner.parts;
        let huge_bytes = |of: FileKind| match self.backing(of).is_huge() {
            true if of == file => end,
            true => self.committed(of).load(Ordering::Relaxed),
            false => 0,
        };
        let (data, private) = (huge_bytes(FileKind::Data), huge_bytes(FileKind::Private));
        match self.backing(file).is_huge() && !parts.choice.group_allows(data, private) {
            true => Err(parts.choice.missing(end - done, None)),
            false => Ok(()),
        }
    }

    /// Refuses data that a node has no huge pages for, where there are several nodes: the kernel would take another's.
    fn check_node(&self, file: FileKind, len: u64, node: u32) -> Result<(), Error> {
        let parts = &self.inner.parts;
        let topology = &parts.nodes.topology;
        if file != FileKind::Data || !parts.data.is_huge() || !topology.has_several_nodes() {
            return Ok(());
        }
        let pool = huge::node_pool(topology.root(), node, parts.data.page_bytes());
        match pool.free_bytes < len {
            true => Err(parts.choice.missing_on_node(len, node, pool)),
            false => Ok(()),
        }
    }

    /// Makes room at the end for `len` bytes, for which none was found: from one node if one is named.
    pub(super) fn grow(
        &self,
        space: &mut Extents,
        file: FileKind,
        len: u64,
        align: u64,
        socket: Option<u32>,
    ) -> Result<(), Error> {
        let full = || self.file_full(file, len);
        let reserved = self.inner.parts.window.len(file);
        let node = socket.unwrap_or(self.inner.parts.nodes.home);
        let joined = self.joined(file, node, socket.is_some());
        let needed = space.needed_end(len, align, joined).ok_or_else(full)?;
        if needed > reserved {
            return Err(full());
        }
        let backing = self.backing(file);
        let granule = backing.page_bytes().max(HUGE_PAGE_BYTES);
        let step = if backing.is_huge() { granule } else { STEP_BYTES };
        let least = align_up(needed, granule).ok_or_else(full)?;
        let most = self.limited_end(space, file, least, node)?;
        let end = align_up(space.end() + step, granule).ok_or_else(full)?;
        self.commit(file, end.min(most).max(least).min(reserved), node)?;
        space.grow(self.committed(file).load(Ordering::Relaxed));
        Ok(())
    }

    /// From where on what is free at the end is of one piece with what is added for `node`. What lies before the node's last
    /// span is another's, which matters when the node was `named`.
    fn joined(&self, file: FileKind, node: u32, named: bool) -> Option<u64> {
        if file == FileKind::Private {
            return Some(0);
        }
        let last = lock(&self.inner.spans).last_of(node);
        last.map(|span| if named { span.start } else { 0 })
    }

    /// How far the file may grow for a node, which must be to `least`.
    fn limited_end(
        &self,
        space: &Extents,
        file: FileKind,
        least: u64,
        node: u32,
    ) -> Result<u64, Error> {
        if file == FileKind::Private {
            return Ok(u64::MAX);
        }
        let limits = &self.inner.parts.socket_limits;
        let has = lock(&self.inner.spans).bytes(node);
        check_limit(limits, node, has, least.saturating_sub(space.end()))?;
        let more = limit(limits, node).saturating_sub(has) & !(HUGE_PAGE_BYTES - 1);
        Ok(space.end().saturating_add(more))
    }
}
