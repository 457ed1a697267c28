//! Taking packets that the driver sent.
#![allow(unsafe_code, reason = "reads guest memory inside the gate")]

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use eal::gate::{Entry, PollerGate};
use eal::prefetch;
use virtio::packet_counts::{BurstCounts, MacClass};

use super::chain::{ChainKind, Cursor, Pieces, Walk};
use super::copy::copy;
use super::poller::Ring;
use super::{BATCH, MAX_PACKET_BYTES};
use crate::guest_memory::{Piece, Translator};
use crate::vring::{BreakReason, Claim, VringShared};

/// A packet in guest memory, valid during [`RxSink::accept`]. Its bytes may change while they are read.
#[derive(Clone, Debug)]
pub struct GuestPacket<'a> {
    cursor: Cursor<'a>,
    len: u32,
    /// Where it is noted what the destination is, at the first read; none for the later ones.
    class: Option<&'a Cell<MacClass>>,
}

impl GuestPacket<'_> {
    /// Bytes of the packet that are left to read, without the virtio header.
    #[inline]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether everything was read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies the next bytes to `into`, as many as there are, at most `room`, and returns how many. The packet is counted by
    /// its destination if the first read takes at least the 6 bytes of that, else as unicast.
    ///
    /// # Safety
    ///
    /// `into` must be valid for writing `room` bytes.
    #[inline(always)]
    pub unsafe fn read_raw(&mut self, into: *mut u8, room: usize) -> usize {
        let want = room.min(self.len as usize);
        let mut done = 0;
        while done < want {
            let (from, run) = self.cursor.run(want - done);
            if run == 0 {
                break;
            }
            // SAFETY: `run` bytes at `from` are in a mapped region (checked when gathered); `into` has room for `want`.
            unsafe { copy(from, into.wrapping_add(done), run) };
            done += run;
        }
        // At most the old length.
        self.len -= done as u32;
        if let Some(class) = self.class.take()
            && done >= size_of::<[u8; 6]>()
        {
            // The guest's own bytes may be others by now.
            // SAFETY: as many bytes were written there.
            class.set(MacClass::of(unsafe { into.cast::<[u8; 6]>().read_unaligned() }));
        }
        done
    }

    /// Copies the next bytes to `into` and returns how many there were. Read the first 6 together, see
    /// [`GuestPacket::read_raw`].
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        // SAFETY: the slice is valid for its length.
        unsafe { self.read_raw(into.as_mut_ptr(), into.len()) }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// It was copied.
    Taken,
    /// The embedder does not want it: it is completed and counted as too large.
    Refused,
    /// There is no buffer for it now: it stays in the ring and the burst ends.
    NoBuffer,
}

/// Where packets go: the embedder's side of [`Dequeue::dequeue`].
pub trait RxSink {
    /// Asked once a pass: makes ready for up to `want` packets and says for how many.
    fn ready(&mut self, want: usize) -> usize;

    /// Takes one packet by reading it.
    fn accept(&mut self, packet: GuestPacket<'_>) -> Accept;
}

/// One packet found by the gather stage.
#[derive(Clone, Copy, Default)]
struct Found {
    head: u16,
    /// Its pieces in the list.
    from: u16,
    to: u16,
    /// Bytes without header; `None` for a chain that breaks a rule.
    bytes: Option<u32>,
}

/// The poller of a ring that the driver sends on. `Send`, not `Sync`; holds the claim on the ring.
pub struct Dequeue {
    gate: PollerGate,
    claim: Claim,
    memory: Translator,
    ring: Option<Ring>,
    scratch: Box<Scratch>,
}

/// What one pass finds; kept between bursts so that it need not be cleared.
struct Scratch {
    pieces: Pieces,
    found: [Found; BATCH],
}

impl Dequeue {
    /// The poller of `vring`, claimed for `holder`.
    ///
    /// # Errors
    ///
    /// The name of the present holder.
    pub fn claim(vring: &Arc<VringShared>, holder: &str) -> Result<Self, String> {
        let claim = vring.claim(holder)?;
        let scratch = Box::new(Scratch { pieces: Pieces::new(), found: [Found::default(); BATCH] });
        let gate = claim.poller_gate();
        Ok(Self { gate, claim, memory: Translator::new(), ring: None, scratch })
    }

    /// The ring.
    pub fn vring(&self) -> &Arc<VringShared> {
        self.claim.vring()
    }

    /// Hands up to `most` packets to `sink` and returns how many it took. 0 while the ring is not in service. Bad packets
    /// count towards `most`, and one call takes a ring's length at most: a driver cannot keep the caller inside.
    #[inline]
    pub fn dequeue(&mut self, sink: &mut impl RxSink, most: usize) -> usize {
        let Self { gate, claim, memory, ring, scratch } = self;
        let inside = match gate.enter() {
            Entry::Open(inside) => inside,
            Entry::Changed(inside) => {
                // SAFETY: inside the gate; the result is used only in this epoch.
                *ring = unsafe { Ring::rebuild(claim, memory) };
                inside
            }
            Entry::Closed => return 0,
        };
        let shared: &VringShared = claim.vring();
        let Some(ring) = ring.as_mut().filter(|_| shared.broken().is_none()) else { return 0 };
        let most = most.min(ring.rings.size().into());
        if ring.discard {
            ring.drop_available(shared, most);
            return 0;
        }
        let (mut done, mut taken) = (0, 0);
        while done < most {
            let want = BATCH.min(most - done);
            let pass = one_pass(ring, memory, shared, scratch, sink, want);
            done += pass.done;
            taken += pass.taken;
            if pass.ended {
                break;
            }
        }
        drop(inside);
        taken
    }
}

struct Pass {
    /// Chains completed.
    done: usize,
    taken: usize,
    ended: bool,
}

#[inline]
fn one_pass(
    ring: &mut Ring,
    memory: &mut Translator,
    shared: &VringShared,
    scratch: &mut Scratch,
    sink: &mut impl RxSink,
    want: usize,
) -> Pass {
    let available = ring.available(shared, want);
    if available == 0 {
        ring.confirm_idle(shared);
        return Pass { done: 0, taken: 0, ended: true };
    }
    let ready = sink.ready(available).min(available);
    if ready == 0 {
        shared.counters.no_buffer.add(1);
        return Pass { done: 0, taken: 0, ended: true };
    }
    let Scratch { pieces, found } = scratch;
    pieces.truncate(0);
    let (count, full) = gather(ring, memory, shared, pieces, &mut found[..ready]);
    let (done, taken) = hand_over(ring, shared, sink, pieces, &found[..count]);
    ring.publish(shared, done);
    // A pass that was cut short by long chains is followed by another.
    Pass { done, taken, ended: done < want && !(full && done == count) }
}

/// Stage 1: finds the next packets. Returns how many, and whether the list of pieces was too short for more.
#[inline]
fn gather(
    ring: &Ring,
    memory: &mut Translator,
    shared: &VringShared,
    pieces: &mut Pieces,
    found: &mut [Found],
) -> (usize, bool) {
    let kind = ChainKind { write: false, indirect: ring.indirect };
    for (at, place) in found.iter_mut().enumerate() {
        let Some(head) = ring.head(at) else {
            shared.break_ring(BreakReason::HeadOutOfRange);
            return (at, false);
        };
        let from = pieces.len();
        let bytes = match pieces.add_chain(&ring.rings, memory, head, kind) {
            Walk::Bytes(bytes) => payload_bytes(bytes, ring.header_bytes),
            Walk::Bad => None,
            // Alone in its pass it would not fit either.
            Walk::Full if at == 0 => None,
            Walk::Full => return (at, true),
        };
        if let Some(first) = pieces.range(from, from + 1).first() {
            prefetch(first.host);
        }
        // The list has at most MAX_PIECES entries.
        *place = Found { head, from: from as u16, to: pieces.len() as u16, bytes };
    }
    (found.len(), false)
}

fn payload_bytes(bytes: u64, header_bytes: usize) -> Option<u32> {
    let payload = bytes.checked_sub(header_bytes as u64).filter(|&n| n > 0)?;
    u32::try_from(payload).ok()
}

/// Stage 2: hands packets over and writes their used elements. Returns chains completed and packets taken.
#[inline]
fn hand_over(
    ring: &Ring,
    shared: &VringShared,
    sink: &mut impl RxSink,
    pieces: &Pieces,
    found: &[Found],
) -> (usize, usize) {
    let (mut done, mut taken, mut bytes_taken) = (0, 0, 0u64);
    let (mut bad, mut refused) = (0, 0);
    let mut counts = BurstCounts::new();
    for packet in found {
        match packet.bytes {
            None => bad += 1,
            Some(bytes) if bytes > MAX_PACKET_BYTES => refused += 1,
            Some(bytes) => match offer(ring, sink, pieces, packet, bytes) {
                (Accept::Taken, class) => {
                    counts.add(bytes, class);
                    taken += 1;
                    bytes_taken += u64::from(bytes);
                }
                (Accept::Refused, _) => refused += 1,
                (Accept::NoBuffer, _) => {
                    shared.counters.no_buffer.add(1);
                    break;
                }
            },
        }
        ring.complete(done, packet.head, 0);
        done += 1;
    }
    let counters = &shared.counters;
    counters.packets.add(taken as u64);
    counters.bytes.add(bytes_taken);
    counts.flush(&counters.frames);
    if bad + refused > 0 {
        counters.bad_chains.add(bad);
        counters.too_large.add(refused);
    }
    (done, taken)
}

/// Offers one packet to the embedder. Returns what became of it, and what its destination was when it was read.
#[inline(always)]
fn offer(
    ring: &Ring,
    sink: &mut impl RxSink,
    pieces: &Pieces,
    packet: &Found,
    bytes: u32,
) -> (Accept, MacClass) {
    let list: &[Piece] = pieces.range(packet.from.into(), packet.to.into());
    let mut cursor = Cursor::new(list);
    cursor.skip(ring.header_bytes);
    let class = Cell::new(MacClass::Unicast);
    let answer = sink.accept(GuestPacket { cursor, len: bytes, class: Some(&class) });
    (answer, class.get())
}

impl fmt::Debug for Dequeue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dequeue").field("ring", &self.ring).finish_non_exhaustive()
    }
}
