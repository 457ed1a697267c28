//! The physical limit that packet loopback over shared memory is held against.
//!
//! Two cores pass payloads through a pair of plain single-producer single-consumer rings of inline
//! slots, in bursts of 32, each sending on what it received: no descriptors, no buffers, no
//! protocol. `limit [SIZE_BYTES]` prints millions of payloads a second.
#![allow(unsafe_code, reason = "the slots are shared memory that both cores write, as in a vring")]

use std::error::Error;
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use nix::unistd::Pid;

const SLOTS: usize = 1024;
const BURST: usize = 32;
const SIZE_BYTES_MAX: usize = 65536;
const WARM_UP: Duration = Duration::from_millis(500);
const MEASURE: Duration = Duration::from_secs(2);

/// An index on a cache line of its own.
#[repr(align(64))]
#[derive(Default)]
struct Line(AtomicUsize);

/// A ring of `SLOTS` inline slots.
struct Ring {
    /// Consumed so far; written by the consumer.
    head: Line,
    /// Produced so far; written by the producer.
    tail: Line,
    slots: NonNull<u8>,
    mapped: NonZeroUsize,
    slot_bytes: usize,
}

// SAFETY: the mapping lives as long as the ring, and each slot is touched by one side at a time:
// by the producer until it has released `tail`, by the consumer until it has released `head`.
unsafe impl Send for Ring {}
// SAFETY: as above; the indices are atomics.
unsafe impl Sync for Ring {}

impl Ring {
    fn new(slot_bytes: usize) -> Result<Self, Box<dyn Error>> {
        let mapped = NonZeroUsize::new(SLOTS * slot_bytes).ok_or("a slot of no bytes")?;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: an anonymous mapping at an address of the kernel's choice replaces nothing.
        let slots = unsafe { mmap_anonymous(None, mapped, access, flags) }?.cast();
        Ok(Self { head: Line::default(), tail: Line::default(), slots, mapped, slot_bytes })
    }

    fn slot(&self, index: usize) -> NonNull<u8> {
        let offset = (index % SLOTS) * self.slot_bytes;
        // SAFETY: the offset is that of a slot, and `new` mapped `SLOTS` of them.
        unsafe { self.slots.add(offset) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length; nothing borrows from it when it is dropped.
        let _ = unsafe { munmap(self.slots.cast::<c_void>(), self.mapped.get()) };
    }
}

/// One side: it consumes from one ring and produces into the other.
struct Side<'a> {
    from: &'a Ring,
    to: &'a Ring,
    /// Own and last seen far index of `from`.
    taken: usize,
    seen_tail: usize,
    /// Own and last seen far index of `to`.
    given: usize,
    seen_head: usize,
}

impl Side<'_> {
    /// Moves up to one burst; how many.
    #[inline(never)]
    fn step(&mut self) -> usize {
        if self.seen_tail.wrapping_sub(self.taken) < BURST {
            self.seen_tail = self.from.tail.0.load(Ordering::Acquire);
        }
        if SLOTS - self.given.wrapping_sub(self.seen_head) < BURST {
            self.seen_head = self.to.head.0.load(Ordering::Acquire);
        }
        let available = self.seen_tail.wrapping_sub(self.taken);
        let room = SLOTS - self.given.wrapping_sub(self.seen_head);
        let count = available.min(room).min(BURST);
        if count == 0 {
            std::hint::spin_loop();
            return 0;
        }
        for n in 0..count {
            let from = self.from.slot(self.taken.wrapping_add(n));
            let to = self.to.slot(self.given.wrapping_add(n));
            // SAFETY: both are slots of this size in different mappings, and the indices that were
            // acquired above say that both are this side's.
            unsafe { from.copy_to_nonoverlapping(to, self.from.slot_bytes) };
        }
        self.taken = self.taken.wrapping_add(count);
        self.given = self.given.wrapping_add(count);
        self.from.head.0.store(self.taken, Ordering::Release);
        self.to.tail.0.store(self.given, Ordering::Release);
        count
    }

    /// Moves for as long as `time`; how many, and how long it really took.
    fn run(&mut self, time: Duration) -> (usize, Duration) {
        let began = Instant::now();
        let mut moved = 0;
        while began.elapsed() < time {
            moved += (0..64).map(|_| self.step()).sum::<usize>();
        }
        (moved, began.elapsed())
    }
}

fn pin(cpu: usize) -> nix::Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &cpus)
}

/// Payloads a second that cores 0 and 1 pass back and forth.
fn measure(slot_bytes: usize) -> Result<f64, Box<dyn Error>> {
    let (there, back) = (Ring::new(slot_bytes)?, Ring::new(slot_bytes)?);
    // As many are under way as fit while a burst of room is left.
    let under_way = SLOTS - BURST;
    there.tail.0.store(under_way, Ordering::Release);
    let stop = AtomicBool::new(false);
    let side = |from, to, given| Side { from, to, taken: 0, seen_tail: 0, given, seen_head: 0 };
    let (mut echo, mut near) = (side(&there, &back, 0), side(&back, &there, under_way));
    let stop = &stop;
    thread::scope(|scope| {
        // Moved to its thread's own stack: beside `near` the two would share cache lines.
        let far = scope.spawn(move || {
            let pinned = pin(0);
            while !stop.load(Ordering::Relaxed) {
                echo.step();
            }
            pinned
        });
        let pinned = pin(1);
        near.run(WARM_UP);
        let (moved, took) = near.run(MEASURE);
        stop.store(true, Ordering::Relaxed);
        far.join().map_err(|_| "the other core's thread panicked")??;
        pinned?;
        Ok(moved as f64 / took.as_secs_f64())
    })
}

fn main() -> ExitCode {
    let word = std::env::args().nth(1).unwrap_or_else(|| "64".to_owned());
    let size = word.parse().ok().filter(|size| (1..=SIZE_BYTES_MAX).contains(size));
    let Some(size) = size else {
        eprintln!("limit: \"{word}\" is not a size of 1 to {SIZE_BYTES_MAX} bytes");
        return ExitCode::from(2);
    };
    match measure(size) {
        Ok(rate) => {
            println!("{size}B {:.2} Mpps", rate / 1e6);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("limit: {error}; it wants cores 0 and 1");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_round_is_neither_lost_nor_altered() {
        let (there, back) = (Ring::new(8).expect("memory"), Ring::new(8).expect("memory"));
        for n in 0..40_usize {
            let bytes = n.to_le_bytes();
            // SAFETY: a slot of eight bytes that no other thread knows.
            unsafe { there.slot(n).copy_from_nonoverlapping(NonNull::from(&bytes).cast(), 8) };
        }
        there.tail.0.store(40, Ordering::Release);
        let mut side =
            Side { from: &there, to: &back, taken: 0, seen_tail: 0, given: 0, seen_head: 0 };
        assert_eq!((side.step(), side.step(), side.step()), (32, 8, 0));
        let mut got = [0; 8];
        // SAFETY: a slot of eight bytes that no other thread knows.
        unsafe { back.slot(39).copy_to_nonoverlapping(NonNull::from(&mut got).cast(), 8) };
        assert_eq!(usize::from_le_bytes(got), 39);
        assert_eq!(there.head.0.load(Ordering::Acquire), 40);
    }
}
