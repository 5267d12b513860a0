//! One shard: a ring of records with one owner who writes and one flusher who reads.
//!
//! Positions are absolute and only grow. `tail` is where the owner writes next, `head` is up to where the flusher
//! has freed; `tail - head` never exceeds the capacity. A record crosses neither the end of a *lap* nor that of a frame
//! (see [`crate::frame`]): the rest that is too short for it is skipped, with a length of [`PAD`] there (or nothing, where not even
//! a length fits).
//!
//! The owner compares against one number, `limit`: the end of the frame, the end of the free space, or the next point
//! where it looks around, whichever comes first. So a record costs the copy, a comparison and a release
//! store; everything rare (wrapping, looking at `head` again, waking the flusher, being closed) is behind that
//! comparison. A sealed shard has the limit 0.
//!
//! When the owner looks around and finds that all is flushed, it *rewinds*: the next lap begins at once, at the storage's
//! first byte. So a thread that the flusher keeps up with uses only as much of its storage as it fills between two passes, and
//! that stays in the cache. The flusher has it look around when it has freed the last byte, by setting the limit to 0: as a
//! sealed shard's, but the state is still open.
//!
//! Who the owner is, and whether it is inside a call, is not known here, but by the seat that the shard is on (see [`crate::seat`]).

use crate::bell::Bell;
use crate::frame::Frames;
use crate::staging::Line;
use crate::stream;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Mutex, Ordering, fence};
use crate::sync::{fence_light, spin_loop, yield_now};
use std::ptr;

/// A length that no record has: the rest of the frame is skipped.
pub(crate) const PAD: u32 = u32::MAX;
/// Bytes of a record's length.
pub(crate) const LENGTH: usize = 4;

/// Why a shard did not take a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No room now.
    Full,
    /// Sealed for good.
    Sealed,
}

/// Where a record goes that was begun and not yet published. Small, so that it stays in registers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// Its first byte.
    pub(crate) at: *mut u8,
    position: u64,
    limit: u64,
}

/// A record that was published when the limit was 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Late {
    end: u64,
}

impl Slot {
    /// Contiguous bytes that the owner may fill.
    pub(crate) fn room(&self) -> usize {
        (self.limit - self.position) as usize
    }
}

/// A shard may not be flushed beyond `at` before another one is flushed up to `position`: the thread that came
/// from there wrote the older records there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Gate {
    pub(crate) at: u64,
    pub(crate) shard: usize,
    pub(crate) position: u64,
}

/// A lap that is shorter than this, or than a quarter of the shard, goes on.
const SHORTEST_LAP: u64 = 64 << 10;

const OPEN: u32 = 0;
const SEALING: u32 = 1;
const SEALED: u32 = 2;

#[repr(C, align(128))]
pub(crate) struct Shard {
    // The owner's line. Only the owner writes here, except for `limit` when the shard is sealed.
    limit: AtomicU64,
    tail: AtomicU64,
    /// The storage's address minus the position where the current lap began: `origin + position` is the byte.
    origin: AtomicPtr<u8>,
    accepted: AtomicU64,
    /// Where the tail and the gate are kept, too, if they are to outlive the process; else NULL.
    line: *const Line,
    id: u16,
    base: *mut u8,
    lap: AtomicU64,
    /// The position at which a lap began before the storage's end was reached.
    rewound: AtomicU64,
    /// What was accepted before the frame that the owner is in, and how many are in each frame that it has left.
    first: AtomicU64,
    records: Box<[AtomicU32]>,
    /// Bytes of the storage, from its first, that may have been written.
    touched: AtomicU64,

    // Rarely written.
    frames: Frames,
    state: AtomicU32,
    /// The seat that it was put on last.
    seat: AtomicU32,
    last_tail: AtomicU64,
    pub(crate) dropped: AtomicU64,
    gate: Mutex<Gate>,

    flushed: Flushed,
}

/// The flusher's line.
#[repr(align(128))]
struct Flushed {
    head: AtomicU64,
    asked: AtomicU32,
    /// The tail when the last pass began.
    seen: AtomicU64,
}

// SAFETY: `base` and `line` point to memory that outlives the shard's users (`Shard::new` demands it). Bytes of
// the ring are written only by the owner and only outside [head, tail), and read by the flusher only inside it; the
// release and acquire of `tail` and `head` hand them over. Ownership moves through the pool's atomic bitmap.
unsafe impl Send for Shard {}
// SAFETY: as above; everything else in the struct is atomic, locked, or never changes.
unsafe impl Sync for Shard {}

impl Shard {
    /// A shard over the storage at `memory`, divided into `frames`.
    ///
    /// # Safety
    ///
    /// As many bytes at `memory` as the frames take must be writable, belong to this shard alone, and stay mapped until it was sealed
    /// and its owner was seen outside a call. `line`, when given, must be valid as long.
    pub(crate) unsafe fn new(
        id: usize,
        memory: *mut u8,
        frames: Frames,
        line: Option<*const Line>,
    ) -> Self {
        let base = memory.wrapping_add(frames.storage());
        // SAFETY: the caller's promise. A line that a dead process left says how far it came.
        let (tail, rewound) = line.map_or((0, 0), |line| unsafe {
            ((*line).tail.load(Ordering::Acquire), (*line).rewound.load(Ordering::Relaxed))
        });
        Self {
            limit: AtomicU64::new(0),
            tail: AtomicU64::new(tail),
            origin: AtomicPtr::new(base),
            accepted: AtomicU64::new(0),
            line: line.unwrap_or(ptr::null()),
            id: id as u16,
            base,
            frames,
            lap: AtomicU64::new(0),
            rewound: AtomicU64::new(rewound),
            first: AtomicU64::new(0),
            records: (0..frames.count()).map(|_| AtomicU32::new(0)).collect(),
            touched: AtomicU64::new(0),
            state: AtomicU32::new(OPEN),
            seat: AtomicU32::new(0),
            last_tail: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            gate: Mutex::new(Gate::default()),
            flushed: Flushed {
                head: AtomicU64::new(0),
                asked: AtomicU32::new(0),
                seen: AtomicU64::new(tail),
            },
        }
    }

    // ---- The owner's side ----

    /// Begins a record of `need` bytes, its length included, if there is room at hand. The owner must be inside.
    #[inline(always)]
    pub(crate) fn at_hand(&self, need: usize) -> Option<Slot> {
        // The limit of a sealed shard lets nothing pass. If this one is not sealed, then whoever seals it later waits
        // until the owner is outside.
        let limit = self.limit.load(Ordering::Relaxed);
        let position = self.tail.load(Ordering::Relaxed);
        (position + need as u64 <= limit).then(|| {
            let slot = self.slot(position, limit);
            stream::claim_ahead(slot.at.wrapping_add(need));
            slot
        })
    }

    #[inline(always)]
    fn slot(&self, position: u64, limit: u64) -> Slot {
        let origin = self.origin.load(Ordering::Relaxed);
        Slot { at: origin.wrapping_add(position as usize), position, limit }
    }

    #[inline(always)]
    fn set_tail(&self, tail: u64) {
        if !self.line.is_null() {
            // First, so that the staging never says that more is in the file than was accepted.
            // SAFETY: `Shard::new` demands that the line is valid while an owner is inside.
            unsafe { &*self.line }.tail.store(tail, Ordering::Release);
        }
        self.tail.store(tail, Ordering::Release);
    }

    /// Hands the first `used` bytes of the slot to the flusher; the record is accepted, unless the shard may have been sealed
    /// meanwhile: then [`Self::took`], once the owner is outside, says whether it is.
    #[inline(always)]
    pub(crate) fn publish(&self, slot: Slot, used: usize, asymmetric: bool) -> Result<(), Late> {
        // Counted first, so that nobody can see more records written than accepted.
        self.accepted.store(self.accepted.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.set_tail(slot.position + used as u64);
        fence_light(asymmetric);
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 { Err(Late { end: slot.position + used as u64 }) } else { Ok(()) }
    }

    /// Whether the shard has taken a record that was published when the limit was 0.
    ///
    /// If it was sealed while the owner was inside: the closer waits for such owners, but not for ever, so whether the record
    /// made it is read off the tail that the closer saw.
    #[cold]
    pub(crate) fn took(&self, Late { end }: Late) -> bool {
        // As a limit that is not 0 would: the closer's heavy fence comes after the tail was published, and before it looks
        // at the tail.
        if self.state.load(Ordering::Acquire) == OPEN {
            return true;
        }
        while self.state.load(Ordering::Acquire) != SEALED {
            spin_loop();
            yield_now();
        }
        let accepted = end <= self.last_tail.load(Ordering::Relaxed);
        if !accepted {
            self.accepted.store(self.accepted.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        }
        accepted
    }

    /// Begins a record of `need` bytes. The owner must be inside.
    pub(crate) fn begin(&self, need: usize, bell: &Bell) -> Result<Slot, Refused> {
        self.at_hand(need).map_or_else(|| self.make_room(need, bell), Ok)
    }

    /// The rare part of `begin`.
    fn make_room(&self, need: usize, bell: &Bell) -> Result<Slot, Refused> {
        if self.state.load(Ordering::Acquire) != OPEN {
            return Err(Refused::Sealed);
        }
        let need = need as u64;
        let step = self.frames.step();
        let head = self.flushed.head.load(Ordering::Acquire);
        let space_end = head + self.capacity();
        let mut position = self.tail.load(Ordering::Relaxed);
        let mut lap = self.lap.load(Ordering::Relaxed);
        if head == position && position - lap >= self.shortest_lap() {
            lap = position;
            self.rewound.store(position, Ordering::Relaxed);
            // SAFETY: as in `set_tail`.
            if let Some(line) = unsafe { self.line.as_ref() } {
                line.rewound.store(position, Ordering::Relaxed);
            }
            self.begin_lap(lap);
        }
        let frame_end = lap + self.frames.end(position - lap);
        let skips = position + need > self.frames.usable(frame_end);
        let begin = if skips { frame_end } else { position };
        let fits = begin + need <= space_end;
        // Nothing is skipped for a record that does not fit anyway, unless it matters to none.
        let left = frame_end - position;
        if skips && (fits || (frame_end <= space_end && self.frames.is_little(left))) {
            self.end_frame(lap, position, frame_end);
            position = frame_end;
        }
        if !fits {
            bell.ring();
            return Err(Refused::Full);
        }
        if position == lap + self.capacity() {
            lap = position;
            self.begin_lap(lap);
        }
        if self.frames.begin(position - lap) == position - lap {
            self.first.store(self.accepted(), Ordering::Relaxed);
        }
        // The record that goes beyond a step wakes the flusher for those in front of it.
        if (skips && self.frames.is_divided()) || position - head >= step {
            self.flushed.asked.store(1, Ordering::Relaxed);
            bell.ring();
        }
        let usable = lap + self.frames.usable(self.frames.end(position - lap));
        let limit = space_end.min(usable).min(position + need.max(step));
        let touched = (limit - lap).max(self.touched.load(Ordering::Relaxed));
        self.touched.store(touched, Ordering::Relaxed);
        self.limit.store(limit, Ordering::Relaxed);
        // Pairs with the fence in `seal`: if the state is still open here, the closer's store of the limit comes
        // after the one above.
        fence(Ordering::SeqCst);
        if self.state.load(Ordering::Relaxed) != OPEN {
            self.limit.store(0, Ordering::Relaxed);
            return Err(Refused::Sealed);
        }
        Ok(self.slot(position, limit))
    }

    /// Leaves the rest of a frame empty, and hands the frame to the flusher.
    fn end_frame(&self, lap: u64, position: u64, end: u64) {
        if position == end {
            return;
        }
        let origin = self.origin.load(Ordering::Relaxed);
        if self.frames.is_divided() {
            let begin = lap + self.frames.begin(position - lap);
            let records = self.accepted() - self.first.load(Ordering::Relaxed);
            self.records[self.frames.index(begin - lap)].store(records as u32, Ordering::Relaxed);
            let bytes = (position - begin) as u32;
            let at = origin.wrapping_add(begin as usize).wrapping_sub(size_of::<u32>());
            // SAFETY: in front of each frame the memory of the shard has room for a header, which ends with this number; the
            // frame is free space that only the owner touches up to now.
            unsafe { at.cast::<u32>().write_unaligned(bytes.to_le()) };
        } else if position + LENGTH as u64 <= end {
            // SAFETY: the four bytes lie between the tail and the end of the lap, thus in the storage, and in the
            // free space that only the owner touches: the caller saw that it reaches to the end.
            unsafe {
                origin.wrapping_add(position as usize).cast::<u32>().write_unaligned(PAD.to_le());
            }
        }
        self.set_tail(end);
    }

    /// How many bytes of records there are in the frame that begins at `offset` of the storage, which the owner has left; none
    /// where there are no frames. Makes no sense if somebody wrote over it.
    pub(crate) fn filled(&self, offset: u64) -> Option<u64> {
        self.frames.is_divided().then(|| {
            let at = self.base.wrapping_add(offset as usize).wrapping_sub(size_of::<u32>());
            // SAFETY: `end_frame` wrote the number before it published the end of the frame.
            u32::from_le(unsafe { at.cast::<u32>().read_unaligned() }).into()
        })
    }

    /// How many records there are in that frame, if the owner lives in this process.
    pub(crate) fn records(&self, offset: u64) -> u32 {
        self.records[self.frames.index(offset)].load(Ordering::Relaxed)
    }

    fn shortest_lap(&self) -> u64 {
        SHORTEST_LAP.min(self.capacity() / 4)
    }

    fn begin_lap(&self, lap: u64) {
        self.lap.store(lap, Ordering::Relaxed);
        self.origin.store(self.base.wrapping_sub(lap as usize), Ordering::Relaxed);
    }

    // ---- For everybody ----

    /// The position up to which records are published.
    pub(crate) fn tail(&self) -> u64 {
        if self.state.load(Ordering::Acquire) == SEALED {
            self.last_tail.load(Ordering::Relaxed)
        } else {
            self.tail.load(Ordering::Acquire)
        }
    }

    /// The position up to which the space is free again.
    pub(crate) fn head(&self) -> u64 {
        self.flushed.head.load(Ordering::Acquire)
    }

    /// Bytes that are published and not freed.
    pub(crate) fn used(&self) -> u64 {
        // Head first: it only grows towards the tail.
        let head = self.head();
        self.tail().saturating_sub(head)
    }

    #[inline]
    pub(crate) fn capacity(&self) -> u64 {
        self.frames.capacity()
    }

    /// How the storage is divided.
    #[inline]
    pub(crate) fn frames(&self) -> Frames {
        self.frames
    }

    /// The storage's first byte.
    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    /// The position of the last rewinding.
    pub(crate) fn rewound(&self) -> u64 {
        self.rewound.load(Ordering::Relaxed)
    }

    /// The shard's number.
    #[inline]
    pub(crate) fn id(&self) -> u16 {
        self.id
    }

    /// The seat that it is on, if it is on any.
    pub(crate) fn seat(&self) -> usize {
        self.seat.load(Ordering::Relaxed) as usize
    }

    pub(crate) fn set_seat(&self, seat: usize) {
        self.seat.store(seat as u32, Ordering::Relaxed);
    }

    /// Records published so far; for the owner, the number of the next one.
    #[inline]
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// What the flusher has to wait for in other shards.
    pub(crate) fn gate(&self) -> Gate {
        *self.gate.lock()
    }

    /// Sets the gate. For the owner, before it publishes what has to wait.
    pub(crate) fn set_gate(&self, gate: Gate) {
        let mut current = self.gate.lock();
        // SAFETY: as in `set_tail`.
        if let Some(line) = unsafe { self.line.as_ref() } {
            line.gate_shard.store(gate.shard as u64, Ordering::Relaxed);
            line.gate_position.store(gate.position, Ordering::Relaxed);
            line.gate_at.store(gate.at, Ordering::Relaxed);
        }
        *current = gate;
    }

    /// Takes over the gate that a dead process left, if its shard is one of `shards`.
    pub(crate) fn restore_gate(&self, shards: usize) {
        // SAFETY: as in `set_tail`.
        if let Some(line) = unsafe { self.line.as_ref() } {
            let shard = line.gate_shard.load(Ordering::Relaxed) as usize;
            if shard < shards {
                let position = line.gate_position.load(Ordering::Relaxed);
                let at = line.gate_at.load(Ordering::Relaxed);
                *self.gate.lock() = Gate { at, shard, position };
            }
        }
    }

    /// Records that were dropped because this shard was full.
    pub(crate) fn dropped_so_far(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether a record of `need` bytes would fit, wherever the lap ends. A hint unless the caller is the owner.
    pub(crate) fn has_room(&self, need: usize) -> bool {
        let (need, head, tail) = (need as u64, self.head(), self.tail());
        let lap = self.lap.load(Ordering::Relaxed);
        let frame_end = lap + self.frames.end(tail.saturating_sub(lap));
        let skips = tail + need > self.frames.usable(frame_end);
        let skipped = if skips { frame_end.saturating_sub(tail) } else { 0 };
        tail.saturating_sub(head) + skipped + need <= self.capacity()
    }

    /// Bytes of the storage, from its first, that may have been written, or will be soon.
    pub(crate) fn touched(&self) -> u64 {
        self.touched.load(Ordering::Relaxed)
    }

    // ---- The flusher's side ----

    /// Whether the owner has written enough for a pass since the last one began.
    pub(crate) fn asks(&self) -> bool {
        self.flushed.asked.load(Ordering::Relaxed) != 0
    }

    /// A pass begins, which looks at the tail after this.
    pub(crate) fn answer(&self) {
        self.flushed.asked.swap(0, Ordering::AcqRel);
        self.flushed.seen.store(self.tail(), Ordering::Relaxed);
    }

    /// Whether nothing was written since the last pass began, all that was before is flushed, and a record of `need` bytes fits.
    pub(crate) fn is_idle(&self, need: usize) -> bool {
        let tail = self.tail();
        self.flushed.seen.load(Ordering::Relaxed) == tail
            && self.head() == tail
            && self.has_room(need)
    }

    /// Gives everything before `position` back to the owner. `lap` is where the lap began that the position is in.
    pub(crate) fn free_up_to(&self, position: u64, lap: u64) {
        self.flushed.head.store(position, Ordering::Release);
        if position - lap >= self.shortest_lap() && position == self.tail() {
            // So that the owner looks, and rewinds. If it is setting the limit just now, one of the two stores is lost,
            // which matters to neither: the owner rewinds another time, or looks around once more.
            self.limit.store(0, Ordering::Relaxed);
        }
    }

    /// First half of closing: after it, and a heavy fence, no new call begins a record. `settle` must follow.
    pub(crate) fn seal(&self) {
        if self.state.load(Ordering::Relaxed) == OPEN {
            self.state.store(SEALING, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            self.limit.store(0, Ordering::Relaxed);
        }
    }

    /// Second half of closing, once the owner is outside, or was for too long not: fixes the last position. A record
    /// published later than this is refused.
    pub(crate) fn settle(&self) {
        if self.state.load(Ordering::Relaxed) == SEALING {
            let tail = self.tail.load(Ordering::Acquire);
            self.last_tail.store(tail, Ordering::Relaxed);
            self.state.store(SEALED, Ordering::Release);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::cursor::Cursor;

    const CAPACITY: usize = 8 << 20;
    const RECORD: usize = 1024;

    /// Writes records until `total` bytes are written or the shard is full, and returns how many there were.
    fn fill(shard: &Shard, total: usize, next: &mut u32) -> usize {
        let bell = Bell::default();
        for written in 0..total / RECORD {
            let Ok(slot) = shard.begin(RECORD, &bell) else { return written };
            // SAFETY: the slot has room for the record.
            unsafe {
                slot.at.cast::<u32>().write_unaligned((RECORD as u32 - 4).to_le());
                slot.at.add(4).cast::<u32>().write_unaligned(*next);
            }
            assert!(shard.publish(slot, RECORD, false).is_ok());
            *next += 1;
        }
        total / RECORD
    }

    /// Copies and frees everything, and checks that it is the records from `from` on.
    fn drain(shard: &Shard, cursor: &mut Cursor, out: &mut [u8], from: &mut u32) {
        let copied = cursor.copy(shard, shard.tail(), out, false);
        assert!(!copied.damaged && !copied.full);
        assert_eq!(copied.sum, flightring_blockfile::sum_records(0, &out[..copied.bytes]));
        for record in out[..copied.bytes].chunks(RECORD) {
            assert_eq!(record[4..8], from.to_ne_bytes());
            *from += 1;
        }
        shard.free_up_to(cursor.position, cursor.lap());
    }

    #[test]
    fn a_shard_that_is_drained_in_time_uses_its_first_bytes_again_and_all_of_it_in_a_burst() {
        let mut storage = vec![0u8; CAPACITY];
        // SAFETY: the storage is the shard's alone and outlives it.
        let shard =
            unsafe { Shard::new(0, storage.as_mut_ptr(), Frames::undivided(CAPACITY), None) };
        let mut out = vec![0; CAPACITY];
        let (mut cursor, mut next, mut read) = (Cursor::default(), 0, 0);
        for _ in 0..100 {
            fill(&shard, 1 << 20, &mut next);
            assert!(shard.used() > 0);
            drain(&shard, &mut cursor, &mut out, &mut read);
        }
        assert!(shard.touched() <= 3 << 20, "{} bytes touched", shard.touched());
        // Right after that a burst has all the room there is, wherever the lap stands.
        let burst = fill(&shard, 2 * CAPACITY, &mut next);
        assert!(burst >= (CAPACITY / RECORD) - 1, "{burst} records");
        assert!(shard.asks());
        drain(&shard, &mut cursor, &mut out, &mut read);
        assert_eq!(read, next);
    }

    #[test]
    fn a_shard_that_is_drained_now_and_then_stays_small() {
        let mut storage = vec![0u8; CAPACITY];
        // SAFETY: as above.
        let shard =
            unsafe { Shard::new(0, storage.as_mut_ptr(), Frames::undivided(CAPACITY), None) };
        let mut out = vec![0; CAPACITY];
        let (mut cursor, mut next, mut read) = (Cursor::default(), 0, 0);
        // Far from the points where the owner looks around of its own accord.
        for records in (50..250).cycle().take(1000) {
            assert_eq!(fill(&shard, records * RECORD, &mut next), records);
            drain(&shard, &mut cursor, &mut out, &mut read);
        }
        assert_eq!(read, next);
        // What is reserved is at most a step; what was written is less.
        let written = storage.iter().rposition(|byte| *byte != 0).unwrap();
        assert!(written < 400 << 10, "{written} bytes written");
    }
}
