//! One shard: a ring of records with one owner who writes and one flusher who reads.
//!
//! Positions are absolute and only grow. `tail` is where the owner writes next, `head` is up to where the flusher
//! has freed; `tail - head` never exceeds the capacity. A record never wraps: the rest of a *lap* that is too short
//! for it is skipped, with a length of [`PAD`] there (or nothing, where not even a length fits).
//!
//! The owner compares against one number, `limit`: the end of the lap, the end of the free space, or half full,
//! whichever comes first. So a record costs the copy, a comparison and a release store; everything rare (wrapping,
//! looking at `head` again, waking the flusher, being closed) is behind that comparison. A sealed shard has the
//! limit 0.

use crate::bell::Bell;
use crate::staging::Line;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Mutex, Ordering, fence};
use crate::sync::{asymmetric, fence_heavy, fence_light, spin_loop, yield_now};
use std::ptr;

/// A length that no record has: the rest of the lap is skipped.
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
    /// The owner is inside a call already: a signal handler interrupted it.
    Reentered,
}

/// Where a record goes that was begun and not yet published. Small, so that it stays in registers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// Its first byte.
    pub(crate) at: *mut u8,
    position: u64,
    limit: u64,
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

const OPEN: u32 = 0;
const SEALING: u32 = 1;
const SEALED: u32 = 2;

#[repr(C, align(128))]
pub(crate) struct Shard {
    // The owner's line. Only the owner writes here, except for `limit` when the shard is sealed.
    busy: AtomicU32,
    id: u16,
    asymmetric: bool,
    limit: AtomicU64,
    /// The storage's address minus the position where the current lap began: `origin + position` is the byte.
    origin: AtomicPtr<u8>,
    /// Where `tail` and the gate live if they are to outlive the process; NULL = in the shard itself.
    line: *const Line,
    own_tail: AtomicU64,
    accepted: AtomicU64,
    base: *mut u8,
    lap: AtomicU64,

    // Rarely written.
    capacity: u64,
    state: AtomicU32,
    last_tail: AtomicU64,
    pub(crate) dropped: AtomicU64,
    gate: Mutex<Gate>,

    flushed: Flushed,
}

/// The flusher's line.
#[repr(align(128))]
struct Flushed {
    head: AtomicU64,
}

// SAFETY: `base` and `line` point to memory that outlives the shard's users (`Shard::new` demands it). Bytes of
// the ring are written only by the owner and only outside [head, tail), and read by the flusher only inside it; the
// release and acquire of `tail` and `head` hand them over. Ownership moves through the pool's atomic bitmap.
unsafe impl Send for Shard {}
// SAFETY: as above; everything else in the struct is atomic, locked, or never changes.
unsafe impl Sync for Shard {}

impl Shard {
    /// A shard over `capacity` bytes at `base`.
    ///
    /// # Safety
    ///
    /// The bytes at `base` must be writable, belong to this shard alone, and stay mapped until it was sealed and its
    /// owner was seen outside a call. `line`, when given, must be valid as long.
    pub(crate) unsafe fn new(
        id: usize,
        base: *mut u8,
        capacity: usize,
        line: Option<*const Line>,
    ) -> Self {
        Self {
            busy: AtomicU32::new(0),
            id: id as u16,
            asymmetric: asymmetric(),
            limit: AtomicU64::new(0),
            origin: AtomicPtr::new(base),
            line: line.unwrap_or(ptr::null()),
            own_tail: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            base,
            capacity: capacity as u64,
            lap: AtomicU64::new(0),
            state: AtomicU32::new(OPEN),
            last_tail: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            gate: Mutex::new(Gate::default()),
            flushed: Flushed { head: AtomicU64::new(0) },
        }
    }

    #[inline(always)]
    fn tail_cell(&self) -> &AtomicU64 {
        if self.line.is_null() {
            &self.own_tail
        } else {
            // SAFETY: `Shard::new` demands that the line is valid while the shard may be written or read.
            unsafe { &(*self.line).tail }
        }
    }

    // ---- The owner's side ----

    /// Begins a record of `need` bytes, its length included. Every slot must be given to `publish` or `abandon`.
    #[inline(always)]
    pub(crate) fn begin(&self, need: usize, bell: &Bell) -> Result<Slot, Refused> {
        if self.busy.load(Ordering::Relaxed) != 0 {
            return Err(Refused::Reentered);
        }
        self.busy.store(1, Ordering::Relaxed);
        fence_light(self.asymmetric);
        let limit = self.limit.load(Ordering::Relaxed);
        if limit != 0 {
            // The shard was not sealed when the fence passed, so whoever seals it now waits for `busy`, and the
            // memory of the tail is there.
            let position = self.tail_cell().load(Ordering::Relaxed);
            if position + need as u64 <= limit {
                return Ok(self.slot(position, limit));
            }
        }
        self.make_room(need, bell)
    }

    #[inline(always)]
    fn slot(&self, position: u64, limit: u64) -> Slot {
        let origin = self.origin.load(Ordering::Relaxed);
        Slot { at: origin.wrapping_add(position as usize), position, limit }
    }

    /// Hands the first `used` bytes of the slot to the flusher; the record is accepted. Returns false if the shard
    /// was sealed without it.
    #[inline(always)]
    pub(crate) fn publish(&self, slot: Slot, used: usize) -> bool {
        // Counted first, so that nobody can see more records written than accepted.
        self.accepted.store(self.accepted.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.tail_cell().store(slot.position + used as u64, Ordering::Release);
        fence_light(self.asymmetric);
        let sealed = self.limit.load(Ordering::Relaxed) == 0;
        self.busy.store(0, Ordering::Release);
        !sealed || self.published_in_time(slot, used)
    }

    /// Gives the slot back unused.
    pub(crate) fn abandon(&self) {
        self.busy.store(0, Ordering::Release);
    }

    /// The shard was sealed while the owner was inside. The closer waits for such owners, but not for ever, so
    /// whether the record made it is read off the tail that the closer saw.
    #[cold]
    fn published_in_time(&self, slot: Slot, used: usize) -> bool {
        while self.state.load(Ordering::Acquire) != SEALED {
            spin_loop();
            yield_now();
        }
        let accepted = slot.position + used as u64 <= self.last_tail.load(Ordering::Relaxed);
        if !accepted {
            self.accepted.store(self.accepted.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        }
        accepted
    }

    /// The rare part of `begin`; inside the call, like its caller.
    #[cold]
    #[inline(never)]
    fn make_room(&self, need: usize, bell: &Bell) -> Result<Slot, Refused> {
        if self.state.load(Ordering::Acquire) != OPEN {
            self.busy.store(0, Ordering::Release);
            return Err(Refused::Sealed);
        }
        let need = need as u64;
        let head = self.flushed.head.load(Ordering::Acquire);
        let space_end = head + self.capacity;
        let mut position = self.tail_cell().load(Ordering::Relaxed);
        let mut lap = self.lap.load(Ordering::Relaxed);
        let lap_end = lap + self.capacity;
        let wraps = position + need > lap_end;
        let begin = if wraps { lap_end } else { position };
        if begin + need > space_end {
            // Nothing is skipped for a record that does not fit anyway.
            bell.ring();
            self.busy.store(0, Ordering::Release);
            return Err(Refused::Full);
        }
        if wraps {
            if lap_end - position >= LENGTH as u64 {
                let pad = self.origin.load(Ordering::Relaxed).wrapping_add(position as usize);
                // SAFETY: the four bytes lie between the tail and the end of the lap, thus in the storage, and in
                // the free space that only the owner touches.
                unsafe { pad.cast::<u32>().write_unaligned(PAD.to_le()) };
            }
            lap = lap_end;
            position = lap_end;
            self.lap.store(lap, Ordering::Relaxed);
            self.origin.store(self.base.wrapping_sub(lap as usize), Ordering::Relaxed);
            self.tail_cell().store(position, Ordering::Release);
        }
        let half = head + self.capacity / 2;
        let mut limit = space_end.min(lap + self.capacity);
        if position + need > half {
            bell.ring();
        } else {
            limit = limit.min(half);
        }
        self.limit.store(limit, Ordering::Relaxed);
        // Pairs with the fence in `seal`: if the state is still open here, the closer's store of the limit comes
        // after the one above.
        fence(Ordering::SeqCst);
        if self.state.load(Ordering::Relaxed) != OPEN {
            self.limit.store(0, Ordering::Relaxed);
            self.busy.store(0, Ordering::Release);
            return Err(Refused::Sealed);
        }
        Ok(self.slot(position, limit))
    }

    // ---- For everybody ----

    /// The position up to which records are published.
    pub(crate) fn tail(&self) -> u64 {
        if self.state.load(Ordering::Acquire) == SEALED {
            self.last_tail.load(Ordering::Relaxed)
        } else {
            self.tail_cell().load(Ordering::Acquire)
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

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The shard's number.
    #[inline]
    pub(crate) fn id(&self) -> u16 {
        self.id
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
        // SAFETY: as in `tail_cell`.
        if let Some(line) = unsafe { self.line.as_ref() } {
            line.gate_shard.store(gate.shard as u64, Ordering::Relaxed);
            line.gate_position.store(gate.position, Ordering::Relaxed);
            line.gate_at.store(gate.at, Ordering::Relaxed);
        }
        *current = gate;
    }

    /// Takes over the gate that a dead process left, if its shard is one of `shards`.
    pub(crate) fn restore_gate(&self, shards: usize) {
        // SAFETY: as in `tail_cell`.
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
        let left = (self.lap.load(Ordering::Relaxed) + self.capacity).saturating_sub(tail);
        let skipped = if left < need { left } else { 0 };
        tail.saturating_sub(head) + skipped + need <= self.capacity
    }

    /// Whether the flusher should run now.
    pub(crate) fn half_full(&self) -> bool {
        self.used() > self.capacity / 2
    }

    // ---- The flusher's side ----

    /// Gives everything before `position` back to the owner.
    pub(crate) fn free_up_to(&self, position: u64) {
        self.flushed.head.store(position, Ordering::Release);
    }

    /// First half of closing: after it no new call enters. `settle` must follow.
    pub(crate) fn seal(&self) {
        if self.state.load(Ordering::Relaxed) == OPEN {
            self.state.store(SEALING, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            self.limit.store(0, Ordering::Relaxed);
        }
    }

    /// Whether the owner is inside a call.
    pub(crate) fn owner_inside(&self) -> bool {
        self.busy.load(Ordering::Acquire) != 0
    }

    /// Second half of closing: fixes the last position. A record published later than this is refused.
    pub(crate) fn settle(&self) {
        if self.state.load(Ordering::Relaxed) == SEALING {
            let tail = self.tail_cell().load(Ordering::Acquire);
            self.last_tail.store(tail, Ordering::Relaxed);
            self.state.store(SEALED, Ordering::Release);
        }
    }
}

/// Seals all shards and waits, while `patience` says so, for the owners that are inside a call. Returns whether all
/// were seen outside, which is when the storage may be unmapped.
pub(crate) fn seal_all<'a>(
    shards: impl Iterator<Item = &'a Shard> + Clone,
    mut patience: impl FnMut() -> bool,
) -> bool {
    shards.clone().for_each(Shard::seal);
    fence_heavy();
    let mut quiet = true;
    for shard in shards {
        let mut inside = shard.owner_inside();
        while inside && patience() {
            spin_loop();
            yield_now();
            inside = shard.owner_inside();
        }
        // Seen outside once is enough: an owner that comes in later finds the shard sealed and leaves it alone.
        quiet &= !inside;
        shard.settle();
    }
    quiet
}

/// How far the flusher has copied a shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) position: u64,
    lap: u64,
}

/// What one call of [`Cursor::copy`] moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) bytes: usize,
    pub(crate) records: u32,
    /// Earliest and latest record time, when the records carry one.
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    /// The next record did not fit the destination.
    pub(crate) full: bool,
    /// A length was impossible: somebody wrote over the ring. The rest up to the target was given up.
    pub(crate) damaged: bool,
}

/// Records are found by walking their lengths, and moved by runs of about this size: small enough that the bytes
/// are still in the nearest cache when they are copied.
const RUN: u64 = 32 * 1024;

impl Cursor {
    /// As [`Self::position`] and [`Self::lap`] said before.
    pub(crate) fn new(position: u64, lap: u64) -> Self {
        Self { position, lap }
    }

    /// The position where the current lap began.
    pub(crate) fn lap(&self) -> u64 {
        self.lap
    }

    /// Whether it can be a cursor of a ring of `capacity` bytes.
    pub(crate) fn is_sound(&self, capacity: u64) -> bool {
        self.lap.is_multiple_of(capacity)
            && self.position.checked_sub(self.lap).is_some_and(|into| into <= capacity)
    }

    /// Copies whole records from the cursor up to `target` into `dst`, as many as fit. `timed` says that a time of
    /// eight bytes follows each length.
    ///
    /// `target` must be a position that [`Shard::tail`] returned.
    pub(crate) fn copy(
        &mut self,
        shard: &Shard,
        target: u64,
        dst: &mut [u8],
        timed: bool,
    ) -> Copied {
        let mut done = Copied::default();
        while self.position < target {
            let lap_end = self.lap + shard.capacity;
            let origin = shard.base.wrapping_sub(self.lap as usize);
            let stop = target.min(lap_end);
            let start = self.position;
            let run_end = stop.min(start + RUN);
            let (mut next, mut records, mut end_of_lap) = (start, 0, false);
            while next < run_end {
                if lap_end - next < LENGTH as u64 {
                    end_of_lap = true;
                    break;
                }
                let at = origin.wrapping_add(next as usize);
                // SAFETY: the four bytes lie in [head, tail) and before the end of the lap, which the owner
                // published and does not touch until the position is freed.
                let length = u32::from_le(unsafe { at.cast::<u32>().read_unaligned() });
                if length == PAD {
                    end_of_lap = true;
                    break;
                }
                let end = next + LENGTH as u64 + u64::from(length);
                if end > stop || (timed && length < 8) {
                    done.damaged = true;
                    break;
                }
                if done.bytes as u64 + (end - start) > dst.len() as u64 {
                    done.full = true;
                    break;
                }
                if timed {
                    // SAFETY: the record has at least eight bytes after its length and ends before `stop`.
                    let ns = u64::from_le(unsafe { at.add(LENGTH).cast::<u64>().read_unaligned() });
                    done.first_ns =
                        if done.records + records == 0 { ns } else { done.first_ns.min(ns) };
                    done.last_ns = done.last_ns.max(ns);
                }
                next = end;
                records += 1;
            }
            let len = (next - start) as usize;
            // SAFETY: [start, next) was walked above and lies in the published part of this lap; `dst` has room for
            // it after what was copied before, which the walk checked; the ring and `dst` are different memory.
            unsafe {
                ptr::copy_nonoverlapping(
                    origin.wrapping_add(start as usize),
                    dst.as_mut_ptr().add(done.bytes),
                    len,
                );
            }
            done.bytes += len;
            done.records += records;
            self.position = next;
            if done.damaged {
                self.skip_to(shard, target);
            } else if end_of_lap || next == lap_end {
                self.lap = lap_end;
                self.position = lap_end;
            }
            if done.full {
                break;
            }
        }
        done
    }

    fn skip_to(&mut self, shard: &Shard, target: u64) {
        self.position = target;
        while self.position >= self.lap + shard.capacity {
            self.lap += shard.capacity;
        }
    }
}
