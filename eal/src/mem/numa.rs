//! Which memory node each part of the data file belongs to: what is wanted at the start, what may be added, and telling the
//! kernel.
//!
//! The committed part of the data file stays one run of bytes, so that peers see one region whatever the nodes. A node's
//! memory is one or more *spans* of it; growth for a node adds a span at the end.

#![allow(unsafe_code, reason = "sets the memory policy of a mapped range")]

use std::io;
use std::path::Path;
use std::ptr::NonNull;

use crate::config::EalConfig;
use crate::error::Error;
use crate::topology::Topology;

use super::extents::align_up;

/// The memory nodes of the machine as the memory needs them.
#[derive(Clone, Debug)]
pub(crate) struct Nodes {
    pub topology: Topology,
    /// The node that memory comes from when nobody names one: that of the main lcore.
    pub home: u32,
    /// The node of each lcore.
    lcores: Vec<u32>,
}

/// Bytes wanted on one node at the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    pub node: u32,
    pub bytes: u64,
}

/// A run of bytes of the data file that belongs to one node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub start: u64,
    pub end: u64,
    pub node: u32,
}

/// The spans of the data file in the order of their places.
#[derive(Debug, Default)]
pub(super) struct Spans {
    spans: Vec<Span>,
}

impl Nodes {
    /// From the machine, the node of the main lcore, and the node of each lcore.
    pub fn new(topology: Topology, home: u32, lcores: impl Iterator<Item = u32>) -> Self {
        Self { topology, home, lcores: lcores.collect() }
    }

    /// For a process that hands out no memory.
    pub fn unknown() -> Self {
        Self::new(Topology::read(Path::new("")), 0, std::iter::empty())
    }

    /// What is wanted on each node at the start, in whole pages.
    pub(super) fn plan(&self, config: &EalConfig, page_bytes: u64) -> Result<Vec<Part>, Error> {
        let asked = match config.socket_mem_bytes.as_slice() {
            [] => self.share(config.memory_bytes, page_bytes),
            figures => (0..).zip(figures).map(|(node, &bytes)| Part { node, bytes }).collect(),
        };
        let mut parts = Vec::new();
        for Part { node, bytes } in asked.into_iter().filter(|part| part.bytes > 0) {
            self.check_node(node, bytes)?;
            check_limit(&config.socket_limit_bytes, node, 0, bytes)?;
            let bytes = align_up(bytes, page_bytes).unwrap_or(u64::MAX);
            parts.push(Part { node, bytes });
        }
        Ok(parts)
    }

    /// Divides bytes among the nodes by how many lcores each has.
    fn share(&self, bytes: u64, page_bytes: u64) -> Vec<Part> {
        let pages = bytes.div_ceil(page_bytes.max(1));
        let lcores = self.lcores.len().max(1) as u64;
        let count = |node| self.lcores.iter().filter(|&&of| of == node).count() as u64;
        let others = self.topology.nodes().into_iter().filter(|&node| node != self.home);
        let mut parts: Vec<Part> = others
            .map(|node| Part {
                node,
                bytes: pages.saturating_mul(count(node)) / lcores * page_bytes,
            })
            .collect();
        let given: u64 = parts.iter().map(|part| part.bytes).sum();
        parts.push(Part { node: self.home, bytes: bytes.saturating_sub(given) });
        parts.sort_unstable_by_key(|part| part.node);
        parts
    }

    fn check_node(&self, socket: u32, wanted_bytes: u64) -> Result<(), Error> {
        let sockets = self.topology.nodes();
        if sockets.contains(&socket) {
            return Ok(());
        }
        Err(Error::NoSocket { socket, wanted_bytes, sockets })
    }

    /// The node meant: the one named, if there is such a one, else the home node.
    pub fn choose(&self, socket: Option<u32>, wanted_bytes: u64) -> Result<u32, Error> {
        let node = socket.unwrap_or(self.home);
        self.check_node(node, wanted_bytes).map(|()| node)
    }

    /// Has the kernel take the pages of a mapped, untouched range from `node` as long as it has some. Pages of other nodes are
    /// better than none, so a node that runs short is not an error.
    pub fn bind(&self, at: NonNull<u8>, len: u64, node: u32) {
        if !self.topology.has_several_nodes() || !self.topology.is_this_machine() {
            return;
        }
        if let Err(error) = prefer(at, len, node) {
            log::warn!(target: "eal", "memory for socket {node} is not bound to it ({error})");
        }
    }
}

/// Sets the policy of a mapped range that holds nothing yet.
fn prefer(at: NonNull<u8>, len: u64, node: u32) -> io::Result<()> {
    let mut mask = [0u64; 16];
    let word = mask.get_mut(node as usize / 64).ok_or(io::ErrorKind::InvalidInput)?;
    *word = 1 << (node % 64);
    let bits = 64 * mask.len() as u64;
    // Arguments of `syscall` are whole words: what a shorter one leaves of its word is not defined.
    let (mode, flags) = (libc::MPOL_PREFERRED as libc::c_ulong, 0 as libc::c_ulong);
    // SAFETY: the range is mapped by the callers and holds nothing yet; the call changes where its pages come from, and
    // reads `bits` bits of the mask, which outlives it.
    let result = unsafe {
        libc::syscall(libc::SYS_mbind, at.as_ptr(), len, mode, mask.as_ptr(), bits, flags)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Refuses more on a node than its limit, of which it has `has_bytes` already.
pub(super) fn check_limit(
    limits: &[u64],
    socket: u32,
    has_bytes: u64,
    wanted_bytes: u64,
) -> Result<(), Error> {
    let limit_bytes = limit(limits, socket);
    match has_bytes.saturating_add(wanted_bytes) > limit_bytes {
        true => Err(Error::SocketLimit { socket, has_bytes, wanted_bytes, limit_bytes }),
        false => Ok(()),
    }
}

/// Most bytes on a node.
pub(super) fn limit(limits: &[u64], socket: u32) -> u64 {
    match limits.get(socket as usize) {
        None | Some(0) => u64::MAX,
        Some(&limit) => limit,
    }
}

impl Spans {
    /// Adds the bytes up to `end` for a node.
    pub fn push(&mut self, end: u64, node: u32) {
        let start = self.spans.last().map_or(0, |span| span.end);
        match self.spans.last_mut() {
            Some(last) if last.node == node => last.end = end,
            _ => self.spans.push(Span { start, end, node }),
        }
    }

    /// The spans of a node.
    pub fn of(&self, node: u32) -> impl Iterator<Item = Span> + '_ {
        self.spans.iter().copied().filter(move |span| span.node == node)
    }

    /// Bytes of a node.
    pub fn bytes(&self, node: u32) -> u64 {
        self.of(node).map(|span| span.end - span.start).sum()
    }

    /// The span at the end, if it is one of `node`.
    pub fn last_of(&self, node: u32) -> Option<Span> {
        self.spans.last().copied().filter(|span| span.node == node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::fake_tree;

    const MIB: u64 = 1 << 20;

    fn nodes(count: u32, lcores: &[u32]) -> Nodes {
        let tree = fake_tree(count);
        Nodes::new(Topology::read(tree.path()), 0, lcores.iter().copied())
    }

    fn config(mem: &[u64], limit: &[u64]) -> EalConfig {
        let bytes = |figures: &[u64]| figures.iter().map(|figure| figure * MIB).collect();
        EalConfig {
            socket_mem_bytes: bytes(mem),
            socket_limit_bytes: bytes(limit),
            ..EalConfig::default()
        }
    }

    fn part(node: u32, mebibytes: u64) -> Part {
        Part { node, bytes: mebibytes * MIB }
    }

    #[test]
    fn each_node_gets_its_figure_in_whole_pages() {
        let two = nodes(2, &[0, 1]);
        let plan = |mem: &[u64]| two.plan(&config(mem, &[]), 2 * MIB).unwrap();
        assert_eq!(plan(&[64, 33]), [part(0, 64), part(1, 34)]);
        assert_eq!(plan(&[0, 32, 0, 0]), [part(1, 32)]);
        assert_eq!(plan(&[]), []);
    }

    #[test]
    fn an_amount_is_shared_by_lcores() {
        let share = |lcores: &[u32], mebibytes: u64| {
            let config = EalConfig { memory_bytes: mebibytes * MIB, ..EalConfig::default() };
            nodes(2, lcores).plan(&config, 2 * MIB).unwrap()
        };
        assert_eq!(share(&[0, 1], 128), [part(0, 64), part(1, 64)]);
        assert_eq!(share(&[0, 0, 0, 1], 128), [part(0, 96), part(1, 32)]);
        assert_eq!(share(&[0, 0], 128), [part(0, 128)]);
        assert_eq!(share(&[0, 1, 1], 2), [part(0, 2)]);
    }

    #[test]
    fn a_node_that_is_not_there_is_named_with_those_that_are() {
        let error = nodes(1, &[0]).plan(&config(&[64, 1024], &[]), 2 * MIB).unwrap_err();
        let text = error.to_string();
        let start = "Not enough memory available on socket 1! Requested: 1024MB, available: 0MB";
        assert!(text.starts_with(start) && text.contains("only socket 0"), "{text}");
        assert!(nodes(2, &[0]).choose(Some(2), 1).is_err());
        assert_eq!(nodes(2, &[0]).choose(Some(1), 1).ok(), Some(1));
        assert_eq!(nodes(2, &[0]).choose(None, 1).ok(), Some(0));
    }

    #[test]
    fn limits_hold_for_their_node() {
        let two = nodes(2, &[0, 1]);
        assert!(two.plan(&config(&[64, 64], &[0, 64]), 2 * MIB).is_ok());
        let error = two.plan(&config(&[64, 65], &[0, 64]), 2 * MIB).unwrap_err();
        assert!(error.to_string().contains("--socket-limit"), "{error}");
        assert!(check_limit(&[100 * MIB], 0, 90 * MIB, 10 * MIB).is_ok());
        assert!(check_limit(&[100 * MIB], 0, 90 * MIB, 11 * MIB).is_err());
        assert!(check_limit(&[100 * MIB], 7, u64::MAX, 1).is_ok());
    }

    #[test]
    fn the_kernel_is_told_which_node_is_preferred() {
        use crate::mem::FileKind;
        use crate::mem::backing::{Backing, BackingKind};
        use crate::mem::window::Window;
        let window = Window::reserve(4 * MIB, 4 * MIB, 2 * MIB).unwrap();
        let file = Backing::create(&BackingKind::Plain, 4 * MIB).unwrap();
        window.map(FileKind::Data, file.fd(), 0, 2 * MIB, false).unwrap();
        let at = window.address(FileKind::Data, 0);
        if let Err(error) = prefer(at, 2 * MIB, 0) {
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
            println!("SKIP the_kernel_is_told_which_node_is_preferred: the right to call mbind");
            return;
        }
        let maps = std::fs::read_to_string("/proc/self/numa_maps").unwrap();
        let address = format!("{:x} ", at.as_ptr().addr());
        let line = maps.lines().find(|line| line.starts_with(&address)).unwrap();
        assert!(line.contains(" prefer") && line.contains(":0"), "{line}");
        assert!(prefer(at, 2 * MIB, 900).is_err(), "no such node");
        assert!(prefer(at, 2 * MIB, u32::MAX).is_err());
    }

    #[test]
    fn spans_follow_each_other_and_join_on_one_node() {
        let mut spans = Spans::default();
        for (end, node) in [(10, 0), (20, 0), (25, 1), (30, 0)] {
            spans.push(end, node);
        }
        let of_0: Vec<Span> = spans.of(0).collect();
        assert_eq!(of_0, [(0, 20), (25, 30)].map(|(start, end)| Span { start, end, node: 0 }));
        assert_eq!((spans.bytes(0), spans.bytes(1)), (25, 5));
        assert_eq!((spans.last_of(0), spans.last_of(1)), (Some(of_0[1]), None));
    }
}
