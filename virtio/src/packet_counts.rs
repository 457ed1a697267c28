//! Frames by size and by kind of destination, as DPDK's rings report them in their extended statistics.
//!
//! A burst counts into a [`BurstCounts`] on its stack and flushes it once into the queue's [`PacketCounts`], which control
//! reads by [`snapshot`](PacketCounts::snapshot). Clearing is control's business: it keeps a snapshot and takes
//! [`since`](PacketCountsSnapshot::since).
//!
//! Sizes are bytes of the frame, without ring header and without checksum of the frame. Every frame is in exactly one size
//! bin; a frame to the broadcast address is not counted as multicast.
//!
//! Threading: one writer at a time flushes (the poller); anybody may take a snapshot meanwhile.
//!
//! ```
//! use virtio::packet_counts::{BurstCounts, MacClass, PacketCounts};
//!
//! let counts = PacketCounts::new();
//! let mut burst = BurstCounts::new();
//! burst.add(64, MacClass::Unicast);
//! burst.add(1518, MacClass::of([0x01, 0, 0x5E, 0, 0, 1]));
//! burst.flush(&counts);
//! let seen = counts.snapshot();
//! assert_eq!((seen.size_64, seen.size_1024_1518, seen.multicast), (1, 1, 1));
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

/// Size bins.
const SIZES: usize = 8;
/// Counters: multicast, broadcast, size bins.
const COUNTERS: usize = 2 + SIZES;

/// What a frame's destination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacClass {
    /// One station.
    Unicast,
    /// A group that is not everybody.
    Multicast,
    /// Everybody.
    Broadcast,
}

impl MacClass {
    /// The class of the address `destination`.
    #[inline(always)]
    pub const fn of(destination: [u8; 6]) -> Self {
        if !Self::is_group(destination[0]) {
            return Self::Unicast;
        }
        Self::of_group(destination)
    }

    /// Whether an address that begins with this byte is not unicast; most are, so that the other bytes need not be looked at.
    #[inline(always)]
    pub const fn is_group(first_byte: u8) -> bool {
        first_byte & 1 != 0
    }

    #[cold]
    const fn of_group(destination: [u8; 6]) -> Self {
        if matches!(destination, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]) {
            Self::Broadcast
        } else {
            Self::Multicast
        }
    }
}

/// Frames of this many bytes and more are in the last bin.
const LONGEST: usize = 1519;

/// The size bin of each length below and including `LONGEST`: a table, of which uniform traffic touches one cache line, is less work
/// than arithmetic on the length.
static BIN_OF_LENGTH: [u8; LONGEST + 1] = {
    let mut bins = [0; LONGEST + 1];
    let mut len = 0;
    while len <= LONGEST {
        bins[len] = match len {
            0..64 => 0,
            64 => 1,
            65..128 => 2,
            128..256 => 3,
            256..512 => 4,
            512..1024 => 5,
            1024..LONGEST => 6,
            _ => 7,
        };
        len += 1;
    }
    bins
};

#[inline(always)]
fn size_bin(len_bytes: u32) -> usize {
    let bin = BIN_OF_LENGTH[(len_bytes as usize).min(LONGEST)];
    // The mask changes nothing: there are eight bins.
    usize::from(bin) & (SIZES - 1)
}

/// What one burst has counted: plain numbers on the stack.
#[derive(Clone, Copy, Debug, Default)]
pub struct BurstCounts {
    multicast: u32,
    broadcast: u32,
    sizes: [u32; SIZES],
}

impl BurstCounts {
    /// Nothing counted yet.
    #[inline(always)]
    pub const fn new() -> Self {
        Self { multicast: 0, broadcast: 0, sizes: [0; SIZES] }
    }

    /// Counts a frame of `len_bytes`.
    #[inline(always)]
    pub fn add(&mut self, len_bytes: u32, class: MacClass) {
        self.sizes[size_bin(len_bytes)] += 1;
        if !matches!(class, MacClass::Unicast) {
            self.add_group(class);
        }
    }

    #[cold]
    fn add_group(&mut self, class: MacClass) {
        self.broadcast += u32::from(matches!(class, MacClass::Broadcast));
        self.multicast += u32::from(matches!(class, MacClass::Multicast));
    }

    /// Adds everything to `counts`, whose one writer the caller is, and begins anew.
    #[inline]
    pub fn flush(&mut self, counts: &PacketCounts) {
        if self.multicast | self.broadcast != 0 {
            add(&counts.counts[0], self.multicast);
            add(&counts.counts[1], self.broadcast);
        }
        for (counter, &size) in counts.counts[2..].iter().zip(&self.sizes) {
            if size != 0 {
                add(counter, size);
            }
        }
        *self = Self::new();
    }
}

/// One writer, so no locked instruction.
#[inline(always)]
fn add(counter: &AtomicU64, n: u32) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(n.into()), Ordering::Relaxed);
}

/// The running counters of one queue. All zeroes are a valid value, also in memory that processes share.
#[derive(Debug, Default)]
#[repr(C)]
pub struct PacketCounts {
    counts: [AtomicU64; COUNTERS],
}

const _: () = assert!(size_of::<PacketCounts>() == 80);
const _: () = assert!(align_of::<PacketCounts>() == 8);

impl PacketCounts {
    /// Counters at zero.
    pub const fn new() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; COUNTERS] }
    }

    /// What has been counted so far. Each counter is exact; together they are of one moment only while nobody flushes.
    pub fn snapshot(&self) -> PacketCountsSnapshot {
        let at = |index: usize| self.counts[index].load(Ordering::Relaxed);
        PacketCountsSnapshot {
            multicast: at(0),
            broadcast: at(1),
            undersize: at(2),
            size_64: at(3),
            size_65_127: at(4),
            size_128_255: at(5),
            size_256_511: at(6),
            size_512_1023: at(7),
            size_1024_1518: at(8),
            size_1519_max: at(9),
        }
    }
}

/// Counters of one queue at some moment, or their growth since another. Fields are in the order in which DPDK reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketCountsSnapshot {
    /// Frames to a group that is not everybody.
    pub multicast: u64,
    /// Frames to everybody.
    pub broadcast: u64,
    /// Frames below 64 bytes.
    pub undersize: u64,
    /// Frames of 64 bytes.
    pub size_64: u64,
    /// Frames of 65 to 127 bytes.
    pub size_65_127: u64,
    /// Frames of 128 to 255 bytes.
    pub size_128_255: u64,
    /// Frames of 256 to 511 bytes.
    pub size_256_511: u64,
    /// Frames of 512 to 1023 bytes.
    pub size_512_1023: u64,
    /// Frames of 1024 to 1518 bytes.
    pub size_1024_1518: u64,
    /// Longer frames.
    pub size_1519_max: u64,
}

impl PacketCountsSnapshot {
    /// DPDK's names of the counters, in its order, as they follow `rx_q0_`.
    pub const NAMES: [&str; COUNTERS] = [
        "multicast_packets",
        "broadcast_packets",
        "undersize_packets",
        "size_64_packets",
        "size_65_127_packets",
        "size_128_255_packets",
        "size_256_511_packets",
        "size_512_1023_packets",
        "size_1024_1518_packets",
        "size_1519_max_packets",
    ];

    /// The values, in the order of [`NAMES`](Self::NAMES).
    pub const fn values(&self) -> [u64; COUNTERS] {
        [
            self.multicast,
            self.broadcast,
            self.undersize,
            self.size_64,
            self.size_65_127,
            self.size_128_255,
            self.size_256_511,
            self.size_512_1023,
            self.size_1024_1518,
            self.size_1519_max,
        ]
    }

    /// Name and value of each counter, in DPDK's order.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        Self::NAMES.into_iter().zip(self.values())
    }

    /// What has been counted since `base` was taken.
    pub const fn since(&self, base: &Self) -> Self {
        Self {
            multicast: self.multicast.wrapping_sub(base.multicast),
            broadcast: self.broadcast.wrapping_sub(base.broadcast),
            undersize: self.undersize.wrapping_sub(base.undersize),
            size_64: self.size_64.wrapping_sub(base.size_64),
            size_65_127: self.size_65_127.wrapping_sub(base.size_65_127),
            size_128_255: self.size_128_255.wrapping_sub(base.size_128_255),
            size_256_511: self.size_256_511.wrapping_sub(base.size_256_511),
            size_512_1023: self.size_512_1023.wrapping_sub(base.size_512_1023),
            size_1024_1518: self.size_1024_1518.wrapping_sub(base.size_1024_1518),
            size_1519_max: self.size_1519_max.wrapping_sub(base.size_1519_max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of the one size counter that a frame of `len` belongs to, by the limits in the names.
    fn naive(len: u32) -> &'static str {
        match len {
            0..=63 => "undersize_packets",
            64 => "size_64_packets",
            65..=127 => "size_65_127_packets",
            128..=255 => "size_128_255_packets",
            256..=511 => "size_256_511_packets",
            512..=1023 => "size_512_1023_packets",
            1024..=1518 => "size_1024_1518_packets",
            _ => "size_1519_max_packets",
        }
    }

    fn counted(frames: impl IntoIterator<Item = (u32, MacClass)>) -> PacketCountsSnapshot {
        let (counts, mut burst) = (PacketCounts::new(), BurstCounts::new());
        frames.into_iter().for_each(|(len, class)| burst.add(len, class));
        burst.flush(&counts);
        counts.snapshot()
    }

    #[test]
    fn every_length_is_in_the_bin_of_its_name_and_in_no_other() {
        let edges = [2047, 2048, 2049, 4095, 4096, 9018, 65_535, 65_550, 1 << 31, u32::MAX];
        for len in (0..=2000).chain(edges) {
            let seen = counted([(len, MacClass::Unicast)]);
            let there: Vec<_> = seen.named().filter(|&(_, n)| n != 0).collect();
            assert_eq!(there, [(naive(len), 1)], "{len} bytes");
        }
    }

    #[test]
    fn broadcast_is_not_multicast_and_every_frame_has_a_size() {
        let seen = counted([
            (64, MacClass::of([0x02, 0, 0, 0, 0, 0xFF])),
            (64, MacClass::of([0x01, 0, 0x5E, 0, 0, 1])),
            (64, MacClass::of([0x33, 0x33, 0, 0, 0, 1])),
            (64, MacClass::of([0xFF; 6])),
            (64, MacClass::of([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE])),
        ]);
        assert_eq!((seen.multicast, seen.broadcast, seen.size_64), (3, 1, 5));
    }

    #[test]
    fn bursts_add_up_and_a_flush_begins_anew() {
        let (counts, mut burst) = (PacketCounts::new(), BurstCounts::new());
        burst.add(60, MacClass::Broadcast);
        burst.flush(&counts);
        let base = counts.snapshot();
        burst.flush(&counts);
        assert_eq!(counts.snapshot(), base, "a second flush added something");
        burst.add(60, MacClass::Multicast);
        burst.flush(&counts);
        let grown = counts.snapshot().since(&base);
        let expected =
            PacketCountsSnapshot { multicast: 1, undersize: 1, ..PacketCountsSnapshot::default() };
        assert_eq!(grown, expected);
    }

    #[test]
    fn names_are_in_the_order_of_values() {
        let seen = PacketCountsSnapshot { multicast: 1, size_1519_max: 9, ..Default::default() };
        let named: Vec<_> = seen.named().collect();
        assert_eq!(named.first(), Some(&("multicast_packets", 1)));
        assert_eq!(named.last(), Some(&("size_1519_max_packets", 9)));
    }
}
