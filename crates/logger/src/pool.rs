//! Who owns which shard.
//!
//! A free shard is a bit in a bitmap, and claiming it is one compare-and-swap. Threads that find no free bit share the
//! shard of the *overflow*, under a lock. A thread (or the overflow) whose shard is full moves to another one that has room
//! before anything is dropped: to a free one, or else to that of a thread that is silent and whose records are all in the file. So
//! a burst may use the whole buffer, whichever threads write it. Each owns one shard at most; the one it leaves is free for others at
//! once, and its older records there go to the file first, which the new shard's [`Gate`] sees to.
//!
//! A thread that comes back and finds its shard taken claims a free one, or shares the overflow. Its earlier records are in the
//! file, so nothing has to wait for them.

use std::ptr;

use crate::bell::Bell;
use crate::seat::{Seat, Seats};
use crate::shard::{Gate, Refused, Shard, Slot};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, fence_heavy, spin_loop, yield_now};

pub(crate) type OverflowGuard<'a> = MutexGuard<'a, ()>;

pub(crate) struct Pool {
    shards: Box<[Shard]>,
    free: Box<[AtomicU64]>,
    pub(crate) seats: Seats,
    /// Held by who is on the shared seat: the threads without a shard, one at a time.
    overflow: Mutex<()>,
    /// Held while a shard may be off its seat for a moment only.
    taking: Mutex<()>,
}

/// A record that was begun.
pub(crate) struct Begun<'a> {
    pub(crate) shard: &'a Shard,
    pub(crate) slot: Slot,
}

/// Why a thread could not begin a record.
pub(crate) enum Failed {
    /// It is in a call already: a signal handler interrupted it.
    Reentered,
    /// So says this shard.
    Refused(usize, Refused),
}

impl Pool {
    /// All shards but the last are free; the last is the overflow's. There must be at least one.
    pub(crate) fn new(shards: Box<[Shard]>) -> Self {
        let last = shards.len() - 1;
        let free: Box<[AtomicU64]> = (0..shards.len().div_ceil(64))
            .map(|word| {
                let bits = last.saturating_sub(word * 64).min(64);
                AtomicU64::new(if bits == 64 { u64::MAX } else { (1 << bits) - 1 })
            })
            .collect();
        let seats = Seats::new(last);
        let pool = Self { shards, free, seats, overflow: Mutex::new(()), taking: Mutex::new(()) };
        pool.put(pool.seats.shared(), last);
        pool
    }

    pub(crate) fn shards(&self) -> &[Shard] {
        &self.shards
    }

    #[inline]
    pub(crate) fn shard(&self, index: usize) -> &Shard {
        &self.shards[index]
    }

    /// Claims a free shard with room for a record of `need` bytes, or any free one if `need` is 0.
    pub(crate) fn claim(&self, need: usize) -> Option<usize> {
        for (word, bits) in self.free.iter().enumerate() {
            let mut candidates = bits.load(Ordering::Relaxed);
            while candidates != 0 {
                let bit = candidates.trailing_zeros();
                candidates &= candidates - 1;
                let index = word * 64 + bit as usize;
                if need > 0 && !self.shards[index].has_room(need) {
                    continue;
                }
                // Acquire: the owner's fields are as the last owner left them.
                if bits.fetch_and(!(1 << bit), Ordering::Acquire) & (1 << bit) == 0 {
                    continue;
                }
                if need == 0 || (self.shards[index].has_room(need) && self.gate_is_open(index)) {
                    return Some(index);
                }
                self.release(index);
            }
        }
        None
    }

    /// Makes a claimed shard free again.
    pub(crate) fn release(&self, index: usize) {
        self.free[index / 64].fetch_or(1 << (index % 64), Ordering::Release);
    }

    /// Whether any shard is free: a hint.
    pub(crate) fn any_free(&self) -> bool {
        self.free.iter().any(|bits| bits.load(Ordering::Relaxed) != 0)
    }

    fn is_free(&self, index: usize) -> bool {
        self.free[index / 64].load(Ordering::Relaxed) & (1 << (index % 64)) != 0
    }

    /// Whether a thread whose shard is full would find another: a hint.
    pub(crate) fn may_move(&self, need: usize) -> bool {
        let free = |(index, shard): (usize, &Shard)| {
            self.is_free(index) && shard.has_room(need) && self.gate_is_open(index)
        };
        self.shards.iter().enumerate().any(free) || self.idle(need).next().is_some()
    }

    fn gate_is_open(&self, index: usize) -> bool {
        let gate = self.shards[index].gate();
        self.shards[gate.shard].head() >= gate.position
    }

    fn set_gate(&self, index: usize, from: usize) {
        let gate =
            Gate { at: self.shards[index].tail(), shard: from, position: self.shards[from].tail() };
        self.shards[index].set_gate(gate);
    }

    // ---- Seats ----

    /// Puts a claimed shard before a thread. None, and the shard is free again, when there is no seat.
    pub(crate) fn seat(&self, token: usize, thread: u32, index: usize) -> Option<usize> {
        let Some(seat) = self.seats.sit(token, thread) else {
            self.release(index);
            return None;
        };
        self.put(seat, index);
        Some(seat)
    }

    /// Claims a shard, and a seat, for a thread that wrote through the overflow so far.
    pub(crate) fn leave_overflow(&self, token: usize, thread: u32, need: usize) -> Option<usize> {
        // The lock keeps the overflow's tail still while the gate is set.
        let _overflow = self.overflow.lock();
        let to = self.claim(need)?;
        if let Some(current) = self.shared().shard() {
            self.set_gate(to, current.id().into());
        }
        self.seat(token, thread, to)
    }

    /// Takes a thread from its seat, and its shard with it. Only that thread may do so, outside of any call.
    pub(crate) fn stand_up(&self, index: usize) {
        let seat = self.seats.get(index);
        let shard = {
            let _taking = self.taking.lock();
            seat.shard().filter(|shard| seat.take(shard))
        };
        seat.stand_up();
        if let Some(shard) = shard {
            self.release(shard.id().into());
        }
    }

    fn put(&self, seat: usize, index: usize) {
        let shard = &self.shards[index];
        shard.set_seat(seat);
        // SAFETY: shards stay where they are on the heap as long as the pool does, whose the seats are as well.
        unsafe { self.seats.get(seat).put(shard) };
    }

    // ---- Writing ----

    /// Begins a record on a seat of the calling thread's own. On success the thread is inside. None: its shard was taken, there is
    /// no other for it, and it has lost its seat as well.
    pub(crate) fn begin_seated(
        &self,
        index: usize,
        need: usize,
        bell: &Bell,
    ) -> Option<Result<Begun<'_>, Failed>> {
        let seat = self.seats.get(index);
        if !seat.enter() {
            return Some(Err(Failed::Reentered));
        }
        // Nobody takes a shard off this seat from here on; who was about to puts it back.
        let shard = seat.shard().or_else(|| {
            let _taking = self.taking.lock();
            seat.shard()
        });
        let current = match shard {
            Some(shard) => shard.id().into(),
            None => {
                let Some(claimed) = self.claim(need) else {
                    seat.stand_up();
                    return None;
                };
                self.put(index, claimed);
                claimed
            }
        };
        Some(self.begin_inside(index, current, need, bell))
    }

    /// Begins a record in the overflow. The guard must live until the slot is published or abandoned.
    pub(crate) fn begin_overflow(
        &self,
        need: usize,
        bell: &Bell,
    ) -> (OverflowGuard<'_>, Result<Begun<'_>, Failed>) {
        let guard = self.overflow.lock();
        let shared = self.shared();
        let begun = match shared.shard() {
            Some(shard) if shared.enter() => {
                self.begin_inside(self.seats.shared(), shard.id().into(), need, bell)
            }
            _ => Err(Failed::Reentered),
        };
        (guard, begun)
    }

    /// The seat of the overflow, for those who hold its guard.
    pub(crate) fn shared(&self) -> &Seat {
        self.seats.get(self.seats.shared())
    }

    /// Begins a record in the shard on a seat, or in the next one. Leaves the seat if that fails.
    fn begin_inside(
        &self,
        seat: usize,
        mut current: usize,
        need: usize,
        bell: &Bell,
    ) -> Result<Begun<'_>, Failed> {
        let mut begun = self.shards[current].begin(need, bell);
        if matches!(begun, Err(Refused::Full))
            && let Some(to) = self.claim(need).or_else(|| self.take(need))
        {
            self.set_gate(to, current);
            self.put(seat, to);
            self.release(current);
            current = to;
            begun = self.shards[to].begin(need, bell);
        }
        match begun {
            Ok(slot) => Ok(Begun { shard: &self.shards[current], slot }),
            Err(refused) => {
                self.seats.get(seat).abandon();
                Err(Failed::Refused(current, refused))
            }
        }
    }

    /// Shards with room whose threads are silent and outside, and their seats: a hint. The overflow's is not among them.
    fn idle(&self, need: usize) -> impl Iterator<Item = (usize, &Shard)> {
        let is_on = |seat: usize, shard: &Shard| {
            self.seats.get(seat).shard().is_some_and(|on| ptr::eq(on, shard))
        };
        self.shards
            .iter()
            .filter(move |shard| shard.is_idle(need))
            .map(|shard| (shard.seat(), shard))
            .filter(|(seat, _)| *seat != self.seats.shared())
            .filter(move |(seat, shard)| is_on(*seat, shard) && !self.seats.get(*seat).is_inside())
    }

    /// Takes a shard with room for `need` bytes from a thread that is silent and outside.
    fn take(&self, need: usize) -> Option<usize> {
        self.idle(need).next()?;
        let _taking = self.taking.lock();
        self.idle(need).find_map(|(index, shard)| {
            let seat = self.seats.get(index);
            if !seat.take(shard) {
                return None;
            }
            // Either the thread finds no shard from here on, or it is seen inside, or what it did inside is seen: it may
            // have left this shard for another.
            fence_heavy();
            let taken = !seat.is_inside() && seat.shard().is_none() && shard.is_idle(need);
            if !taken {
                seat.put_back(shard);
            }
            taken.then_some(shard.id().into())
        })
    }

    // ---- The flusher's and the closer's side ----

    /// Seals all shards and waits, while `patience` says so, for the threads that are inside a call. Returns whether all
    /// were seen outside, which is when the storage may be unmapped.
    pub(crate) fn seal(&self, mut patience: impl FnMut() -> bool) -> bool {
        self.shards.iter().for_each(Shard::seal);
        fence_heavy();
        let mut quiet = true;
        for seat in self.seats.all() {
            let mut inside = seat.is_inside();
            while inside && patience() {
                spin_loop();
                yield_now();
                inside = seat.is_inside();
            }
            // Seen outside once is enough: a thread that comes in later finds its shard sealed and leaves it alone.
            quiet &= !inside;
            if let Some(shard) = seat.shard() {
                shard.settle();
            }
        }
        self.shards.iter().for_each(Shard::settle);
        quiet
    }

    /// The positions up to which a pass may flush: what is published now, less what has to wait for older records
    /// of the same thread that are not in the pass. `copied` is where each shard's cursor stands.
    pub(crate) fn targets(&self, copied: impl Fn(usize) -> u64, targets: &mut Vec<u64>) {
        targets.clear();
        targets.extend(self.shards.iter().map(Shard::tail));
        // Lowering one target may bring down another that depends on it.
        for _ in 0..self.shards.len() {
            let mut lowered = false;
            for (index, shard) in self.shards.iter().enumerate() {
                if targets[index] <= copied(index) {
                    continue;
                }
                let gate = shard.gate();
                if targets[index] > gate.at && targets[gate.shard] < gate.position {
                    targets[index] = gate.at.max(copied(index));
                    lowered = true;
                }
            }
            if !lowered {
                break;
            }
        }
    }

    /// How far `index` may be copied now, given how far the others are.
    pub(crate) fn stop(&self, index: usize, target: u64, copied: impl Fn(usize) -> u64) -> u64 {
        let gate = self.shards[index].gate();
        if target > gate.at && copied(gate.shard) < gate.position { gate.at } else { target }
    }
}
